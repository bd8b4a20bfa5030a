"""What is asked of the SQLite store: who holds a content, which entries match a search."""

import heapq
import json
import sqlite3
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import groupby
from typing import Any

from panal.errors import UsageError
from panal.tracker.registry import key_of
from panal.tracker.search import RANK_LIMIT, TOO_MUCH, Match, Matches, Search
from panal.tracker.sqlite_peers import KnownPeer, PeerRows
from panal.tracker.sqlite_text import (
    TRIGRAM,
    beginning,
    indexed_until,
    matching,
    matching_any,
    name_crc,
)
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind

CONTENT = "substr(entries.facts, 1, 32)"
SHA256 = "nullif(substr(entries.facts, 42), zeroblob(32))"
_HAS_CONTENT = f"substr(entries.facts, 1, 8) = substr({{0}}, 1, 8) AND {CONTENT} = {{0}}"
_HAS_SHA256 = f"substr(entries.facts, 42, 8) = substr({{0}}, 1, 8) AND {SHA256} = {{0}}"

_HERE = "peer NOT IN temp.absent"
_HOLDERS = f"""
SELECT peer, max(complete) FROM (
    SELECT peer, 1 AS complete FROM entries WHERE {_HAS_CONTENT.format(":content")}
    UNION ALL
    SELECT peer, complete FROM holdings WHERE content = :content
) WHERE {_HERE} GROUP BY peer
"""  # noqa: S608 (of our own parts)

_COUNT = f"SELECT count(*) FROM ({_HOLDERS})"  # noqa: S608 (of our own parts)

_COLUMNS = (
    "SELECT entries.peer, entries.path, entries.searchable, entries.facts,"
    " entries.size_bytes, entries.kind"
)
# What very many names have is ranked by this; the rest is read of those that are shown.
_FOR_RANKING = f"SELECT entries.id, entries.searchable, {CONTENT}"
_Found = tuple[int, str, ContentId]
# CROSS JOIN fixes the order: the text index leads where there is something to look up.
_FROM_TEXT = "FROM entry_text CROSS JOIN entries ON entries.id = entry_text.rowid"
_FROM_ALL = "FROM entries"
_OF_ONE = "FROM entries WHERE peer = {} AND path >= ?"

MOST_STEPS = 20_000_000
"""About a second: looking through a name for one condition takes a dozen."""
_STEPS_AT_ONCE = 10_000
FEW_ENTRIES = 20_000
"""So many entries of one peer are looked through quicker than everybody's are looked up; so many
that the text index does not know yet are looked through, too."""
# Not LIKE: nothing in a needle has a meaning of its own.
_CONTAINS = "instr(entries.searchable, ?) > 0"


def holders_of(connection: sqlite3.Connection, content: ContentId) -> list[tuple[int, bool]]:
    """The row ids of the live peers that hold a content, and whether whole."""
    rows = connection.execute(_HOLDERS, {"content": content}).fetchall()
    return [(peer, bool(complete)) for peer, complete in rows]


def provider_counts(
    connection: sqlite3.Connection, contents: Sequence[ContentId]
) -> dict[ContentId, int]:
    """How many live peers hold each content."""
    counts: dict[ContentId, int] = {}
    for content in contents:
        (counts[content],) = connection.execute(_COUNT, {"content": content}).fetchone()
    return counts


def matches_of(connection: sqlite3.Connection, peers: PeerRows, search: Search) -> Matches:
    """The entries of live peers that meet a search; exact names are never cut off."""
    only = peers.get(search.peer) if search.peer else None
    if search.peer and only is None:
        return Matches.of(())
    find = _Finding(connection, search, only)
    with _bounded(connection):
        found = find.matches(search.needles, RANK_LIMIT + 1)
        capped = len(found) > RANK_LIMIT
        if capped and search.exact is not None:
            found = list(dict.fromkeys(find.exact(search.exact, RANK_LIMIT) + found))
    ids, texts, contents = zip(*found[:RANK_LIMIT], strict=True) if found else ((), (), ())

    def rows_at(places: Sequence[int]) -> list[Match]:
        return _with_ids(connection, peers, [ids[place] for place in places])

    return Matches(texts, contents, rows_at, capped)


