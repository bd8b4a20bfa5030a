"""Who holds a content, asked of the SQLite store."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from panal.tracker.handout import Holder
from panal.tracker.sqlite_keys import places_of
from panal.tracker.sqlite_peers import PeerRows
from panal.tracker.sqlite_rows import CONTENT, HERE
from panal.wire.ids import CONTENT_ID_BYTES, ContentId

MOST_KEPT = 100_000
"""Contents and holders in all; some ten megabytes."""
MOST_COUNTED = 20_000
"""Contents; some three megabytes."""

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
SELECT place, count(*) FROM ({" UNION ".join(_COUNTED)})
WHERE {HERE} GROUP BY place
"""  # noqa: S608 (of our own parts)


class Holders:
    """Whoever holds a content; kept until anything is written, or somebody comes or goes.

    Swarms ask again and again for the same ones, while next to nobody announces. A lease that is
    renewed meanwhile is not seen in what is kept: nobody asks it of a holder.
    """

    def __init__(self, connection: sqlite3.Connection, peers: PeerRows) -> None:
        self._connection = connection
        self._peers = peers
        self._absences = peers.absences
        self._kept: dict[ContentId, list[Holder]] = {}
        self._holders_kept = 0

    def of(self, contents: Iterable[ContentId], now_s: float) -> dict[ContentId, list[Holder]]:
        """The live peers that hold each content; whose lease is over by now holds nothing."""
        self._peers.note_absent(now_s)
        if self._absences != self._peers.absences:
            self._absences = self._peers.absences
            self.forget()
        located = {}
        for content in contents:
            kept = self._kept.get(content)
            located[content] = self._read(content) if kept is None else kept
        return located

    def _read(self, content: ContentId) -> list[Holder]:
        found: dict[int, bool] = {}
        given = {"key": content[:8], "content": content}
        for peer, complete in self._connection.execute(_HOLDERS, given).fetchall():
            found[peer] = bool(complete) or found.get(peer, False)
        record_of, absent = self._peers.with_id, self._peers.absent
        holders = [
            Holder(record_of(peer).record, complete)
            for peer, complete in found.items()
            if peer not in absent
        ]
        if not self._connection.in_transaction:
            self._keep(content, holders)
        return holders

    def forget(self) -> None:
        """Something was written: what is kept may not be so any more."""
        self._kept.clear()
        self._holders_kept = 0

    def _keep(self, content: ContentId, holders: list[Holder]) -> None:
        if self._holders_kept > MOST_KEPT:
            self.forget()
        self._kept[content] = holders
        self._holders_kept += 1 + len(holders)


class ProviderCounts:
    """How many hold a content; kept until that may have changed.

    The same contents are found by many words, and on the pages of whoever types a word.
    """

    def __init__(self, connection: sqlite3.Connection, peers: PeerRows) -> None:
        self._connection = connection
        self._peers = peers
        self._absences = peers.absences
        self._kept: dict[ContentId, int] = {}

    def of(self, contents: Sequence[ContentId], now_s: float) -> dict[ContentId, int]:
        """How many live peers hold each content."""
        self._peers.note_absent(now_s)
        if self._absences != self._peers.absences or len(self._kept) > MOST_COUNTED:
            self._absences = self._peers.absences
            self.forget()
        kept = self._kept
        if unknown := [content for content in dict.fromkeys(contents) if content not in kept]:
            given = {"places": json.dumps(list(range(len(unknown)))), "contents": b"".join(unknown)}
            counts = dict(self._connection.execute(_COUNTS, given).fetchall())
            for place, content in enumerate(unknown):
                kept[content] = counts.get(place, 0)
        return {content: kept[content] for content in contents}

    def note_changed(self, contents: Iterable[ContentId]) -> None:
        """Somebody may hold these now, or hold them no more."""
        if self._kept:
            for content in contents:
                self._kept.pop(content, None)

    def forget(self) -> None:
        """Any may have changed."""
        self._kept.clear()
