"""By what entries of the SQLite store are looked up besides their paths.

Contents and SHA-256 are random, so each new entry belongs on another page of such an index, and at
a million entries these pages cost more than all else: each is written to the log, and later to its
place, for one key of a few bytes. So new keys are kept in memory, where a page costs a copy, until
there are so many that several go to one page; then they are merged into the file, in the order of
keys, a part at a time, while later ones are kept in a second place. What is in memory is made again
from the rows at each start.
"""

import sqlite3

KEYS = {
    "by_content": "substr(facts, 1, 8)",
    "by_sha256": "nullif(substr(facts, 42, 8), zeroblob(8))",  # zeros: not vouched for
    "by_name": "+name_crc",  # as a bare column it would be converted, and no index used
}
"""Each index, and the key of an entry in it: some have the same, and are compared."""
RECENT_ENTRIES = 32_768
"""From here on they are merged."""
_PARTS = 16

_TABLE = "CREATE {} (key NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (key, entry)) WITHOUT ROWID"
SCHEMA = (
    "".join(f"{_TABLE.format(f'TABLE {index}')};\n" for index in KEYS)
    + """\
CREATE TABLE keys_state (merged_until INTEGER NOT NULL);
INSERT INTO keys_state VALUES (0);
"""
)
_STATE = """
CREATE TEMP TABLE keys_merging (
    place INTEGER NOT NULL,  -- where new keys go: 0 or 1
    until INTEGER,  -- the last entry whose keys are merged now, out of the other place
    part INTEGER NOT NULL
)
"""
_RECENT = ("temp.recent_0_{}", "temp.recent_1_{}")
_ADD = "INSERT OR IGNORE INTO {} SELECT {}, id FROM main.entries WHERE {}"
_NEW = "id >= ? AND id <= ?"
_LISTED = "id IN (SELECT value FROM json_each(?))"
_UNMERGED = (  # a part may have been merged, and not the others
    "id > (SELECT merged_until FROM keys_state)"
    " AND NOT EXISTS (SELECT 1 FROM main.{} WHERE key = {} AND entry = id)"
)
_REMOVE = "DELETE FROM {} WHERE (key, entry) IN (SELECT {}, id FROM main.entries WHERE {})"
_MERGE = "INSERT OR IGNORE INTO main.{} SELECT key, entry FROM {} WHERE key >= ? AND key < ?"
_BEGIN = (
    "UPDATE keys_merging SET place = 1 - place, until = (SELECT max(id) FROM entries), part = 0"
)


def places_of(index: str) -> tuple[str, ...]:
    """The tables that together are an index, each with `key` and `entry`."""
    return (f"main.{index}", *(place.format(index) for place in _RECENT))


def ids_known_by(index: str, key: str) -> str:
    """A query for the ids of the entries that have a key, which still are to be compared."""
    asked = [
        f"SELECT entry FROM {place} WHERE key = {key}"  # noqa: S608 (of our own parts)
        for place in places_of(index)
    ]
    return " UNION ALL ".join(asked)


def known_by(index: str, key: str) -> str:
    """Of a query: FROM these entries."""
    return f"FROM entries NOT INDEXED WHERE entries.id IN ({ids_known_by(index, key)})"


def make_recent_keys(connection: sqlite3.Connection) -> None:
    """What is in memory, of entries that are not merged."""
    connection.execute(_STATE)
    connection.execute("INSERT INTO keys_merging VALUES (0, NULL, 0)")
    for index, key in KEYS.items():
        for place in _RECENT:
            connection.execute(_TABLE.format(f"TABLE {place.format(index)}"))
        unmerged = _UNMERGED.format(index, key)
        connection.execute(_ADD.format(_RECENT[0].format(index), key, unmerged))


def add_keys(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Of new entries, by the first and the last of their ids."""
    (place,) = connection.execute("SELECT place FROM keys_merging").fetchone()
    for index, key in KEYS.items():
        connection.execute(_ADD.format(_RECENT[place].format(index), key, _NEW), (first, last))


def add_keys_again(connection: sqlite3.Connection, ids: str) -> None:
    """Of entries that have changed; their ids are a JSON array."""
    for index, key in KEYS.items():  # by its id an entry may count as merged
        connection.execute(_ADD.format(f"main.{index}", key, _LISTED), (ids,))


def remove_keys(connection: sqlite3.Connection, ids: str) -> None:
    """Of entries that are going, or about to change; their ids are a JSON array."""
    for index, key in KEYS.items():
        for place in places_of(index):
            connection.execute(_REMOVE.format(place, key, _LISTED), (ids,))


def merge_keys(connection: sqlite3.Connection) -> None:
    """Merge a part, if it is time to."""
    place, until, part = connection.execute("SELECT * FROM keys_merging").fetchone()
    if until is None:
        (recent,) = connection.execute(
            f"SELECT count(*) FROM {_RECENT[place].format('by_content')}"  # noqa: S608
        ).fetchone()
        if recent >= RECENT_ENTRIES:
            connection.execute(_BEGIN)
        return
    merged = _RECENT[1 - place]
    for index in KEYS:
        between = _numbers(part) if index == "by_name" else _hashes(part)
        connection.execute(_MERGE.format(index, merged.format(index)), between)
    if part + 1 < _PARTS:
        connection.execute("UPDATE keys_merging SET part = part + 1")
        return
    for index in KEYS:
        connection.execute(f"DELETE FROM {merged.format(index)}")  # noqa: S608 (of our own parts)
    connection.execute("UPDATE keys_state SET merged_until = ?", (until,))
    connection.execute("UPDATE keys_merging SET until = NULL")


def _numbers(part: int) -> tuple[int, int]:
    each = (1 << 32) // _PARTS
    return part * each, (part + 1) * each


def _hashes(part: int) -> tuple[bytes, bytes]:
    each = 256 // _PARTS
    after = bytes([(part + 1) * each]) if part + 1 < _PARTS else b"\xff" * 9
    return bytes([part * each]), after