def _with_ids(connection: sqlite3.Connection, peers: PeerRows, ids: Sequence[int]) -> list[Match]:
    """These entries, whole, in this order."""
    rows = connection.execute(
        f"{_COLUMNS} FROM json_each(?) CROSS JOIN entries ON entries.id = value",
        (json.dumps(ids),),
    )
    return list(_matches(peers, rows))


def entries_in_order(
    connection: sqlite3.Connection, peers: PeerRows, search: Search
) -> Generator[Match]:
    """The entries of live peers from a page's beginning on, by path, content and peer.

    A page costs what it shows, however much there is before and after it, and a glance at each
    peer's first path. Close it before anything is changed.
    """
    begin = search.after[1] if search.after is not None else ""
    filters = list(_filters(search))
    narrowed = "".join(f" AND {condition}" for condition, _ in filters)
    given = [value for _, values in filters for value in values]
    # What narrows it is asked when a peer's entries are due: nobody's are looked through before.
    first = f"SELECT path {_OF_ONE.format('peers.id')} ORDER BY path LIMIT 1"
    firsts = f"SELECT ({first}) AS first, id FROM peers WHERE id NOT IN temp.absent"  # noqa: S608
    values: list[object] = [begin]
    if search.peer:
        firsts += " AND key = ?"
        values.append(key_of(search.peer))
    # The unique index has this order: nothing is sorted.
    all_of_one = f"{_COLUMNS} {_OF_ONE.format('?')}{narrowed} ORDER BY path"
    with _bounded(connection):
        rows = connection.execute(firsts, values).fetchall()
        beginnings = sorted(row for row in rows if row[0] is not None)
        yield from _merged(connection, peers, all_of_one, given, beginnings)


def _merged(
    connection: sqlite3.Connection,
    peers: PeerRows,
    all_of_one: str,
    given: Sequence[object],
    beginnings: Sequence[tuple[str, int]],
) -> Generator[Match]:
    """The entries of all peers in order; each peer's are opened when its first is due."""
    heap: list[tuple[str, bytes, str, Match, Iterator[Match]]] = []
    unopened = deque(beginnings)
    with ExitStack() as cursors:
        while heap or unopened:
            if unopened and (not heap or unopened[0][0] <= heap[0][0]):
                path, peer = unopened.popleft()
                cursor = connection.execute(all_of_one, (peer, path, *given))
                rows = _matches(peers, cursors.enter_context(closing(cursor)))
            else:
                *_, match, rows = heapq.heappop(heap)
                yield match
            following = next(rows, None)
            if following is not None:
                order = following.path, following.content, following.peer
                heapq.heappush(heap, (*order, following, rows))


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
        raise UsageError(TOO_MUCH) from None
    finally:
        connection.set_progress_handler(None, 0)


