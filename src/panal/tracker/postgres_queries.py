"""What is asked of the PostgreSQL store: who holds a content, which entries match a search.

A trigram index answers which blocks of names contain a text, and the names of these are compared.
It knows where words begin, so one and two letters after a beginning's mark are found by it as well.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from psycopg import errors

from panal.errors import UsageError
from panal.tracker.folders import Below
from panal.tracker.known_too_much import KnownTooMuch
from panal.tracker.postgres_blocks import parts_of
from panal.tracker.postgres_conditions import (
    PEER,
    Condition,
    class_of,
    contained_in_block,
    ends_in_block,
    ends_so,
    filters,
    pattern,
    together,
)
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_steps import HEAD_CHARACTERS, LAST_PART_HASH
from panal.tracker.ranking import RANK_LIMIT, RANKED_OF_MORE, Match, Matches
from panal.tracker.registry import key_of
from panal.tracker.search import TOO_MUCH, Search
from panal.tracker.searchable import MARK
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

MOST_SEARCH_MS = 2_000
"""A search that takes longer would hold others up; it is given up."""
_KINDS = tuple(map(Kind, range(len(Kind))))
_LISTED_AT_ONCE = 200
_MOST_LISTED_AT_ONCE = 5_000
_BLOCKS_AN_ENDING = 300
"""So many are read in the time in which one ending is looked up."""
_FEW_BLOCKS = 2_000
"""Their names are read and sorted sooner than a page of them is found among all in order."""

# + 0: what statistics know of leases is old within a minute. Nobody seemed to be live then, and a
# search read all entries of everybody who was.
LIVE = "p.lease_until_s + 0 > %s"
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

_HEAD = f"left(e.path, {HEAD_CHARACTERS})"
_GIVEN_HEAD = f"left(%s, {HEAD_CHARACTERS})"
_COLUMNS = "p.name AS peer, e.path, e.searchable, e.content, e.size_bytes, e.kind, e.sha256"
# Until it is known which names a page shows, no more is copied of each.
_NARROW = "e.searchable, e.content, e.ctid AS place"
_MATCHING = f"FROM entries e JOIN peers p ON p.id = e.peer WHERE {LIVE}"
# OFFSET 0: block by block, however many there seem to be. No statistics tell how many have a word,
# and a plan that begins with all entries takes a second.
_OF_EACH_BLOCK = (
    f"JOIN peers p ON p.id = b.peer AND {LIVE} CROSS JOIN LATERAL"
    " (SELECT e.ctid, e.* FROM entries e WHERE e.block = b.id"
)
_IN_BLOCKS = f"FROM blocks b {_OF_EACH_BLOCK}"
_OF_BLOCKS = " OFFSET 0) AS e WHERE true"
# The index has the order of heads: what begins alike is sorted, which is hardly ever more than
# one path, and what is not taken costs nothing.
_IN_ORDER = f" ORDER BY {_HEAD}, e.path, e.content, p.name LIMIT %s"
_BETWEEN = (
    "FROM entries e WHERE e.peer = (SELECT id FROM peers WHERE key = %s)"
    f" AND {_HEAD} >= {_GIVEN_HEAD} AND {_HEAD} <= {_GIVEN_HEAD}"
    " AND e.path >= %s AND e.path < %s"
)
_ENTRIES = (
    f"SELECT e.path, e.content, e.size_bytes, e.kind, e.sha256 {_BETWEEN}"
    f" ORDER BY {_HEAD}, e.path LIMIT %s"
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


def matches_of(
    connection: Connection, too_much: KnownTooMuch, search: Search, now_s: float
) -> Matches:
    """The entries of live peers that meet a search, those that its page is made of.

    All names of the page's contents and of the next one. Exact names are never cut off.
    """
    connection.execute(f"SET LOCAL statement_timeout = {MOST_SEARCH_MS}".encode())
    found = _Found(search, now_s, _endings_to_look_up(connection, search))
    if not too_much.knows(search, now_s):
        rows, count, unsure = found.of_page(connection)
        if count <= RANK_LIMIT:
            return Matches.of(found.all(connection) if unsure else rows)
        too_much.note(search, now_s)
    best = found.best(connection)
    return Matches.of(best, capped=len(best) == RANKED_OF_MORE)


class _Found:
    """The statements that find a search's entries, and rank them as `ranking.rank` does."""

    def __init__(self, search: Search, now_s: float, endings: Sequence[Condition]) -> None:
        """`endings` are those of blocks that are looked up before their words are."""
        self._search = search
        self._now_s = now_s
        self._endings = endings

    def all(self, connection: Connection) -> list[Match]:
        """All that were found."""
        statement, values = self._select(_COLUMNS, self._search.needles, RANK_LIMIT + 1)
        return [_match(row) for row in self._run(connection, statement, values)]

    def best(self, connection: Connection) -> list[Match]:
        """Exact names, then those in which words begin where the query's do, then any."""
        search, limit = self._search, RANKED_OF_MORE
        best = self._exact(connection, search.exact, limit) if search.exact is not None else {}
        for needles in (search.beginnings, search.needles):
            if len(best) < limit:
                best |= _by_place(self._run(connection, *self._select(_COLUMNS, needles, limit)))
        return list(best.values())[:limit]

    def _exact(self, connection: Connection, name: str, limit: int) -> dict[tuple[str, str], Match]:
        where = f"{LAST_PART_HASH} = hashtextextended(%s, 0) AND position(%s in e.searchable) > 0"
        more = where, (name.rpartition("/")[2], name)
        statement, values = self._select(_COLUMNS, (), limit, more)
        # Until statistics are gathered it would read the table from its beginning.
        return _by_place(_run_by_index(connection, statement, values))

    def of_page(self, connection: Connection) -> tuple[list[Match], int, int]:
        """The page's entries; how many were found; of how many of these the class is unsure.

        Without unsure ones the page is the right one.
        """
        quality, is_unsure, values = class_of(self._search)
        after = self._search.after
        behind: tuple[object, ...] = ()
        if after is not None:
            behind = (f"{after[0]}{after[1]}", bytes.fromhex(after[2]))
        found, found_values = self._select(_NARROW, self._search.needles, RANK_LIMIT + 1)
        statement = (
            f"WITH found AS MATERIALIZED ({found}),"
            " counted AS (SELECT count(*) AS matches FROM found), ranked AS MATERIALIZED"
            f" (SELECT content, place, ({quality} || replace(searchable, '{MARK}', ''))"
            f' COLLATE "C" AS key, {is_unsure} AS is_unsure FROM found'
            f" WHERE (SELECT matches <= {RANK_LIMIT} FROM counted)),"
            " page AS (SELECT content FROM ranked"
            f" GROUP BY content {'HAVING (min(key), content) > (%s, %s)' if behind else ''}"
            " ORDER BY min(key), content LIMIT %s),"
            " shown AS (SELECT place FROM ranked WHERE content IN (SELECT content FROM page))"
            " SELECT matches, unsure, of_page.* FROM counted CROSS JOIN"
            " (SELECT count(*) FILTER (WHERE is_unsure) AS unsure FROM ranked) AS looked_at"
            f" LEFT JOIN (SELECT {_COLUMNS} FROM entries e JOIN peers p ON p.id = e.peer"
            " WHERE e.ctid = ANY(ARRAY(SELECT place FROM shown))) AS of_page ON true"
        )
        given = (*found_values, *values, *behind, self._search.page_size + 1)
        rows = self._run(connection, statement, given)
        count, unsure = rows[0][:2]
        return [_match(row[2:]) for row in rows if row[2] is not None], count, unsure

    def _run(
        self, connection: Connection, statement: str, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        run = _run_by_index if self._endings else _run
        return run(connection, statement, values)

    def _select(
        self, columns: str, needles: Sequence[str], limit: int, *more: Condition
    ) -> tuple[str, tuple[object, ...]]:
        search = self._search
        others = [*more, *filters(search)]
        looked_up = [("e.searchable LIKE %s", (pattern(needle),)) for needle in needles]
        conditions, values = together([*looked_up, *others])
        alone, given = f"SELECT {columns} {_MATCHING}{conditions}", (self._now_s, *values)
        parts = [part for needle in needles for part in parts_of(needle)]
        if not parts or search.content is not None or search.sha256 is not None:
            return f"{alone} LIMIT {limit}", given
        of_blocks = list(map(contained_in_block, parts))
        if search.peer:
            of_blocks.append((f"b.peer = {PEER}", (key_of(search.peer),)))
        which, which_values = together(of_blocks)
        blocks, blocks_values = self._blocks()
        # No index helps here, and it is quicker than LIKE.
        contained = [("position(%s in e.searchable) > 0", (needle,)) for needle in needles]
        conditions, values = together([*contained, *others])
        named = f"FROM {blocks} {_OF_EACH_BLOCK}{conditions}{_OF_BLOCKS}{which}"
        statement = (
            f"(SELECT {columns} {named}) UNION ALL ({alone} AND e.block IS NULL) LIMIT {limit}"
        )
        return statement, (*blocks_values, self._now_s, *values, *which_values, *given)

    def _blocks(self) -> tuple[str, list[object]]:
        """Where words are looked for. Beside words the planner would compare each block that has
        them with every ending."""
        if not self._endings:
            return "blocks b", []
        conditions, values = together(self._endings)
        return f"(SELECT * FROM blocks b WHERE true{conditions} OFFSET 0) AS b", values


def _endings_to_look_up(connection: Connection, search: Search) -> list[Condition]:
    """None where it is quicker to read the blocks that have the words.

    To look endings up is to compare each block that may have one with all of them.
    """
    endings = sum(map(len, search.any_of))
    parts = [part for needle in search.needles for part in parts_of(needle)]
    if not endings or not parts:
        return []
    read = _guessed_blocks(connection, map(contained_in_block, parts))
    if read <= _BLOCKS_AN_ENDING * endings:
        return []
    looked_up = [*map(ends_in_block, search.any_of)]
    return looked_up if _guessed_blocks(connection, looked_up) * endings < read else []


def entries_in_order(connection: Connection, search: Search, now_s: float) -> Generator[Match]:
    """The entries of live peers from a page's beginning on, by path, content and peer."""
    connection.execute(f"SET LOCAL statement_timeout = {MOST_SEARCH_MS}".encode())
    is_few = _has_few_blocks(connection, search)
    listed, run = (_from_blocks, _run_by_index) if is_few else (_from_all, _run)
    begin = search.after[1] if search.after is not None else ""
    behind = f"{_HEAD} >= {_GIVEN_HEAD} AND e.path >= %s"
    position: list[object] = [begin, begin]
    wanted = min(search.page_size + 1, _LISTED_AT_ONCE)
    while True:
        statement, values = listed(search, now_s, (behind, position))
        rows = [_match(row) for row in run(connection, statement, (*values, wanted))]
        yield from rows
        if len(rows) < wanted:
            return
        last = rows[-1]
        behind = f"{_HEAD} >= {_GIVEN_HEAD} AND (e.path, e.content, p.name) > (%s, %s, %s)"
        position = [last.path, last.path, last.content, last.peer]
        wanted = min(2 * wanted, _MOST_LISTED_AT_ONCE)


def _from_all(search: Search, now_s: float, behind: Condition) -> tuple[str, list[object]]:
    conditions, values = together([*filters(search), behind])
    return f"SELECT {_COLUMNS} {_MATCHING}{conditions}{_IN_ORDER}", [now_s, *values]


def _from_blocks(search: Search, now_s: float, behind: Condition) -> tuple[str, list[object]]:
    """The names of all blocks with such endings; those in no block have an index, too."""
    conditions, values = together([*filters(search), behind])
    blocks, of_blocks = together(map(ends_in_block, search.any_of))
    names, of_names = together(map(ends_so, search.any_of))
    return (
        f"SELECT * FROM (SELECT {_COLUMNS} {_IN_BLOCKS}{conditions}{_OF_BLOCKS}{blocks} UNION ALL"
        f" SELECT {_COLUMNS} {_MATCHING}{conditions}{names} AND e.block IS NULL) AS e"
        " ORDER BY path, content, peer LIMIT %s",
        [now_s, *values, *of_blocks, now_s, *values, *of_names],
    )


def _has_few_blocks(connection: Connection, search: Search) -> bool:
    """Whether few names have the endings that a listing asks for: then it need not walk by all.

    To count what many have takes as long as to list it, so the planner is asked for its guess.
    """
    if not search.any_of or search.peer:
        return False
    if _guessed_blocks(connection, map(ends_in_block, search.any_of)) > _FEW_BLOCKS:
        return False
    conditions, values = together(map(ends_in_block, search.any_of))
    counted = f"SELECT count(*) FROM blocks b WHERE true{conditions}"
    ((count,),) = _run_by_index(connection, counted, values)
    return bool(count <= _FEW_BLOCKS)


def _guessed_blocks(connection: Connection, of_blocks: Iterable[Condition]) -> float:
    """How many meet these, as the planner thinks by its statistics: it reads none."""
    conditions, values = together(of_blocks)
    asked = f"EXPLAIN (FORMAT JSON) SELECT FROM blocks b WHERE true{conditions}"
    ((plan,),) = _run(connection, asked, values)
    return float(plan[0]["Plan"]["Plan Rows"])


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


def _run(connection: Connection, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    try:
        # Planned anew for these words: how many names hold one decides the way.
        with connection.cursor(binary=True) as cursor:
            cursor.execute(statement.encode(), values, prepare=False)
            return cursor.fetchall()
    except errors.QueryCanceled:
        raise UsageError(TOO_MUCH) from None


def _run_by_index(
    connection: Connection, statement: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """As `_run`, no table read whole: many endings of each row take longer than the planner knows.

    It reckons with one comparison, and read 50,000 blocks in a second for what the index had.
    """
    connection.execute(b"SET LOCAL enable_seqscan = off")
    found = _run(connection, statement, values)
    connection.execute(b"SET LOCAL enable_seqscan = on")
    return found


def _by_place(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[str, str], Match]:
    return {(row.peer, row.path): row for row in map(_match, rows)}


def _match(row: tuple[Any, ...]) -> Match:
    peer, path, text, content, size_bytes, kind, sha256 = row
    return Match(PeerName(peer), path, text, ContentId(content), size_bytes, _KINDS[kind], sha256)
