"""Which entries of the SQLite store match a search."""

import json
import sqlite3
from collections.abc import Sequence

from panal.tracker.name_counts import KeptCounts, NameCounts
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
    count_gram,
    grams_of,
    indexed_until,
    matching,
    matching_any,
    matching_rarest,
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

_MANY = 1 << 62
_ENOUGH = 10_000
"""Of what more names have it is enough to know about how many."""
FEW_ROWS = 1_000
"""Are read and ranked in about a millisecond."""
FEW_ENTRIES = 20_000
"""So many entries of one peer are looked through quicker than everybody's are looked up; so many
that the text index does not know yet are looked through, too."""


def matches_of(
    connection: sqlite3.Connection, peers: PeerRows, counts: KeptCounts, search: Search
) -> Matches:
    """The entries of live peers that meet a search; exact names are never cut off."""
    only = peers.get(search.peer) if search.peer else None
    if search.peer and only is None:
        return Matches.of(())
    find = _Finding(connection, peers, counts, search, only)
    with bounded(connection):
        found, capped = find.all_or_best()
    ids, texts, contents = zip(*found, strict=True) if found else ((), (), ())

    def rows_at(places: Sequence[int]) -> list[Match]:
        return _with_ids(connection, peers, [ids[place] for place in places])

    return Matches(texts, contents, rows_at, capped)


def is_quick(counts: NameCounts, search: Search) -> bool:
    """Whether kept counts say that a search reads about a thousand rows, and by words alone."""
    is_narrowed = search.peer or search.content or search.sha256 or any(filters(search))
    if is_narrowed or not search.needles or min(map(len, search.needles)) < TRIGRAM:
        return False
    if counts.is_known_more(search.needles, RANK_LIMIT):
        return True
    grams = [gram for needle in search.needles for gram in grams_of(needle)]
    about = [counts.known_about(gram) for gram in grams]
    known = [count for count in about if count is not None]
    return len(known) == len(grams) and min(known) <= FEW_ROWS


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
        self,
        connection: sqlite3.Connection,
        peers: PeerRows,
        counts: KeptCounts,
        search: Search,
        only: KnownPeer | None,
    ) -> None:
        self._connection = connection
        self._absences = peers.absences
        self._counts = counts
        self._search = search
        self._conditions = [f"entries.{HERE}"]
        self._values: list[object] = []
        self._beginnings: dict[str, str] = {}
        self._few = only is not None and _has_few(connection, only.id)
        if only is not None:
            self._conditions.append("entries.peer = ?")
            self._values.append(only.id)
        for condition, given in filters(search):
            self._conditions.append(condition)
            self._values += given

    def all_or_best(self) -> tuple[list[_Found], bool]:
        """What matches; where that is too much a part, the best first, and True."""
        if self._is_too_much():
            return self._best(()), True
        found = self._matching(self._search.needles, RANK_LIMIT + 1)
        if len(found) > RANK_LIMIT:
            return self._best(found), True
        return found, False

    def _is_too_much(self) -> bool:
        """Whether what the index alone knows is too much already."""
        search = self._search
        lengths = {len(needle) for needle in search.needles}
        are_known = bool(lengths) and (min(lengths) >= TRIGRAM or lengths == {TRIGRAM - 1})
        has_key = search.content is not None or search.sha256 is not None
        if self._few or has_key or not are_known:
            return False
        text, about = self._looked_up(search.needles)
        if not text or about <= RANK_LIMIT:
            return False
        if len(self._conditions) == 1:
            return self._counts.names.is_more(search.needles, RANK_LIMIT, self._count_text)
        asked = (search.needles, self._absences, *self._conditions, *self._values)
        return self._counts.rows.is_more(asked, RANK_LIMIT, self._count_rows)

    def _count_text(self) -> int:
        """How many names have all trigrams of the needles, as far as it matters."""
        parts = [matching(one) for one in self._search.needles if len(one) >= TRIGRAM]
        text = " AND ".join(parts) or self._looked_up(self._search.needles)[0]
        (count,) = self._connection.execute(_COUNT_TEXT, (text, 2 * RANK_LIMIT + 1)).fetchone()
        return int(count)

    def _count_rows(self) -> int:
        """How many entries that the index knows match, as far as it matters."""
        text, _ = self._looked_up(self._search.needles)
        where, values = self._where(self._search.needles)
        counted = f"{_FROM_TEXT} WHERE entry_text MATCH ? AND {where} LIMIT ?"
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM (SELECT 1 {counted})",  # noqa: S608 (of our own parts)
            (text, *values, RANK_LIMIT + RANK_LIMIT // 4 + 1),
        ).fetchone()
        return int(count)

    def _best(self, found: Sequence[_Found]) -> list[_Found]:
        """Exact names, then those in which words begin where the query's do, then any."""
        search, limit = self._search, RANKED_OF_MORE
        best = dict.fromkeys(self._exact(search.exact, limit) if search.exact is not None else ())
        if not found:
            for needles in (search.beginnings, search.needles):
                if len(best) < limit:
                    best |= dict.fromkeys(self._matching(needles, limit))
        return list(best | dict.fromkeys(found))[:limit]

    def _where(self, needles: Sequence[str]) -> tuple[str, tuple[object, ...]]:
        """What holds of an entry that contains the needles, too, and the values in it."""
        conditions = [*self._conditions, *[CONTAINS] * len(needles)]
        return " AND ".join(conditions), (*self._values, *needles)

    def _matching(self, needles: Sequence[str], limit: int) -> list[_Found]:
        """At most `limit` entries that contain all the needles, too."""
        where, values = self._where(needles)
        for index, key in ("by_content", self._search.content), ("by_sha256", self._search.sha256):
            if key is not None:
                known = f"{known_by(index, '?')} AND {where}"
                return self._run(known, (*[key[:8]] * 3, *values), limit)
        text = "" if self._few else self._looked_up(needles)[0]
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
        where, values = self._where((name,))
        known, crc = f"{known_by('by_name', '?')} AND {where}", name_crc(name)
        return self._run(known, (crc, crc, crc, *values), limit)

    def _looked_up(self, needles: Sequence[str]) -> tuple[str, int]:
        """What is asked of the text index, and about how many names have it.

        Empty where the index knows nothing of it.
        """
        long = tuple(needle for needle in needles if len(needle) >= TRIGRAM)
        if long:
            return matching_rarest(long, self._about)
        if self._search.any_of:  # the ends of names are rarer than one letter
            return " AND ".join(map(matching_any, self._search.any_of)), _MANY
        pairs = [needle for needle in needles if len(needle) == TRIGRAM - 1]
        return " AND ".join(filter(None, map(self._beginning, pairs))), _MANY

    def _beginning(self, pair: str) -> str:
        known = self._beginnings.get(pair)
        if known is None:
            known = self._beginnings[pair] = beginning(self._connection, pair)
        return known

    def _about(self, gram: str) -> int:
        return self._counts.names.about(gram, lambda: count_gram(self._connection, gram, _ENOUGH))

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
