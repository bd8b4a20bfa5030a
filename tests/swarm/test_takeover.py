"""When a claim yields to an idle holder, and when it is left where it is."""

import pytest

from panal.swarm.queued import CROWDED_PATIENCE_S
from panal.swarm.sources import RunningFetch, Source, Stage
from panal.swarm.takeover import (
    GAIN_FACTOR,
    GAIN_S,
    LATE_CHUNK_S,
    MOST_DOUBLINGS,
    SILENCE_PATIENCE_S,
    SLOW_GIVES_WAY_S,
    TAKEN_IN_VAIN,
    TakeOvers,
)
from tests.swarm import CHUNK_BYTES, A, B

pytestmark = pytest.mark.p6

JUST = 0.001


def holder(asked_at_s: float = 0.0, claimed: int = 0b1) -> Source:
    return Source(A, stage=Stage.READY, fetch=RunningFetch(claimed, asked_at_s))


def yields(
    source: Source,
    taker: Source,
    now_s: float,
    take_overs: TakeOvers | None = None,
    counted_at_s: float | None = None,
    *,
    all_asked: bool = True,
    crowded: bool = False,
) -> bool:
    counted_at_s = now_s if counted_at_s is None else counted_at_s
    rules = take_overs or TakeOvers(CHUNK_BYTES)
    return rules.may(source, taker, now_s, counted_at_s, all_asked=all_asked, crowded=crowded)


def test_a_claim_in_a_queue_yields_after_a_while() -> None:
    assert not yields(holder(), Source(B), SILENCE_PATIENCE_S)
    assert yields(holder(), Source(B), SILENCE_PATIENCE_S + JUST)


def near() -> TakeOvers:
    """Of a download of which a request was answered in no time."""
    rules = TakeOvers(CHUNK_BYTES)
    rules.first_byte_came(0.0)
    return rules


def test_in_a_crowd_it_yields_soon_but_not_to_who_was_taken_from() -> None:
    soon_s = CROWDED_PATIENCE_S + JUST
    assert not yields(holder(), Source(B), CROWDED_PATIENCE_S, near(), crowded=True)
    assert yields(holder(), Source(B), soon_s, near(), counted_at_s=0.0, crowded=True)
    assert not yields(holder(), Source(B, lost=1), soon_s, near(), crowded=True)


def test_in_a_crowd_far_sources_are_not_left_for_their_way() -> None:
    """Each first byte takes a round trip; whoever was left for it lost a connection each time."""
    rules = TakeOvers(CHUNK_BYTES)
    assert not yields(holder(), Source(B), SILENCE_PATIENCE_S, rules, crowded=True)
    for waited_s in (0.2, 0.3):
        rules.first_byte_came(waited_s)
    assert not yields(holder(), Source(B), 2 * 0.2, rules, crowded=True)
    assert yields(holder(), Source(B), 2 * 0.2 + JUST, rules, crowded=True)


def test_in_a_crowd_what_has_begun_to_come_or_is_a_seeds_choice_yields_as_ever() -> None:
    soon_s = CROWDED_PATIENCE_S + JUST
    begun = holder()
    begun.count(1, JUST)
    choosing = Source(A, stage=Stage.READY, fetch=RunningFetch(0b1, 0.0, is_choice=True))
    for source in (begun, choosing):
        assert not yields(source, Source(B), soon_s, near(), crowded=True)
        assert yields(source, Source(B), 2 * SILENCE_PATIENCE_S, near(), crowded=True)


def test_what_may_have_come_since_bytes_were_counted_is_no_silence() -> None:
    """A source that begins to send between two counts seems queued until the second."""
    assert not yields(holder(), Source(B), 1.0, counted_at_s=SILENCE_PATIENCE_S)
    assert yields(holder(), Source(B), 1.0, counted_at_s=SILENCE_PATIENCE_S + JUST)


