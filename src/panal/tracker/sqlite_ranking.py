"""Ranking in the SQLite store: names are put in order where they are, and come as one value.

Each row that comes from SQLite is a turn for Python's other threads, and while Python puts rows in
order these wait. So of all that was found only the ids and contents come, and whole rows of what a
page shows; `ranking.rank` sees these alone.
"""

import json
import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from panal.tracker.page_tokens import UNRANKED
from panal.tracker.search import Search
from panal.tracker.searchable import MARK, whole_word
from panal.tracker.sqlite_keys import ids_known_by, places_of
from panal.tracker.sqlite_rows import COLUMNS, CONTAINS, CONTENT, Row
from panal.wire.ids import CONTENT_ID_BYTES, ContentId

Part = tuple[str, Sequence[object]]
"""Of a query: FROM some entries, at most so many; and its values."""

Ordered = tuple[list[ContentId], list[ContentId], bool]
"""The contents of a page and the next one; all that are known, from the first page on; whether
there are no more."""

# The mark goes: in a word's middle it would come before all letters.
_KEY = f"{{}} || replace(entries.searchable, '{MARK}', '')"
# As bytes: a content is no text, and may have zeros.
_IN_ORDER = (
    "SELECT total((key, content) <= (?, ?)), CAST(group_concat(content, '') AS BLOB)"
    " FROM (SELECT * FROM ({}) ORDER BY key, content LIMIT ?)"
)
_ALL = -1
_MOST_ARE_AMONG = 4
_IS_WHOLE = (
    "(entries.searchable GLOB ? OR entries.searchable GLOB ? AND has_whole(entries.searchable, ?))"
)
_ASKED = f"substr({{}}, told.value * {CONTENT_ID_BYTES} + 1, {{}})"
_KEY_ASKED = _ASKED.format("?2", 8)
_KEYS_ASKED = " UNION ALL ".join(
    f"SELECT 1 FROM json_each(?1) AS told CROSS JOIN {place} AS known ON known.key = {_KEY_ASKED}"  # noqa: S608
    for place in places_of("by_content")
)
_COUNT_OF_CONTENTS = f"SELECT count(*) FROM ({_KEYS_ASKED} LIMIT ?3)"  # noqa: S608
_OF_CONTENTS = (
    f"{COLUMNS} FROM json_each(?1) AS told CROSS JOIN entries NOT INDEXED"
    f" WHERE entries.id IN ({ids_known_by('by_content', _KEY_ASKED)})"
    f" AND {CONTENT} = {_ASKED.format('?2', CONTENT_ID_BYTES)}"
)
_IS_ASKED = (
    f"substr(facts, 1, {CONTENT_ID_BYTES}) IN"  # noqa: S608 (of our own parts)
    f" (SELECT {_ASKED.format('?', CONTENT_ID_BYTES)} FROM json_each(?) AS told)"
)
_DEARER = 2
"""A name of a content is so many times dearer to read than one that is found."""
_SPECIAL = re.compile(r"[*?\[]")
_ENDS = "[\x01-/:-`{-\x7f]"
"""In a GLOB: of ASCII, what is neither a small letter nor a digit."""
_PERHAPS_ENDS = "[\x80-\U0010ffff]"


def make_ranking(connection: sqlite3.Connection) -> None:
    """What SQLite asks Python: whether a word ends before a letter beyond ASCII, if it is one."""
    connection.create_function("has_whole", 2, _has_whole, deterministic=True)


