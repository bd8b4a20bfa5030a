"""Pages of what too many names match that are kept until they may be other ones."""

import pytest

from panal.tracker import kept_best, search
from panal.tracker.kept_best import KeptBest, only_of_page
from panal.tracker.search import Match, Matches, rank, understand
from panal.tracker.searchable import searchable
from panal.wire.catalogue import SearchQuery
from panal.wire.ids import PeerName
from panal.wire.manifest import Kind
from tests.tracker.makers import content


def _match(path: str, number: int) -> Match:
    return Match(PeerName("peer_1"), path, searchable(path), content(number), 0, Kind.FILE, None)


def test_a_page_is_kept_until_something_up_to_its_last_name_changes() -> None:
    kept: KeptBest[str] = KeptBest()
    one, other = understand(SearchQuery("a")), understand(SearchQuery("a", page_size=7))
    kept.keep(one, "beside", 500, ["a"])
    kept.keep(other, "beside", 900, ["b"])
    assert kept.get(one, "another") is None
    kept.note_changed(901)
    assert (kept.get(one, "beside"), kept.get(other, "beside")) == (["a"], ["b"])
    kept.note_changed(501)
    assert (kept.get(one, "beside"), kept.get(other, "beside")) == (["a"], None)
    kept.note_changed(500)
    assert kept.get(one, "beside") is None


def test_no_more_than_so_many_pages_are_kept() -> None:
    kept: KeptBest[str] = KeptBest()
    for number in range(3 * kept_best.MOST_KEPT):
        kept.keep(understand(SearchQuery(f"a{number}")), None, 1, [])
    assert len(kept._kept) <= kept_best.MOST_KEPT


@pytest.mark.parametrize("page_bytes", [search.MAX_PAGE_BYTES, 7])
@pytest.mark.parametrize("page_size", [1, 2, 3, 9])
def test_what_is_kept_makes_the_same_page(
    page_size: int, page_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_PAGE_BYTES", page_bytes)
    matches = Matches.of([_match(f"a {number}", number // 2) for number in range(9)])
    page = ""
    for _ in range(9):
        wanted = understand(SearchQuery("a", page_size=page_size, page=page))
        places = only_of_page(wanted, range(9), matches)
        some = Matches.of([matches.rows[place] for place in places])
        assert rank(wanted, some) == rank(wanted, matches)
        if not (page := rank(wanted, matches).next_page):
            return
    raise AssertionError("there is no last page")
