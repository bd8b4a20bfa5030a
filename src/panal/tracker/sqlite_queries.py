"""What is asked of the SQLite store: who holds a content, which entries match a search."""

import heapq
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from panal.errors import UsageError
from panal.tracker.registry import key_of
from panal.tracker.search import RANK_LIMIT, Match, Matches, Search
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

_HOLDERS = """
SELECT held.peer, max(held.complete) FROM (
    SELECT peer, 1 AS complete FROM entries WHERE content = :content
    UNION ALL
    SELECT peer, complete FROM holdings WHERE content = :content
) AS held JOIN peers ON peers.id = held.peer
WHERE peers.lease_until_s > :now_s
GROUP BY held.peer
"""

_COUNT = f"SELECT count(*) FROM ({_HOLDERS})"  # noqa: S608 (of our own parts)

_COLUMNS = (
    "SELECT peers.name, entries.path, entries.searchable, entries.content, "
    "entries.size_bytes, entries.kind, entries.sha256"
)
_COLUMNS_OF_ONE = (
    "SELECT ?, path, searchable, content, size_bytes, kind, sha256 FROM entries"
    # The unique index has this order: nothing is sorted, and what is not taken costs nothing.
    " WHERE peer = ? AND path >= ?"
)
# CROSS JOIN fixes the order: the text index leads where there is something to look up.
_FROM_TEXT = (
    "FROM entry_text CROSS JOIN entries ON entries.id = entry_text.rowid"
    " CROSS JOIN peers ON peers.id = entries.peer"
)
_FROM_PEER = "FROM peers CROSS JOIN entries ON entries.peer = peers.id"
_FROM_ALL = "FROM entries CROSS JOIN peers ON peers.id = entries.peer"

_TRIGRAM = 3
MOST_STEPS = 20_000_000
"""About a second: looking through a name for one condition takes a dozen."""
_STEPS_AT_ONCE = 10_000
_MOST_INDEXED = 64
"""Characters of a word that the text index looks for; the rest is compared."""
# Not LIKE: nothing in a needle has a meaning of its own.
_CONTAINS = "instr(entries.searchable, ?) > 0"


def holders_of(
    connection: sqlite3.Connection, content: ContentId, now_s: float
) -> list[tuple[int, bool]]:
    """The row ids of the live peers that hold a content, and whether whole."""
    rows = connection.execute(_HOLDERS, {"content": content, "now_s": now_s})
    return [(peer, bool(complete)) for peer, complete in rows]


def provider_counts(
    connection: sqlite3.Connection, contents: Sequence[ContentId], now_s: float
) -> dict[ContentId, int]:
    """How many live peers hold each content."""
    counts: dict[ContentId, int] = {}
    for content in contents:
        given = {"content": content, "now_s": now_s}
        counted = connection.execute(_COUNT, given)
        counts[content] = counted.fetchone()[0]
    return counts


def matches_of(connection: sqlite3.Connection, search: Search, now_s: float) -> Matches:
    """The entries of live peers that meet a search; exact names are never cut off."""
    found: dict[tuple[PeerName, str], Match] = {}
    with _bounded(connection):
        if search.exact is not None:
            for row in _select(connection, search, (search.exact,), now_s, RANK_LIMIT):
                found[row.peer, row.path] = row
        for row in _select(connection, search, search.needles, now_s, RANK_LIMIT + 1):
            found[row.peer, row.path] = row
    rows = tuple(found.values())
    return Matches(rows[:RANK_LIMIT], capped=len(rows) > RANK_LIMIT)


def entries_in_order(
    connection: sqlite3.Connection, search: Search, now_s: float
) -> Generator[Match]:
    """The entries of live peers from a page's beginning on, by path, content and peer.

    One cursor a peer, merged: a page costs what it shows, however much there is before and
    after it. Close it before anything is changed.
    """
    peers = "SELECT id, name FROM peers WHERE lease_until_s > ?"
    given: list[object] = [now_s]
    if search.peer:
        peers += " AND key = ?"
        given.append(key_of(search.peer))
    with ExitStack() as cursors, _bounded(connection):
        merged = heapq.merge(
            *(
                cursors.enter_context(closing(_entries_of_one(connection, search, peer, name)))
                for peer, name in connection.execute(peers, given).fetchall()
            ),
            key=lambda row: (row.path, row.content, row.peer),
        )
        yield from merged


