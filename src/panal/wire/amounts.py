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


def left_out_words(count: int, folders: int, reason: str) -> str:
    """What was left out for one reason; `folders` are among the `count`."""
    files = [counted(count - folders, "file")] if count > folders else []
    whole = [counted(folders, "folder") + " with all in it"] if folders else []
    return f"{' and '.join(files + whole)} ({reason})"


def counted(count: int, what: str) -> str:
    """A number of things that add an s where there are more."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
