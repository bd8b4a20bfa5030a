"""Which file is which content, asked of the database that remembers it."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from panal.store.fingerprints import Fingerprint
from panal.store.index_database import IndexDatabase
from panal.store.index_file import SELECT_SHARED
from panal.store.walking import FileRow
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, Manifest, decode
from panal.wire.names import MAX_COMPONENT_BYTES, SafePath

MANY = 4_096
"""So many values are asked for in one question: SQLite takes 32,766."""
PAGE = 1_000
MOST_KEPT = 256
LAST = "\U0010ffff" * (MAX_COMPONENT_BYTES // 4 + 1)
"""Sorts behind everything that a path may go on with: no part of one is as long."""
UNCHECKED = "WHERE content IN (SELECT id FROM contents WHERE sha256_checked = 0) ORDER BY path"


class SharedFile(msgspec.Struct, frozen=True, gc=False):
    """One file of the folder, known by its hash."""

    path: SafePath
    content: ContentId
    fingerprint: Fingerprint
    sha256: bytes
    sha256_checked: bool

    def entry(self) -> Entry:
        """What the tracker is told about it."""
        return Entry(
            path=self.path,
            content=self.content,
            size_bytes=self.fingerprint.size_bytes,
            sha256=self.sha256 if self.sha256_checked else None,
        )


class SharedFiles(IndexDatabase):
    """What is asked about shared files; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the index; StateInUse where another process has it."""
        super().__init__(path)
        self._asked_for: dict[ContentId, list[SharedFile]] = {}
        """What was answered since the last change: a swarm asks for one content all the time."""
        self._totals: tuple[int, int] | None = None
        """Files and their bytes, where that is known: a large index takes long to add up."""

    def by_path(self, path: str) -> SharedFile | None:
        """The shared file under a path."""
        return next(self._files("WHERE path = ?", (path,)), None)

    def by_paths(self, paths: Sequence[str]) -> dict[str, SharedFile]:
        """The shared files under these paths."""
        return {shared.path: shared for shared in self._files_of_many("WHERE path IN ({})", paths)}

    def by_content(self, content: ContentId) -> list[SharedFile]:
        """Every file with this content."""
        known = self._asked_for.get(content)
        if known is not None and not self._database.in_transaction:
            return list(known)
        with self._lock:
            found = list(self._files("WHERE content = ? ORDER BY path", (content,)))
            if not self._database.in_transaction:  # else it may be undone
                if len(self._asked_for) >= MOST_KEPT:
                    self._asked_for.clear()
                self._asked_for[content] = found
        return list(found)

    def one_of_each(self, contents: Sequence[ContentId]) -> list[SharedFile]:
        """A file with each of these contents, where there is one, in path order."""
        where = "WHERE content IN ({}) GROUP BY content ORDER BY path"
        return list(self._files_of_many(where, contents))

    def files_after(self, path: str, limit: int) -> list[SharedFile]:
        """The next shared files in path order."""
        return list(self._files("WHERE path > ? ORDER BY path LIMIT ?", (path, limit)))

    def entries_after(self, path: str, limit: int) -> list[Entry]:
        """What the tracker is told of the next shared files in path order."""
        rows = self.rows(
            "SELECT path, content, shared.size_bytes, iif(sha256_checked = 1, sha256, NULL) "
            "FROM shared JOIN contents ON contents.id = shared.content "
            "WHERE path > ? ORDER BY path LIMIT ?",
            (path, limit),
        )
        return [Entry(row[0], row[1], row[2], Kind.FILE, row[3]) for row in rows]

    def pages_below(self, prefix: str = "") -> Iterator[list[SharedFile]]:
        """The shared files whose path begins with `prefix`, in path order, a page at a time.

        Each page is as the index is when it is asked for.
        """
        after, asked = prefix, "WHERE path > ? AND path < ? ORDER BY path LIMIT ?"
        while page := list(self._files(asked, (after, prefix + LAST, PAGE))):
            yield page
            after = page[-1].path

    def entry_pages(self, shows: Callable[[str], bool]) -> Iterator[list[Entry]]:
        """What the tracker is told of all paths that `shows` lets through, a page at a time."""
        after = ""
        while page := self.entries_after(after, PAGE):
            if entries := [entry for entry in page if shows(entry.path)]:
                yield entries
            after = page[-1].path

    def files_below(self, prefix: str) -> list[SharedFile]:
        """The shared files whose path begins with `prefix`, in path order."""
        return list(
            self._files("WHERE path >= ? AND path < ? ORDER BY path", (prefix, prefix + LAST))
        )

    def unchecked(self) -> list[SharedFile]:
        """The files whose SHA-256 nobody has computed here yet."""
        return list(self._files(UNCHECKED, ()))

    def totals(self) -> tuple[int, int]:
        """How many files are shared, and their bytes."""
        with self._lock:
            if self._totals is None:
                (row,) = self.rows("SELECT count(*), coalesce(sum(size_bytes), 0) FROM shared", ())
                self._totals = int(row[0]), int(row[1])
            return self._totals

    def file_rows(self, after: str, before: str, limit: int) -> list[FileRow]:
        """The next paths between two, and what a look compares of each, in path order."""
        return self.rows(
            "SELECT path, device, inode, size_bytes, mtime_ns, "
            "iif(mtime_ns % 1000000000 = 0, ctime_ns, 0) FROM shared "
            "WHERE path > ? AND path < ? ORDER BY path LIMIT ?",
            (after, before, limit),
        )

    def fingerprints(self, prefix: str = "") -> dict[SafePath, Fingerprint]:
        """What the shared paths that begin with `prefix` were when they were hashed."""
        rows = self.file_rows(prefix, prefix + LAST, -1)
        return {SafePath(path): Fingerprint(*numbers) for path, *numbers in rows}

    def encoded_manifest(self, content: ContentId) -> bytes | None:
        """The canonical manifest of a known content."""
        rows = self.rows("SELECT manifest FROM contents WHERE id = ?", (content,))
        return bytes(rows[0][0]) if rows else None

    def manifest(self, content: ContentId) -> Manifest | None:
        """The manifest of a known content, checked against its id."""
        encoded = self.encoded_manifest(content)
        return None if encoded is None else decode(encoded, content)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Several changes, all or nothing; NoSpace, or PanalError where the disk fails."""
        with self._lock:
            try:
                with super().writing() as database:
                    yield database
            except BaseException:
                self._totals = None
                raise
            finally:
                self._asked_for.clear()

    def _files_of_many(self, where: str, values: Sequence[object]) -> Iterator[SharedFile]:
        """The files of a question about many values; the first `{}` of it stands for them."""
        for start in range(0, len(values), MANY):
            some = tuple(values[start : start + MANY])
            yield from self._files(where.format(",".join("?" * len(some))), some)

    def _files(self, where: str, values: tuple[object, ...]) -> Iterator[SharedFile]:
        rows = self.rows(SELECT_SHARED + where, values)
        for path, content, device, inode, size_bytes, mtime_ns, ctime_ns, sha256, checked in rows:
            fingerprint = Fingerprint(device, inode, size_bytes, mtime_ns, ctime_ns)
            yield SharedFile(SafePath(path), ContentId(content), fingerprint, sha256, checked == 1)