def _entries_of_one(
    connection: sqlite3.Connection, search: Search, peer: int, name: str
) -> Generator[Match]:
    begin = search.after[1] if search.after is not None else ""
    statement, values = _COLUMNS_OF_ONE, [name, peer, begin]
    for condition, given in _entry_filters(search):
        statement += f" AND {condition}"
        values += given
    with closing(connection.execute(f"{statement} ORDER BY path", values)) as cursor:
        yield from map(_match, cursor)


@contextmanager
def _bounded(connection: sqlite3.Connection) -> Iterator[None]:
    """Give up a search that would hold everybody up; UsageError.

    Counted in steps of SQLite's, so that it is the same on every machine.
    """
    left = MOST_STEPS // _STEPS_AT_ONCE

    def spend() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(spend, _STEPS_AT_ONCE)
    try:
        yield
    except sqlite3.OperationalError:
        if left >= 0:
            raise
        raise UsageError(
            "This search looks at too much. Add a word of three letters or more, or another filter."
        ) from None
    finally:
        connection.set_progress_handler(None, 0)


def _select(
    connection: sqlite3.Connection,
    search: Search,
    needles: Iterable[str],
    now_s: float,
    limit: int,
) -> list[Match]:
    long = [needle for needle in needles if len(needle) >= _TRIGRAM]
    indexed = [_quoted(needle[:_MOST_INDEXED]) for needle in long]
    if not indexed:  # else the words are rarer than the ends of names
        indexed = [f"({' OR '.join(map(_quoted, group))})" for group in search.any_of]
    scanned = [n for n in needles if not _TRIGRAM <= len(n) <= _MOST_INDEXED]
    conditions = ["peers.lease_until_s > ?"]
    values: list[object] = [now_s]
    if indexed:
        conditions.append("entry_text MATCH ?")
        values.append(" AND ".join(indexed))
    for needle in scanned:
        conditions.append(_CONTAINS)
        values.append(needle)
    for condition, given in _filters(search):
        conditions.append(condition)
        values += given
    leading = _FROM_TEXT if indexed else _FROM_PEER if search.peer else _FROM_ALL
    statement = f"{_COLUMNS} {leading} WHERE {' AND '.join(conditions)} LIMIT ?"
    return [_match(row) for row in connection.execute(statement, (*values, limit))]


def _filters(search: Search) -> Iterable[tuple[str, Sequence[object]]]:
    if search.peer:
        yield "peers.key = ?", (key_of(search.peer),)
    yield from _entry_filters(search)


def _entry_filters(search: Search) -> Iterable[tuple[str, Sequence[object]]]:
    if search.content is not None:
        yield "entries.content = ?", (search.content,)
    if search.sha256 is not None:
        yield "entries.sha256 = ?", (search.sha256,)
    if search.kind is not None:
        yield "entries.kind = ?", (int(search.kind),)
    if search.min_size_bytes:
        yield "entries.size_bytes >= ?", (search.min_size_bytes,)
    if search.max_size_bytes is not None:
        yield "entries.size_bytes <= ?", (search.max_size_bytes,)
    for group in search.any_of:
        yield f"({' OR '.join([_CONTAINS] * len(group))})", group
    for needle in search.unwanted:
        yield f"NOT {_CONTAINS}", (needle,)


def _quoted(needle: str) -> str:
    """A needle as one string of FTS5's query language."""
    return '"' + needle.replace('"', '""') + '"'


def _match(row: tuple[str, str, str, bytes, int, int, bytes | None]) -> Match:
    peer, path, text, content, size_bytes, kind, sha256 = row
    return Match(PeerName(peer), path, text, ContentId(content), size_bytes, Kind(kind), sha256)
