"""What a search of words finds in the PostgreSQL store: the entries that its page is made of.

A trigram index answers which blocks of names contain a text, and the names of these are compared.
It knows where words begin, so one and two letters after a beginning's mark are found by it as well.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from panal.tracker import postgres_statements as statements
from panal.tracker.known_too_much import KnownTooMuch
from panal.tracker.postgres_blocks import parts_of
from panal.tracker.postgres_conditions import (
    PEER,
    Condition,
    class_of,
    contained_in_block,
    ends_in_block,
    filters,
    pattern,
    together,
)
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_statements import COLUMNS, MATCHING, OF_BLOCKS, OF_EACH_BLOCK
from panal.tracker.postgres_steps import LAST_PART_HASH
from panal.tracker.ranking import RANK_LIMIT, RANKED_OF_MORE, Match, Matches
from panal.tracker.registry import key_of
from panal.tracker.search import Search
from panal.tracker.searchable import MARK

_BLOCKS_AN_ENDING = 300
"""So many are read in the time in which one ending is looked up."""
# Until it is known which names a page shows, no more is copied of each.
_NARROW = "e.searchable, e.content, e.ctid AS place"


def matches_of(
    connection: Connection, too_much: KnownTooMuch, search: Search, now_s: float
) -> Matches:
    """The entries of live peers that meet a search, those that its page is made of.

    All names of the page's contents and of the next one. Exact names are never cut off.
    """
    statements.give_up_in_time(connection)
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
        statement, values = self._select(COLUMNS, self._search.needles, RANK_LIMIT + 1)
        return [statements.match_of(row) for row in self._run(connection, statement, values)]

    def best(self, connection: Connection) -> list[Match]:
        """Exact names, then those in which words begin where the query's do, then any."""
        search, limit = self._search, RANKED_OF_MORE
        best = self._exact(connection, search.exact, limit) if search.exact is not None else {}
        for needles in (search.beginnings, search.needles):
            if len(best) < limit:
                best |= _by_place(self._run(connection, *self._select(COLUMNS, needles, limit)))
        return list(best.values())[:limit]

    def _exact(self, connection: Connection, name: str, limit: int) -> dict[tuple[str, str], Match]:
        where = f"{LAST_PART_HASH} = hashtextextended(%s, 0) AND position(%s in e.searchable) > 0"
        more = where, (name.rpartition("/")[2], name)
        statement, values = self._select(COLUMNS, (), limit, more)
        # Until statistics are gathered it would read the table from its beginning.
        return _by_place(statements.run_by_index(connection, statement, values))

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
            f" LEFT JOIN (SELECT {COLUMNS} FROM entries e JOIN peers p ON p.id = e.peer"
            " WHERE e.ctid = ANY(ARRAY(SELECT place FROM shown))) AS of_page ON true"
        )
        given = (*found_values, *values, *behind, self._search.page_size + 1)
        rows = self._run(connection, statement, given)
        count, unsure = rows[0][:2]
        return [statements.match_of(row[2:]) for row in rows if row[2] is not None], count, unsure

    def _run(
        self, connection: Connection, statement: str, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        run = statements.run_by_index if self._endings else statements.run
        return run(connection, statement, values)

    def _select(
        self, columns: str, needles: Sequence[str], limit: int, *more: Condition
    ) -> tuple[str, tuple[object, ...]]:
        search = self._search
        others = [*more, *filters(search)]
        looked_up = [("e.searchable LIKE %s", (pattern(needle),)) for needle in needles]
        conditions, values = together([*looked_up, *others])
        alone, given = f"SELECT {columns} {MATCHING}{conditions}", (self._now_s, *values)
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
        named = f"FROM {blocks} {OF_EACH_BLOCK}{conditions}{OF_BLOCKS}{which}"
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
    read = statements.guessed_blocks(connection, map(contained_in_block, parts))
    if read <= _BLOCKS_AN_ENDING * endings:
        return []
    looked_up = [*map(ends_in_block, search.any_of)]
    return looked_up if statements.guessed_blocks(connection, looked_up) * endings < read else []


def _by_place(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[str, str], Match]:
    return {(row.peer, row.path): row for row in map(statements.match_of, rows)}
