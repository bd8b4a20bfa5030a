"""Pages of what too many names match that are kept until they may be other ones."""

from dataclasses import replace

import pytest

from panal.tracker import kept_answers, kept_best, ranking
from panal.tracker.kept_answers import Found, KeptAnswers
from panal.tracker.kept_best import KeptBest
from panal.tracker.ranking import Match, Matches, Names, rank, ranked
from panal.tracker.search import understand
from panal.tracker.searchable import searchable
from panal.wire.catalogue import SearchPage, SearchQuery
from panal.wire.ids import PeerName
from panal.wire.manifest import Kind
from tests.tracker.makers import content


def _match(path: str, number: int) -> Match:
    return Match(PeerName("peer_1"), path, searchable(path), content(number), 0, Kind.FILE, None)


def test_a_page_is_kept_until_something_up_to_its_last_name_changes() -> None:
    kept, nothing = KeptBest(), Matches.of(())
    one, other = understand(SearchQuery("a")), understand(SearchQuery("a", page_size=7))
    first = kept.keep(one, "beside", 500, nothing)
    second = kept.keep(other, "beside", 900, nothing)
    assert kept.get(one, "another") is None
    kept.note_changed([])
    kept.note_changed([2_000, 901])
    assert kept.get(one, "beside") is first
    assert kept.get(other, "beside") is second
    kept.note_changed([2_000, 501, 901])
    assert kept.get(one, "beside") is first
    assert kept.get(other, "beside") is None
    kept.note_changed([500])
    assert kept.get(one, "beside") is None


def test_no_more_than_so_many_pages_are_kept() -> None:
    kept, answers = KeptBest(), KeptAnswers(id)
    for number in range(3 * kept_best.MOST_KEPT):
        wanted = understand(SearchQuery(f"a{number}"))
        page = rank(wanted, Matches.of(()))
        of_page = kept.keep(wanted, None, 1, Matches((), page=page))
        assert of_page.page is not None
        answers.to(Found(of_page.page, {}, capped=True, is_kept=True))
        assert len(answers._kept) <= kept_answers.MOST_KEPT
    assert len(kept._kept) <= kept_best.MOST_KEPT


def test_a_page_of_very_long_names_is_not_kept() -> None:
    kept, long = KeptBest(), "a" * (kept_best.MOST_LETTERS // 2)
    wanted = understand(SearchQuery("a"))
    for names in [long, long], ["a"] * (kept_best.MOST_NAMES + 1):
        rows = [_match(name, number) for number, name in enumerate(names)]
        all_on_one = replace(wanted, page_size=5_000)
        of_page, _ = ranked(all_on_one, Names.of(rows))
        assert kept.keep(all_on_one, None, 1, of_page) == replace(of_page, page=None)
        assert not kept._kept


@pytest.mark.parametrize("page_bytes", [ranking.MAX_PAGE_BYTES, 7])
@pytest.mark.parametrize("page_size", [1, 2, 3, 9])
def test_what_is_kept_makes_the_same_page(
    page_size: int, page_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "MAX_PAGE_BYTES", page_bytes)
    matches = Matches.of([_match(f"a {number}", number // 2) for number in range(9)])
    page = ""
    for _ in range(9):
        wanted = understand(SearchQuery("a", page_size=page_size, page=page))
        some, contents = ranked(wanted, Names.of(matches.rows))
        assert contents == [content(number) for number in range(5)]
        assert some.page == rank(wanted, matches)
        assert rank(wanted, Matches.of(some.rows)) == rank(wanted, matches)
        if not (page := rank(wanted, matches).next_page):
            return
    raise AssertionError("there is no last page")


def test_an_answer_is_made_once_for_the_same_page_with_the_same_providers() -> None:
    made: list[SearchPage] = []

    def make(page: SearchPage) -> int:
        made.append(page)
        return len(made)

    answers = KeptAnswers(make)
    page = rank(understand(SearchQuery("a")), Matches.of([_match("a", 1)]))
    twin = rank(understand(SearchQuery("a")), Matches.of([_match("a", 1)]))

    def answered(of: ranking.RankedPage, providers: int, *, is_kept: bool = True) -> int:
        return answers.to(Found(of, {content(1): providers}, capped=True, is_kept=is_kept))

    assert [answered(page, 1), answered(page, 1), answered(page, 2), answered(page, 2)] == [
        1,
        1,
        2,
        2,
    ]
    assert [answered(twin, 2, is_kept=False), answered(twin, 2)] == [3, 4]
    assert [one.hits[0].providers for one in made] == [1, 2, 2, 2]
