"""Which entries of the SQLite store match a search."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from panal.tracker.name_counts import KeptCounts
from panal.tracker.ranking import RANK_LIMIT, RANKED_OF_MORE
from panal.tracker.search import Search
from panal.tracker.sqlite_keys import known_by
from panal.tracker.sqlite_peers import KnownPeer, PeerRows
from panal.tracker.sqlite_ranking import Ordered, Part, contents_in_order, names_of, rows_of
from panal.tracker.sqlite_rows import (
    CONTAINS,
    HERE,
    Row,
    filters,
)
from panal.tracker.sqlite_text import (
    TRIGRAM,
    beginning,
    count_gram,
    grams_of,
    matching,
    matching_any,
    matching_rarest,
    name_crc,
)

# CROSS JOIN fixes the order: the text index leads where there is something to look up.
_FROM_TEXT = "FROM entry_text CROSS JOIN entries ON entries.id = entry_text.rowid"
_FROM_ALL = "FROM entries"
_IS_AMONG = f"""
SELECT EXISTS (SELECT 1 {_FROM_ALL} NOT INDEXED WHERE id > ? AND {{0}}) OR EXISTS (
    SELECT 1 {_FROM_ALL} NOT INDEXED WHERE id IN (SELECT value FROM json_each(?)) AND {{0}}
)
"""  # noqa: S608 (of our own parts)
_LAST = "SELECT (SELECT coalesce(max(id), 0) FROM entries), indexed_until FROM text_state"
_COUNT_TEXT = "SELECT count(*) FROM (SELECT 1 FROM entry_text WHERE entry_text MATCH ? LIMIT ?)"

_MANY = 1 << 62
_SAMPLED = 1_000
"""Names that are looked at to say which trigrams are rare ones."""
_ENOUGH = 10_000
"""Where fewer names have a trigram, no commoner one is counted so far; of what more names have it
is enough to know about how many."""
_RARE = 3_000
"""Where more names have the rarest that was counted, the others are counted so far."""
ENOUGH_TO_LOOK_UP = 10_000
"""Names that are read take as long as to look up which names have one of some endings."""
FEW_ROWS = 1_000
"""Are read and ranked in about a millisecond."""
FEW_ENTRIES = 20_000
"""So many entries of one peer are looked through quicker than everybody's are looked up; so many
that the text index does not know yet are looked through, too."""


class Finding:
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
        self._rarest_of: dict[tuple[str, ...], tuple[str, int]] = {}
        last, until = connection.execute(_LAST).fetchone()
        self.last_entry = int(last)
        """The newest entry's id."""
        self._indexed_until = int(until)
        self._few = only is not None and _has_few(connection, only.id)
        if only is not None:
            self._conditions.append("entries.peer = ?")
            self._values.append(only.id)
        for condition, given in filters(search):
            self._conditions.append(condition)
            self._values += given

    def found(self) -> list[Part]:
        """What finds all that match, and one more than are put in order."""
        return self._matching(self._search.needles, RANK_LIMIT + 1)

    def rows_of(self, found: Sequence[Part]) -> list[Row]:
        """What is found, whole."""
        return rows_of(self._connection, found)

    def contents_in_order(self, found: Sequence[Part]) -> Ordered:
        """Of at most `RANK_LIMIT` names that are found."""
        return contents_in_order(self._connection, self._search, found)

    def names_of(self, contents: Sequence[bytes], found: Sequence[Part], count: int) -> list[Row]:
        """The names of these contents, of at most `count` that are found."""
        by_contents = self._where(self._search.needles) if self.sees_all() else None
        return names_of(self._connection, contents, found, count, by_contents)

    def is_among(self, behind: int, ids: Sequence[int]) -> bool:
        """Whether an entry behind this id, or one of these, matches."""
        where, values = self._where(self._search.needles)
        (is_one,) = self._connection.execute(
            _IS_AMONG.format(where), (behind, *values, json.dumps(ids), *values)
        ).fetchone()
        return bool(is_one)

    def sees_all(self) -> bool:
        """Whether no entry lies between those that the index knows and the newest ones."""
        return self.last_entry - self._indexed_until <= FEW_ENTRIES

    def is_too_much(self) -> bool:
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

    def at_most(self, found: Sequence[Part]) -> int:
        """So many are found at most; exactly, where by the index they may be too many."""
        text = "" if self._few else self._looked_up(self._search.needles)[0]
        if text:
            count = self._indexed_at_most(text)
            count += min(max(0, self.last_entry - self._indexed_until), FEW_ENTRIES)
            if count <= RANK_LIMIT:
                return count
        counts = [f"(SELECT count(*) FROM (SELECT 1 {part}))" for part, _ in found]  # noqa: S608
        (count,) = self._connection.execute(
            f"SELECT {' + '.join(counts)}", [value for _, values in found for value in values]
        ).fetchone()
        return int(count)

    def _indexed_at_most(self, text: str) -> int:
        """Of what the index knows; of what is common as much as matters."""
        needles, names = self._search.needles, self._counts.names
        grams = [gram for needle in needles for gram in grams_of(needle)]
        most = [count for count in map(names.at_most, grams) if count is not None]
        if min(most, default=_SAMPLED) < _SAMPLED:  # so it was counted, not guessed
            return min(most)
        count = names.at_most(needles)
        if count is None or count > RANK_LIMIT:
            (count,) = self._connection.execute(_COUNT_TEXT, (text, RANK_LIMIT + 1)).fetchone()
        return int(count)

    def exact_names(self) -> list[Row]:
        """The entries whose name is exactly what was asked for, as many as are ranked."""
        name = self._search.exact
        if name is None:
            return []
        where, values = self._where((name,))
        known, crc = f"{known_by('by_name', '?')} AND {where} LIMIT ?", name_crc(name)
        return rows_of(self._connection, [(known, (crc, crc, crc, *values, RANKED_OF_MORE))])

    def best(
        self, exact: Sequence[Row], ways: Sequence[Sequence[str]]
    ) -> tuple[list[Row], int | None]:
        """Exact names, then those that contain the needles of each way, the oldest first.

        And the id of the last, where these are the oldest of the first way: no later name comes
        before them.
        """
        limit = RANKED_OF_MORE
        best = _by_id(exact)
        last: int | None = None
        for needles in ways:
            for place, part in enumerate(self._matching(needles, limit)):
                if len(best) < limit:
                    rows = rows_of(self._connection, [part])
                    best |= _by_id(rows)
                    if len(best) >= limit and place == 0 and needles is ways[0]:
                        last = rows[-1][0]
        return list(best.values())[:limit], last

    def _where(self, needles: Sequence[str]) -> tuple[str, tuple[object, ...]]:
        """What holds of an entry that contains the needles, too, and the values in it."""
        conditions = [*self._conditions, *[CONTAINS] * len(needles)]
        return " AND ".join(conditions), (*self._values, *needles)

    def _matching(self, needles: Sequence[str], limit: int) -> list[Part]:
        """At most `limit` entries that contain all the needles, too; and as many new ones."""
        where, values = self._where(needles)
        for index, key in ("by_content", self._search.content), ("by_sha256", self._search.sha256):
            if key is not None:
                known = f"{known_by(index, '?')} AND {where} LIMIT ?"
                return [(known, (*[key[:8]] * 3, *values, limit))]
        text = "" if self._few else self._looked_up(needles, limit)[0]
        if not text:
            return [(f"{_FROM_ALL} WHERE {where} LIMIT ?", (*values, limit))]
        looked_up = f"{_FROM_TEXT} WHERE entry_text MATCH ? AND {where} LIMIT ?"
        found: list[Part] = [(looked_up, (text, *values, limit))]
        if self.last_entry > self._indexed_until:
            recent = max(self.last_entry - FEW_ENTRIES, self._indexed_until)
            newer = f"{_FROM_ALL} NOT INDEXED WHERE id > ? AND {where} LIMIT ?"
            found.append((newer, (recent, *values, limit)))
        return found

    def _looked_up(self, needles: Sequence[str], limit: int = RANK_LIMIT) -> tuple[str, int]:
        """What is asked of the text index to find `limit`, and about how many names have it.

        Empty where the index knows nothing of it. Endings beside words spare rows that are read,
        where there are more of these than names with such endings are quicker looked up.
        """
        long = tuple(needle for needle in needles if len(needle) >= TRIGRAM)
        if long:
            text, about = self._rarest(long)
            read = about * min(limit, RANK_LIMIT) // RANK_LIMIT
        else:
            pairs = [needle for needle in needles if len(needle) == TRIGRAM - 1]
            text = " AND ".join(filter(None, map(self._beginning, pairs)))
            about = read = _MANY
        if read > ENOUGH_TO_LOOK_UP:
            text = " AND ".join(filter(None, (text, *map(matching_any, self._search.any_of))))
        return text, about

    def _beginning(self, pair: str) -> str:
        known = self._beginnings.get(pair)
        if known is None:
            known = self._beginnings[pair] = beginning(self._connection, pair)
        return known

    def _rarest(self, needles: tuple[str, ...]) -> tuple[str, int]:
        """What is asked of the text index for these needles, and about how many names have it."""
        known = self._rarest_of.get(needles)
        if known is None:
            known = matching_rarest(needles, self._sampled)
            if known[1] >= _SAMPLED:
                known = matching_rarest(needles, self._counted(needles).__getitem__)
            self._rarest_of[needles] = known
        return known

    def _counted(self, needles: Iterable[str]) -> dict[str, int]:
        """About how many have each trigram: the rarest are counted, as what was sampled says.

        That is a guess, and far from true where such names lie close together: a rare one that was
        guessed to be common is found by counting all a little further.
        """
        sampled = {gram: self._sampled(gram) for needle in needles for gram in grams_of(needle)}
        counts = {gram: max(about, _ENOUGH) for gram, about in sampled.items()}
        for gram in sorted(sampled, key=sampled.__getitem__):
            counts[gram] = self._about(gram, _ENOUGH)
            if counts[gram] < _ENOUGH:
                break
        if _RARE < min(counts.values()) < _ENOUGH:
            further = {gram: self._about(gram, _RARE) for gram in counts}
            counts |= {gram: about for gram, about in further.items() if about < _RARE}
        return counts

    def _sampled(self, gram: str) -> int:
        return self._counts.names.about(gram, lambda: count_gram(self._connection, gram, _SAMPLED))

    def _about(self, gram: str, far: int) -> int:
        what = gram, far
        return self._counts.names.about(what, lambda: count_gram(self._connection, gram, far))


def _by_id(rows: Iterable[Row]) -> dict[int, Row]:
    return {row[0]: row for row in rows}


def _has_few(connection: sqlite3.Connection, peer: int) -> bool:
    (entries,) = connection.execute("SELECT entries FROM peers WHERE id = ?", (peer,)).fetchone()
    return bool(entries <= FEW_ENTRIES)
