"""Who keeps claims waiting is known at each moment; in a crowd a claim moves soon."""

import pytest

from panal.swarm.awaited import AT_ONCE
from panal.swarm.messages import (
    BytesArrived,
    CancelFetch,
    ChunksAvailable,
    ChunkWritten,
    Failure,
    Fetch,
    FetchEnded,
    Order,
    SourceId,
    Ticked,
)
from panal.swarm.queued import CROWDED_PATIENCE_S, REST_AFTER_QUEUE_S, Queued
from panal.swarm.sources import RunningFetch, Source
from tests.swarm import A, B, C, Driven, only, source_id

pytestmark = pytest.mark.p6

CHUNKS = 200
SOON_S = CROWDED_PATIENCE_S + 0.001
FIRST = source_id("first")
TAKER = source_id("taker")
QUICK = source_id("quick")
LAST = CHUNKS - 1


def asked(name: SourceId, claimed: int, at_s: float = 0.0, *, is_choice: bool = False) -> Source:
    return Source(name, fetch=RunningFetch(claimed, at_s, is_choice=is_choice))


def test_who_is_asked_waits_until_it_is_heard_of() -> None:
    queued, one, other = Queued(), asked(A, 0b011), asked(B, 0b100)
    queued.asked(one)
    queued.asked(other)
    assert queued.late(0b110, SOON_S) == [one, other]
    queued.left(one)
    queued.left(one)
    assert queued.late(0b111, SOON_S) == [other]
    assert queued.claimed == 0b100


def test_who_chooses_waits_for_no_certain_chunks_and_who_is_cancelled_for_none() -> None:
    queued, ending = Queued(), asked(B, 0b10)
    queued.asked(asked(A, 0b01, is_choice=True))
    queued.asked(ending)
    assert ending.fetch is not None
    ending.fetch.ending = "another was quicker"
    assert queued.late(0b11, SOON_S) == []


def test_late_is_who_keeps_waiting_for_longer_than_a_crowd_has_patience() -> None:
    queued, early = Queued(), asked(A, 0b01)
    queued.asked(early)
    queued.asked(asked(B, 0b10, CROWDED_PATIENCE_S))
    assert queued.late(0b11, CROWDED_PATIENCE_S) == []
    assert queued.late(0b11, SOON_S) == [early]
    assert queued.late(0b10, SOON_S) == []


def waiting_for_one(near: int) -> Driven:
    """One chunk is asked of the first; `near` others download, the taker of them idle.

    Another has answered in no time: nobody is far away.
    """
    driven = Driven(CHUNKS)
    assert only(driven.open(QUICK, 1 << LAST), Fetch)
    for fact in BytesArrived(QUICK, 1), ChunkWritten(QUICK, LAST), FetchEnded(QUICK):
        driven.tell(fact)
    assert only(driven.open(FIRST, 0b1), Fetch)
    for number in range(near - 3):
        driven.open(source_id(f"p{number}"), 0)
    driven.open(TAKER, 0)
    return driven


def word_of_taker(driven: Driven, after_s: float) -> list[Order]:
    return driven.tell(ChunksAvailable(TAKER, 0b1), after_s=after_s)


def test_in_a_crowd_what_waits_moves_to_who_has_it_too() -> None:
    driven = waiting_for_one(AT_ONCE + 1)
    assert word_of_taker(driven, SOON_S) == [CancelFetch(FIRST)]
    (order,) = only(driven.tell(FetchEnded(FIRST, Failure.CANCELLED)), Fetch)
    assert (order.source, order.first) == (TAKER, 0)


@pytest.mark.parametrize(
    ("near", "after_s"), [(AT_ONCE, SOON_S), (AT_ONCE + 1, CROWDED_PATIENCE_S / 2)]
)
def test_among_few_or_at_once_it_stays(near: int, after_s: float) -> None:
    driven = waiting_for_one(near)
    assert word_of_taker(driven, after_s) == []


def test_in_a_crowd_it_moves_too_when_anothers_request_ends() -> None:
    driven = waiting_for_one(AT_ONCE + 1)
    driven.open(C, 0b10)
    assert word_of_taker(driven, 0.0) == []
    driven.now_s += SOON_S
    assert driven.state.to_count(FetchEnded(C), driven.now_s) == [FIRST, C]
    assert CancelFetch(FIRST) in driven.tell(FetchEnded(C, Failure.CANCELLED))


def test_bytes_are_counted_only_of_who_may_lose_its_claim_by_that_word() -> None:
    driven = waiting_for_one(AT_ONCE + 1)
    word, other = ChunksAvailable(TAKER, 0b1), ChunksAvailable(TAKER, 0b10)
    soon_s = driven.now_s + SOON_S
    assert driven.state.to_count(word, soon_s) == [FIRST]
    assert driven.state.to_count(other, soon_s) == []
    assert driven.state.to_count(ChunksAvailable(FIRST, 0b1), soon_s) == []
    assert driven.state.to_count(ChunksAvailable(source_id("nobody"), 0b1), soon_s) == []
    assert driven.state.to_count(word, driven.now_s) == []
    assert driven.state.to_count(Ticked(), soon_s) == []
    few = waiting_for_one(AT_ONCE)
    assert few.state.to_count(word, few.now_s + SOON_S) == []


def test_what_has_begun_to_come_stays() -> None:
    driven = waiting_for_one(AT_ONCE + 1)
    driven.tell(BytesArrived(FIRST, 1), after_s=SOON_S)
    assert word_of_taker(driven, 0.0) == []


def test_whose_queue_was_left_rests() -> None:
    driven = waiting_for_one(AT_ONCE + 1)
    word_of_taker(driven, SOON_S)
    driven.tell(FetchEnded(FIRST, Failure.CANCELLED))
    more = ChunksAvailable(FIRST, 0b10)
    assert driven.tell(more, after_s=REST_AFTER_QUEUE_S - 0.1) == []
    assert only(driven.tell(more, after_s=0.2), Fetch)
