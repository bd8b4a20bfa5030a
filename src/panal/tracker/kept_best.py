"""The best of what too many names match, kept for as long as it must still be that; pure.

Common words are searched for again and again, and of what matches them the oldest names are ranked:
whatever is announced later comes behind these. So a page stands until one of the names up to the
last that was read goes or changes, or a peer comes back or goes. Exact names, which may be any, are
looked up each time, and compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from panal.tracker.ranking import Match, Matches
from panal.tracker.search import Search

MOST_KEPT = 100
"""Pages, of some 60 KB; then it begins anew."""
MOST_NAMES = 1_000
MOST_LETTERS = 100_000
"""Of a page's names, as they are and as they are searched; most have two fifths of it."""

Needles = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    beside: object
    last: int
    matches: Matches


class KeptBest:
    """What is on pages, by the searches whose pages they are."""

    def __init__(self) -> None:
        self._kept: dict[Search, _Kept] = {}
        self._slow: set[Needles] = set()

    def get(self, search: Search, beside: object) -> Matches | None:
        """What was kept, if what was noted `beside` it is still the same."""
        known = self._kept.get(search)
        return known.matches if known is not None and known.beside == beside else None

    def keep(self, search: Search, beside: object, last: int, of_page: Matches) -> Matches:
        """Keep a page, and what it is made of; `last` is the highest id that was read."""
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        if not is_small(of_page.rows):
            return replace(of_page, page=None)
        self._kept[search] = _Kept(beside, last, of_page)
        return of_page

    def note_slow(self, search: Search) -> None:
        """Many names have its trigrams, and few what it asks for, or begin so: all were read."""
        if len(self._slow) >= MOST_KEPT:
            self._slow.clear()
        self._slow.add(search.needles)

    def was_slow(self, search: Search) -> bool:
        """Whether that was so once."""
        return search.needles in self._slow

    def note_changed(self, ids: Iterable[int]) -> None:
        """These have gone or changed."""
        first = min(ids, default=None)
        if first is not None and any(kept.last >= first for kept in self._kept.values()):
            self._kept = {of: kept for of, kept in self._kept.items() if kept.last < first}


def is_small(rows: Sequence[Match]) -> bool:
    """Whether a page made of these may be kept: a hundred with the longest names would be much."""
    letters = sum(len(row.searchable) + len(row.path) for row in rows)
    return len(rows) <= MOST_NAMES and letters <= MOST_LETTERS
