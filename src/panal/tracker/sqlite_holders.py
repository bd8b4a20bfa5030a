"""Who holds a content, asked of the SQLite store."""

import json
import sqlite3
from collections.abc import Sequence

from panal.tracker.sqlite_keys import places_of
from panal.tracker.sqlite_rows import CONTENT, HERE
from panal.wire.ids import CONTENT_ID_BYTES, ContentId

MOST_KEPT = 100_000
"""Contents and holders in all; some ten megabytes."""

# Without GROUP BY and NOT IN, whose tables cost more than the rows of most contents.
_OF_ENTRIES = """
SELECT peer, 1 FROM {} AS known CROSS JOIN entries ON entries.id = known.entry
WHERE known.key = :key AND substr(entries.facts, 1, 32) = :content
"""
_OF_HOLDINGS = "SELECT peer, complete FROM holdings WHERE content = :content"
_HOLDERS = " UNION ALL ".join([*map(_OF_ENTRIES.format, places_of("by_content")), _OF_HOLDINGS])

_WANTED = f"substr(:contents, told.value * {CONTENT_ID_BYTES} + 1, {{}})"
_COUNTED_ENTRIES = f"""
SELECT told.value AS place, entries.peer FROM json_each(:places) AS told
CROSS JOIN {{}} AS known ON known.key = {_WANTED.format(8)}
CROSS JOIN entries ON entries.id = known.entry AND {CONTENT} = {_WANTED.format(32)}
"""  # noqa: S608 (of our own parts)
_COUNTED_HOLDINGS = f"""
SELECT told.value, holdings.peer FROM json_each(:places) AS told
CROSS JOIN holdings ON holdings.content = {_WANTED.format(32)}
"""  # noqa: S608 (of our own parts)
_COUNTED = [*map(_COUNTED_ENTRIES.format, places_of("by_content")), _COUNTED_HOLDINGS]
_COUNTS = f"""
SELECT place, count(DISTINCT peer) FROM ({" UNION ALL ".join(_COUNTED)})
WHERE {HERE} GROUP BY place
"""  # noqa: S608 (of our own parts)


class Holders:
    """Whoever holds a content, absent or not; kept until anything is written.

    Swarms ask again and again for the same ones, while next to nobody announces.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._kept: dict[ContentId, dict[int, bool]] = {}
        self._holders_kept = 0

    def of(self, content: ContentId) -> dict[int, bool]:
        """The row ids of the peers that hold a content, and whether whole."""
        if (kept := self._kept.get(content)) is not None:
            return kept
        holders: dict[int, bool] = {}
        given = {"key": content[:8], "content": content}
        for peer, complete in self._connection.execute(_HOLDERS, given).fetchall():
            holders[peer] = bool(complete) or holders.get(peer, False)
        if not self._connection.in_transaction:
            self._keep(content, holders)
        return holders

    def forget(self) -> None:
        """Something was written: what is kept may not be so any more."""
        self._kept.clear()
        self._holders_kept = 0

    def _keep(self, content: ContentId, holders: dict[int, bool]) -> None:
        if self._holders_kept > MOST_KEPT:
            self.forget()
        self._kept[content] = holders
        self._holders_kept += 1 + len(holders)


def provider_counts(
    connection: sqlite3.Connection, contents: Sequence[ContentId]
) -> dict[ContentId, int]:
    """How many live peers hold each content."""
    wanted = list(dict.fromkeys(contents))
    given = {"places": json.dumps(list(range(len(wanted)))), "contents": b"".join(wanted)}
    counts = dict(connection.execute(_COUNTS, given).fetchall())
    return {content: counts.get(place, 0) for place, content in enumerate(wanted)}