class _Finding:
    """One search's statements."""

    def __init__(
        self, connection: sqlite3.Connection, search: Search, only: KnownPeer | None
    ) -> None:
        self._connection = connection
        self._search = search
        self._conditions = [f"entries.{_HERE}"]
        self._values: list[object] = []
        self._few = only is not None and _has_few(connection, only.id)
        if only is not None:
            self._conditions.append("entries.peer = ?")
            self._values.append(only.id)
        for condition, given in _filters(search):
            self._conditions.append(condition)
            self._values += given

    def matches(self, needles: Sequence[str], limit: int) -> list[_Found]:
        """At most `limit` entries that contain all the needles, too."""
        where = " AND ".join([*self._conditions, *[_CONTAINS] * len(needles)])
        values = (*self._values, *needles)
        search = self._search
        is_quick = self._few or search.content is not None or search.sha256 is not None
        text = "" if is_quick else self._looked_up(needles)
        if not text:
            return self._run(f"{_FROM_ALL} WHERE {where}", values, limit)
        looked_up = f"{_FROM_TEXT} WHERE entry_text MATCH ? AND {where}"
        found = self._run(looked_up, (text, *values), limit)
        if len(found) < limit:
            recent = _not_indexed_from(self._connection)
            newer = f"{_FROM_ALL} NOT INDEXED WHERE id > ? AND {where}"
            found += self._run(newer, (recent, *values), limit - len(found))
        return found

    def exact(self, name: str, limit: int) -> list[_Found]:
        """At most `limit` entries with this name, however many begin with it."""
        where = " AND ".join(["entries.name_crc = ?", *self._conditions, _CONTAINS])
        indexed = f"{_FROM_ALL} INDEXED BY entries_by_name WHERE {where}"
        return self._run(indexed, (name_crc(name), *self._values, name), limit)

    def _looked_up(self, needles: Sequence[str]) -> str:
        """What is asked of the text index; empty where it knows nothing of it."""
        if parts := [matching(needle) for needle in needles if len(needle) >= TRIGRAM]:
            return " AND ".join(parts)
        if self._search.any_of:  # the ends of names are rarer than one letter
            return " AND ".join(map(matching_any, self._search.any_of))
        pairs = [needle for needle in needles if len(needle) == TRIGRAM - 1]
        return " AND ".join(filter(None, (beginning(self._connection, pair) for pair in pairs)))

    def _run(self, statement: str, values: Sequence[object], limit: int) -> list[_Found]:
        return self._connection.execute(
            f"{_FOR_RANKING} {statement} LIMIT ?", (*values, limit)
        ).fetchall()


def _has_few(connection: sqlite3.Connection, peer: int) -> bool:
    (entries,) = connection.execute("SELECT entries FROM peers WHERE id = ?", (peer,)).fetchone()
    return bool(entries <= FEW_ENTRIES)


def _not_indexed_from(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM entries").fetchone()
    return max(int(last) - FEW_ENTRIES, indexed_until(connection))


def _filters(search: Search) -> Iterable[tuple[str, Sequence[object]]]:
    if search.content is not None:
        yield _HAS_CONTENT.format("?"), (search.content,) * 2
    if search.sha256 is not None:
        yield _HAS_SHA256.format("?"), (search.sha256,) * 2
    if search.kind is not None:
        yield "entries.kind = ?", (int(search.kind),)
    if search.min_size_bytes:
        yield "entries.size_bytes >= ?", (search.min_size_bytes,)
    if search.max_size_bytes is not None:
        yield "entries.size_bytes <= ?", (search.max_size_bytes,)
    for group in search.any_of:
        endings = sorted(group, key=len)
        yield _ends_with_one(endings), endings
    for needle in search.unwanted:
        yield f"NOT {_CONTAINS}", (needle,)


def _ends_with_one(endings: Sequence[str]) -> str:
    """By length, shortest first: the mark that ends them is at the end of a name only."""
    lengths = [(length, len(list(alike))) for length, alike in groupby(map(len, endings))]
    texts = (
        f"substr(entries.searchable, -{length}) IN ({', '.join('?' * count)})"
        for length, count in lengths
    )
    return f"({' OR '.join(texts)})"


def _matches(peers: PeerRows, rows: Iterable[tuple[Any, ...]]) -> Iterator[Match]:
    known = peers.with_id
    for peer, path, text, facts, size_bytes, kind in rows:
        name, content = known(peer).record.name, ContentId(facts[:32])
        sha256 = facts[41:]
        vouched = None if sha256 == _NOT_VOUCHED_FOR else sha256
        yield Match(name, path, text, content, size_bytes, _KINDS[kind], vouched)


_KINDS = tuple(Kind)
_NOT_VOUCHED_FOR = bytes(32)
