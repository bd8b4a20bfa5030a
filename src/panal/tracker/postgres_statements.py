"""How a search of the PostgreSQL store is run: what it reads of names, blocks and who is live."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import errors

from panal.errors import UsageError
from panal.tracker.postgres_conditions import Condition, together
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_steps import HEAD_CHARACTERS
from panal.tracker.ranking import Match
from panal.tracker.search import TOO_MUCH
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind

MOST_SEARCH_MS = 2_000
"""A search that takes longer would hold others up; it is given up."""
_KINDS = tuple(map(Kind, range(len(Kind))))

# + 0: what statistics know of leases is old within a minute. Nobody seemed to be live then, and a
# search read all entries of everybody who was.
LIVE = "p.lease_until_s + 0 > %s"

HEAD = f"left(e.path, {HEAD_CHARACTERS})"
GIVEN_HEAD = f"left(%s, {HEAD_CHARACTERS})"
COLUMNS = "p.name AS peer, e.path, e.searchable, e.content, e.size_bytes, e.kind, e.sha256"
MATCHING = f"FROM entries e JOIN peers p ON p.id = e.peer WHERE {LIVE}"
# OFFSET 0: block by block, however many there seem to be. No statistics tell how many have a word,
# and a plan that begins with all entries takes a second.
OF_EACH_BLOCK = (
    f"JOIN peers p ON p.id = b.peer AND {LIVE} CROSS JOIN LATERAL"
    " (SELECT e.ctid, e.* FROM entries e WHERE e.block = b.id"
)
OF_BLOCKS = " OFFSET 0) AS e WHERE true"


def give_up_in_time(connection: Connection) -> None:
    """What takes longer from here on is given up."""
    connection.execute(f"SET LOCAL statement_timeout = {MOST_SEARCH_MS}".encode())


def run(connection: Connection, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    """All rows; UsageError where the search is given up."""
    try:
        # Planned anew for these words: how many names hold one decides the way.
        with connection.cursor(binary=True) as cursor:
            cursor.execute(statement.encode(), values, prepare=False)
            return cursor.fetchall()
    except errors.QueryCanceled:
        raise UsageError(TOO_MUCH) from None


def run_by_index(
    connection: Connection, statement: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """As `run`, no table read whole: many endings of each row take longer than the planner knows.

    It reckons with one comparison, and read 50,000 blocks in a second for what the index had.
    """
    connection.execute(b"SET LOCAL enable_seqscan = off")
    found = run(connection, statement, values)
    connection.execute(b"SET LOCAL enable_seqscan = on")
    return found


def guessed_blocks(connection: Connection, of_blocks: Iterable[Condition]) -> float:
    """How many meet these, as the planner thinks by its statistics: it reads none."""
    conditions, values = together(of_blocks)
    asked = f"EXPLAIN (FORMAT JSON) SELECT FROM blocks b WHERE true{conditions}"
    ((plan,),) = run(connection, asked, values)
    return float(plan[0]["Plan"]["Plan Rows"])


def match_of(row: tuple[Any, ...]) -> Match:
    """Of a row of `COLUMNS`."""
    peer, path, text, content, size_bytes, kind, sha256 = row
    return Match(PeerName(peer), path, text, ContentId(content), size_bytes, _KINDS[kind], sha256)
