"""Entries of the SQLite store as searches and listings read them: columns, filters, a bound."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from panal.errors import UsageError
from panal.tracker.ranking import Match, Names
from panal.tracker.search import TOO_MUCH, Search
from panal.tracker.searchable import common_kind_of_all
from panal.tracker.sqlite_peers import PeerRows
from panal.wire.catalogue import FACTS
from panal.wire.ids import CONTENT_ID_BYTES, ContentId, PeerName
from panal.wire.manifest import Kind

CONTENT = "substr(entries.facts, 1, 32)"
SHA256 = "nullif(substr(entries.facts, 42), zeroblob(32))"
HERE = "peer NOT IN temp.absent"
COLUMNS = "SELECT entries.id, entries.peer, entries.path, entries.searchable, entries.facts"
Row = tuple[Any, ...]
"""What these hold of an entry."""
# Not LIKE: nothing in a needle has a meaning of its own.
CONTAINS = "instr(entries.searchable, ?) > 0"

MOST_STEPS = 20_000_000
"""About a second: looking through a name for one condition takes a dozen."""
_STEPS_AT_ONCE = 10_000
_KINDS = tuple(Kind)
_NOT_VOUCHED_FOR = bytes(32)


@contextmanager
def bounded(connection: sqlite3.Connection) -> Iterator[None]:
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


def filters(search: Search) -> Iterable[tuple[str, Sequence[object]]]:
    """The conditions that a search puts on a row, each with its values; words aside."""
    if search.content is not None:
        yield f"{CONTENT} = ?", (search.content,)
    if search.sha256 is not None:
        yield f"{SHA256} = ?", (search.sha256,)
    if search.kind is not None:
        yield "entries.kind = ?", (int(search.kind),)
    if search.min_size_bytes:
        yield "entries.size_bytes >= ?", (search.min_size_bytes,)
    if search.max_size_bytes is not None:
        yield "entries.size_bytes <= ?", (search.max_size_bytes,)
    for group in search.any_of:
        kind, is_whole = common_kind_of_all(group)
        if kind is not None:
            yield "entries.common_kind = ?", (kind,)
        if not is_whole:
            endings = sorted((ending.encode() for ending in group), key=len)
            yield _ends_with_one(endings), endings
    for needle in search.unwanted:
        yield f"NOT {CONTAINS}", (needle,)


def _ends_with_one(endings: Sequence[bytes]) -> str:
    """By length, shortest first: the mark that ends them is at the end of a name only.

    As bytes: to count characters from the end, SQLite goes through all of them.
    """
    lengths = [(length, len(list(alike))) for length, alike in groupby(map(len, endings))]
    texts = (
        f"substr(CAST(entries.searchable AS BLOB), -{length}) IN ({', '.join('?' * count)})"
        for length, count in lengths
    )
    return f"({' OR '.join(texts)})"


def matches_in(peers: PeerRows, rows: Iterable[Row]) -> Iterator[Match]:
    """What rows of `COLUMNS` say."""
    known = peers.with_id
    for _, peer, path, text, facts in rows:
        yield _match(known(peer).record.name, path, text, facts)


def names_in(peers: PeerRows, rows: Sequence[Row]) -> Names:
    """What rows of `COLUMNS` are put in order by."""
    texts = [row[3] for row in rows]
    contents: list[ContentId] = [row[4][:CONTENT_ID_BYTES] for row in rows]
    names = peers.names_of([row[1] for row in rows])

    def match(place: int) -> Match:
        _, _, path, text, facts = rows[place]
        return _match(names[place], path, text, facts)

    return Names(texts, contents, names, match)


def _match(name: PeerName, path: str, text: str, facts: bytes) -> Match:
    told, kind, size_bytes, sha256 = FACTS.unpack(facts)
    vouched = None if sha256 == _NOT_VOUCHED_FOR else sha256
    return Match(name, path, text, ContentId(told), size_bytes, _KINDS[kind], vouched)
