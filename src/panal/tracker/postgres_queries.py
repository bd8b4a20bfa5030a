"""What is asked of the PostgreSQL store besides searches: who has a content, what a folder has."""

from collections.abc import Sequence

from panal.tracker.folders import Below
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_statements import GIVEN_HEAD, HEAD
from panal.tracker.registry import key_of
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

HOLDERS = """
SELECT held.content, held.peer, bool_or(held.complete) AS complete FROM (
    SELECT content, peer, true AS complete FROM entries WHERE content = ANY(%(contents)b::bytea[])
    UNION ALL
    SELECT content, peer, complete FROM holdings WHERE content = ANY(%(contents)b::bytea[])
) AS held JOIN peers ON peers.id = held.peer
WHERE peers.lease_until_s + 0 > %(now_s)s
GROUP BY held.content, held.peer
"""
_COUNT = f"SELECT content, count(*) FROM ({HOLDERS}) AS holders GROUP BY content".encode()

_BETWEEN = (
    "FROM entries e WHERE e.peer = (SELECT id FROM peers WHERE key = %s)"
    f" AND {HEAD} >= {GIVEN_HEAD} AND {HEAD} <= {GIVEN_HEAD}"
    " AND e.path >= %s AND e.path < %s"
)
_ENTRIES = (
    f"SELECT e.path, e.content, e.size_bytes, e.kind, e.sha256 {_BETWEEN}"
    f" ORDER BY {HEAD}, e.path LIMIT %s"
).encode()
_FILES = (
    "SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM"
    f" (SELECT e.size_bytes {_BETWEEN} AND e.kind = %s LIMIT %s) AS files"
).encode()


def provider_counts(
    connection: Connection, contents: Sequence[ContentId], now_s: float
) -> dict[ContentId, int]:
    """How many live peers hold each content."""
    counts = dict.fromkeys(contents, 0)
    given = {"contents": list(counts), "now_s": now_s}
    for content, count in connection.execute(_COUNT, given):
        counts[ContentId(content)] = count
    return counts


def entries_between(
    connection: Connection, name: PeerName, first: str, before: str, limit: int
) -> list[Entry]:
    """A peer's entries from a path on and before another, in the order of paths."""
    values = (key_of(name), first, before, first, before, limit)
    rows = connection.execute(_ENTRIES, values)
    return [Entry(path, ContentId(c), size, Kind(kind), sha) for path, c, size, kind, sha in rows]


def files_between(
    connection: Connection, name: PeerName, first: str, before: str, limit: int
) -> Below:
    """How many files a peer has there, and their bytes; of at most `limit` of them."""
    values = (key_of(name), first, before, first, before, int(Kind.FILE), limit)
    files, size_bytes = connection.execute(_FILES, values).fetchone() or (0, 0)
    return Below(files, size_bytes)
