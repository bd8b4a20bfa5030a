"""How many names have what, kept for as long as it must still be true; pure.

Common words are searched for again and again, and to count what has them costs as much as to find
it. Whoever counts is told of no name that comes or goes, but of how many do: a count of 20,000
still means "more than 10,000" when 9,000 are gone, whichever they were.
"""

from collections.abc import Callable, Hashable

MOST_KEPT = 2_000
"""Of words and their trigrams; then it begins anew."""
_LEAST_CHANGES = 1_000
"""So many names may come and go before the rarest is counted again."""


class NameCounts:
    """Counts by what was counted."""

    def __init__(self) -> None:
        self._changes = 0
        self._counts: dict[Hashable, tuple[int, int]] = {}
        """Each with what `_changes` was then."""

    def note_changes(self, names: int) -> None:
        """So many names came, went or became others."""
        self._changes += names

    def is_more(self, what: Hashable, limit: int, count: Callable[[], int]) -> bool:
        """Whether more than `limit` names have it.

        `count` may stop somewhere above; how far above says for how long its answer holds.
        """
        known, since = self._known(what)
        if known is None or known - since <= limit < known + since:
            known, since = self._keep(what, count()), 0
        return known - since > limit

    def at_most(self, what: Hashable, count: Callable[[], int]) -> int:
        """So many names have it, or up to twice as few; as `count` says it."""
        known = self.known_most(what)
        return self._keep(what, count()) if known is None else known

    def is_known_more(self, what: Hashable, limit: int) -> bool:
        """Whether more than `limit` names have it, without a count."""
        known, since = self._known(what)
        return known is not None and known - since > limit

    def known_most(self, what: Hashable) -> int | None:
        """At most so many have it; None where it was not counted, or too long ago."""
        known, since = self._known(what)
        return None if known is None or since > max(known, _LEAST_CHANGES) else known + since

    def _known(self, what: Hashable) -> tuple[int | None, int]:
        known, changes = self._counts.get(what, (None, 0))
        return known, self._changes - changes

    def _keep(self, what: Hashable, count: int) -> int:
        if len(self._counts) >= MOST_KEPT:
            self._counts.clear()
        self._counts[what] = count, self._changes
        return count
