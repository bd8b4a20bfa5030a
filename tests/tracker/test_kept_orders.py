"""The order of what was found is kept until it may be another."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from panal.tracker import kept_best, kept_orders
from panal.tracker.kept_orders import FEW_TO_LOOK_AT, KeptOrder, KeptOrders
from panal.tracker.ranking import Match, Matches, RankedPage
from panal.tracker.search import Search, understand
from panal.wire.catalogue import Hit, NamedBy, SearchQuery
from panal.wire.ids import PeerName
from panal.wire.manifest import Kind
from tests.tracker.makers import content

LIB = understand(SearchQuery("lib"))


def _kept(kept: KeptOrders, search: Search = LIB, contents: int = 4, count: int = 9) -> KeptOrder:
    known = kept.of(search, "beside", 100, _none)
    if known is None:
        found = map(content, range(contents))
        known = kept.keep(search, "beside", 100, found, count, is_whole=False)
    return known


def _none(behind: int, ids: Sequence[int]) -> bool:
    return False


def _page(after: int | None, size: int) -> Search:
    token = None if after is None else (1, "a", content(after).hex())
    return Search(
        **{name: getattr(LIB, name) for name in LIB.__slots__} | {"after": token, "page_size": size}
    )


def test_an_order_stands_while_nothing_that_matters_has_changed() -> None:
    kept = KeptOrders()
    order = _kept(kept)
    kept.note_changed([7], [content(99)])
    asked: list[tuple[int, list[int]]] = []

    def among(behind: int, ids: Sequence[int]) -> bool:
        asked.append((behind, list(ids)))
        return False

    assert kept.of(_page(2, 3), "beside", 120, among) is order
    assert kept.of(LIB, "beside", 120, among) is order
    assert kept.of(LIB, "beside", 121, among) is order
    assert asked == [(100, [7]), (120, [])]


@pytest.mark.parametrize("why", ["a peer", "a name", "a match", "much", "many changes"])
def test_an_order_goes_for_good_when_it_may_be_another(why: str) -> None:
    kept = KeptOrders()
    order = _kept(kept)
    last = 100
    if why == "a name":
        kept.note_changed([7], [content(50), content(3)])
    elif why == "much":
        kept.note_told(FEW_TO_LOOK_AT - 1)
        kept.note_changed([7, 8], [])
    elif why == "many changes":
        kept.note_changed(range(kept_orders.MOST_CHANGES + 1), [])
    elif why == "a match":
        last += 1
    beside = "another" if why == "a peer" else "beside"
    assert kept.of(LIB, beside, last, lambda *_: why == "a match") is None
    assert kept.of(LIB, "beside", 100, _none) is None
    assert _kept(kept) is not order
    assert kept.of(LIB, "beside", 100, _none) is not None


def test_more_may_be_told_where_more_was_found() -> None:
    kept = KeptOrders()
    _kept(kept, count=5_000)
    kept.note_told(5_000)
    assert kept.of(LIB, "beside", 100 + 5_000, _none) is not None


def test_it_is_known_whether_much_is_to_be_looked_at() -> None:
    kept = KeptOrders()
    assert kept.is_quick(LIB)
    _kept(kept, count=5_000)
    kept.note_told(FEW_TO_LOOK_AT - 1)
    kept.note_changed([7], [])
    assert kept.is_quick(_page(2, 3))
    kept.note_changed([8], [])
    assert not kept.is_quick(_page(2, 3))
    assert kept.of(LIB, "beside", 100 + FEW_TO_LOOK_AT, _none) is not None
    assert kept.is_quick(LIB)  # that was looked at now


def test_a_page_is_known_with_the_content_before_it_and_the_one_behind() -> None:
    kept = KeptOrders()
    order = _kept(kept, contents=6)
    assert order.contents_of(_page(None, 3)) == [content(number) for number in range(4)]
    assert order.contents_of(_page(2, 2)) == [content(number) for number in (2, 3, 4, 5)]
    assert order.contents_of(_page(2, 3)) is None
    assert order.contents_of(_page(9, 1)) is None
    order.is_whole = True
    assert order.contents_of(_page(2, 3)) == [content(number) for number in (2, 3, 4, 5)]
    assert order.contents_of(_page(5, 3)) == [content(5)]


def _made(numbers: Sequence[int], next_page: str = "more") -> RankedPage:
    named = (NamedBy(PeerName("peer_1"), "a"),)
    hits = [Hit(content(number), 0, Kind.FILE, None, named, 1, 0) for number in numbers]
    return RankedPage(tuple(hits), next_page)


def test_pages_are_kept_with_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_orders, "MOST_KEPT", 3)
    kept = KeptOrders()
    order = _kept(kept, contents=6)
    for size in 1, 2, 3:
        wanted, page = _page(0, size), _made(range(1, 1 + size))
        made = kept.keep_page(order, wanted, Matches((), page=page))
        assert made is order.page(wanted)
        assert made.page is page
    kept.keep_page(order, _page(None, 4), Matches((), page=_made(range(4))))
    assert list(order.pages) == [(None, 4)]


def test_a_page_of_very_many_names_is_not_kept() -> None:
    kept = KeptOrders()
    order = _kept(kept)
    one = Match(PeerName("peer_1"), "a", "/a", content(1), 0, Kind.FILE, None)
    accents = replace(one, path="a" + "\u0301" * 1_900)  # which are not searched
    for rows in (
        [one] * (kept_best.MOST_NAMES + 1),
        [accents] * (1 + kept_best.MOST_LETTERS // 1_900),
    ):
        of_page = Matches(rows, page=_made([1]))
        assert kept.keep_page(order, _page(0, 1), of_page) == Matches(rows)
        assert not order.pages


@pytest.mark.parametrize(
    "page", [_made([2, 3]), _made([1, 2], ""), _made([], ""), _made([1, 2, 3, 4, 5])]
)
def test_a_page_is_not_kept_that_is_no_part_of_the_order(page: RankedPage) -> None:
    kept = KeptOrders()
    order = _kept(kept, contents=6)
    for wanted in _page(0, 2), _page(0, 9), _page(9, 2):
        assert kept.keep_page(order, wanted, Matches((), page=page)) == Matches(())


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_orders, "MOST_KEPT", 10)
    monkeypatch.setattr(kept_orders, "MOST_CONTENTS", 100)
    kept = KeptOrders()
    for number in range(200):
        order = _kept(kept, understand(SearchQuery(f"lib{number}")), contents=number % 40)
        kept.keep_page(order, _page(None, 2), Matches((), page=_made([0, 1])))
        assert len(kept._kept) <= 10
        held = sum(len(one.places) for one in kept._kept.values())
        assert held == kept._contents <= 100
        assert sum(len(one.pages) for one in kept._kept.values()) == kept._pages <= 10
