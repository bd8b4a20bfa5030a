"""What a listing reads from the PostgreSQL store: names in the order of their paths."""

from collections.abc import Generator

from panal.tracker import postgres_statements as statements
from panal.tracker.postgres_conditions import Condition, ends_in_block, ends_so, filters, together
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_statements import (
    COLUMNS,
    GIVEN_HEAD,
    HEAD,
    MATCHING,
    OF_BLOCKS,
    OF_EACH_BLOCK,
)
from panal.tracker.ranking import Match
from panal.tracker.search import Search

_LISTED_AT_ONCE = 200
_MOST_LISTED_AT_ONCE = 5_000
_FEW_BLOCKS = 2_000
"""Their names are read and sorted sooner than a page of them is found among all in order."""
_IN_BLOCKS = f"FROM blocks b {OF_EACH_BLOCK}"
# The index has the order of heads: what begins alike is sorted, which is hardly ever more than
# one path, and what is not taken costs nothing.
_IN_ORDER = f" ORDER BY {HEAD}, e.path, e.content, p.name LIMIT %s"


def entries_in_order(connection: Connection, search: Search, now_s: float) -> Generator[Match]:
    """The entries of live peers from a page's beginning on, by path, content and peer."""
    statements.give_up_in_time(connection)
    is_few = _has_few_blocks(connection, search)
    listed, run = (_from_blocks, statements.run_by_index) if is_few else (_from_all, statements.run)
    begin = search.after[1] if search.after is not None else ""
    behind = f"{HEAD} >= {GIVEN_HEAD} AND e.path >= %s"
    position: list[object] = [begin, begin]
    wanted = min(search.page_size + 1, _LISTED_AT_ONCE)
    while True:
        statement, values = listed(search, now_s, (behind, position))
        rows = [statements.match_of(row) for row in run(connection, statement, (*values, wanted))]
        yield from rows
        if len(rows) < wanted:
            return
        last = rows[-1]
        behind = f"{HEAD} >= {GIVEN_HEAD} AND (e.path, e.content, p.name) > (%s, %s, %s)"
        position = [last.path, last.path, last.content, last.peer]
        wanted = min(2 * wanted, _MOST_LISTED_AT_ONCE)


def _from_all(search: Search, now_s: float, behind: Condition) -> tuple[str, list[object]]:
    conditions, values = together([*filters(search), behind])
    return f"SELECT {COLUMNS} {MATCHING}{conditions}{_IN_ORDER}", [now_s, *values]


def _from_blocks(search: Search, now_s: float, behind: Condition) -> tuple[str, list[object]]:
    """The names of all blocks with such endings; those in no block have an index, too."""
    conditions, values = together([*filters(search), behind])
    blocks, of_blocks = together(map(ends_in_block, search.any_of))
    names, of_names = together(map(ends_so, search.any_of))
    return (
        f"SELECT * FROM (SELECT {COLUMNS} {_IN_BLOCKS}{conditions}{OF_BLOCKS}{blocks} UNION ALL"
        f" SELECT {COLUMNS} {MATCHING}{conditions}{names} AND e.block IS NULL) AS e"
        " ORDER BY path, content, peer LIMIT %s",
        [now_s, *values, *of_blocks, now_s, *values, *of_names],
    )


def _has_few_blocks(connection: Connection, search: Search) -> bool:
    """Whether few names have the endings that a listing asks for: then it need not walk by all.

    To count what many have takes as long as to list it, so the planner is asked for its guess.
    """
    if not search.any_of or search.peer:
        return False
    if statements.guessed_blocks(connection, map(ends_in_block, search.any_of)) > _FEW_BLOCKS:
        return False
    conditions, values = together(map(ends_in_block, search.any_of))
    counted = f"SELECT count(*) FROM blocks b WHERE true{conditions}"
    ((count,),) = statements.run_by_index(connection, counted, values)
    return bool(count <= _FEW_BLOCKS)
