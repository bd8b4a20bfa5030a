"""The clocks of a source: when patience ends, and when a claim yields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.swarm.sources import (
    FIRST_BACK_OFF_S,
    LATE_CHUNK_S,
    LONGEST_BACK_OFF_S,
    MINIMUM_RATE_BYTES_S,
    MINIMUM_RATE_OVER_S,
    SILENCE_PATIENCE_S,
    STALL_S,
    RunningFetch,
    Source,
    Stage,
)
from tests.swarm import CHUNK_BYTES, PROPERTY, A, B

JUST = 0.001


def running(asked_at_s: float = 0.0, claimed: int = 0b1) -> RunningFetch:
    return RunningFetch(claimed, asked_at_s)


def yields(fetch: RunningFetch, taker: Source, now_s: float, usual_chunk_s: float = 0.0) -> bool:
    return fetch.yields(taker, now_s, usual_chunk_s, CHUNK_BYTES)


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


# Claims that yield ----------------------------------------------------------------------------


def test_a_claim_in_a_queue_yields_after_two_seconds() -> None:
    fetch, taker = running(asked_at_s=5.0), Source(B)
    assert not yields(fetch, taker, 5.0 + SILENCE_PATIENCE_S)
    assert yields(fetch, taker, 5.0 + SILENCE_PATIENCE_S + JUST)


def test_bytes_that_stop_coming_yield_as_a_queue_does() -> None:
    fetch, taker = running(), Source(B)
    fetch.count(CHUNK_BYTES // 2, 100.0)
    assert not yields(fetch, taker, 100.0 + SILENCE_PATIENCE_S)
    assert yields(fetch, taker, 100.0 + SILENCE_PATIENCE_S + JUST)


def test_a_late_chunk_yields_and_four_times_the_usual_time_is_not_late() -> None:
    taker = Source(B, fetch_rate_bytes_s=1.0)  # it would not be quicker
    fetch = running()
    for second in range(41):
        fetch.count(6_000, float(second))
        assert yields(fetch, taker, second + JUST) == (second >= LATE_CHUNK_S)
        assert yields(fetch, taker, second + JUST, usual_chunk_s=9.0) == (second >= 36)


def test_a_chunk_begins_anew_where_the_last_one_was_written() -> None:
    taker = Source(B, fetch_rate_bytes_s=1.0)
    fetch = running(claimed=0b11)
    fetch.count(1, 0.0)
    assert fetch.written(0b01, 9.0) == 9.0
    fetch.count(60_000, 18.0)
    assert not yields(fetch, taker, 18.0)
    assert yields(fetch, taker, 19.5)
    assert fetch.claimed == 0b10


def test_a_quick_source_takes_over_from_one_that_needs_much_longer() -> None:
    quick = Source(B, fetch_rate_bytes_s=4.0 * CHUNK_BYTES)  # a quarter of a second each
    slow, fine = running(), running()
    for quarter in range(5):
        slow.count(CHUNK_BYTES // 80, quarter / 4)
        fine.count(CHUNK_BYTES // 10, quarter / 4)
    assert yields(slow, quick, 1.0)
    assert not yields(fine, quick, 1.0)  # it is half done
    assert not yields(slow, quick, 0.75)  # too early to tell
    assert not yields(slow, Source(B), 1.0)  # nobody knows whether it is quick


def test_who_lost_requests_must_wait_longer_to_take_others() -> None:
    fetch = running(asked_at_s=0.0)
    for taker in (Source(B, lost=1), Source(B, failures=1)):
        assert not yields(fetch, taker, 4 * SILENCE_PATIENCE_S)
        assert yields(fetch, taker, 4 * SILENCE_PATIENCE_S + JUST)
    assert yields(fetch, Source(B, lost=1_000_000), 150.0)


# Sources --------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(1, 100_000), st.floats(0, 1))
def test_back_off_grows_and_stays_in_its_bounds(failures: int, jitter: float) -> None:
    source = Source(A, failures=failures - 1)
    pause_s = source.back_off_s(jitter)
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


def test_a_peer_is_the_name_before_the_address() -> None:
    assert Source(A).peer == "peer_a"
