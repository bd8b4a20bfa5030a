"""The best of what too many names match, kept for as long as it must still be that; pure.

Common words are searched for again and again, and of what matches them the oldest names are ranked:
whatever is announced later comes behind these. So a page stands until one of the names up to the
last that was read goes or changes, or a peer comes back or goes. Exact names, which may be any, are
looked up each time, and compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from panal.tracker.search import Matches, Search, rank

MOST_KEPT = 100
"""Pages, of some 60 KB; then it begins anew."""

_Row = TypeVar("_Row")
Needles = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kept(Generic[_Row]):
    beside: object
    last: int
    rows: Sequence[_Row]


class KeptBest(Generic[_Row]):
    """Rows of entries by the searches whose pages they are."""

    def __init__(self) -> None:
        self._kept: dict[Search, _Kept[_Row]] = {}
        self._few: set[Needles] = set()

    def get(self, search: Search, beside: object) -> Sequence[_Row] | None:
        """What was kept, if what was noted `beside` it is still the same."""
        known = self._kept.get(search)
        return known.rows if known is not None and known.beside == beside else None

    def keep(self, search: Search, beside: object, last: int, rows: Sequence[_Row]) -> None:
        """Keep what a page is made of; `last` is the highest id that was read for it."""
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[search] = _Kept(beside, last, rows)

    def note_few(self, search: Search) -> None:
        """Many names have its trigrams, and few what it asks for: all of them were read in vain."""
        if len(self._few) >= MOST_KEPT:
            self._few.clear()
        self._few.add(search.needles)

    def has_few(self, search: Search) -> bool:
        """Whether that was so once."""
        return search.needles in self._few

    def note_changed(self, first: int) -> None:
        """Of what has gone or changed, `first` is the lowest id."""
        if any(kept.last >= first for kept in self._kept.values()):
            self._kept = {of: kept for of, kept in self._kept.items() if kept.last < first}


def only_of_page(search: Search, rows: Sequence[_Row], matches: Matches) -> Sequence[_Row]:
    """Of rows, each beside its match, those of the page's contents and of the next one."""
    wanted = search.page_size + 1
    page = rank(replace(search, page_size=wanted), matches)
    if page.next_page and len(page.hits) < wanted:  # it ends early, for its bytes
        return rows
    shown = {hit.content for hit in page.hits}
    return [row for row, match in zip(rows, matches.rows, strict=True) if match.content in shown]
