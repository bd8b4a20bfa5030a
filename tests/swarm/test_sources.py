"""The clocks of a source: when patience ends, how long it rests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.swarm.messages import Failure
from panal.swarm.sources import (
    CALLED_BACK_EVERY_S,
    FAILED_ASKS,
    FIRST_BACK_OFF_S,
    LONGEST_BACK_OFF_S,
    MINIMUM_RATE_BYTES_S,
    MINIMUM_RATE_OVER_S,
    STALL_S,
    RunningFetch,
    Source,
    Stage,
)
from tests.swarm import PROPERTY, A, B

pytestmark = pytest.mark.p6

JUST = 0.001


def running(asked_at_s: float = 0.0, claimed: int = 0b1) -> RunningFetch:
    return RunningFetch(claimed, asked_at_s)


# Stalls ---------------------------------------------------------------------------------------


def test_a_queued_request_never_stalls() -> None:
    assert running().impatience(1e6) == ""


def test_the_stall_clock_starts_at_the_first_byte() -> None:
    fetch = running(asked_at_s=0.0)
    fetch.count(1, 1_000.0)
    assert fetch.impatience(1_000.0 + STALL_S) == ""
    assert fetch.impatience(1_000.0 + STALL_S + JUST) == "sent nothing for 15 s"


def test_each_byte_starts_the_stall_clock_anew() -> None:
    fetch = running()
    fetch.count(1, 0.0)
    fetch.count(1, 10.0)
    assert fetch.impatience(10.0 + STALL_S) == ""


def trickle(fetch: RunningFetch, bytes_s: float, from_s: float, to_s: float) -> None:
    for second in range(int(from_s), int(to_s)):
        fetch.count(int(bytes_s), float(second))


def test_a_trickle_is_given_up_after_thirty_seconds_and_not_before() -> None:
    fetch = running()
    trickle(fetch, MINIMUM_RATE_BYTES_S - 1, 0, MINIMUM_RATE_OVER_S)
    assert fetch.impatience(MINIMUM_RATE_OVER_S - JUST) == ""
    assert fetch.impatience(MINIMUM_RATE_OVER_S) == "slower than 16 KiB/s"


def test_the_minimum_rate_is_enough_and_each_window_counts_for_itself() -> None:
    fetch = running()
    trickle(fetch, MINIMUM_RATE_BYTES_S, 0, MINIMUM_RATE_OVER_S)
    assert fetch.impatience(MINIMUM_RATE_OVER_S) == ""
    trickle(fetch, 1, MINIMUM_RATE_OVER_S, 2 * MINIMUM_RATE_OVER_S)
    assert fetch.impatience(2 * MINIMUM_RATE_OVER_S) != ""


def test_each_window_begins_with_nothing() -> None:
    fetch = running()
    trickle(fetch, MINIMUM_RATE_BYTES_S, 0, MINIMUM_RATE_OVER_S)
    assert fetch.impatience(MINIMUM_RATE_OVER_S) == ""
    trickle(fetch, MINIMUM_RATE_BYTES_S, MINIMUM_RATE_OVER_S, 2 * MINIMUM_RATE_OVER_S - 1)
    fetch.count(MINIMUM_RATE_BYTES_S - 1, 2 * MINIMUM_RATE_OVER_S - 1)
    assert fetch.impatience(2 * MINIMUM_RATE_OVER_S) == "slower than 16 KiB/s"


def test_each_request_that_was_lost_doubles_the_time_until_the_next_is_called_slow() -> None:
    assert Source(A).measured_over_s == MINIMUM_RATE_OVER_S
    fetch = RunningFetch(0b1, 0.0, measured_over_s=Source(A, lost=2).measured_over_s)
    trickle(fetch, MINIMUM_RATE_BYTES_S - 1, 0, 4 * MINIMUM_RATE_OVER_S)
    assert fetch.impatience(4 * MINIMUM_RATE_OVER_S - JUST) == ""
    assert fetch.impatience(4 * MINIMUM_RATE_OVER_S) == "slower than 16 KiB/s"


def test_who_was_never_tried_may_be_quick_and_who_is_asked_shows_it() -> None:
    other = Source(B, stage=Stage.READY)
    assert other.may_bring(1e9, 0.0)
    other.lost = 1
    assert not other.may_bring(1.0, 0.0)  # asked already, and it sent nothing
    other.fetch_rate_bytes_s = 1_000.0
    assert other.may_bring(1_000.0, 0.0)
    assert not other.may_bring(1_001.0, 0.0)
    other.fetch = running(asked_at_s=0.0)
    assert other.may_bring(1_000.0, STALL_S)
    assert not other.may_bring(1_000.0, STALL_S + JUST)  # it was, and is not now
    other.count(2_000 * 16, 16.0)
    assert other.may_bring(2_000.0, 16.0)


def test_pieces_and_pauses_add_up() -> None:
    fetch = running()
    for at_s in (1.0, 2.0):
        fetch.count(50, at_s)
        fetch.held_back(3.0, 9.0)
    assert (fetch.bytes, fetch.chunk_bytes, fetch.window_bytes, fetch.held_s) == (
        100,
        100,
        100,
        6.0,
    )


def test_silence_is_counted_from_the_question_and_later_from_the_last_byte() -> None:
    fetch = running(asked_at_s=5.0)
    assert fetch.silence_s(9.0) == 4.0
    fetch.count(1, 9.0)
    assert fetch.silence_s(10.0) == 1.0


def test_a_chunk_begins_anew_where_the_last_one_was_written() -> None:
    fetch = running(claimed=0b11)
    fetch.count(100, 1.0)
    assert fetch.written(0b01, 9.0) == 8.0
    assert (fetch.claimed, fetch.chunk_bytes, fetch.chunk_began_at_s) == (0b10, 0, 9.0)
    assert running().written(0b1, 9.0) == 0.0  # its bytes were not yet told


# Sources --------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(1, 100_000), st.floats(0, 1))
def test_back_off_grows_and_stays_in_its_bounds(failures: int, jitter: float) -> None:
    source = Source(A, failures=failures - 1)
    pause_s = source.back_off_s(jitter, Failure.BROKEN)
    full_s = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** min(failures - 1, 10))
    assert full_s / 2 <= pause_s <= full_s
    assert source.failures == failures


def test_a_source_is_idle_only_when_ready_rested_and_free() -> None:
    source = Source(A, stage=Stage.READY, rests_until_s=10.0)
    assert not source.is_idle(9.9)
    assert source.is_idle(10.0)
    source.fetch = running()
    assert not source.is_idle(10.0)
    assert not Source(A, stage=Stage.OPENING).is_idle(10.0)


def test_a_source_learns_its_rate_from_fetches_that_brought_bytes() -> None:
    source = Source(A, stage=Stage.READY, fetch=running(asked_at_s=0.0))
    source.count(1_000, 2.0)
    source.fetch_done(10.0)
    assert source.fetch_rate_bytes_s == pytest.approx(100.0)
    source.fetch = running(asked_at_s=20.0)
    source.fetch_done(30.0)
    assert source.fetch_rate_bytes_s == pytest.approx(100.0)
    assert source.fetch is None


def test_a_rate_is_learned_from_a_fetch_of_less_than_a_second_too() -> None:
    source = Source(A, stage=Stage.READY, fetch=running(asked_at_s=0.0))
    source.count(1_000, 0.25)
    source.fetch_done(0.5)
    assert source.fetch_rate_bytes_s == pytest.approx(2_000.0)


def test_a_files_last_bytes_teach_no_rate_and_as_few_of_what_was_broken_off_do() -> None:
    for size_bytes in (MINIMUM_RATE_BYTES_S - 1, MINIMUM_RATE_BYTES_S):
        source = Source(A, stage=Stage.READY, fetch=running(asked_at_s=0.0))
        assert source.fetch is not None
        source.count(size_bytes, 2.0)
        source.fetch.written(0b1, 2.0)
        source.fetch_done(2.0)
        assert (source.fetch_rate_bytes_s > 0) == (size_bytes >= MINIMUM_RATE_BYTES_S)
    source = Source(A, stage=Stage.READY, fetch=running(asked_at_s=0.0))
    source.count(1_000, 2.0)
    source.fetch_done(2.0)
    assert source.fetch_rate_bytes_s == pytest.approx(500.0)


def test_the_shown_rate_is_smoothed_over_ticks_and_fades() -> None:
    source = Source(A)
    for _ in range(40):
        source.count(250, 1.0)
        source.tick(0.25)
    assert source.rate_bytes_s == pytest.approx(1_000.0, rel=0.01)
    for _ in range(40):
        source.tick(0.25)
    assert source.rate_bytes_s < 1.0
    assert source.bytes == 10_000
    source.count(250, 1.0)
    source.tick(0.0)  # two ticks at one time
    source.tick(0.25)
    assert source.rate_bytes_s == pytest.approx(300.0, rel=0.01)


def test_the_learned_rate_is_smoothed_over_fetches() -> None:
    source = Source(A, stage=Stage.READY)
    for size_bytes in (1_000, 2_000):
        source.fetch = running(asked_at_s=0.0)
        source.count(size_bytes, 2.0)
        source.fetch_done(10.0)
    assert source.fetch_rate_bytes_s == pytest.approx(130.0)


def test_what_comes_and_what_is_held_back_within_a_tick_adds_up() -> None:
    source, held = Source(A), Source(B, helped_at_s=1.0)
    for at_s in (1.0, 2.0):
        source.count(50, at_s)
        held.held_back(0.25, 9.0)
    assert source.has_sent
    assert held.has_sent
    assert (source.helped_at_s, held.helped_at_s) == (2.0, 1.5)
    source.tick(1.0)
    held.tick(1.0)
    assert source.rate_bytes_s == pytest.approx(30.0)
    assert held.held_share == pytest.approx(0.15)
    held.held_back(60.0, 70.0)
    held.tick(1.0)
    assert held.held_share == pytest.approx(0.15 + 0.3 * (1.0 - 0.15))  # never more than all


def test_a_peer_is_the_name_before_the_address() -> None:
    assert Source(A).peer == "peer_a"


def test_who_has_not_what_it_says_rests_longest_after_three_times() -> None:
    source = Source(A)
    pauses = [source.back_off_s(1.0, Failure.NOT_HERE_YET) for _ in range(4)]
    assert FAILED_ASKS == 3
    assert pauses == [1.0, 2.0, LONGEST_BACK_OFF_S, LONGEST_BACK_OFF_S]


def test_word_that_it_is_there_anew_ends_a_pause_every_five_seconds_at_most() -> None:
    source = Source(A, stage=Stage.AWAY, rests_until_s=60.0)
    assert source.call_back(1.0)
    assert (source.rests_until_s, source.called_back_at_s) == (1.0, 1.0)
    source.rests_until_s = 60.0
    assert not source.call_back(1.0 + CALLED_BACK_EVERY_S - JUST)
    assert source.rests_until_s == 60.0
    assert source.call_back(1.0 + CALLED_BACK_EVERY_S)
    assert not Source(A, stage=Stage.READY, rests_until_s=60.0).call_back(1.0)
    assert not Source(A, stage=Stage.AWAY, rests_until_s=1.0).call_back(1.0)  # it is over


def test_the_third_misbehaviour_is_too_many() -> None:
    source = Source(A)
    assert [source.misbehaved() for _ in range(3)] == [False, False, True]


def test_a_source_learns_how_long_requests_wait_with_it() -> None:
    source = Source(A, stage=Stage.READY, fetch=running(asked_at_s=0.0))
    source.count(1, 8.0)
    source.count(1, 9.0)
    assert source.wait_s == 8.0
    source.fetch = running(asked_at_s=10.0)
    source.count(1, 10.0)
    assert source.wait_s == pytest.approx(0.7 * 8.0)
    assert source.helped_at_s == 10.0


# Held back by our own limit -------------------------------------------------------------------


def test_time_held_back_by_our_own_limit_is_no_stall_and_no_slowness() -> None:
    source = Source(A, stage=Stage.READY, fetch=running())
    assert source.fetch is not None
    source.count(1, 0.0)
    for quarter in range(1, 400):
        now_s = quarter / 4
        source.held_back(0.25, now_s)
        assert source.fetch.impatience(now_s) == ""
        assert source.fetch.silence_s(now_s) == 0.0
    assert source.fetch.impatience(99.75 + STALL_S + JUST) != ""


def test_what_a_source_sends_too_slowly_between_is_its_own_fault() -> None:
    source = Source(A, stage=Stage.READY, fetch=running())
    assert source.fetch is not None
    for second in range(60):
        source.count(MINIMUM_RATE_BYTES_S // 4, float(second))
        source.held_back(0.5, float(second))
    assert source.fetch.impatience(60.0) == "slower than 16 KiB/s"


def test_a_disk_of_our_own_that_stands_still_is_no_stall_and_no_rate_limit() -> None:
    source = Source(A, stage=Stage.READY, fetch=running())
    assert source.fetch is not None
    source.count(1, 0.0)
    for quarter in range(1, 400):
        source.stood_still(0.25, quarter / 4)
    source.tick(99.75)
    assert (source.fetch.impatience(99.75), source.fetch.silence_s(99.75)) == ("", 0.0)
    assert (source.helped_at_s, source.held_share) == (99.75, 0.0)


def test_clocks_held_back_are_never_ahead() -> None:
    fetch = running()
    fetch.count(1, 1.0)
    fetch.held_back(1_000.0, 2.0)
    assert fetch.silence_s(2.0) == 0.0
    assert fetch.written(0b1, 2.0) == 0.0


def test_a_finished_fetch_teaches_the_rate_that_came_through_the_limit() -> None:
    source = Source(A, stage=Stage.READY, fetch=running(asked_at_s=0.0))
    source.count(1_000, 1.0)
    source.held_back(8.0, 9.0)
    source.fetch_done(10.0)
    assert source.fetch_rate_bytes_s == pytest.approx(100.0)


def test_the_share_of_time_held_back_is_smoothed() -> None:
    source = Source(A, stage=Stage.READY, fetch=running())
    for _ in range(20):
        source.held_back(0.2, 1.0)
        source.tick(0.25)
    assert source.held_share == pytest.approx(0.8, abs=0.01)
    for _ in range(20):
        source.tick(0.25)
    assert source.held_share < 0.01
