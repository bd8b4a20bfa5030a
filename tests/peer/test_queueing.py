"""Whose turn it is, and who of those that wait for room tries again."""

import pytest

from panal.peer.queueing import (
    LONGEST_PAUSE_S,
    Lack,
    Queued,
    Waiting,
    failures_in_a_row,
    lack_words,
    to_start,
    to_try_again,
)

NOW_S = 100.0


def waiting(name: str, wanted_bytes: int, priority: int = 0, **other: float | str) -> Waiting:
    place, not_before_s = str(other.get("place", "/a")), float(other.get("not_before_s", NOW_S))
    return Waiting(name, priority, Lack(place, wanted_bytes, not_before_s))


@pytest.mark.parametrize(
    ("running", "at_once", "chosen"),
    [(0, 2, ["b", "a"]), (1, 2, ["b"]), (2, 2, []), (3, 2, []), (0, 9, ["b", "a", "c"])],
)
def test_by_priority_then_in_the_order_they_came(
    running: int, at_once: int, chosen: list[str]
) -> None:
    queued = [Queued("a", 0), Queued("b", 5), Queued("c", 0)]
    assert to_start(queued, running, at_once) == chosen


@pytest.mark.parametrize(
    ("asked", "usable_bytes", "chosen"),
    [
        ([waiting("a", 10)], 10, ["a"]),
        ([waiting("a", 10)], 9, []),
        ([waiting("big", 100), waiting("small", 10)], 50, ["small"]),
        ([waiting("a", 30), waiting("b", 30)], 50, ["a"]),
        ([waiting("a", 30), waiting("b", 30, priority=1)], 50, ["b"]),
        ([waiting("a", 25), waiting("b", 25)], 50, ["a", "b"]),
        ([waiting("reserve", 0)], 0, ["reserve"]),
        ([waiting("reserve", 0)], -1, []),
        ([waiting("later", 1, not_before_s=NOW_S + 0.1)], 50, []),
        ([waiting("elsewhere", 0, place="/b")], 50, []),
    ],
)
def test_who_fits_tries_again(asked: list[Waiting], usable_bytes: int, chosen: list[str]) -> None:
    assert to_try_again(asked, {"/a": usable_bytes}, NOW_S) == chosen


@pytest.mark.parametrize(
    ("wanted_bytes", "usable_bytes", "words"),
    [
        (
            2048,
            1024,
            "needs 2.0 KiB more on /a; 1.0 KiB free. It goes on when 1.0 KiB more are free.",
        ),
        (
            2048,
            -512,
            "needs 2.0 KiB more on /a; 1.0 KiB free. It goes on when 2.5 KiB more are free.",
        ),
        (0, -2048, "/a is full: 2.0 KiB more must be free, then it goes on."),
        (
            1024,
            2048,
            "/a took no more, though 1.0 KiB free: a quota, a limit on files, or full for a "
            "moment. It is tried again.",
        ),
    ],
)
def test_why_it_waits(wanted_bytes: int, usable_bytes: int, words: str) -> None:
    assert lack_words(Lack("/a", wanted_bytes, NOW_S), usable_bytes, "1.0 KiB free") == words


@pytest.mark.parametrize(
    ("before", "ran_s", "failures"),
    [(0, 0.0, 1), (3, LONGEST_PAUSE_S, 4), (3, LONGEST_PAUSE_S + 1.0, 1), (0, 1e6, 1)],
)
def test_a_failure_long_after_the_last_one_is_the_first_of_its_row(
    before: int, ran_s: float, failures: int
) -> None:
    assert failures_in_a_row(before, ran_s) == failures
