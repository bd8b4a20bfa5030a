"""How many names have what, kept for as long as it must still be true; pure.

Common words are searched for again and again, and to count what has them costs as much as to find
it. Whoever counts is told of no name that comes or goes, but of how many do: a count of 20,000
still means "more than 10,000" when 9,000 are gone, whichever they were, and however many came.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

MOST_KEPT = 2_000
"""Of words and their trigrams; then it begins anew."""
GUESSED_FOR = 10_000
"""Until so many names came and went, which trigram is rare is not counted again."""


class NameCounts:
    """Counts by what was counted."""

    def __init__(self) -> None:
        self._came = self._gone = 0
        self._counts: dict[Hashable, tuple[int, int, int]] = {}
        """Each with what `_came` and `_gone` were then."""

    def note_changes(self, came: int, gone: int) -> None:
        """So many names came, so many went; one that became another did both."""
        self._came += came
        self._gone += gone

    def is_more(self, what: Hashable, limit: int, count: Callable[[], int]) -> bool:
        """Whether more than `limit` names have it.

        `count` may stop somewhere above; how far above says for how long its answer holds.
        """
        known, came, gone = self._known(what)
        if known is None or known - gone <= limit < known + came:
            known, gone = self._keep(what, count()), 0
        return known - gone > limit

    def about(self, what: Hashable, count: Callable[[], int]) -> int:
        """About so many names have it; as `count` said not too long ago."""
        known = self.known_about(what)
        return self._keep(what, count()) if known is None else known

    def at_most(self, what: Hashable) -> int | None:
        """No more than so many names have it, if `is_more` was asked; over its limit only more."""
        known, came, _ = self._known(what)
        return None if known is None else known + came

    def is_known_more(self, what: Hashable, limit: int) -> bool:
        """Whether more than `limit` names have it, without a count."""
        known, _, gone = self._known(what)
        return known is not None and known - gone > limit

    def known_about(self, what: Hashable) -> int | None:
        """About so many have it; None where it was not counted, or too long ago."""
        known, came, gone = self._known(what)
        return None if known is None or came + gone > max(known, GUESSED_FOR) else known

    def _known(self, what: Hashable) -> tuple[int | None, int, int]:
        known, came, gone = self._counts.get(what, (None, 0, 0))
        return known, self._came - came, self._gone - gone

    def _keep(self, what: Hashable, count: int) -> int:
        if len(self._counts) >= MOST_KEPT:
            self._counts.clear()
        self._counts[what] = count, self._came, self._gone
        return count


@dataclass(frozen=True, slots=True)
class KeptCounts:
    """Of a store whose index of names follows its rows."""

    names: NameCounts = field(default_factory=NameCounts)
    """By what the index knows."""
    rows: NameCounts = field(default_factory=NameCounts)
    """By the rows of the names that the index knows."""

    def note_indexed(self, came: int, gone: int) -> None:
        """The index took so many names in and so many out; their rows were gone before."""
        self.names.note_changes(came, gone)
        self.rows.note_changes(came, 0)

    def note_rows(self, changed: int) -> None:
        """So many rows that the index may know are gone, or other now."""
        self.rows.note_changes(changed, changed)
