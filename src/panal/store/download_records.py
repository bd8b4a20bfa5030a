"""The downloads that a peer was asked for, as its index remembers them between starts."""

import msgspec

from panal.store.index import Index
from panal.wire.ids import ContentId
from panal.wire.names import SafePath

_COLUMNS = "id, what, path, priority, wait, state, content, size_bytes, error_slug, error_text"


class DownloadRecord(msgspec.Struct):
    """One download's row."""

    id: str
    what: str
    path: SafePath | None = None
    """Where it goes, below the folder; None until that is known."""
    priority: int = 0
    wait: bool = False
    """A name that does not exist yet is waited for."""
    state: str = "queued"
    content: ContentId | None = None
    size_bytes: int = 0
    error_slug: str = ""
    error_text: str = ""


_ALL = f"SELECT {_COLUMNS} FROM downloads ORDER BY number"  # noqa: S608 (our own names)


class DownloadRecords:
    """The rows; safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def all(self) -> list[DownloadRecord]:
        """Every download, in the order they came."""
        rows = self._index.rows(_ALL, ())
        return [_record(row) for row in rows]

    def contents_under_way(self) -> set[ContentId]:
        """Which contents are known of downloads that have not ended."""
        ended = {"done", "failed"}
        return {r.content for r in self.all() if r.content is not None and r.state not in ended}

    def save(self, record: DownloadRecord) -> None:
        """Write a row, new or known."""
        path, content = record.path, record.content
        values = (record.id, record.what, path, record.priority, record.wait, record.state)
        marks = ", ".join("?" * 10)
        updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
        self._index.write(
            f"INSERT INTO downloads ({_COLUMNS}) VALUES ({marks}) "  # noqa: S608 (our own names)
            f"ON CONFLICT (id) DO UPDATE SET {updates}",
            (*values, content, record.size_bytes, record.error_slug, record.error_text),
        )

    def remove(self, download_id: str) -> None:
        """Forget a download."""
        self._index.write("DELETE FROM downloads WHERE id = ?", (download_id,))

    def remove_all(self) -> None:
        """Forget every download."""
        self._index.write("DELETE FROM downloads", ())


def _record(row: tuple[object, ...]) -> DownloadRecord:
    identity, what, path, priority, wait, state, content, size_bytes, slug, text = row
    return DownloadRecord(
        id=str(identity),
        what=str(what),
        path=None if path is None else SafePath(str(path)),
        priority=int(str(priority)),
        wait=bool(wait),
        state=str(state),
        content=ContentId(content) if isinstance(content, bytes) else None,
        size_bytes=int(str(size_bytes)),
        error_slug=str(slug),
        error_text=str(text),
    )
