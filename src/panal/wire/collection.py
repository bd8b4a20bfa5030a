"""A folder as one content: a list of its files, in one canonical text.

::

    panal-collection 1
    <content id> <size> <type> <mtime> <path>

One line an entry, ended by a newline, sorted by the bytes of the path. The type is `f` (file),
`x` (executable file) or `d` (empty folder, with `-` for its id and 0 for its size); the mtime
is in nanoseconds since 1970. Paths obey the name rules, none is there twice, and none that is
a file is a folder too. The same folder makes the same text, so the same content id.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from panal.errors import IntegrityError, UnsafeName, UsageError
from panal.wire.ids import ContentId, is_content_id
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, safe_path

_FIRST_LINE = "panal-collection 1"
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
NO_CONTENT = "-"


class EntryType(Enum):
    """What an entry is; the values are those of the text."""

    FILE = "f"
    EXECUTABLE = "x"
    EMPTY_FOLDER = "d"


@dataclass(frozen=True, slots=True)
class CollectionEntry:
    """One file or empty folder of a collection."""

    path: SafePath
    type: EntryType
    content: ContentId | None
    """None for an empty folder."""
    size_bytes: int
    mtime_ns: int

    def line(self) -> str:
        """The entry's line, its newline aside."""
        content = NO_CONTENT if self.content is None else self.content.hex()
        return f"{content} {self.size_bytes} {self.type.value} {self.mtime_ns} {self.path}"


def encode(entries: Iterable[CollectionEntry]) -> bytes:
    """The canonical text of a folder; UsageError where its paths do not fit together."""
    ordered = sorted(entries, key=lambda entry: entry.path.encode("utf-8"))
    problem = _clash(ordered)
    if problem is not None:
        raise UsageError(problem)
    lines = [_FIRST_LINE, *(entry.line() for entry in ordered)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def decode(text: bytes) -> tuple[CollectionEntry, ...]:
    """The entries of a collection from somebody else, strictly.

    IntegrityError where the text is not canonical, UnsafeName where a path may not be taken.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise IntegrityError("The collection is not UTF-8.") from None
    if lines[0] != _FIRST_LINE or lines[-1] != "":
        raise IntegrityError("That is no collection of a kind that this version knows.")
    entries = tuple(_entry(line) for line in lines[1:-1])
    paths = [entry.path.encode("utf-8") for entry in entries]
    if paths != sorted(paths):
        raise IntegrityError("The collection's entries are not in order.")
    problem = _clash(entries)
    if problem is not None:
        raise IntegrityError(problem)
    return entries


def _entry(line: str) -> CollectionEntry:
    fields = line.split(" ", 4)
    if len(fields) != 5:
        raise IntegrityError("The collection has a line that is no entry.")
    content, size, kind, mtime, path = fields
    if not _NUMBER.fullmatch(size) or not _NUMBER.fullmatch(mtime):
        raise IntegrityError("The collection has a size or time that is no number.")
    if kind not in {"f", "x", "d"} or not 0 <= int(size) <= MAX_CONTENT_BYTES:
        raise IntegrityError("The collection has an entry of an unknown type or size.")
    is_folder = kind == EntryType.EMPTY_FOLDER.value
    if is_folder != (content == NO_CONTENT) or (is_folder and size != "0"):
        raise IntegrityError("The collection has a folder with a content, or a file without.")
    if not is_folder and not is_content_id(content):
        raise IntegrityError("The collection has an id that is none.")
    try:
        safe = safe_path(path)
    except UnsafeName as error:
        raise UnsafeName(f"The folder cannot be taken. {error}") from None
    identity = None if is_folder else ContentId(bytes.fromhex(content))
    return CollectionEntry(safe, EntryType(kind), identity, int(size), int(mtime))


def _clash(ordered: Iterable[CollectionEntry]) -> str | None:
    """Which path is there twice, or is a file and a folder; None where none is."""
    seen: set[str] = set()
    folders: set[str] = set()
    for entry in ordered:
        if entry.path in seen:
            return f"The collection has {entry.path!r} twice."
        seen.add(entry.path)
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    both = seen & folders
    return f"The collection has {min(both)!r} as a file and as a folder." if both else None
