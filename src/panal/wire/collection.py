"""A folder as one content: a list of its files, in one canonical text.

::

    panal-collection 1
    <content id> <size> <type> <mtime> <path>

One line an entry, ended by a newline, sorted by the bytes of the path. The type is `f` (file),
`x` (executable file) or `d` (empty folder, with `-` for its id and 0 for its size); the mtime
is in nanoseconds since 1970, what a signed number of 64 bits holds. Paths obey the name rules,
none is there twice, and none that has an entry is the folder of another. The same folder makes
the same text, so the same content id.
"""

import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum

import msgspec

from panal.errors import IntegrityError, NotFound, TooLarge, UnsafeName, UsageError
from panal.wire.ids import ContentId
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import (
    SafePath,
    are_plain,
    brief,
    path_problem,
    safe_path,
    visible_paths,
)

MAX_TEXT_BYTES = 64 * 1024 * 1024
"""Some 500,000 files; whoever takes a folder holds its text in memory."""
MAX_ENTRIES = 600_000
"""What a text of that length has of usual paths; of short ones it would have eight times as many,
and each takes memory, and a file or folder on the disk."""
MIN_MTIME_NS = -(2**63)
MAX_MTIME_NS = 2**63 - 1
_FIRST_LINE = "panal-collection 1"
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_FIELDS = re.compile(
    rf"(?:[0-9a-f]{{64}}|-) (?:{_NUMBER.pattern}) [fxd] (?:{_NUMBER.pattern}) ", re.ASCII
)
"""All of a line but its path, asked at once: a third of the time that it takes one by one."""
_USUAL_FILES = re.compile(
    rf"^([0-9a-f]{{64}}) ({_NUMBER.pattern}) ([fx]) ({_NUMBER.pattern}) (.+)$",
    re.ASCII | re.MULTILINE,
)
_PAGE_BYTES = 64 * 1024
_PLACED_AT_ONCE = 1_024
_identity: Callable[[str], ContentId] = bytes.fromhex  # type: ignore[assignment]
"""What `ContentId` says of the same bytes takes longer than to read them."""
NO_CONTENT = "-"


class EntryType(Enum):
    """What an entry is; the values are those of the text."""

    FILE = "f"
    EXECUTABLE = "x"
    EMPTY_FOLDER = "d"


_TYPES = {kind.value: kind for kind in EntryType}


class CollectionEntry(msgspec.Struct, frozen=True, gc=False):
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

    def problem(self) -> str | None:
        """Which rule the entry breaks by itself, or None."""
        is_folder = self.type is EntryType.EMPTY_FOLDER
        if is_folder != (self.content is None) or (is_folder and self.size_bytes != 0):
            return "The collection has a folder with a content, or a file without."
        return _numbers_problem(self.size_bytes, self.mtime_ns)


def _numbers_problem(size_bytes: int, mtime_ns: int) -> str | None:
    if not 0 <= size_bytes <= MAX_CONTENT_BYTES:
        return "The collection has a file of an impossible size."
    if not MIN_MTIME_NS <= mtime_ns <= MAX_MTIME_NS:
        return "The collection has a time that no file can have."
    return None


def encode(entries: Iterable[CollectionEntry]) -> bytes:
    """The canonical text of a folder; UsageError where its entries do not fit together."""
    ordered = sorted(entries, key=lambda entry: entry.path)  # as their bytes in UTF-8 would be
    if len(ordered) > MAX_ENTRIES:
        raise TooLarge(
            f"A folder's list has at most {MAX_ENTRIES:,} files and empty folders, and this one "
            f"{len(ordered):,}: share its folders one by one."
        )
    for entry in ordered:
        problem = entry.problem()
        if problem is None and (named := path_problem(entry.path)) is not None:
            problem = f"The name {brief(entry.path)} cannot be used: {named}."
        if problem is not None:
            raise UsageError(problem)
    if (problem := _Clashes().found([entry.path for entry in ordered])) is not None:
        raise UsageError(problem)
    lines = io.BytesIO()
    for line in itertools.chain([_FIRST_LINE], (entry.line() for entry in ordered)):
        lines.write(line.encode("utf-8") + b"\n")
    text = lines.getvalue()
    if len(text) > MAX_TEXT_BYTES:
        raise TooLarge(
            f"A folder's list has at most {MAX_TEXT_BYTES} bytes, and this one {len(text)}: "
            "share its folders one by one."
        )
    return text


def decode(text: bytes) -> tuple[CollectionEntry, ...]:
    """The entries of a collection from somebody else, strictly.

    IntegrityError where the text is not canonical, UnsafeName where a path may not be taken.
    """
    return tuple(read(text))


