"""What the replacements under way have named, in memory: a stream does not outlive its tracker.

So a name that is told again writes nothing of its row. Nothing is noted while a peer has no
replacement under way.
"""

import sqlite3
from collections.abc import Iterable

from panal.wire.ids import ContentId

_TABLES = (
    "CREATE TEMP TABLE replacements"
    " (peer INTEGER, generation INTEGER, PRIMARY KEY (peer, generation)) WITHOUT ROWID",
    "CREATE TEMP TABLE named_entries"
    " (peer INTEGER, entry INTEGER, generation INTEGER, PRIMARY KEY (peer, entry)) WITHOUT ROWID",
    "CREATE TEMP TABLE named_holdings"
    " (peer INTEGER, content BLOB, generation INTEGER, PRIMARY KEY (peer, content)) WITHOUT ROWID",
)
_NAMED = ("named_entries", "named_holdings")
_NOTE = "INSERT OR REPLACE INTO temp.named_entries (peer, entry, generation) "


def make_replacements(connection: sqlite3.Connection) -> None:
    """The tables, with nothing in them."""
    for statement in _TABLES:
        connection.execute(statement)


def latest(connection: sqlite3.Connection, peer: int) -> int | None:
    """The generation of a peer's replacement that began last; None where none is under way."""
    row = connection.execute(
        "SELECT max(generation) FROM temp.replacements WHERE peer = ?", (peer,)
    ).fetchone()
    generation: int | None = row[0]
    return generation


def is_under_way(connection: sqlite3.Connection, peer: int, generation: int) -> bool:
    """Whether this one has begun and has not ended, nor a later one."""
    return (
        connection.execute(
            "SELECT 1 FROM temp.replacements WHERE peer = ? AND generation = ?", (peer, generation)
        ).fetchone()
        is not None
    )


def begun(connection: sqlite3.Connection, peer: int, generation: int) -> None:
    """It is under way from now on."""
    connection.execute("INSERT INTO temp.replacements VALUES (?, ?)", (peer, generation))


def ended(connection: sqlite3.Connection, peer: int, generation: int) -> None:
    """It is not under way any more, nor is what began before it."""
    connection.execute(
        "DELETE FROM temp.replacements WHERE peer = ? AND generation <= ?", (peer, generation)
    )
    if latest(connection, peer) is None:
        forget_named(connection, peer)


def forget_named(connection: sqlite3.Connection, peer: int) -> None:
    """Nothing that a peer named is noted any more."""
    for table in ("replacements", *_NAMED):
        connection.execute(f"DELETE FROM temp.{table} WHERE peer = ?", (peer,))  # noqa: S608


def name_new(
    connection: sqlite3.Connection, peer: int, generation: int, first: int, last: int
) -> None:
    """New entries, by the first and the last of their ids, were named."""
    connection.execute(
        f"{_NOTE} SELECT ?, id, ? FROM main.entries WHERE id >= ? AND id <= ?",  # noqa: S608
        (peer, generation, first, last),
    )


def name_again(connection: sqlite3.Connection, peer: int, generation: int, ids: str) -> None:
    """Entries were named, whose ids are a JSON array."""
    connection.execute(
        f"{_NOTE} SELECT ?, value, ? FROM json_each(?)",  # noqa: S608
        (peer, generation, ids),
    )


def name_holdings(
    connection: sqlite3.Connection, peer: int, generation: int, contents: Iterable[ContentId]
) -> None:
    """Holdings were named."""
    connection.executemany(
        "INSERT OR REPLACE INTO temp.named_holdings VALUES (?, ?, ?)",
        [(peer, content, generation) for content in contents],
    )


def unname(connection: sqlite3.Connection, peer: int, ids: str) -> None:
    """Entries are going, whose ids are a JSON array."""
    connection.execute(
        "DELETE FROM temp.named_entries WHERE peer = ?"
        " AND entry IN (SELECT value FROM json_each(?))",
        (peer, ids),
    )


def unnamed_entries(
    connection: sqlite3.Connection, peer: int, generation: int, entries: int
) -> list[tuple[int, bytes, str]]:
    """Id, facts and path of what was not named since; no row is read where all `entries` were."""
    named = "FROM temp.named_entries WHERE peer = ? AND generation >= ?"
    since = (peer, generation)
    (count,) = connection.execute(f"SELECT count(*) {named}", since).fetchone()
    if count == entries:
        return []
    return connection.execute(
        "SELECT id, facts, path FROM main.entries WHERE peer = ?"  # noqa: S608 (of our own parts)
        f" AND id NOT IN (SELECT entry {named})",
        (peer, *since),
    ).fetchall()


def unnamed_holdings(connection: sqlite3.Connection, peer: int, generation: int) -> list[ContentId]:
    """What was held and not named since."""
    rows = connection.execute(
        "SELECT content FROM main.holdings WHERE peer = ? AND content NOT IN"
        " (SELECT content FROM temp.named_holdings WHERE peer = ? AND generation >= ?)",
        (peer, peer, generation),
    ).fetchall()
    return [ContentId(content) for (content,) in rows]
