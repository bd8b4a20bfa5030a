"""The text index of the SQLite store, which follows the entries behind, in slices.

It is of trigrams, without positions: a needle is found by the trigrams that cover it and then
compared with the name. Entries up to `indexed_until` are in it; what came later is looked through
by each search, as far as it is recent. What went before it is left out of the index is not found
any more, because its entry is gone.

Each slice is one more piece of the index, and a search looks into every piece. To merge them costs
as much as to make them, so that is asked for on its own, when nobody waits.
"""

import sqlite3
from collections.abc import Callable, Iterable
from zlib import crc32

from panal.tracker.sqlite_keys import remove_keys

TRIGRAM = 3
_MOST_INDEXED = 64
"""Characters of a needle that the index looks for; all of it is compared."""
_MOST_COUNTED = 16
"""Characters of a needle whose trigrams are counted."""
_WORTH_LOOKING_THROUGH = 8
"""Names that have a trigram are looked through so many times quicker than names are read."""
_MOST_GRAMS = 500
_LAST_LETTER = "\U0010ffff"
_NOWHERE = "\x1e\x1e\x1e"
"""No name has this trigram."""

_MERGING = {"automerge": 0, "crisismerge": 1_024, "usermerge": 8}
"""Never as names come; all of a level at once, which holds everybody up, only if nothing else did;
else where a level has eight."""
_REMOVE = (
    "INSERT INTO entry_text (entry_text, rowid, searchable)"
    " SELECT 'delete', id, searchable FROM text_removed WHERE id <= ?"
)
_COUNT_GRAM = (
    "SELECT count(*), min(rowid), max(rowid) FROM"
    " (SELECT rowid FROM entry_text WHERE entry_text MATCH ? LIMIT ?)"
)
_LAST_REMOVED = "SELECT max(id) FROM (SELECT id FROM text_removed ORDER BY id LIMIT ?)"
_LAST_ADDED = "SELECT max(id) FROM (SELECT id FROM entries WHERE id > ? ORDER BY id LIMIT ?)"
_ADD = (
    "INSERT INTO entry_text (rowid, searchable)"
    " SELECT id, searchable FROM entries WHERE id > ? AND id <= ?"
)


def settle_merging(connection: sqlite3.Connection) -> None:
    """Have pieces merged when `merge_pieces` says so; nothing is written where it is so already."""
    settled = dict(connection.execute("SELECT k, v FROM entry_text_config").fetchall())
    for setting in _MERGING.items() - settled.items():
        connection.execute("INSERT INTO entry_text (entry_text, rank) VALUES (?, ?)", setting)


def merge_pieces(connection: sqlite3.Connection, pages: int) -> bool:
    """Merge pieces of the index, writing about so many of its pages; whether there was anything."""
    before = connection.total_changes
    connection.execute("INSERT INTO entry_text (entry_text, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before > 1  # https://sqlite.org/fts5.html, 6.8


def indexed_until(connection: sqlite3.Connection) -> int:
    """The last entry's id that the index knows."""
    (until,) = connection.execute("SELECT indexed_until FROM text_state").fetchone()
    return int(until)


def first_free_id(connection: sqlite3.Connection) -> int:
    """An id that no entry has had, nor any later one."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM entries").fetchone()
    return 1 + max(int(last), indexed_until(connection))


def unindexed(connection: sqlite3.Connection) -> int:
    """How many names are not in the index yet; names that went meanwhile are counted, too."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM entries").fetchone()
    return max(0, int(last) - indexed_until(connection))


def index_slice(connection: sqlite3.Connection, limit: int) -> tuple[int, int, int]:
    """Take up to `limit` names out of the index and into it.

    How many are left, about; how many it took in; how many it took out.
    """
    removed = 0
    (gone,) = connection.execute(_LAST_REMOVED, (limit,)).fetchone()
    if gone is not None:
        removed = connection.execute(_REMOVE, (gone,)).rowcount
        connection.execute("DELETE FROM text_removed WHERE id <= ?", (gone,))
        if removed == limit:
            return limit, 0, removed
    until = indexed_until(connection)
    (last,) = connection.execute(_LAST_ADDED, (until, limit)).fetchone()
    if last is None:
        return 0, 0, removed
    added = connection.execute(_ADD, (until, last)).rowcount
    connection.execute("UPDATE text_state SET indexed_until = ?", (last,))
    return unindexed(connection), added, removed


