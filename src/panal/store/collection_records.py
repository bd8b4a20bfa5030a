"""The folders that a peer shares as collections, as its index remembers them between starts."""

from dataclasses import dataclass

from panal.store.index import Index
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, Manifest, decode
from panal.wire.names import SafePath

_TABLE = """CREATE TABLE IF NOT EXISTS collections (
    path     TEXT PRIMARY KEY,   -- the folder that was looked at
    content  BLOB NOT NULL,      -- id of the text that lists its files
    manifest BLOB NOT NULL       -- of that text
) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """One folder's row: the snapshot that was made of it last."""

    path: SafePath
    content: ContentId
    manifest: Manifest
    """Of the snapshot's text, whose SHA-256 was computed here."""

    def entry(self) -> Entry:
        """What the tracker is told about it."""
        size, sha256 = self.manifest.size_bytes, self.manifest.sha256
        return Entry(self.path, self.content, size, Kind.COLLECTION, sha256)


class CollectionRecords:
    """The rows; safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        index.write(_TABLE, ())

    def all(self) -> list[CollectionRecord]:
        """Every folder, in path order."""
        return self._read("ORDER BY path", ())

    def by_path(self, path: str) -> CollectionRecord | None:
        """The folder under a path."""
        return next(iter(self._read("WHERE path = ?", (path,))), None)

    def save(self, record: CollectionRecord) -> None:
        """Write a row, in place of what the path had before."""
        self._index.write(
            "INSERT OR REPLACE INTO collections (path, content, manifest) VALUES (?, ?, ?)",
            (record.path, record.content, record.manifest.encode()),
        )

    def remove(self, path: str) -> None:
        """Forget a folder."""
        self._index.write("DELETE FROM collections WHERE path = ?", (path,))

    def _read(self, where: str, values: tuple[object, ...]) -> list[CollectionRecord]:
        question = f"SELECT path, content, manifest FROM collections {where}"  # noqa: S608 (ours)
        rows = self._index.rows(question, values)
        return [_record(*row) for row in rows]


def _record(path: object, content: object, manifest: object) -> CollectionRecord:
    assert isinstance(content, bytes)  # noqa: S101 (as the schema has it)
    assert isinstance(manifest, bytes)  # noqa: S101
    identity = ContentId(content)
    return CollectionRecord(SafePath(str(path)), identity, decode(manifest, identity))
