"""What a peer remembers between starts: which file is which content."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from panal.store.catalogue_total import CatalogueTotal
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile
from panal.store.index_database import insert_rows
from panal.store.seen_folders import SeenFolders
from panal.store.shared_files import MANY, SharedFile, SharedFiles
from panal.store.turn import COMPUTING
from panal.store.withheld import FILE, Withheld
from panal.wire.ids import ContentId
from panal.wire.names import SafePath


class Moved(msgspec.Struct, frozen=True):
    """A file that the index knows under another name."""

    path: SafePath
    fingerprint: Fingerprint
    twin: str

    def seen(self) -> tuple[SafePath, Fingerprint]:
        """What a look at the folder has seen of it."""
        return self.path, self.fingerprint


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


class Index(SharedFiles):
    """Which file is which content, kept as the folder changes."""

    def __init__(self, path: Path) -> None:
        """Open or make the index; StateInUse where another process has it."""
        super().__init__(path)
        self.changes = 0
        """How often what is shared has changed since it was opened."""
        self.total = CatalogueTotal(self.rows, self.writing)
        self.seen_folders = SeenFolders(self.rows, self.writing)
        try:
            self.withheld = Withheld(path.parent / FILE, self.rows, self.writing)
        except BaseException:
            self.close()
            raise

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
            (before.entry() for before, _ in last.values() if before is not None),
            (after.entry() for _, after in last.values() if after is not None),
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
