"""The listing of the SQLite store: all entries of live peers in the order of their paths."""

import heapq
import sqlite3
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing

from panal.tracker.ranking import Match
from panal.tracker.registry import key_of
from panal.tracker.search import Search
from panal.tracker.sqlite_peers import PeerRows
from panal.tracker.sqlite_rows import COLUMNS, bounded, filters, matches_in

_OF_ONE = "FROM entries WHERE peer = {} AND path >= ?"


def entries_in_order(
    connection: sqlite3.Connection, peers: PeerRows, search: Search
) -> Generator[Match]:
    """The entries of live peers from a page's beginning on, by path, content and peer.

    A page costs what it shows, however much there is before and after it, and a glance at each
    peer's first path. Close it before anything is changed.
    """
    begin = search.after[1] if search.after is not None else ""
    conditions = list(filters(search))
    narrowed = "".join(f" AND {condition}" for condition, _ in conditions)
    given = [value for _, values in conditions for value in values]
    # The unique index has this order: nothing is sorted.
    all_of_one = f"{COLUMNS} {_OF_ONE.format('?')}{narrowed} ORDER BY path"
    with bounded(connection):
        beginnings = sorted(_beginnings(connection, peers, search.peer, begin))
        yield from _merged(connection, peers, all_of_one, given, beginnings)


def _beginnings(
    connection: sqlite3.Connection, peers: PeerRows, only: str, begin: str
) -> list[tuple[str, int]]:
    """The first path from `begin` on of each peer that has one, with the peer's row id.

    What narrows a listing is asked when a peer's entries are due: nobody's are looked through
    before.
    """
    if not begin and not only:
        return peers.first_paths()
    first = f"SELECT path {_OF_ONE.format('peers.id')} ORDER BY path LIMIT 1"
    firsts = f"SELECT ({first}) AS first, id FROM peers WHERE id NOT IN temp.absent"  # noqa: S608
    values = [begin]
    if only:
        firsts += " AND key = ?"
        values.append(key_of(only))
    rows = connection.execute(firsts, values).fetchall()
    return [row for row in rows if row[0] is not None]


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
                rows = matches_in(peers, cursors.enter_context(closing(cursor)))
            else:
                *_, match, rows = heapq.heappop(heap)
                yield match
            following = next(rows, None)
            if following is not None:
                order = following.path, following.content, following.peer
                heapq.heappush(heap, (*order, following, rows))
