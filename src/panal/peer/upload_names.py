"""What is done where other content has the name of an upload, and what other names there are."""

from collections.abc import Iterator
from enum import Enum

from panal.errors import TargetTaken
from panal.wire.names import MAX_COMPONENT_BYTES, SafePath, printable, safe_path

MOST_NAMES_TRIED = 1_000
MAX_EXTENSION_BYTES = 100
"""What is longer, its dot too, is shortened as any name where another name is looked for."""


class Conflict(Enum):
    """What is done where other content has the name."""

    ASK = "ask"
    """It is refused at the beginning; where one comes meanwhile, both are kept."""
    KEEP_BOTH = "keep_both"
    REPLACE = "replace"
    SKIP = "skip"


def names_like(path: SafePath) -> Iterator[SafePath]:
    """The path, then `name (2).ext` and so on."""
    yield path
    above, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    stem, end = (stem, dot + extension) if stem else (name, "")
    if len(end.encode()) > MAX_EXTENSION_BYTES:
        stem, end = name, ""  # it leaves no room for anything before it
    for number in range(2, MOST_NAMES_TRIED):
        mark = f" ({number})"
        room = MAX_COMPONENT_BYTES - len((mark + end).encode())
        short = stem.encode()[:room].decode("utf-8", "ignore")
        yield safe_path(f"{above}{slash}{short}{mark}{end}")
    raise TargetTaken(f"{printable(path)} and all names like it are taken.")