def contents_in_order(
    connection: sqlite3.Connection, search: Search, found: Sequence[Part]
) -> Ordered:
    """Contents in the order of the best names of each that are found, at most `RANK_LIMIT`.

    `ranking.rank` makes the page of all names that those of the page have.
    """
    quality, given = _class_of(search)
    selected = f"SELECT {CONTENT} AS content, {_KEY.format(quality)} AS key"
    parts = " UNION ALL ".join(f"SELECT * FROM ({selected} {part})" for part, _ in found)  # noqa: S608
    values = [value for _, values in found for value in (*given, *values)]
    wanted = search.page_size + 1
    # Most names of a page are at its beginning. What was on earlier pages all of them tell.
    some = _MOST_ARE_AMONG * wanted if search.after is None else _ALL
    while True:
        before, packed = connection.execute(
            _IN_ORDER.format(parts), (*_after(search), *values, some)
        ).fetchone()
        contents = _unpacked(packed or b"")
        is_whole = some == _ALL or len(contents) < some
        earlier = set(contents[: int(before)])
        behind = [one for one in dict.fromkeys(contents[int(before) :]) if one not in earlier]
        if len(behind) >= wanted or is_whole:
            return behind[:wanted], list(dict.fromkeys(contents)), is_whole
        some = _ALL


def names_of(
    connection: sqlite3.Connection,
    contents: Sequence[bytes],
    found: Sequence[Part],
    count: int,
    where: Part | None,
) -> list[Row]:
    """The names of these contents, of at most `count` that are found.

    `where` holds of these and of no other name; None where some are not found.
    """
    asked = (json.dumps(list(range(len(contents)))), b"".join(contents))
    (known,) = connection.execute(_COUNT_OF_CONTENTS, (*asked, count)).fetchone()
    if where is not None and _DEARER * known < count:
        condition, values = where
        named = f"{_OF_CONTENTS} AND {condition} ORDER BY entries.id"
        return connection.execute(named, (*asked, *values)).fetchall()
    # What very many have, an empty file say, is under more names than were found.
    of_them = [
        (f"SELECT * FROM ({COLUMNS} {part}) WHERE {_IS_ASKED}", (*values, asked[1], asked[0]))  # noqa: S608
        for part, values in found
    ]
    return [
        row for named, values in of_them for row in connection.execute(named, values).fetchall()
    ]


def rows_of(connection: sqlite3.Connection, found: Sequence[Part]) -> list[Row]:
    """What is found, whole."""
    return [
        row
        for part, values in found
        for row in connection.execute(f"{COLUMNS} {part}", values).fetchall()
    ]


def _after(search: Search) -> tuple[str, bytes]:
    """The key and content behind which the page begins."""
    if search.after is None:
        return "", b""
    quality, text, content = search.after
    return f"{quality}{text}", bytes.fromhex(content)


def _unpacked(packed: bytes) -> list[ContentId]:
    size = CONTENT_ID_BYTES
    return [ContentId(packed[start : start + size]) for start in range(0, len(packed), size)]


def _class_of(search: Search) -> tuple[str, list[object]]:
    """`search.match_class` as an expression that gives its digit, and the values in it."""
    if search.exact is None:
        return f"'{UNRANKED}'", []
    conditions: list[str] = []
    values: list[object] = [search.exact]
    for word, (begun, is_open) in zip(search.whole, search.whole_words(), strict=True):
        conditions.append(CONTAINS)  # most names that do not are told from others by this alone
        values.append(begun)
        if is_open and begun.rfind(MARK) != 0:
            # GLOB would try again at each mark inside: the square of a long name's length.
            conditions.append("has_whole(entries.searchable, ?)")
            values.append(word)
        elif is_open:
            conditions.append(_IS_WHOLE)
            begins = f"*{_SPECIAL.sub(_alone, begun)}"
            values += (f"{begins}{_ENDS}*", f"{begins}{_PERHAPS_ENDS}*", word)
    whole = " AND ".join(conditions)
    quality = f"CASE WHEN {CONTAINS} THEN '0' WHEN {whole} THEN '1'"
    return f"({quality} ELSE '{UNRANKED}' END)", values


def _alone(special: re.Match[str]) -> str:
    return f"[{special[0]}]"


def _has_whole(text: str, word: str) -> bool:
    return _whole(word).search(text) is not None


@lru_cache(maxsize=64)
def _whole(word: str) -> re.Pattern[str]:
    return re.compile(whole_word(word))