def drop_entries(connection: sqlite3.Connection, ids: str) -> int:
    """Delete entries, their ids given as a JSON array; how many.

    The index forgets their text later.
    """
    connection.execute(
        "INSERT INTO text_removed (id, searchable) SELECT id, searchable FROM entries"
        " WHERE id IN (SELECT value FROM json_each(?))"
        " AND id <= (SELECT indexed_until FROM text_state)",
        (ids,),
    )
    remove_keys(connection, ids)
    return connection.execute(
        "DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?))", (ids,)
    ).rowcount


def matching(needle: str) -> str:
    """In FTS5's query language: has all trigrams that cover a needle of three letters or more."""
    text = needle[:_MOST_INDEXED]
    last = len(text) - TRIGRAM
    starts = [*range(0, last, TRIGRAM), last]
    grams = dict.fromkeys(text[start : start + TRIGRAM] for start in starts)
    return " AND ".join(map(_quoted, grams))


def matching_rarest(needles: Iterable[str], about: Callable[[str], int]) -> tuple[str, int]:
    """In FTS5's query language: has the rarest trigrams of needles of three letters or more.

    And how many have the rarest, by what `about` says of each. A common trigram beside a rare one
    costs more to look through than it spares of names that are then compared.
    """
    chosen: dict[str, int] = {}
    for needle in needles:
        grams = grams_of(needle)
        counted = sorted((about(gram), start) for start, gram in enumerate(grams))
        (least, place), *others = counted
        chosen[grams[place]] = least
        for count, start in others:
            if abs(start - place) > 1:  # what lies beside it goes with it
                chosen.setdefault(grams[start], count)
                break
    least = min(chosen.values())
    rare = [gram for gram, count in chosen.items() if count <= _WORTH_LOOKING_THROUGH * least]
    return " AND ".join(map(_quoted, rare)), least


def grams_of(needle: str) -> list[str]:
    """The trigrams of a needle by which it may be looked up, in order."""
    text = needle[:_MOST_COUNTED]
    return [text[start : start + TRIGRAM] for start in range(len(text) - TRIGRAM + 1)]


def count_gram(connection: sqlite3.Connection, gram: str, limit: int) -> int:
    """How many names have a trigram; where more than `limit` do, about how many."""
    count, first, last = connection.execute(_COUNT_GRAM, (_quoted(gram), limit)).fetchone()
    if count < limit:
        return int(count)
    return int(count * (indexed_until(connection) - first) / max(1, last - first))


def matching_any(needles: Iterable[str]) -> str:
    """In FTS5's query language: may contain one of these."""
    return "(" + " OR ".join(f"({matching(needle)})" for needle in needles) + ")"


def name_crc(text: str) -> int:
    """By which the entries are found whose searchable form ends as this does, from the last "/" on.

    Names with the same are few, and compared.
    """
    return crc32(text[text.rindex("/") :].encode())


def beginning(connection: sqlite3.Connection, pair: str) -> str:
    """In FTS5's query language: has a trigram that begins with these two letters; or empty.

    A searchable form goes on behind any two letters but its last. Empty where there are more such
    trigrams than are quicker looked up than names looked through.
    """
    grams = connection.execute(
        "SELECT term FROM temp.entry_trigrams WHERE term >= ? AND term <= ? LIMIT ?",
        (pair, pair + _LAST_LETTER, _MOST_GRAMS + 1),
    ).fetchall()
    if len(grams) > _MOST_GRAMS:
        return ""
    return "(" + " OR ".join(_quoted(gram) for (gram,) in grams or [(_NOWHERE,)]) + ")"


def _quoted(gram: str) -> str:
    return '"' + gram.replace('"', '""') + '"'
