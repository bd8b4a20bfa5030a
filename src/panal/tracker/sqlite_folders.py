"""What is asked of the SQLite store about one peer's paths."""

import sqlite3

from panal.tracker.folders import Below
from panal.tracker.registry import key_of
from panal.tracker.sqlite_rows import CONTENT, SHA256
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

_BETWEEN = (
    "FROM entries WHERE peer = (SELECT id FROM peers WHERE key = ?) AND path >= ? AND path < ?"
)
_ENTRIES = f"SELECT path, {CONTENT}, size_bytes, kind, {SHA256} {_BETWEEN} ORDER BY path LIMIT ?"
_FILES = (
    f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM"  # noqa: S608 (of our own parts)
    f" (SELECT size_bytes {_BETWEEN} AND kind = ? LIMIT ?)"
)


def entries_between(
    connection: sqlite3.Connection, name: PeerName, first: str, before: str, limit: int
) -> list[Entry]:
    """A peer's entries from a path on and before another, in the order of paths."""
    rows = connection.execute(_ENTRIES, (key_of(name), first, before, limit))
    return [Entry(path, ContentId(c), size, Kind(kind), sha) for path, c, size, kind, sha in rows]


def files_between(
    connection: sqlite3.Connection, name: PeerName, first: str, before: str, limit: int
) -> Below:
    """How many files a peer has there, and their bytes; of at most `limit` of them."""
    values = (key_of(name), first, before, int(Kind.FILE), limit)
    files, size_bytes = connection.execute(_FILES, values).fetchone()
    return Below(files, size_bytes)