def test_only_to_one_known_as_quicker_yields_what_seems_slow_since_bytes_were_counted() -> None:
    """Among equals a tenth of a chunk, counted a moment ago, is no sign of a slow source."""
    rate_bytes_s = 4.0 * CHUNK_BYTES
    source = holder()
    source.fetch_rate_bytes_s = rate_bytes_s
    source.count(CHUNK_BYTES // 10, 1.0)
    equal = Source(B, fetch_rate_bytes_s=rate_bytes_s)
    quicker = Source(B, fetch_rate_bytes_s=2.5 * rate_bytes_s)
    assert not yields(source, equal, 1.24, counted_at_s=1.0)
    assert yields(source, quicker, 1.24, counted_at_s=1.0)
    assert yields(source, equal, 1.24, counted_at_s=1.24)


def test_bytes_that_stop_coming_yield_as_a_queue_does() -> None:
    source = holder()
    source.count(CHUNK_BYTES // 2, 100.0)
    assert not yields(source, Source(B), 100.0 + SILENCE_PATIENCE_S)
    assert yields(source, Source(B), 100.0 + SILENCE_PATIENCE_S + JUST)


def test_what_has_no_fetch_or_is_ending_yields_nothing() -> None:
    source = holder()
    assert source.fetch is not None
    source.fetch.ending = "another was quicker"
    assert not yields(source, Source(B), 1e6)
    assert not yields(Source(A), Source(B), 1e6)


def test_a_place_in_a_queue_is_not_given_up_for_a_place_in_a_longer_one() -> None:
    source, busy = holder(), Source(B, bytes=1, wait_s=6.0)
    assert not yields(source, busy, GAIN_FACTOR * 6.0)
    assert yields(source, busy, GAIN_FACTOR * 6.0 + JUST)


def test_whose_queue_is_unknown_is_taken_to_be_as_busy_as_others() -> None:
    take_overs = TakeOvers(CHUNK_BYTES)
    take_overs.first_byte_came(6.0)
    assert not yields(holder(), Source(B), GAIN_FACTOR * 6.0, take_overs)
    assert yields(holder(), Source(B), GAIN_FACTOR * 6.0 + JUST, take_overs)
    assert yields(holder(), Source(B, bytes=1, wait_s=0.1), 3.0, take_overs)
    for _ in range(20):
        take_overs.first_byte_came(0.0)
    assert yields(holder(), Source(B), 3.0, take_overs)


def test_a_late_chunk_yields_and_four_times_the_usual_time_is_not_late() -> None:
    source, taker, usual = holder(), Source(B), TakeOvers(CHUNK_BYTES)
    for _ in range(50):
        usual.chunk_came(9.0)
    for second in range(41):
        source.count(6_000, float(second))
        assert yields(source, taker, second + JUST, all_asked=False) == (second >= LATE_CHUNK_S)
        assert yields(source, taker, second + JUST, usual, all_asked=False) == (second >= 36)


def test_only_the_chunk_on_its_way_is_late() -> None:
    source, taker = holder(claimed=0b11), Source(B)
    source.count(CHUNK_BYTES, 0.0)
    assert source.fetch is not None
    source.fetch.written(0b01, 9.0)
    source.count(60_000, 18.0)
    assert not yields(source, taker, 18.0, all_asked=False)
    assert yields(source, taker, 9.0 + LATE_CHUNK_S + JUST, all_asked=False)


def test_a_quick_source_takes_over_from_one_that_needs_much_longer() -> None:
    quick = Source(B, fetch_rate_bytes_s=4.0 * CHUNK_BYTES)  # a quarter of a second each
    slow, fine = holder(), holder()
    for quarter in range(5):
        slow.count(CHUNK_BYTES // 40, quarter / 4)
        fine.count(CHUNK_BYTES // 6, quarter / 4)
    assert yields(slow, quick, 1.0)
    assert not yields(fine, quick, 1.0)  # it is nearly done
    early = holder()
    early.count(CHUNK_BYTES // 800, 0.0)
    assert not yields(early, quick, GAIN_S - JUST)  # too early to tell
    assert yields(early, quick, GAIN_S + JUST)
    assert not yields(slow, Source(B), 1.0)  # nobody knows whether it is quick


def test_what_has_come_is_not_thrown_away_for_moments_while_chunks_are_asked_of_nobody() -> None:
    quick = Source(B, fetch_rate_bytes_s=4.0 * CHUNK_BYTES)
    slow = holder()
    for second in range(12):
        slow.count(CHUNK_BYTES // 100, float(second))
    assert yields(slow, quick, 1.0)
    assert not yields(slow, quick, LATE_CHUNK_S, all_asked=False)
    assert yields(slow, quick, LATE_CHUNK_S + JUST, all_asked=False)  # it is late now
    silent = holder()
    assert yields(silent, quick, SILENCE_PATIENCE_S + JUST, all_asked=False)


def test_a_trickle_yields_even_to_one_of_whom_nothing_is_known() -> None:
    source = holder()
    source.count(1, 0.0)
    assert yields(source, Source(B), 1.0)


def test_who_had_setbacks_must_wait_longer_to_take_from_others() -> None:
    for taker in (Source(B, lost=1), Source(B, failures=1)):
        assert not yields(holder(), taker, 4 * SILENCE_PATIENCE_S)
        assert yields(holder(), taker, 4 * SILENCE_PATIENCE_S + JUST)
    most_s = 64 * SILENCE_PATIENCE_S
    assert yields(holder(), Source(B, failures=1_000_000), most_s + JUST)


def test_silence_is_borne_for_twice_as_long_after_each_claim_that_was_lost_in_vain() -> None:
    """Else each of two queues is left for the other, if they are longer than the most patience."""
    for lost in (3, 4, 5, 3 + MOST_DOUBLINGS, 1_000_000):
        taker, times = Source(B, lost=lost), 64 * 2 ** min(lost - 3, MOST_DOUBLINGS)
        borne_s, crowded_s = times * SILENCE_PATIENCE_S, times * CROWDED_PATIENCE_S
        assert not yields(holder(), taker, borne_s)
        assert yields(holder(), taker, borne_s + JUST)
        assert not yields(holder(), taker, crowded_s, near(), crowded=True)
        assert yields(holder(), taker, crowded_s + JUST, near(), crowded=True)


def test_after_many_in_vain_all_are_more_patient_until_a_chunk_comes() -> None:
    take_overs = TakeOvers(CHUNK_BYTES)
    for _ in range(TAKEN_IN_VAIN - 1):
        take_overs.taken()
    assert yields(holder(), Source(B), 3 * SILENCE_PATIENCE_S, take_overs)
    take_overs.taken()
    assert not yields(holder(), Source(B), 3 * SILENCE_PATIENCE_S, take_overs)
    take_overs.chunk_came(0.1)
    assert yields(holder(), Source(B), 3 * SILENCE_PATIENCE_S, take_overs)


def test_who_has_lost_anything_bears_the_silence_that_all_who_lost_add_up_to() -> None:
    """Where many are asked in turn, each has lost little: none would wait to the end of a queue."""
    take_overs = TakeOvers(CHUNK_BYTES)
    for _ in range(5 * TAKEN_IN_VAIN):
        take_overs.taken()
    fresh_s, borne_s = 64 * SILENCE_PATIENCE_S, 4 * 64 * SILENCE_PATIENCE_S
    assert yields(holder(), Source(B), fresh_s + JUST, take_overs)
    assert not yields(holder(), Source(B, lost=1), borne_s, take_overs)
    assert yields(holder(), Source(B, lost=1), borne_s + JUST, take_overs)


def test_what_our_own_limit_holds_back_is_neither_late_nor_silent() -> None:
    quick = Source(B, fetch_rate_bytes_s=4.0 * CHUNK_BYTES)
    source = holder()
    source.count(CHUNK_BYTES // 10, 0.0)
    for quarter in range(1, 200):
        now_s = quarter / 4
        source.held_back(0.25, now_s)
        assert not yields(source, quick, now_s)
    assert yields(source, quick, 60.0)


# Who is known to be slow ----------------------------------------------------------------------


def test_a_slow_taker_waits_as_long_as_it_would_take_itself() -> None:
    """It would have the place of one that queues, which is quicker all the same."""
    slow = Source(B, fetch_rate_bytes_s=CHUNK_BYTES / 50)
    assert slow.is_slow
    assert not yields(holder(), slow, 50.0)
    assert yields(holder(), slow, 50.0 + JUST)
    assert not yields(holder(), slow, 50.0, near(), crowded=True)


def test_a_slow_taker_leaves_silence_to_others_for_a_minute_at_most() -> None:
    """Its rate may have been learned of little, and those who never send wait less."""
    slow = Source(B, fetch_rate_bytes_s=1.0)
    assert not yields(holder(), slow, SLOW_GIVES_WAY_S)
    assert yields(holder(), slow, SLOW_GIVES_WAY_S + JUST)


def test_a_slow_taker_has_what_comes_more_slowly_still() -> None:
    source, slow = holder(), Source(B, fetch_rate_bytes_s=CHUNK_BYTES / 50)
    source.count(CHUNK_BYTES // 10, 0.0)
    source.count(1, LATE_CHUNK_S)
    assert yields(source, slow, LATE_CHUNK_S + JUST)
    source.count(CHUNK_BYTES // 10, LATE_CHUNK_S)
    assert not yields(source, slow, LATE_CHUNK_S + JUST)
