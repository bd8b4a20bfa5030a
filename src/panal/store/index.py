"""What a peer remembers between starts: which file is which content."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from panal.store.catalogue_total import CatalogueTotal
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile
from panal.store.index_database import IndexDatabase, insert_rows
from panal.store.index_file import SELECT_SHARED
from panal.store.seen_folders import SeenFolders
from panal.store.turn import COMPUTING
from panal.store.walking import FileRow
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, Manifest, decode
from panal.wire.names import MAX_COMPONENT_BYTES, SafePath

MANY = 4_096
"""So many values are asked for in one question: SQLite takes 32,766."""
MOST_KEPT = 256
LAST = "\U0010ffff" * (MAX_COMPONENT_BYTES // 4 + 1)
"""Sorts behind everything that a path may go on with: no part of one is as long."""


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


class Moved(msgspec.Struct, frozen=True):
    """A file that the index knows under another name."""

    path: SafePath
    fingerprint: Fingerprint
    twin: str

    def seen(self) -> tuple[SafePath, Fingerprint]:
        """What a look at the folder has seen of it."""
        return self.path, self.fingerprint


UNCHECKED = "WHERE content IN (SELECT id FROM contents WHERE sha256_checked = 0) ORDER BY path"
Change = tuple[SharedFile | None, SharedFile | None]
"""A path as it was before, and as it is now."""
_SHARE = """
INSERT OR REPLACE INTO shared (device, inode, size_bytes, mtime_ns, ctime_ns, path, content) VALUES
"""
_CONTENTS = "INSERT INTO contents VALUES"
_NEW_ONES = "ON CONFLICT (id) DO NOTHING"
_KNOWN_ALREADY = """
ON CONFLICT (id) DO UPDATE SET sha256_checked = max(sha256_checked, excluded.sha256_checked)
"""


class Index(IndexDatabase):
    """Which file is which content, in the database; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the index; StateInUse where another process has it."""
        super().__init__(path)
        self._asked_for: dict[ContentId, list[SharedFile]] = {}
        """What was answered since the last change: a swarm asks for one content all the time."""
        self.changes = 0
        """How often what is shared has changed since it was opened."""
        self._totals: tuple[int, int] | None = None
        """Files and their bytes, where that is known: a large index takes long to add up."""
        self.total = CatalogueTotal(self.rows, self.writing)
        self.seen_folders = SeenFolders(self.rows, self.writing)

    def remember(self, files: Sequence[HashedFile]) -> list[tuple[SharedFile | None, SharedFile]]:
        """Record what these paths have now, all or nothing; each as it was before and is now.

        No path may be there twice.
        """
        paths = [file.path for file in files]
        with COMPUTING:  # in their order, each page of the index is touched once
            contents = [_content_row(file) for file in sorted(files, key=_by_content)]
            rows = [_row(file.path, file.fingerprint, file.content) for file in files]
        with self.writing() as database:
            before = self.by_paths(paths)
            if not _were_new(database, contents):
                if self._checks_others(files):
                    self.total.forget(database)
                insert_rows(database, _CONTENTS, contents, _KNOWN_ALREADY)
            insert_rows(database, _SHARE, rows)
            _drop_orphans(database, (shared.content for shared in before.values()))
            # What was checked here before stays so: only then is the row another than ours.
            told = [file.path for file in files if not file.sha256_checked]
            after = self.by_paths(told) if told else {}
            changes = [(before.get(f.path), after.get(f.path) or _as_remembered(f)) for f in files]
            self._changed(database, changes)
        return changes

    def remember_moved(self, moves: Sequence[Moved]) -> list[tuple[SharedFile | None, SharedFile]]:
        """Record files under further names with the contents of their twins, all or nothing.

        Each as it was before and is now; one whose twin is remembered otherwise meanwhile is
        left out.
        """
        changes: list[tuple[SharedFile | None, SharedFile]] = []
        with self.writing() as database:
            known = self.by_paths([path for move in moves for path in (move.path, move.twin)])
            for move in moves:
                twin = known.get(move.twin)
                if twin is not None and twin.fingerprint == move.fingerprint:
                    after = replace(twin, path=move.path, fingerprint=move.fingerprint)
                    changes.append((known.get(move.path), after))
            rows = [_row(after.path, after.fingerprint, after.content) for _, after in changes]
            insert_rows(database, _SHARE, rows)
            _drop_orphans(database, (before.content for before, _ in changes if before))
            self._changed(database, changes)
        return changes

    def forget(self, gone: Sequence[tuple[SafePath, Fingerprint]]) -> list[SharedFile]:
        """Record that these are shared no more, all or nothing; those that were.

        A path that is remembered with another fingerprint meanwhile stays.
        """
        with self.writing() as database:
            known = self.by_paths([path for path, _ in gone])
            forgotten = [
                known[p] for p, seen in gone if p in known and known[p].fingerprint == seen
            ]
            paths = ((shared.path,) for shared in forgotten)
            database.executemany("DELETE FROM shared WHERE path = ?", paths)
            _drop_orphans(database, (shared.content for shared in forgotten))
            self._changed(database, [(before, None) for before in forgotten])
        return forgotten

    def forget_all(self, database: sqlite3.Connection) -> None:
        """Share nothing any more, before any look and in this transaction; contents stay."""
        database.execute("DELETE FROM shared")
        self._totals = None
        self.changes += 1
        database.execute("DELETE FROM seen_folders")
        self.total.forget(database)

    def _changed(self, database: sqlite3.Connection, changes: Sequence[Change]) -> None:
        """What else stands for the rows of `shared` follows them, in the same transaction."""
        if not changes:
            return
        last = {shared.path: change for change in changes for shared in change if shared}
        self.total.change(
            database,
            [before.entry() for before, _ in last.values() if before is not None],
            [after.entry() for _, after in last.values() if after is not None],
        )
        self.seen_folders.forget_above(database, last)
        self.changes += 1
        if self._totals is not None:
            files, size_bytes = self._totals
            for before, after in last.values():
                files += (after is not None) - (before is not None)
                size_bytes += _size_bytes(after) - _size_bytes(before)
            self._totals = files, size_bytes

    def _checks_others(self, files: Sequence[HashedFile]) -> bool:
        """Whether the SHA-256 of a known content is vouched for from now on."""
        question = "SELECT 1 FROM contents WHERE sha256_checked < 1 AND id IN ({}) LIMIT 1"
        contents = [file.content for file in files if file.sha256_checked]
        for start in range(0, len(contents), MANY):
            some = tuple(contents[start : start + MANY])
            if self.rows(question.format(",".join("?" * len(some))), some):
                return True
        return False

    def mark_sha256(self, content: ContentId, *, right: bool) -> None:
        """Record the outcome of checking a content's SHA-256 here."""
        with self.writing() as database:
            before = self.by_content(content)
            database.execute(
                "UPDATE contents SET sha256_checked = ? WHERE id = ?", (1 if right else -1, content)
            )
            after = self.by_content(content)
            self.total.change(database, [f.entry() for f in before], [f.entry() for f in after])

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
        """The next paths between two, and the numbers of their fingerprints, in path order."""
        return self.rows(
            "SELECT path, device, inode, size_bytes, mtime_ns FROM shared "
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


def _size_bytes(shared: SharedFile | None) -> int:
    return 0 if shared is None else shared.fingerprint.size_bytes


def _as_remembered(file: HashedFile) -> SharedFile:
    return SharedFile(
        file.path, file.content, file.fingerprint, file.manifest.sha256, file.sha256_checked
    )


def _content_row(file: HashedFile) -> tuple[object, ...]:
    manifest = file.manifest
    return (
        file.content,
        manifest.kind,
        manifest.size_bytes,
        manifest.sha256,
        int(file.sha256_checked),
        manifest.encode(),
    )


def _were_new(database: sqlite3.Connection, contents: Sequence[tuple[object, ...]]) -> bool:
    """Insert what is not known, and whether nothing was: else whoever knew it is to be asked."""
    before = database.total_changes
    insert_rows(database, _CONTENTS, contents, _NEW_ONES)
    return database.total_changes - before == len(contents)


def _by_content(file: HashedFile) -> bytes:
    return file.content


def _row(path: SafePath, found: Fingerprint, content: ContentId) -> tuple[object, ...]:
    return (*found.numbers(), found.ctime_ns, path, content)


def _drop_orphans(database: sqlite3.Connection, contents: Iterable[ContentId]) -> None:
    database.executemany(
        "DELETE FROM contents WHERE id = ? "
        "AND NOT EXISTS (SELECT 1 FROM shared WHERE content = contents.id)",
        ((content,) for content in set(contents)),
    )
