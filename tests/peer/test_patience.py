"""How long a connection may take: deadlines for heads, a least rate for bodies and receivers."""

import pytest

from panal.peer.limits import HEAD_S, IDLE_S, LEAST_BYTES_S, SLOW_S
from panal.peer.patience import Moment, Pace, Patience, Phase, Verdict

pytestmark = pytest.mark.p6

HEAD, BODY, ANSWER = Phase.HEAD, Phase.BODY, Phase.ANSWER
KEEP, CUT, REFUSE = Verdict.KEEP, Verdict.CUT, Verdict.REFUSE
Row = tuple[float, Moment]


def first_bad(patience: Patience, moments: list[Row]) -> tuple[float, Verdict] | None:
    """When a connection is first not kept, looked at once a second or so."""
    for at_s, moment in moments:
        if (verdict := patience.look(moment, at_s)) is not KEEP:
            return at_s, verdict
    return None


def seconds(duration_s: float, begin_s: float = 0.0) -> list[float]:
    return [begin_s + second for second in range(int(duration_s) + 1)]


def test_a_first_head_has_its_deadline_whether_it_trickles_or_not() -> None:
    silent = [(at, Moment(HEAD, 0, 0)) for at in seconds(100)]
    trickling = [(at, Moment(HEAD, 0, int(at))) for at in seconds(100)]
    for moments in (silent, trickling):
        assert first_bad(Patience(0.0), moments) == (HEAD_S, CUT)


def test_a_later_head_has_it_from_its_first_byte() -> None:
    answered = (5.0, Moment(HEAD, 1, 100))
    idle = [(at, Moment(HEAD, 1, 100)) for at in seconds(100, 6.0)]
    assert first_bad(Patience(0.0), [answered, *idle]) == (5.0 + IDLE_S, CUT)
    begun = [(at, Moment(HEAD, 1, 101 + int(at))) for at in seconds(100, 25.0)]
    assert first_bad(Patience(0.0), [answered, *begun]) == (25.0 + HEAD_S, CUT)


def test_who_asks_now_and_then_is_kept() -> None:
    moments = [(at, Moment(HEAD, int(at) // 20, 50 * (int(at) // 20))) for at in seconds(500)]
    moments = [(at, m) for at, m in moments if m.requests]
    patience = Patience(15.0)
    assert first_bad(patience, moments) is None


@pytest.mark.parametrize(
    ("rate", "end"),
    [(0, SLOW_S), (1, SLOW_S), (LEAST_BYTES_S - 1, SLOW_S), (LEAST_BYTES_S, None), (10**9, None)],
)
def test_a_body_has_a_least_rate_and_no_deadline(rate: int, end: float | None) -> None:
    moments = [(at, Moment(BODY, 1, 500 + int(rate * at))) for at in seconds(1_000)]
    expected = None if end is None else (end, REFUSE)
    assert first_bad(Patience(0.0), moments) == expected


def test_a_body_that_stops_in_the_middle_is_refused_then_cut() -> None:
    patience = Patience(0.0)
    quick = [(at, Moment(BODY, 1, int(10**6 * at))) for at in seconds(60)]
    assert first_bad(patience, quick) is None
    stopped = [(at, Moment(BODY, 1, 60 * 10**6)) for at in seconds(200, 61.0)]
    refused = first_bad(patience, stopped)
    assert refused is not None
    assert refused[1] is REFUSE
    assert refused[0] <= 60.0 + 2 * SLOW_S
    later = [(at, moment) for at, moment in stopped if at > refused[0]]
    assert first_bad(patience, later) == (refused[0] + SLOW_S, CUT)


def test_waiting_for_us_costs_nothing() -> None:
    waiting = [(at, Moment(ANSWER, 1, 100)) for at in seconds(10_000)]
    assert first_bad(Patience(0.0), waiting) is None


@pytest.mark.parametrize(("rate", "is_cut"), [(0, True), (10, True), (LEAST_BYTES_S, False)])
def test_a_receiver_has_a_least_rate(rate: int, is_cut: bool) -> None:
    moments = [(at, Moment(ANSWER, 1, 100, int(rate * at), True)) for at in seconds(500)]
    assert (first_bad(Patience(0.0), moments) is not None) is is_cut


def test_only_what_is_not_taken_counts() -> None:
    """A stream that says little, all of it taken, goes on for ever."""
    moments = [(at, Moment(ANSWER, 1, 100, int(at) // 5, int(at) % 25 == 0)) for at in seconds(900)]
    assert first_bad(Patience(0.0), moments) is None


def test_a_pace_is_judged_once_a_while() -> None:
    pace = Pace(0.0, 0)
    assert not pace.is_too_slow(SLOW_S - 0.1, 0)
    assert pace.is_too_slow(SLOW_S, 0)
    assert not pace.is_too_slow(SLOW_S + 1, 0)
    assert not pace.is_too_slow(2 * SLOW_S, int(LEAST_BYTES_S * SLOW_S))
