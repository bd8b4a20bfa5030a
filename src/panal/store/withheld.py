"""What is here and is kept from others, in a text beside the index: no look at the folder tells it.

The index is a cache of the folder. One that was lost is made anew from there, but for the paths
that were unshared and the files that have rotted: without them the first would be shared again, and
the others as what they have become. Each change of either is a line here, durable before it is
told. An index that has the tables is right, and the text follows it; a new one begins as the text
says.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from panal.errors import PanalError
from panal.store.disk_errors import disk_error
from panal.trust.files import write_private
from panal.wire.ids import ContentId
from panal.wire.manifest import decode
from panal.wire.names import printable, safe_path

log = logging.getLogger(__name__)

FILE = "withheld.ndjson"
_FIRST_LINE = b'{"withheld":1}'
"""Without it the text was cut short, and not one that names nothing."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS unshared (
        path TEXT PRIMARY KEY         -- left out, with everything below it
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS damaged (
        path     TEXT PRIMARY KEY,
        content  BLOB NOT NULL,      -- what it was shared as
        manifest BLOB NOT NULL,      -- of that
        device   INTEGER NOT NULL,   -- fingerprint, then and now
        inode    INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,  -- when it was hashed; 0: not known
        wrong    BLOB NOT NULL       -- chunks with other bytes: a bitfield, the first one lowest
    ) WITHOUT ROWID""",
)
DAMAGED_COLUMNS = "path, content, manifest, device, inode, size_bytes, mtime_ns, ctime_ns, wrong"
DamagedRow = tuple[str, bytes, bytes, int, int, int, int, int, bytes]
"""One row of `damaged`."""


class Line(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One change."""

    unshared: str = ""
    again: str = ""
    """A path that was unshared, and is so no more."""
    damaged: DamagedRow | None = None
    whole: str = ""
    """A path that was damaged, and is so no more."""


class _Kept(msgspec.Struct):
    """What all lines come to."""

    unshared: set[str] = msgspec.field(default_factory=set)
    damaged: dict[str, DamagedRow] = msgspec.field(default_factory=dict)

    def lines(self) -> list[Line]:
        """The fewest that say it."""
        return [
            *(Line(unshared=path) for path in sorted(self.unshared)),
            *(Line(damaged=self.damaged[path]) for path in sorted(self.damaged)),
        ]


class Withheld:
    """The text of one index; safe to call from several threads."""

    def __init__(
        self,
        path: Path,
        rows: Callable[[str, tuple[object, ...]], list[DamagedRow]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        """Makes the tables where they are missing; PanalError where nobody knows what they had."""
        self._path = path
        self._rows = rows
        self._lock = threading.Lock()
        self._size_bytes: int | None = None
        """Of what was written of it; None: it is to be written whole."""
        is_new = not rows("SELECT 1 FROM sqlite_master WHERE name = 'unshared'", ())
        kept = _read(path) if is_new else None
        self.is_unknown = is_new and kept is None
        """The index is new, and nothing says what an earlier one kept from others."""
        with writing() as database:
            for table in _TABLES:
                database.execute(table)
            if kept is not None:
                _restore(database, kept)
        if kept is not None and kept.lines():
            log.warning(
                "The index in %s is new. As %s says, these are kept from others as before: "
                "unshared paths: %d, damaged files: %d.",
                path.parent,
                FILE,
                len(kept.unshared),
                len(kept.damaged),
            )
        self._follow()

    def _follow(self) -> None:
        """Bring the text up to the index."""
        kept = self._in_index()
        try:
            try:
                before = self._path.read_bytes()
            except FileNotFoundError:
                if not kept.lines():
                    return
                before = b""
            wanted = _encoded(kept.lines(), _FIRST_LINE)
            if before != wanted:
                write_private(self._path, wanted)
            self._size_bytes = len(wanted)
        except OSError as error:
            log.warning("%s", disk_error(error, f"write {self._path}"))

    def _in_index(self) -> _Kept:
        unshared = self._rows("SELECT path FROM unshared", ())
        damaged = self._rows(f"SELECT {DAMAGED_COLUMNS} FROM damaged", ())  # noqa: S608
        return _Kept({row[0] for row in unshared}, {row[0]: row for row in damaged})

    def note(self, changes: Iterable[Line]) -> None:
        """Write changes down, durably, whatever the index says by now; PanalError.

        What is withheld comes here first and then to the index; what is shared again, the other way
        round.
        """
        changes = list(changes)
        if not changes:
            return
        with self._lock:
            try:
                if self._size_bytes is None or _size_bytes(self._path) < self._size_bytes:
                    whole = _encoded([*self._in_index().lines(), *changes], _FIRST_LINE)
                    self._size_bytes = None
                    write_private(self._path, whole)
                    self._size_bytes = len(whole)
                else:
                    self._size_bytes += _append(self._path, self._size_bytes, _encoded(changes))
            except OSError as error:
                raise disk_error(error, f"write {self._path}") from None


def _size_bytes(path: Path) -> int:
    """Less than was written where somebody has shortened or removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _read(path: Path) -> _Kept | None:
    """What the text says; None where there is none, PanalError where it cannot be read."""
    try:
        first, *lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(error, f"read {path}") from None
    if first != _FIRST_LINE or not lines:
        raise _damaged(path, 1)
    kept = _Kept()
    for number, line in enumerate(lines[:-1], 2):  # one that has no end was never told as written
        try:
            _take_in(kept, msgspec.json.decode(line, type=Line))
        except (ValueError, PanalError):
            raise _damaged(path, number) from None
    return kept


def _take_in(kept: _Kept, line: Line) -> None:
    for path in filter(None, (line.unshared, line.again, line.whole)):
        safe_path(path)
    if line.unshared:
        kept.unshared.add(line.unshared)
    kept.unshared.discard(line.again)
    if line.damaged is not None:
        path, content, manifest, *_ = line.damaged
        decode(manifest, ContentId(content))
        kept.damaged[safe_path(path)] = line.damaged
    kept.damaged.pop(line.whole, None)


def _damaged(path: Path, line: int) -> PanalError:
    place = printable(str(path))
    return PanalError(
        f"The index in {printable(str(path.parent))} is new, and {place}, which says what was "
        f"unshared before and what is damaged, cannot be read (line {line}). So nothing is shared. "
        "Mend or remove that line, and unshare again what it had; or remove the file, and all of "
        "the folder is shared."
    )


def _restore(database: sqlite3.Connection, kept: _Kept) -> None:
    database.executemany("INSERT INTO unshared VALUES (?)", [(path,) for path in kept.unshared])
    rows = kept.damaged.values()
    database.executemany("INSERT INTO damaged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _encoded(lines: Sequence[Line], first: bytes = b"") -> bytes:
    encoded = [*([first] if first else []), *map(msgspec.json.encode, lines)]
    return b"".join(line + b"\n" for line in encoded)


def _append(path: Path, at: int, data: bytes) -> int:
    """Write data at an offset, which is the end but for what a failure has left; how much."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, at)
        left = memoryview(data)
        while left:
            written = os.pwrite(descriptor, left, at)
            left, at = left[written:], at + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return len(data)
