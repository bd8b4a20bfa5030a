"""In which order contents were found, kept while nothing has come or gone that matters to it; pure.

Whoever looks at the second page of what a thousand names match would have all of them put in order
again. So the contents in order are kept, or the first of them, with the pages that were made. They
stand while no peer comes or goes, none of these contents loses a name, and no name that came or
changed since matches. The store is asked about those names alone, when somebody searches again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from panal.tracker.kept_best import is_small
from panal.tracker.page_tokens import SortKey
from panal.tracker.ranking import Matches
from panal.tracker.search import Search
from panal.wire.ids import ContentId

MOST_KEPT = 100
"""Searches, and pages; with more it begins anew."""
MOST_CONTENTS = 50_000
"""Of all of them; some ten megabytes."""
MOST_CHANGES = 1_000
"""Names that went or changed: with more it begins anew."""
FEW_TO_LOOK_AT = 50
"""So many names that came or changed since are looked through on the way; as many as were found,
quicker than these are put in order again."""

IsAmong = Callable[[int, Sequence[int]], bool]
"""Whether an entry behind this id, or one of these, matches."""


@dataclass(slots=True)
class KeptOrder:
    """What one search found, at most `count` names."""

    beside: object
    last: int
    """The newest entry when it was looked at."""
    looked_at: tuple[int, int, int]
    """So many ids and contents of what changed, and so many names that were told."""
    places: dict[ContentId, int]
    """Of the contents, in order."""
    is_whole: bool
    """Whether there are no more contents."""
    count: int
    pages: dict[tuple[SortKey | None, int], Matches] = field(default_factory=dict)

    def page(self, search: Search) -> Matches | None:
        """A page that is kept."""
        return self.pages.get((search.after, search.page_size))

    def contents_of(self, search: Search) -> list[ContentId] | None:
        """Those of a page and the next one, behind the last of the page before; None if unknown."""
        begin = 0
        if search.after is not None:
            place = self.places.get(ContentId(bytes.fromhex(search.after[2])))
            if place is None:
                return None
            begin = place
        end = begin + search.page_size + 1 + (search.after is not None)
        if end > len(self.places) and not self.is_whole:
            return None
        return list(islice(self.places, begin, end))


class KeptOrders:
    """By what was asked for, whichever page."""

    def __init__(self) -> None:
        self._kept: dict[Search, KeptOrder] = {}
        self._pages = self._contents = 0
        self._changed_ids: list[int] = []
        self._contents_before: list[ContentId] = []
        self._told = 0

    def note_told(self, count: int) -> None:
        """At most so many names more have come."""
        self._told += count

    def note_changed(self, ids: Sequence[int], contents_before: Sequence[ContentId]) -> None:
        """These entries have gone or changed, and each of these contents has lost a name."""
        if not self._kept:
            return
        self._changed_ids += ids
        self._contents_before += contents_before
        if len(self._changed_ids) > MOST_CHANGES:
            self._forget()

    def of(self, search: Search, beside: object, last: int, is_among: IsAmong) -> KeptOrder | None:
        """What was found, if it is still that; `last` is the newest entry."""
        key = _whichever_page(search)
        kept = self._kept.get(key)
        if kept is None:
            return None
        ids, contents, _ = kept.looked_at
        changed = self._changed_ids[ids:]
        if (
            kept.beside != beside
            or self._to_look_at(kept) > max(FEW_TO_LOOK_AT, kept.count)
            or not kept.places.keys().isdisjoint(self._contents_before[contents:])
            or ((changed or last > kept.last) and is_among(kept.last, changed))
        ):
            self._drop(key)
            return None
        kept.last, kept.looked_at = last, self._now()
        return kept

    def is_quick(self, search: Search) -> bool:
        """Whether few names are to be looked at before it is known that what is kept stands.

        Any thread may ask: what it hears may be of a moment ago.
        """
        kept = self._kept.get(_whichever_page(search))
        return kept is None or self._to_look_at(kept) <= FEW_TO_LOOK_AT

    def _to_look_at(self, kept: KeptOrder) -> int:
        ids, _, told = kept.looked_at
        return len(self._changed_ids) - ids + self._told - told

    def keep(
        self,
        search: Search,
        beside: object,
        last: int,
        contents: Iterable[ContentId],
        count: int,
        *,
        is_whole: bool,
    ) -> KeptOrder:
        """Keep what was found, in order: all of it, or the first."""
        key = _whichever_page(search)
        self._drop(key)
        places = {content: place for place, content in enumerate(contents)}
        if len(self._kept) >= MOST_KEPT or self._contents + len(places) > MOST_CONTENTS:
            self._forget()
        self._contents += len(places)
        kept = self._kept[key] = KeptOrder(beside, last, self._now(), places, is_whole, count)
        return kept

    def keep_page(self, kept: KeptOrder, search: Search, of_page: Matches) -> Matches:
        """Keep a page of what was found, too, and what it is made of, where it has a place there.

        A page may begin behind what its content was called when the page before was made.
        """
        contents, page = kept.contents_of(search), of_page.page
        not_kept = replace(of_page, page=None)
        if contents is None or page is None:
            return not_kept
        shown = contents if search.after is None else contents[1:]
        hits = [hit.content for hit in page.hits]
        if hits != shown[: len(hits)] or bool(page.next_page) is not (len(shown) > len(hits)):
            return not_kept
        if not is_small(of_page.rows):
            return not_kept
        if self._pages >= MOST_KEPT:
            for one in self._kept.values():
                one.pages.clear()
            self._pages = 0
        self._pages += 1
        kept.pages[search.after, search.page_size] = of_page
        return of_page

    def _drop(self, key: Search) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._contents -= len(kept.places)
            self._pages -= len(kept.pages)

    def _forget(self) -> None:
        self._kept.clear()
        self._pages = self._contents = 0
        self._changed_ids, self._contents_before = [], []

    def _now(self) -> tuple[int, int, int]:
        return len(self._changed_ids), len(self._contents_before), self._told


def _whichever_page(search: Search) -> Search:
    return replace(search, after=None, page_size=0)
