"""Which entries of the SQLite store match a search."""

import json
import sqlite3
from collections.abc import Sequence

from panal.tracker.search import RANK_LIMIT, RANKED_OF_MORE, Match, Matches, Search
from panal.tracker.sqlite_keys import known_by
from panal.tracker.sqlite_peers import KnownPeer, PeerRows
from panal.tracker.sqlite_rows import (
    COLUMNS,
    CONTAINS,
    CONTENT,
    HERE,
    bounded,
    filters,
    matches_in,
)
from panal.tracker.sqlite_text import (
    TRIGRAM,
    beginning,
    indexed_until,
    matching,
    matching_any,
    name_crc,
)
from panal.wire.ids import ContentId

# What very many names have is ranked by this; the rest is read of those that are shown.
_FOR_RANKING = f"SELECT entries.id, entries.searchable, {CONTENT}"
_Found = tuple[int, str, ContentId]
# CROSS JOIN fixes the order: the text index leads where there is something to look up.
_FROM_TEXT = "FROM entry_text CROSS JOIN entries ON entries.id = entry_text.rowid"
_FROM_ALL = "FROM entries"
_COUNT_TEXT = "SELECT count(*) FROM (SELECT 1 FROM entry_text WHERE entry_text MATCH ? LIMIT ?)"

CHEAPER_THAN_COUNTED = 500
"""What so many names have is read before it is known whether that is too much."""
FEW_ENTRIES = 20_000
"""So many entries of one peer are looked through quicker than everybody's are looked up; so many
that the text index does not know yet are looked through, too."""


def matches_of(connection: sqlite3.Connection, peers: PeerRows, search: Search) -> Matches:
    """The entries of live peers that meet a search; exact names are never cut off."""
    only = peers.get(search.peer) if search.peer else None
    if search.peer and only is None:
        return Matches.of(())
    find = _Finding(connection, search, only)
    with bounded(connection):
        found, capped = find.all_or_best()
    ids, texts, contents = zip(*found, strict=True) if found else ((), (), ())

    def rows_at(places: Sequence[int]) -> list[Match]:
        return _with_ids(connection, peers, [ids[place] for place in places])

    return Matches(texts, contents, rows_at, capped)


def _with_ids(connection: sqlite3.Connection, peers: PeerRows, ids: Sequence[int]) -> list[Match]:
    """These entries, whole, in this order."""
    rows = connection.execute(
        f"{COLUMNS} FROM json_each(?) CROSS JOIN entries ON entries.id = value",
        (json.dumps(ids),),
    )
    return list(matches_in(peers, rows.fetchall()))


class _Finding:
    """One search's statements."""

    def __init__(
        self, connection: sqlite3.Connection, search: Search, only: KnownPeer | None
    ) -> None:
        self._connection = connection
        self._search = search
        self._conditions = [f"entries.{HERE}"]
        self._values: list[object] = []
        self._few = only is not None and _has_few(connection, only.id)
        if only is not None:
            self._conditions.append("entries.peer = ?")
            self._values.append(only.id)
        for condition, given in filters(search):
            self._conditions.append(condition)
            self._values += given

    def all_or_best(self) -> tuple[list[_Found], bool]:
        """What matches; where that is too much a part, the best first, and True."""
        needles = self._search.needles
        if text := self._counted_by(needles):
            found = self._matching(needles, CHEAPER_THAN_COUNTED)
            if len(found) < CHEAPER_THAN_COUNTED:
                return found, False
            (count,) = self._connection.execute(_COUNT_TEXT, (text, RANK_LIMIT + 1)).fetchone()
            if count > RANK_LIMIT:
                return self._best(()), True
        found = self._matching(needles, RANK_LIMIT + 1)
        if len(found) > RANK_LIMIT:
            return self._best(found), True
        return found, False

    def _counted_by(self, needles: Sequence[str]) -> str:
        """What alone tells about how many match, where only words decide that the index knows."""
        lengths = {len(needle) for needle in needles}
        is_narrowed = len(self._conditions) > 1
        are_known = bool(lengths) and (min(lengths) >= TRIGRAM or lengths == {TRIGRAM - 1})
        return self._looked_up(needles) if are_known and not is_narrowed else ""

    def _best(self, found: Sequence[_Found]) -> list[_Found]:
        """Exact names, then those in which words begin where the query's do, then any."""
        search, limit = self._search, RANKED_OF_MORE
        best = dict.fromkeys(self._exact(search.exact, limit) if search.exact is not None else ())
        if not found:
            for needles in (search.beginnings, search.needles):
                if len(best) < limit:
                    best |= dict.fromkeys(self._matching(needles, limit))
        return list(best | dict.fromkeys(found))[:limit]

    def _matching(self, needles: Sequence[str], limit: int) -> list[_Found]:
        """At most `limit` entries that contain all the needles, too."""
        where = " AND ".join([*self._conditions, *[CONTAINS] * len(needles)])
        values = (*self._values, *needles)
        for index, key in ("by_content", self._search.content), ("by_sha256", self._search.sha256):
            if key is not None:
                known = f"{known_by(index, '?')} AND {where}"
                return self._run(known, (*[key[:8]] * 3, *values), limit)
        text = "" if self._few else self._looked_up(needles)
        if not text:
            return self._run(f"{_FROM_ALL} WHERE {where}", values, limit)
        looked_up = f"{_FROM_TEXT} WHERE entry_text MATCH ? AND {where}"
        found = self._run(looked_up, (text, *values), limit)
        if len(found) < limit:
            recent = _not_indexed_from(self._connection)
            newer = f"{_FROM_ALL} NOT INDEXED WHERE id > ? AND {where}"
            found += self._run(newer, (recent, *values), limit - len(found))
        return found

    def _exact(self, name: str, limit: int) -> list[_Found]:
        """At most `limit` entries with this name, however many begin with it."""
        where = " AND ".join([*self._conditions, CONTAINS])
        known, crc = f"{known_by('by_name', '?')} AND {where}", name_crc(name)
        return self._run(known, (crc, crc, crc, *self._values, name), limit)

    def _looked_up(self, needles: Sequence[str]) -> str:
        """What is asked of the text index; empty where it knows nothing of it."""
        if parts := [matching(needle) for needle in needles if len(needle) >= TRIGRAM]:
            return " AND ".join(parts)
        if self._search.any_of:  # the ends of names are rarer than one letter
            return " AND ".join(map(matching_any, self._search.any_of))
        pairs = [needle for needle in needles if len(needle) == TRIGRAM - 1]
        return " AND ".join(filter(None, (beginning(self._connection, pair) for pair in pairs)))

    def _run(self, statement: str, values: Sequence[object], limit: int) -> list[_Found]:
        return self._connection.execute(
            f"{_FOR_RANKING} {statement} LIMIT ?", (*values, limit)
        ).fetchall()


def _has_few(connection: sqlite3.Connection, peer: int) -> bool:
    (entries,) = connection.execute("SELECT entries FROM peers WHERE id = ?", (peer,)).fetchone()
    return bool(entries <= FEW_ENTRIES)


def _not_indexed_from(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM entries").fetchone()
    return max(int(last) - FEW_ENTRIES, indexed_until(connection))
