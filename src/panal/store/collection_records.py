"""The folders that a peer shares as collections, as its index remembers them between starts."""

from collections.abc import Iterable

import msgspec

from panal.store.index import Index
from panal.wire.catalogue import Entry
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, Manifest, decode
from panal.wire.names import SafePath

_TABLES = (
    """CREATE TABLE IF NOT EXISTS snapshots (
        path     TEXT PRIMARY KEY,   -- what the folder is called for others
        base     TEXT NOT NULL,      -- the folder that was looked at; empty: the shared one
        content  BLOB NOT NULL,      -- id of the text that lists its files
        manifest BLOB NOT NULL       -- of that text
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS snapshot_files (
        snapshot TEXT NOT NULL REFERENCES snapshots (path) ON DELETE CASCADE,
        path     TEXT NOT NULL,      -- where it was shared
        content  BLOB NOT NULL,
        PRIMARY KEY (snapshot, path)
    ) WITHOUT ROWID""",
)


class CollectionRecord(msgspec.Struct, frozen=True):
    """One folder's row: the snapshot that was made of it last."""

    path: SafePath
    base: str
    """Where its files lie: a path, or empty for the shared folder itself."""
    content: ContentId
    manifest: Manifest
    """Of the snapshot's text, whose SHA-256 was computed here."""

    def entry(self) -> Entry:
        """What the tracker is told about it."""
        size, sha256 = self.manifest.size_bytes, self.manifest.sha256
        return Entry(self.path, self.content, size, Kind.COLLECTION, sha256)

    def holds(self, path: str) -> bool:
        """Whether a path lies in its folder."""
        return self.base == "" or path.startswith(self.base + "/")


class CollectionRecords:
    """The rows; safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        for table in _TABLES:
            index.write(table, ())

    def all(self) -> list[CollectionRecord]:
        """Every folder, in path order."""
        return self._read("ORDER BY path", ())

    def by_path(self, path: str) -> CollectionRecord | None:
        """The folder under a path."""
        return next(iter(self._read("WHERE path = ?", (path,))), None)

    def save(self, record: CollectionRecord, entries: Iterable[CollectionEntry]) -> None:
        """Write a row, in place of what the path had before; `entries` as the text has them."""
        above = record.base + "/" if record.base else ""
        with self._index.writing() as database:
            database.execute("DELETE FROM snapshots WHERE path = ?", (record.path,))
            database.execute(
                "INSERT INTO snapshots (path, base, content, manifest) VALUES (?, ?, ?, ?)",
                (record.path, record.base, record.content, record.manifest.encode()),
            )
            database.executemany(
                "INSERT INTO snapshot_files VALUES (?, ?, ?)",
                ((record.path, above + e.path, e.content) for e in entries if e.content),
            )

    def missing(self, record: CollectionRecord) -> SafePath | None:
        """The first of its files that is not shared as the snapshot has it, or None."""
        rows = self._index.rows(
            "SELECT path FROM snapshot_files AS listed WHERE snapshot = ? AND NOT EXISTS "
            "(SELECT 1 FROM shared WHERE path = listed.path AND content = listed.content) LIMIT 1",
            (record.path,),
        )
        return SafePath(str(rows[0][0])) if rows else None

    def remove(self, path: str) -> None:
        """Forget a folder."""
        self._index.write("DELETE FROM snapshots WHERE path = ?", (path,))

    def _read(self, where: str, values: tuple[object, ...]) -> list[CollectionRecord]:
        question = f"SELECT path, base, content, manifest FROM snapshots {where}"  # noqa: S608 (ours)
        rows = self._index.rows(question, values)
        return [_record(*row) for row in rows]


def _record(path: object, base: object, content: object, manifest: object) -> CollectionRecord:
    assert isinstance(content, bytes)  # noqa: S101 (as the schema has it)
    assert isinstance(manifest, bytes)  # noqa: S101
    identity = ContentId(content)
    return CollectionRecord(SafePath(str(path)), str(base), identity, decode(manifest, identity))
