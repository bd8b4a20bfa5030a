"""Counts that are kept until they may be wrong."""

import itertools

from panal.tracker import name_counts
from panal.tracker.name_counts import NameCounts


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
    counts.note_changes(9)
    assert counts.is_more("lib", 10, counted)
    assert counted.times == 1
    counts.note_changes(1)
    counted.names = 10
    assert not counts.is_more("lib", 10, counted)
    assert counted.times == 2


def test_no_more_than_a_limit_holds_until_so_many_names_have_come() -> None:
    counts, counted = NameCounts(), _Counted(4)
    assert not counts.is_more("lib", 10, counted)
    counts.note_changes(6)
    assert not counts.is_more("lib", 10, counted)
    assert counted.times == 1
    counts.note_changes(1)
    counted.names = 11
    assert counts.is_more("lib", 10, counted)


def test_what_it_says_is_never_wrong_whatever_came_and_went() -> None:
    for steps in itertools.product((-3, -1, 0, 1, 3), repeat=5):
        counts, counted = NameCounts(), _Counted(5)
        for step in steps:
            counted.names = max(0, counted.names + step)
            counts.note_changes(abs(step))
            assert counts.is_more("lib", 5, counted) == (counted.names > 5)
            assert counts.at_most("gram", counted) >= counted.names


def test_an_upper_bound_is_counted_again_when_it_may_be_twice_too_large() -> None:
    counts, counted = NameCounts(), _Counted(3_000)
    assert counts.at_most("lib", counted) == 3_000
    counts.note_changes(3_000)
    assert (counts.at_most("lib", counted), counted.times) == (6_000, 1)
    counts.note_changes(1)
    assert (counts.at_most("lib", counted), counted.times) == (3_000, 2)


def test_counts_are_not_kept_without_end() -> None:
    counts = NameCounts()
    for number in range(3 * name_counts.MOST_KEPT):
        counts.is_more(number, 10, _Counted(5))
    assert len(counts._counts) <= name_counts.MOST_KEPT
