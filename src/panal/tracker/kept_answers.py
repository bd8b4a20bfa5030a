"""Answers with pages that a store keeps, each made once while it must be the same; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec.structs import replace

from panal.tracker.ranking import RankedPage
from panal.wire.catalogue import SearchPage
from panal.wire.ids import ContentId

MOST_KEPT = 100
"""Of some 60 KB; then it begins anew."""

_Answer = TypeVar("_Answer")
Counts = Mapping[ContentId, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits, and how many hold each of its contents."""

    page: RankedPage
    counts: Counts
    capped: bool
    is_kept: bool
    """Whether the store gives the same page again, as the same object, until it is another."""


class KeptAnswers(Generic[_Answer]):
    """What was made of pages."""

    def __init__(self, make: Callable[[SearchPage], _Answer]) -> None:
        self._make = make
        self._kept: dict[int, tuple[Found, _Answer]] = {}
        """By the page's identity, which is nobody else's while the page is here."""

    def to(self, found: Found) -> _Answer:
        """What is made of it, or was."""
        known = self._kept.get(id(found.page))
        if known is not None and known[0].counts == found.counts:
            return known[1]
        hits = [replace(hit, providers=found.counts[hit.content]) for hit in found.page.hits]
        answer = self._make(SearchPage(tuple(hits), found.page.next_page, found.capped))
        if found.is_kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[id(found.page)] = found, answer
        return answer
