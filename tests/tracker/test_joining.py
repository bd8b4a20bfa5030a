"""Join lines that let in and that do not, and patience with guesses."""

from dataclasses import replace

import pytest

from panal.errors import JoinRefused, Refused, UsageError
from panal.tracker import joining
from panal.tracker.joining import (
    GUESSES_WITHIN_S,
    LONGEST_LINE_S,
    MOST_GUESSES,
    MOST_LINE_USES,
    MOST_REPEATS,
    SHUT_OUT_S,
    Guesses,
    LineRecord,
    Repeats,
    check_line,
    check_terms,
)

LINE = LineRecord("1", b"h" * 32, until_s=100, uses=2, uses_left=1)


def test_a_line_lets_in_until_its_time() -> None:
    check_line(LINE, 99.9, is_repeated=False)
    with pytest.raises(JoinRefused, match="expired"):
        check_line(LINE, 100.0, is_repeated=False)
    with pytest.raises(JoinRefused, match="expired"):
        check_line(LINE, 100.0, is_repeated=True)


def test_a_line_lets_in_so_many_and_the_same_again() -> None:
    used = replace(LINE, uses_left=0)
    with pytest.raises(JoinRefused, match="used up"):
        check_line(used, 0.0, is_repeated=False)
    check_line(used, 0.0, is_repeated=True)


def test_a_revoked_line_lets_nobody_in() -> None:
    for is_repeated in (False, True):
        with pytest.raises(JoinRefused, match="revoked"):
            check_line(replace(LINE, revoked=True), 0.0, is_repeated=is_repeated)


def test_terms() -> None:
    check_terms(LONGEST_LINE_S, MOST_LINE_USES)
    for valid_s, uses in ((0, 1), (LONGEST_LINE_S + 1, 1), (1, 0), (1, MOST_LINE_USES + 1)):
        with pytest.raises(UsageError):
            check_terms(valid_s, uses)


def test_who_guesses_is_shut_out_for_a_while_and_nobody_else() -> None:
    guesses = Guesses()
    for second in range(MOST_GUESSES):
        guesses.check("10.0.0.1", second)
        guesses.note("10.0.0.1", second)
    last_s = MOST_GUESSES - 1
    with pytest.raises(JoinRefused):
        guesses.check("10.0.0.1", last_s)
    with pytest.raises(JoinRefused):
        guesses.check("10.0.0.1", last_s + SHUT_OUT_S - 1)
    guesses.check("10.0.0.2", last_s)
    guesses.check("10.0.0.1", last_s + SHUT_OUT_S)


def test_a_network_of_ipv6_guesses_together() -> None:
    guesses = Guesses()
    for number in range(MOST_GUESSES):
        guesses.note(f"2001:db8::{number:x}", 0.0)
    with pytest.raises(JoinRefused):
        guesses.check("2001:db8::ffff", 0.0)


def test_slips_now_and_then_shut_nobody_out() -> None:
    guesses = Guesses()
    for number in range(5 * MOST_GUESSES):
        now_s = number * (GUESSES_WITHIN_S / (MOST_GUESSES - 1) + 0.1)
        guesses.check("10.0.0.1", now_s)
        guesses.note("10.0.0.1", now_s)


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MOST_PLACES", 10)
    guesses = Guesses()
    for number in range(100):
        for _ in range(1 + MOST_GUESSES * (number % 2)):
            guesses.note(f"10.0.1.{number}", 0.0)
    assert len(guesses._failed_at_s) <= 10
    assert len(guesses._shut_out_until_s) <= 10


def test_who_asks_again_too_often_waits_a_minute() -> None:
    repeats = Repeats()
    for _ in range(MOST_REPEATS):
        repeats.note("a", 61.0)
    with pytest.raises(Refused, match="too often"):
        repeats.note("a", 119.0)
    repeats.note("b", 119.0)
    repeats.note("a", 120.0)