def read(text: bytes) -> Iterator[CollectionEntry]:
    """The same one by one, so that they need not all be in memory beside what is made of them.

    They are good once the last one was taken: only then is it known that they fit together.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise IntegrityError(f"The collection has more than {MAX_TEXT_BYTES} bytes.")
    if not text.startswith(_FIRST_LINE.encode() + b"\n") or not text.endswith(b"\n"):
        raise IntegrityError("That is no collection of a kind that this version knows.")
    if text.count(b"\n") - 1 > MAX_ENTRIES:
        raise IntegrityError(f"The collection has more than {MAX_ENTRIES:,} entries.")
    lines = io.BytesIO(text)
    lines.readline()
    clashes = _Clashes()
    while page := lines.readlines(_PAGE_BYTES):
        entries = _usual_files(page) or list(map(_entry, page))
        if (problem := clashes.found([entry.path for entry in entries])) is not None:
            raise IntegrityError(problem)
        yield from entries


def _usual_files(page: Sequence[bytes]) -> list[CollectionEntry] | None:
    """The entries of lines at once, half the time of one by one; None where any is less usual."""
    joined = b"".join(page)
    found = _USUAL_FILES.findall(joined.decode("ascii")) if joined.isascii() else []
    if len(found) != len(page) or not are_plain([fields[4] for fields in found]):
        return None
    entries = [
        CollectionEntry(path, _TYPES[kind], _identity(content), int(size), int(mtime))
        for content, size, kind, mtime, path in found
    ]
    sizes_bytes = [entry.size_bytes for entry in entries]
    mtimes_ns = [entry.mtime_ns for entry in entries]
    extremes = zip(
        (min(sizes_bytes), max(sizes_bytes)), (min(mtimes_ns), max(mtimes_ns)), strict=True
    )
    are_right = all(_numbers_problem(*each) is None for each in extremes)
    return entries if are_right else None


def _entry(whole_line: bytes) -> CollectionEntry:
    try:
        line = whole_line[:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise IntegrityError("The collection is not UTF-8.") from None
    fields = line.split(" ", 4)
    if _FIELDS.match(line) is None:
        raise IntegrityError(_fields_problem(fields))
    content, size, kind, mtime, path = fields
    identity = None if content == NO_CONTENT else ContentId(bytes.fromhex(content))
    try:
        safe = safe_path(path)
    except UnsafeName as error:
        raise UnsafeName(f"The folder cannot be taken. {error}") from None
    entry = CollectionEntry(safe, _TYPES[kind], identity, int(size), int(mtime))
    if (problem := entry.problem()) is not None:
        raise IntegrityError(problem)
    return entry


def _fields_problem(fields: Sequence[str]) -> str:
    """What is wrong with a line that does not begin as one does."""
    if len(fields) != 5:
        return "The collection has a line that is no entry."
    _, size, kind, mtime, _ = fields
    if not _NUMBER.fullmatch(size) or not _NUMBER.fullmatch(mtime):
        return "The collection has a size or time that is no number."
    if kind not in _TYPES:
        return "The collection has an entry of an unknown type."
    return "The collection has an id that is none."


class _Clashes:
    """Finds a path that is there twice or out of order, or is an entry and a folder of others."""

    def __init__(self) -> None:
        self._above: dict[str, None] = {}
        """The paths that the last one begins with, itself too and in order: all that may yet be a
        folder, for whatever stands between a folder and what lies in it begins with its path."""
        self._folder = ""
        """That of the last path."""

    def found(self, paths: Iterable[str]) -> str | None:
        """What is wrong with the next paths, in words; None where nothing is."""
        above = self._above
        last = next(reversed(above), "")
        for path in paths:  # they compare as their bytes in UTF-8 would
            if path <= last:
                twice = f"The collection has {brief(path)} twice."
                return twice if path == last else "The collection's entries are not in order."
            while last and not path.startswith(last):
                above.popitem()
                last = next(reversed(above), "")
            folder = path.rpartition("/")[0]
            if folder != self._folder:
                self._folder = folder
                if (problem := self._folder_problem(folder)) is not None:
                    return problem
            above[path] = None
            last = path
        return None

    def _folder_problem(self, folder: str) -> str | None:
        while folder and folder not in self._above:
            folder = folder.rpartition("/")[0]
        if not folder:
            return None
        return f"The collection has {brief(folder)} as an entry and as the folder of another."


def placed_at(
    entries: Iterable[CollectionEntry], base: SafePath, inside: str | None = None
) -> tuple[CollectionEntry, ...]:
    """The entries under the paths that they get below `base`, or all there is below `inside`.

    `inside` may be one file: then it is `base` itself. NotFound where nothing is there,
    UnsafeName where a path becomes one that may not be written.
    """
    placed: list[CollectionEntry] = []
    wanted = iter(entries if inside is None else _below(entries, inside))
    cut = 0 if inside is None else len(inside) + 1
    while some := list(itertools.islice(wanted, _PLACED_AT_ONCE)):
        paths = [f"{base}/{rest}" if (rest := entry.path[cut:]) else base for entry in some]
        placed += [
            CollectionEntry(path, entry.type, entry.content, entry.size_bytes, entry.mtime_ns)
            for path, entry in zip(visible_paths(paths), some, strict=True)
        ]
    if not placed and inside is not None:
        raise NotFound(f"There is no {brief(inside)} in that folder.")
    return tuple(placed) or (CollectionEntry(base, EntryType.EMPTY_FOLDER, None, 0, 0),)


def _below(entries: Iterable[CollectionEntry], inside: str) -> Iterator[CollectionEntry]:
    below = f"{inside}/"
    return (entry for entry in entries if entry.path == inside or entry.path.startswith(below))
