"""Who holds a content, asked of the SQLite store."""

import json
import sqlite3
from collections.abc import Sequence

from panal.tracker.sqlite_keys import ids_known_by, known_by
from panal.tracker.sqlite_rows import CONTENT, HERE
from panal.wire.ids import CONTENT_ID_BYTES, ContentId

_HOLDERS = f"""
SELECT peer, max(complete) FROM (
    SELECT peer, 1 AS complete {known_by("by_content", "substr(:content, 1, 8)")}
    AND {CONTENT} = :content
    UNION ALL
    SELECT peer, complete FROM holdings WHERE content = :content
) WHERE {HERE} GROUP BY peer
"""  # noqa: S608 (of our own parts)

_WANTED = f"substr(:contents, told.value * {CONTENT_ID_BYTES} + 1, {{}})"
_COUNTS = f"""
SELECT place, count(DISTINCT peer) FROM (
    SELECT told.value AS place, entries.peer FROM json_each(:places) AS told
    CROSS JOIN entries ON entries.id IN ({ids_known_by("by_content", _WANTED.format(8))})
    AND {CONTENT} = {_WANTED.format(32)}
    UNION ALL
    SELECT told.value, holdings.peer FROM json_each(:places) AS told
    CROSS JOIN holdings ON holdings.content = {_WANTED.format(32)}
) WHERE {HERE} GROUP BY place
"""  # noqa: S608 (of our own parts)


def holders_of(connection: sqlite3.Connection, content: ContentId) -> list[tuple[int, bool]]:
    """The row ids of the live peers that hold a content, and whether whole."""
    rows = connection.execute(_HOLDERS, {"content": content}).fetchall()
    return [(peer, bool(complete)) for peer, complete in rows]


def provider_counts(
    connection: sqlite3.Connection, contents: Sequence[ContentId]
) -> dict[ContentId, int]:
    """How many live peers hold each content."""
    wanted = list(dict.fromkeys(contents))
    given = {"places": json.dumps(list(range(len(wanted)))), "contents": b"".join(wanted)}
    counts = dict(connection.execute(_COUNTS, given).fetchall())
    return {content: counts.get(place, 0) for place, content in enumerate(wanted)}
