"""Counts that are kept until they may be wrong."""

import itertools

from panal.tracker import name_counts
from panal.tracker.name_counts import KeptCounts, NameCounts


class _Counted:
    """How often it was counted, and what was found."""

    def __init__(self, names: int) -> None:
        self.names = names
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        return self.names


def test_more_than_a_limit_holds_until_so_many_names_are_gone() -> None:
    counts, counted = NameCounts(), _Counted(20)
    assert counts.is_more("lib", 10, counted)
    counts.note_changes(came=1_000, gone=9)
    assert counts.is_more("lib", 10, counted)
    assert counted.times == 1
    counts.note_changes(came=0, gone=1)
    counted.names = 10
    assert not counts.is_more("lib", 10, counted)
    assert counted.times == 2


def test_no_more_have_it_than_were_counted_and_came() -> None:
    counts = NameCounts()
    assert counts.at_most("lib") is None
    counts.is_more("lib", 10, _Counted(4))
    counts.note_changes(came=3, gone=2)
    assert counts.at_most("lib") == 7


def test_no_more_than_a_limit_holds_until_so_many_names_have_come() -> None:
    counts, counted = NameCounts(), _Counted(4)
    assert not counts.is_more("lib", 10, counted)
    counts.note_changes(came=6, gone=1_000)
    assert not counts.is_more("lib", 10, counted)
    assert counted.times == 1
    counts.note_changes(came=1, gone=0)
    counted.names = 11
    assert counts.is_more("lib", 10, counted)


def test_what_it_says_is_never_wrong_whatever_came_and_went() -> None:
    for steps in itertools.product((-3, -1, 0, 1, 3), repeat=5):
        counts, counted = NameCounts(), _Counted(5)
        for step in steps:
            counted.names = max(0, counted.names + step)
            counts.note_changes(came=max(0, step), gone=max(0, -step))
            assert counts.is_more("lib", 5, counted) == (counted.names > 5)
            if counts.is_known_more("lib", 5):
                assert counted.names > 5


def test_a_guess_is_counted_again_when_as_many_names_came_and_went() -> None:
    counts, counted = NameCounts(), _Counted(2 * name_counts.GUESSED_FOR)
    assert counts.known_about("lib") is None
    assert counts.about("lib", counted) == counted.names
    counts.note_changes(came=name_counts.GUESSED_FOR, gone=name_counts.GUESSED_FOR)
    assert (counts.about("lib", counted), counted.times) == (counted.names, 1)
    counts.note_changes(came=1, gone=0)
    counted.names = 5
    assert counts.known_about("lib") is None
    assert (counts.about("lib", counted), counted.times) == (5, 2)


def test_of_a_rare_one_it_is_not_counted_again_soon() -> None:
    counts, counted = NameCounts(), _Counted(3)
    assert counts.about("ssl", counted) == 3
    counts.note_changes(came=name_counts.GUESSED_FOR, gone=0)
    assert (counts.about("ssl", counted), counted.times) == (3, 1)


def test_rows_that_change_may_match_or_not_afterwards() -> None:
    kept = KeptCounts()
    assert kept.rows.is_more("lib -x", 5, _Counted(7))
    kept.note_indexed(came=0, gone=100)  # their rows went before, and were noted then
    assert kept.rows.is_known_more("lib -x", 5)
    kept.note_rows(2)
    assert not kept.rows.is_known_more("lib -x", 5)
    assert not kept.rows.is_more("lib -x", 5, _Counted(5))
    kept.note_rows(1)
    assert kept.rows.is_more("lib -x", 5, _Counted(6))


def test_counts_are_not_kept_without_end() -> None:
    counts = NameCounts()
    for number in range(3 * name_counts.MOST_KEPT):
        counts.is_more(number, 10, _Counted(5))
    assert len(counts._counts) <= name_counts.MOST_KEPT
