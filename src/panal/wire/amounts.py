"""Amounts as people read them."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_words(size_bytes: float) -> str:
    """A number of bytes as people read it."""
    size = float(size_bytes)
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError
