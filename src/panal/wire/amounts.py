"""Amounts as people read and write them."""

import re
from decimal import Decimal

from panal.errors import UsageError

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEPS = "KMGT"
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?:([KMGTkmgt])(iB|B)?|B)?")


def parse_bytes(text: str) -> int:
    """A number of bytes; UsageError where that is none.

    K, M, G and T are thousands, as KB and so on; KiB, MiB, GiB and TiB are of 1024.
    """
    found = _BYTES.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no size. Write bytes, as 700, 500K, 1.5G or 2MiB.")
    number, step, kind = found.groups()
    base = 1024 if kind == "iB" else 1000
    return int(Decimal(number) * base ** (_STEPS.index(step.upper()) + 1 if step else 0))


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
