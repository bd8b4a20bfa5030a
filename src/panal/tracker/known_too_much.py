"""Which searches matched too much a moment ago, on a store that others change, too; pure."""

from collections.abc import Hashable
from dataclasses import replace

from panal.tracker.search import Search

BELIEVED_S = 10.0
"""For so long what matched too much need not be counted again."""
_MOST_BELIEVED = 1_000


class KnownTooMuch:
    """What matched too much a moment ago, and needs not be counted again.

    Other trackers change the same rows, so it is believed for seconds only.
    """

    def __init__(self) -> None:
        self._until_s: dict[Hashable, float] = {}

    def knows(self, search: Search, now_s: float) -> bool:
        """Whether what it asks for matched too much, in whichever words and on whatever page."""
        return 0 < self._until_s.get(_asked(search), 0) - now_s <= BELIEVED_S

    def note(self, search: Search, now_s: float) -> None:
        """It does, by the database's clock."""
        if len(self._until_s) >= _MOST_BELIEVED:
            self._until_s.clear()
        self._until_s[_asked(search)] = now_s + BELIEVED_S


def _asked(search: Search) -> Hashable:
    """What decides which names match; not the page, nor the order of what is found."""
    needles = tuple(sorted(search.needles))
    return replace(search, needles=needles, exact=None, whole=(), after=None, page_size=0)
