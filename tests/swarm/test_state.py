"""One download's decisions, fact by fact: what each leads to, and what it must not."""

import math
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from panal.swarm.messages import (
    AskTracker,
    Ban,
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
    ChunksAvailable,
    ChunksCompared,
    ChunksGranted,
    ChunkWritten,
    Drop,
    Fact,
    Failure,
    Fetch,
    FetchAny,
    FetchEnded,
    Finish,
    Follow,
    HearNews,
    HeldBack,
    NewsHeard,
    SourceCalled,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.picker import share
from panal.swarm.sources import (
    CALLED_BACK_EVERY_S,
    LONGEST_BACK_OFF_S,
    REST_AFTER_STALL_S,
    REST_AFTER_YIELD_S,
    STALL_S,
    Source,
    Stage,
)
from panal.swarm.state import DownloadState
from panal.swarm.takeover import GAIN_FACTOR, GAIN_S, SILENCE_PATIENCE_S
from panal.wire import bitfield
from tests.swarm import CHUNK_BYTES, A, B, C, Driven, only, source_id

pytestmark = [pytest.mark.p6, pytest.mark.p7]

# From nothing to done -------------------------------------------------------------------------


def test_the_way_of_one_chunk_from_found_to_finished() -> None:
    driven = Driven(1)
    assert driven.tell(Ticked()) == [AskTracker(())]
    assert driven.tell(SourceFound(A)) == [Follow(A)]
    assert driven.tell(TrackerAnswered()) == []
    assert driven.tell(SourceOpened(A, 0b1)) == [Fetch(A, 0, 1)]
    assert driven.tell(BytesArrived(A, CHUNK_BYTES)) == []
    assert driven.tell(ChunkWritten(A, 0)) == [Drop(A), Finish()]
    assert driven.state.finished


def test_it_finishes_once_and_then_orders_nothing_more() -> None:
    driven = Driven(1)
    driven.open(A, 1)
    assert only(driven.tell(ChunkWritten(A, 0)), Finish) == [Finish()]
    late = (ChunkWritten(A, 0), FetchEnded(A), Ticked(), SourceFound(B), ChunkCorrupt(A, 0))
    assert [driven.tell(fact, after_s=100.0) for fact in late] == [[]] * len(late)


def test_every_chunk_must_be_written_before_it_finishes() -> None:
    driven = Driven(3)
    index = driven.open_one_chunk(A, 0b111)
    for remaining in (2, 1):
        assert driven.tell(ChunkWritten(A, index)) == []
        (fetch,) = driven.tell(FetchEnded(A))
        assert isinstance(fetch, Fetch)
        index = fetch.first
        assert driven.state.missing.bit_count() == remaining
    assert only(driven.tell(ChunkWritten(A, index)), Finish)


def test_resumed_chunks_are_never_asked_for() -> None:
    driven = Driven(4, written=0b1011)
    assert driven.open_one_chunk(A, 0b1111) == 2
    assert only(driven.tell(ChunkWritten(A, 2)), Finish)


@pytest.mark.parametrize(("chunk_count", "written"), [(0, 0), (3, 0b111)])
def test_where_nothing_is_missing_it_finishes_at_once_and_asks_nobody(
    chunk_count: int, written: int
) -> None:
    assert Driven(chunk_count, written=written).tell(Ticked()) == [Finish()]


def test_chunks_that_come_to_be_had_are_asked_for_and_bits_beyond_the_end_ignored() -> None:
    driven = Driven(2)
    assert driven.open(A, 0b100) == []
    assert driven.tell(ChunksAvailable(A, 0b110)) == [Fetch(A, 1, 1)]
    assert driven.tell(ChunksAvailable(A, 0b111)) == []  # one request at a time


def test_a_source_is_asked_for_one_thing_at_a_time_and_two_never_for_the_same() -> None:
    driven = Driven(2)
    fetches = {driven.open_one_chunk(A, 0b11), driven.open_one_chunk(B, 0b11)}
    assert fetches == {0, 1}
    assert driven.open(C, 0b11) == []


def test_a_fast_source_is_asked_for_several_chunks_but_not_for_more_than_its_share() -> None:
    driven = Driven(2_000)
    driven.tell(SourceFound(B))  # where nobody else is near it is asked for more
    first = driven.open_one_chunk(A, (1 << 2_000) - 2)  # no seed: it is not left the choice
    driven.tell(BytesArrived(A, CHUNK_BYTES), after_s=0.001)
    driven.tell(ChunkWritten(A, first))
    (fetch,) = only(driven.tell(FetchEnded(A)), Fetch)
    assert 2 <= fetch.count <= 0.02 * 1_000  # 20 ms at a chunk a millisecond
    driven.state.sources[A].fetch_rate_bytes_s = 1e12
    for index in range(fetch.first, fetch.first + fetch.count):
        driven.tell(ChunkWritten(A, index))
    (fetch,) = only(driven.tell(FetchEnded(A)), Fetch)
    assert fetch.count <= 256  # 64 MiB


def test_the_only_source_is_asked_for_more_at_once() -> None:
    driven = Driven(2_000)
    first = driven.open_one_chunk(A, (1 << 2_000) - 2)
    driven.tell(BytesArrived(A, CHUNK_BYTES), after_s=0.001)
    driven.tell(ChunkWritten(A, first))
    (fetch,) = only(driven.tell(FetchEnded(A)), Fetch)
    assert 0.02 * 1_000 < fetch.count <= 0.1 * 1_000  # 100 ms at a chunk a millisecond


def test_no_source_is_asked_for_more_than_its_share_of_what_is_left() -> None:
    for seed in range(20):
        driven = Driven(16, seed=seed)
        driven.tell(SourceFound(A))
        driven.state.sources[A].fetch_rate_bytes_s = 1e12
        (fetch,) = only(driven.tell(SourceOpened(A, 0xFFFE)), Fetch)
        assert fetch.count <= 4  # a quarter, for others may come


@pytest.mark.parametrize(
    ("rate_in_chunks_s", "left", "count"),
    [
        (1_000.0, 400, 20),
        (125.0, 400, 2),  # two and a half: whole chunks are asked for
        (1_000.0, 40, 5),  # a quarter of what is left, for each of two that are ready
        (1_000.0, 20, 2),
        (1_000.0, 7, 1),
        (0.0, 400, 1),
    ],
)
def test_how_many_chunks_are_asked_for_at_once(
    rate_in_chunks_s: float, left: int, count: int
) -> None:
    driven = Driven(401, written=bitfield.full(400 - left) << left)  # A has not the last: no seed
    driven.open(B, 0)
    driven.tell(SourceFound(A))
    driven.state.sources[A].fetch_rate_bytes_s = rate_in_chunks_s * CHUNK_BYTES
    driven.state._requests._chance = First()
    assert driven.tell(SourceOpened(A, bitfield.full(left))) == [Fetch(A, 0, count)]


class First:
    """No chance at all: always the first."""

    def randrange(self, stop: int, /) -> int:
        return 0


def test_a_seed_is_told_a_whole_number_of_chunks() -> None:
    driven = Driven(2_000)
    driven.tell(SourceFound(A))
    driven.state.sources[A].fetch_rate_bytes_s = 1e12
    (any_of,) = only(driven.tell(SourceOpened(A, bitfield.full(2_000))), FetchAny)
    assert repr(any_of.most) == "256"  # it goes on the wire as it is


# The seed's choice ----------------------------------------------------------------------------

ALL = (1 << 32) - 1


def test_a_seed_is_left_the_choice_until_it_has_sent_each_chunk_once() -> None:
    driven = Driven(32)
    assert driven.open(A, ALL) == [FetchAny(A, ALL, 1)]
    assert driven.tell(ChunksGranted(A, 7, 1)) == []
    assert driven.state.chunks.free == ALL & ~(1 << 7)
    driven.tell(ChunkWritten(A, 7))
    assert driven.tell(FetchEnded(A)) == [FetchAny(A, ALL & ~(1 << 7), 1)]
    (fetch,) = driven.tell(FetchEnded(A, Failure.NOTHING_UNSENT))
    assert isinstance(fetch, Fetch)


def test_what_is_asked_of_others_is_no_choice_and_neither_is_it_for_a_part() -> None:
    driven = Driven(32)
    asked = driven.open_one_chunk(B, ALL >> 1)
    assert driven.open(A, ALL) == [FetchAny(A, ALL & ~(1 << asked), 1)]


def test_a_short_file_is_asked_for_as_of_anybody() -> None:
    driven = Driven(15)
    driven.open_one_chunk(A, (1 << 15) - 1)
    assert only(Driven(16).open(A, (1 << 16) - 1), FetchAny)


def test_several_seeds_choose_among_different_chunks_that_are_all_chunks() -> None:
    assert share(1_000, 0, 3) | share(1_000, 1, 3) | share(1_000, 2, 3) == (1 << 1_000) - 1
    driven = Driven(32, written=1)
    driven.tell(SourceFound(B))
    driven.tell(SourceFound(A))
    driven.tell(SourceOpened(B, ALL))
    (mine,) = driven.tell(SourceOpened(A, ALL))
    assert mine == FetchAny(A, share(32, 0, 2) & ~1, 1)


def test_a_seed_chose_what_another_sends_and_who_wrote_it_counts() -> None:
    driven = Driven(32)
    driven.open(A, ALL)
    asked = driven.open_one_chunk(B, ALL >> 1)
    driven.tell(BytesArrived(B, 1))
    assert driven.tell(ChunksGranted(A, asked, 1)) == []
    assert driven.tell(ChunkWritten(A, asked)) == []
    assert driven.state.written == 1 << asked
    assert driven.state.origins.peers == ["peer_a"]
    (again,) = driven.tell(FetchEnded(A))
    assert isinstance(again, FetchAny)
    (other,) = driven.tell(FetchEnded(B, Failure.TAKEN))
    assert isinstance(other, Fetch)
    assert other.source == B


def test_a_queue_is_left_where_a_seed_has_sent_all_that_was_asked_there() -> None:
    """Else nothing more would be asked of that source until it answered."""
    driven = Driven(32)
    driven.open(A, ALL)
    asked = driven.open_one_chunk(B, 0b111)
    driven.tell(ChunksGranted(A, asked, 1))
    assert driven.tell(ChunkWritten(A, asked)) == [CancelFetch(B)]
    orders = driven.tell(FetchEnded(B, Failure.CANCELLED))
    assert [order.source for order in only(orders, Fetch)] == [B]


def test_what_a_seed_sends_beside_another_goes_to_no_third_when_that_one_ends() -> None:
    driven = Driven(32)
    driven.open(A, ALL)
    chunk = 1 << driven.open_one_chunk(B, 0b111)
    driven.tell(ChunksGranted(A, 0, 3))
    driven.tell(ChunksGranted(A, 3, 2))  # told in two pieces, which count both
    assert driven.state.chunks.free == ALL & ~0b11111
    assert driven.tell(FetchEnded(B)) == []
    assert driven.open(C, chunk) == []
    assert driven.state.chunks.free == ALL & ~0b11111


# Lies -----------------------------------------------------------------------------------------


def test_a_wrong_chunk_bans_at_once_and_is_free_only_when_its_fetch_has_ended() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.open(B, 1)
    assert driven.tell(ChunkCorrupt(A, 0)) == [
        CancelFetch(A),
        Ban(A, 0, "sent a wrong chunk 0"),
        Drop(A),
    ]
    assert only(driven.tell(Ticked(), after_s=10.0), Fetch) == []
    assert driven.tell(FetchEnded(A, Failure.MISBEHAVED, "wrong chunk 0")) == [Fetch(B, 0, 1)]


def test_a_banned_source_is_never_used_again() -> None:
    driven = Driven(2)
    driven.open(A, 0b11)
    driven.tell(ChunkCorrupt(A, 0))
    driven.tell(FetchEnded(A, Failure.MISBEHAVED))
    for fact in (SourceFound(A), SourceOpened(A, 0b11), ChunksAvailable(A, 0b11)):
        assert driven.tell(fact) == []
    assert driven.tell(ChunkCorrupt(A, 1)) == []
    for _ in range(100):
        orders = driven.tell(Ticked(), after_s=60.0)
        assert not only(orders, Follow)
        assert not only(orders, Fetch)
    assert driven.state.neighbours.available == 0


def test_what_a_banned_source_still_wrote_counts() -> None:
    driven = Driven(4)
    index = driven.open_one_chunk(A, 0b1111)
    driven.tell(ChunkCorrupt(A, (index + 1) % 4))
    driven.tell(ChunkWritten(A, index))
    assert driven.state.written == 1 << index


def test_a_chunk_that_is_told_twice_counts_once() -> None:
    driven = Driven(2)
    index = driven.open_one_chunk(A, 0b11)
    for _ in range(2):
        driven.tell(ChunkWritten(A, index))
        assert (driven.state.written, driven.state.missing) == (1 << index, 0b11 ^ 1 << index)


def test_why_a_source_is_not_used_is_kept_for_people() -> None:
    driven = Driven(8)
    wrong = driven.open_one_chunk(A, 0xFF)
    driven.tell(ChunkCorrupt(A, wrong))
    for source, reason in ((B, "reset"), (C, "")):
        driven.open_one_chunk(source, 0xFF)
        driven.tell(FetchEnded(source, Failure.BROKEN, reason))
    gone = source_id("peer_d")
    driven.open_one_chunk(gone, 0xFF)
    driven.tell(SourceClosed(gone, "it has left"))
    assert {source.id: source.reason for source in driven.state.sources.values()} == {
        A: f"sent a wrong chunk {wrong}",
        B: "reset",
        C: Failure.BROKEN.value,
        gone: "it has left",
    }


def test_three_misbehaviours_ban() -> None:
    driven = Driven(1)
    driven.open(A, 1)
    for _ in range(2):
        assert driven.tell(FetchEnded(A, Failure.MISBEHAVED, "other range")) == [Drop(A)]
        assert only(driven.tell(Ticked(), after_s=61.0), Follow) == [Follow(A)]
        assert driven.tell(SourceOpened(A, 1)) == [Fetch(A, 0, 1)]
    orders = driven.tell(FetchEnded(A, Failure.MISBEHAVED, "other range"))
    assert orders == [Ban(A, None, "other range"), Drop(A)]


def test_misbehaviour_in_the_availability_stream_counts_alike() -> None:
    driven = Driven(1)
    driven.tell(SourceFound(A))
    for _ in range(2):
        assert driven.tell(SourceClosed(A, "an index beyond the end", misbehaved=True)) == []
        assert only(driven.tell(Ticked(), after_s=61.0), Follow) == [Follow(A)]
    orders = driven.tell(SourceClosed(A, "an index beyond the end", misbehaved=True))
    assert only(orders, Ban) == [Ban(A, None, "an index beyond the end")]


def test_broken_connections_never_ban() -> None:
    driven = Driven(1)
    driven.open(A, 1)
    for _ in range(20):
        orders = driven.tell(FetchEnded(A, Failure.BROKEN, "reset"))
        assert not only(orders, Ban)
        driven.tell(Ticked(), after_s=61.0)
        driven.tell(SourceOpened(A, 1))


# Stalls and queues ----------------------------------------------------------------------------


def test_a_stalled_source_is_cancelled_and_its_chunk_goes_elsewhere() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.tell(BytesArrived(A, 1), after_s=500.0)  # long in the queue: no stall
    assert only(driven.tell(Ticked(), after_s=STALL_S), CancelFetch) == []
    assert only(driven.tell(Ticked(), after_s=0.25), CancelFetch) == [CancelFetch(A)]
    assert only(driven.tell(Ticked(), after_s=0.25), CancelFetch) == []  # once is enough
    assert driven.open(B, 1) == []  # not before the fetch has ended
    orders = driven.tell(FetchEnded(A, Failure.CANCELLED, "cancelled"))
    assert orders == [Drop(A), Fetch(B, 0, 1)]
    assert driven.state.sources[A].reason == "sent nothing for 15 s"


def test_a_stalled_source_rests_a_minute() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.tell(BytesArrived(A, 1))
    driven.tell(Ticked(), after_s=STALL_S + 1)
    driven.tell(FetchEnded(A, Failure.CANCELLED))
    assert only(driven.tell(Ticked(), after_s=REST_AFTER_STALL_S - 1), Follow) == []
    assert only(driven.tell(Ticked(), after_s=1.0), Follow) == [Follow(A)]


def test_a_stalled_source_is_cancelled_whoever_idles_before_it() -> None:
    driven = Driven(1)
    driven.open(B, 0)
    driven.open_one_chunk(A, 1)
    driven.tell(BytesArrived(A, 1))
    assert only(driven.tell(Ticked(), after_s=STALL_S + 1), CancelFetch) == [CancelFetch(A)]


def test_what_our_own_limit_holds_back_is_no_stall() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.tell(BytesArrived(A, 1))
    for _ in range(int(3 * STALL_S)):
        assert driven.tell(HeldBack(A, 1.0), after_s=1.0) == []
        assert only(driven.tell(Ticked()), CancelFetch) == []
    assert only(driven.tell(Ticked(), after_s=STALL_S + 1), CancelFetch) == [CancelFetch(A)]


def test_a_queued_claim_yields_to_an_idle_holder_after_a_moment() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.open(B, 1)
    assert driven.tell(ChunksAvailable(B, 1), after_s=SILENCE_PATIENCE_S) == []
    assert driven.tell(ChunksAvailable(B, 1), after_s=0.25) == [CancelFetch(A)]
    assert driven.tell(FetchEnded(A, Failure.CANCELLED)) == [Fetch(B, 0, 1)]
    source = driven.state.sources[A]
    assert source.stage is Stage.READY  # it is not blamed
    assert (source.lost, source.reason) == (1, "peer_b was quicker")


def test_a_claim_yields_only_for_silence_up_to_when_bytes_were_last_counted() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.open(B, 1)
    driven.tell(Ticked())
    assert driven.tell(ChunksAvailable(B, 1), after_s=2 * SILENCE_PATIENCE_S) == []
    assert only(driven.tell(Ticked()), CancelFetch) == [CancelFetch(A)]


def test_a_claim_is_left_in_a_queue_as_long_as_queues_are_here() -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b01)
    driven.tell(BytesArrived(A, 1), after_s=6.0)
    driven.tell(BytesArrived(A, 1), after_s=100.0)  # only the first byte shows the queue
    driven.open_one_chunk(B, 0b10)
    driven.open(C, 0b10)
    assert driven.tell(ChunksAvailable(C, 0b10), after_s=GAIN_FACTOR * 6.0) == []
    assert driven.tell(ChunksAvailable(C, 0b10), after_s=0.25) == [CancelFetch(B)]


def a_tenth_comes_of_the_slower(driven: Driven) -> None:
    """Of what A is asked for; B is known to bring more than twice as much in the same time."""
    for source, chunks_s in ((A, 4.0), (B, 10.0)):
        driven.tell(SourceFound(source))
        driven.state.sources[source].fetch_rate_bytes_s = chunks_s * CHUNK_BYTES
    driven.tell(BytesArrived(A, CHUNK_BYTES // 10))
    driven.tell(Ticked())


def test_a_chunk_on_its_way_yields_to_one_who_is_known_to_be_much_quicker() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    a_tenth_comes_of_the_slower(driven)
    assert driven.tell(SourceOpened(B, 1), after_s=GAIN_S - 0.01) == []
    assert driven.tell(ChunksAvailable(B, 1), after_s=0.05) == [CancelFetch(A)]


def test_a_chunk_on_its_way_is_left_to_come_until_all_that_is_missing_is_asked_for() -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b01)
    a_tenth_comes_of_the_slower(driven)
    assert driven.tell(SourceOpened(B, 0b01), after_s=GAIN_S + 0.01) == []
    driven.open_one_chunk(C, 0b10)
    assert driven.tell(ChunksAvailable(B, 0b01)) == [CancelFetch(A)]


def test_a_queued_claim_does_not_yield_where_nobody_idle_has_the_chunk() -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b01)
    driven.open_one_chunk(B, 0b10)
    driven.open(C, 0b00)
    assert only(driven.tell(Ticked(), after_s=60.0), CancelFetch) == []


@pytest.mark.parametrize(("bits", "late"), [(0b01, A), (0b10, B)])
def test_of_several_who_are_late_whose_chunk_it_has_yields(bits: int, late: SourceId) -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b01)
    driven.open_one_chunk(B, 0b10)
    driven.open(C, bits)
    assert only(driven.tell(Ticked(), after_s=3.0), CancelFetch) == [CancelFetch(late)]


def test_an_idle_holder_takes_over_one_claim_at_a_time() -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b11)
    driven.open_one_chunk(B, 0b11)
    driven.open(C, 0b11)
    assert len(only(driven.tell(Ticked(), after_s=3.0), CancelFetch)) == 1
    assert only(driven.tell(Ticked(), after_s=3.0), CancelFetch) == []


def test_the_one_for_whom_a_claim_was_freed_chooses_first() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.open(B, 0)
    driven.open(C, 1)
    assert only(driven.tell(Ticked(), after_s=3.0), CancelFetch) == [CancelFetch(A)]
    driven.tell(ChunksAvailable(B, 1))
    assert driven.tell(FetchEnded(A, Failure.CANCELLED)) == [Fetch(C, 0, 1)]


def test_sources_that_never_answer_do_not_keep_a_chunk_from_a_slow_honest_one() -> None:
    """They could once pass it to and fro, and the honest one lost its place each time."""
    driven = Driven(1)
    asked_at_s: dict[str, float] = {}
    for source in (A, B, C):
        for fetch in only(driven.open(source, 1), Fetch):
            asked_at_s[fetch.source] = driven.now_s
    for _ in range(400):
        for order in driven.tell(Ticked(), after_s=0.25):
            if isinstance(order, CancelFetch):
                asked_at_s.pop(order.source)
                for fetch in only(driven.tell(FetchEnded(order.source, Failure.CANCELLED)), Fetch):
                    asked_at_s[fetch.source] = driven.now_s
        if driven.now_s - asked_at_s.get(C, driven.now_s) > 5.0:
            return
    pytest.fail("C never waited 5 s undisturbed")


def test_a_cancel_that_comes_too_late_and_hits_the_next_fetch_is_nobodys_fault() -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b11)
    assert driven.tell(FetchEnded(A, Failure.CANCELLED)) == []
    source = driven.state.sources[A]
    assert (source.stage, source.failures) == (Stage.READY, 0)
    assert only(driven.tell(Ticked(), after_s=REST_AFTER_YIELD_S), Fetch)


# Streams that end -----------------------------------------------------------------------------


def test_where_the_stream_ends_a_queued_fetch_has_lost_its_queue() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    assert driven.tell(SourceClosed(A, "went away")) == [CancelFetch(A)]
    rests_until_s = driven.state.sources[A].rests_until_s
    assert rests_until_s > driven.now_s
    assert driven.open(B, 1) == []
    assert only(driven.tell(Ticked(), after_s=5.0), CancelFetch) == []  # once is enough
    driven.now_s -= 5.0
    assert driven.tell(FetchEnded(A, Failure.CANCELLED)) == [Fetch(B, 0, 1)]
    source = driven.state.sources[A]
    assert (source.rests_until_s, source.reason) == (rests_until_s, "went away")


def test_where_the_stream_ends_a_fetch_that_sends_goes_on() -> None:
    driven = Driven(2)
    index = driven.open_one_chunk(A, 0b11)
    driven.tell(BytesArrived(A, 1))
    assert driven.tell(SourceClosed(A, "went away")) == []
    assert only(driven.tell(Ticked(), after_s=10.0), Follow) == []  # not while it still sends
    driven.tell(ChunkWritten(A, index))
    assert driven.tell(FetchEnded(A)) == []
    assert driven.state.written == 1 << index
    assert only(driven.tell(Ticked()), Follow) == [Follow(A)]


def test_a_source_whose_stream_ended_and_then_stalls_rests_as_any_that_stalls() -> None:
    driven = Driven(1)
    driven.open_one_chunk(A, 1)
    driven.tell(BytesArrived(A, 1))
    driven.tell(SourceClosed(A, "went away"))
    assert only(driven.tell(Ticked(), after_s=STALL_S + 1), CancelFetch) == [CancelFetch(A)]
    driven.tell(FetchEnded(A, Failure.CANCELLED))
    assert only(driven.tell(Ticked(), after_s=REST_AFTER_STALL_S - 1), Follow) == []


def test_one_death_told_twice_is_one_failure() -> None:
    for facts in (
        (SourceClosed(A, "reset"), FetchEnded(A, Failure.BROKEN, "reset")),
        (FetchEnded(A, Failure.BROKEN, "reset"), SourceClosed(A, "reset")),
    ):
        driven = Driven(1)
        driven.open_one_chunk(A, 1)
        driven.tell(BytesArrived(A, 1))
        for fact in facts:
            driven.tell(fact)
        assert driven.state.sources[A].failures == 1


def test_a_chunk_makes_earlier_failures_forgotten() -> None:
    driven = Driven(2)
    driven.open(A, 0b11)
    driven.tell(FetchEnded(A, Failure.BROKEN))
    driven.tell(Ticked(), after_s=61.0)
    (fetch,) = driven.tell(SourceOpened(A, 0b11))
    assert isinstance(fetch, Fetch)
    driven.tell(ChunkWritten(A, fetch.first))
    assert driven.state.sources[A].failures == 0


def test_who_has_all_and_then_has_not_is_asked_three_times_and_then_rests_long() -> None:
    driven = Driven(1)
    asks = len(only(driven.open(A, 1), Fetch))
    driven.tell(FetchEnded(A, Failure.NOT_HERE_YET, "answered 404"))
    for _ in range(int(LONGEST_BACK_OFF_S) * 4):
        for order in driven.tell(Ticked(), after_s=0.25):
            if isinstance(order, Follow):
                asks += len(only(driven.tell(SourceOpened(A, 1)), Fetch))
                driven.tell(FetchEnded(A, Failure.NOT_HERE_YET, "answered 404"))
    assert asks == 3


# Facts out of place ---------------------------------------------------------------------------


def test_facts_of_unknown_sources_and_repeated_facts_change_nothing() -> None:
    driven = Driven(2)
    driven.open_one_chunk(A, 0b01)
    nobody = source_id("nobody")
    for fact in (
        SourceOpened(nobody, 0b11),
        ChunksAvailable(nobody, 0b11),
        BytesArrived(nobody, 5),
        ChunkWritten(nobody, 0),
        ChunkCorrupt(nobody, 0),
        SourceClosed(nobody, "gone", misbehaved=True),
        FetchEnded(nobody, Failure.BROKEN),
        SourceFound(A),
        SourceOpened(A, 0b11),
    ):
        assert driven.tell(fact) == []
    assert (driven.state.written, driven.state.chunks.free) == (0, 0b10)


def test_who_was_not_left_the_choice_grants_nothing() -> None:
    driven = Driven(2)
    driven.open(B, 0)
    assert driven.tell(ChunksGranted(B, 0, 2)) == []  # it was asked for nothing
    driven.open_one_chunk(A, 0b01)
    assert driven.tell(ChunksGranted(A, 0, 2)) == []
    assert driven.state.chunks.free == 0b10


def test_when_a_source_was_last_in_touch_is_known() -> None:
    driven = Driven(2)
    facts = (
        SourceOpened(A, 0b01),
        ChunksAvailable(A, 0b10),
        BytesArrived(A, 1),
        SourceClosed(A, "gone"),
    )
    driven.tell(SourceFound(A))
    assert driven.state.sources[A].last_seen_s is None
    for fact in facts:
        driven.tell(fact, after_s=1.0)
        assert driven.state.sources[A].last_seen_s == driven.now_s


def test_how_long_nothing_came_counts_from_the_beginning_and_then_from_the_last_bytes() -> None:
    driven = Driven(1)
    driven.tell(Ticked())
    began_s = driven.now_s
    driven.open(A, 1)
    driven.tell(Ticked(), after_s=1.0)
    assert driven.state.quiet_since_s == began_s
    driven.tell(BytesArrived(A, 1), after_s=1.0)
    driven.tell(Ticked(), after_s=1.0)
    assert driven.state.quiet_since_s == began_s + 2.0


def test_a_sources_rate_is_that_of_the_time_between_ticks() -> None:
    driven = Driven(1)
    driven.open(A, 1)
    driven.tell(Ticked())
    for rate_bytes_s in (0.3 * 2_000, 0.3 * 2_000 + 0.7 * 0.3 * 2_000):
        driven.tell(BytesArrived(A, 1_000))
        driven.tell(Ticked(), after_s=0.5)
        assert driven.state.sources[A].rate_bytes_s == pytest.approx(rate_bytes_s)


# The tracker ----------------------------------------------------------------------------------

NAMES_A = TrackerAnswered(named=frozenset({A}))
BACK = [NAMES_A, NewsHeard(frozenset({"peer_a"})), SourceCalled(A)]
"""By each of these it is known that A is there anew."""


def away(driven: Driven) -> None:
    """A is not there for long, and the tracker names nobody."""
    driven.open(A, 0b11)
    driven.state.sources[A].failures = 20
    driven.tell(SourceClosed(A, "refused"))
    driven.tell(FetchEnded(A, Failure.CANCELLED))
    driven.tell(Ticked())
    driven.tell(TrackerAnswered())
    assert only(driven.tell(Ticked(), after_s=20.0), Follow) == []


@pytest.mark.parametrize("told", BACK)
def test_who_is_said_to_be_there_anew_is_tried_at_once(told: Fact) -> None:
    driven = Driven(2)
    away(driven)
    driven.tell(told)
    assert only(driven.tell(Ticked(), after_s=0.25), Follow) == [Follow(A)]


@pytest.mark.parametrize("told", BACK)
def test_who_fails_again_backs_off_as_before_whatever_is_told_of_it(told: Fact) -> None:
    driven = Driven(2)
    away(driven)
    tries = 0
    for _ in range(int(30 * CALLED_BACK_EVERY_S / 0.25)):
        driven.tell(TrackerAnswered())
        driven.tell(told)
        if only(driven.tell(Ticked(), after_s=0.25), Follow):
            tries += 1
            driven.tell(SourceClosed(A, "refused"))
    assert driven.state.sources[A].failures == 21 + tries
    assert tries <= 30
    calm = driven.now_s + LONGEST_BACK_OFF_S / 2 - 1
    while driven.now_s < calm:  # nothing is told any more
        assert only(driven.tell(Ticked(), after_s=0.25), Follow) == []


@pytest.mark.parametrize("told", BACK)
def test_a_liar_stays_banned_whatever_is_told_of_it(told: Fact) -> None:
    driven = Driven(2)
    driven.open(A, 0b11)
    driven.tell(ChunkCorrupt(A, 0))
    driven.tell(TrackerAnswered())
    driven.tell(told)
    assert only(driven.tell(Ticked(), after_s=120.0), Follow) == []
    assert driven.state.sources[A].stage is Stage.BANNED


def test_whom_the_tracker_goes_on_to_name_while_it_is_away_is_not_there_anew() -> None:
    driven = Driven(2)
    driven.tell(Ticked())
    driven.open(A, 0b11)
    driven.tell(NAMES_A)
    driven.state.sources[A].failures = 20
    driven.tell(SourceClosed(A, "refused"))
    driven.tell(FetchEnded(A, Failure.CANCELLED))
    driven.tell(NAMES_A)
    assert only(driven.tell(Ticked(), after_s=20.0), Follow) == []


def test_news_are_listened_to_while_chunks_are_missing_everywhere() -> None:
    driven = Driven(2)
    driven.tell(Ticked())
    assert only(driven.tell(Ticked(), after_s=1.75), HearNews) == []
    assert only(driven.tell(Ticked(), after_s=0.25), HearNews) == [HearNews(True)]
    assert only(driven.tell(Ticked(), after_s=9.0), HearNews) == []
    driven.open(A, 0b11)
    assert only(driven.tell(Ticked(), after_s=0.25), HearNews) == [HearNews(False)]


@pytest.mark.parametrize("is_asking", [False, True])
def test_at_the_news_that_somebody_shares_it_the_tracker_is_asked_at_once(is_asking: bool) -> None:
    driven = Driven(2)
    questions_s(driven, 50.0)
    if is_asking:
        while not only(driven.tell(Ticked(), after_s=0.25), AskTracker):
            pass
    driven.tell(NewsHeard(is_announced=True), after_s=0.5)
    if is_asking:
        driven.tell(TrackerAnswered())  # it may not have known
    assert only(driven.tell(Ticked(), after_s=0.25), AskTracker) == [AskTracker(())]


def test_news_of_others_are_no_reason_to_ask() -> None:
    driven = Driven(2)
    questions_s(driven, 50.0)
    driven.tell(Ticked())
    driven.tell(NewsHeard(frozenset({"peer_b"})), after_s=1.0)
    assert only(driven.tell(Ticked()), AskTracker) == []


def questions_s(driven: Driven, for_s: float, problem: str = "") -> list[float]:
    """When the tracker was asked, each question answered at once."""
    began_s, times = driven.now_s, []
    while driven.now_s < began_s + for_s:
        if only(driven.tell(Ticked(), after_s=0.25), AskTracker):
            times.append(driven.now_s - began_s)
            driven.tell(TrackerAnswered(problem))
    return times


@pytest.mark.parametrize("problem", ["", "The tracker does not answer."])
def test_while_chunks_are_missing_everywhere_the_tracker_is_asked_with_growing_pauses(
    problem: str,
) -> None:
    driven = Driven(1)
    times = questions_s(driven, 200.0, problem)
    assert driven.state.asking.problem == problem
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert set(pauses[5:]) == {15.0}


def test_while_all_goes_well_the_tracker_is_asked_ever_more_seldom() -> None:
    driven = Driven(2)
    driven.tell(Ticked())
    driven.open(A, 0b11)
    driven.tell(TrackerAnswered())
    assert questions_s(driven, 100.0) == [1.0, 3.0, 7.0, 15.0, 31.0, 61.0, 91.0]


@pytest.mark.parametrize("loss", [ChunkCorrupt(A, 0), SourceClosed(A, "gone")])
def test_the_loss_of_the_only_holder_is_reason_to_ask_soon(
    loss: ChunkCorrupt | SourceClosed,
) -> None:
    driven = Driven(2)
    driven.tell(Ticked())
    driven.open(A, 0b11)
    driven.tell(TrackerAnswered())
    driven.tell(loss)
    assert questions_s(driven, 1.0)[:1] == [0.5]


def test_the_loss_of_one_of_two_holders_is_none() -> None:
    driven = Driven(2)
    driven.tell(Ticked())
    driven.open(A, 0b11)
    driven.open(B, 0b11)
    driven.tell(TrackerAnswered())
    driven.tell(SourceClosed(A, "gone"))
    assert questions_s(driven, 20.0) == [1.0, 3.0, 7.0, 15.0]  # as without a loss


def test_the_tracker_is_told_who_did_not_answer() -> None:
    driven = Driven(1)
    driven.tell(SourceFound(A))
    driven.tell(SourceFound(B))
    driven.tell(SourceClosed(A, "refused"))
    assert only(driven.tell(Ticked()), AskTracker) == [AskTracker((A,))]


# Cost -----------------------------------------------------------------------------------------


class CountedSources(dict[SourceId, Source]):
    """A dict that knows how often it was walked through."""

    walks = 0

    def values(self) -> Any:
        self.walks += 1
        return super().values()


def test_bytes_and_written_chunks_walk_through_no_list_of_sources() -> None:
    state = DownloadState(CHUNK_BYTES, 64, 0, Random(0))
    for number in range(60):
        state.apply(SourceFound(source_id(f"p{number}")), 0.0)
    first = source_id("p0")
    (fetch,) = state.apply(SourceOpened(first, (1 << 64) - 2), 0.0)
    assert isinstance(fetch, Fetch)
    near, known = CountedSources(state.neighbours.near), CountedSources(state.neighbours.known)
    state.neighbours.near, state.neighbours.known = near, known
    state.apply(BytesArrived(first, 1), 1.0)
    state.apply(ChunkWritten(first, fetch.first), 1.0)
    assert (near.walks, known.walks) == (0, 0)
    state.apply(FetchEnded(first), 1.0)
    assert known.walks == 0


# What a review found --------------------------------------------------------------------------


def test_a_slow_source_is_kept_while_nobody_else_has_what_it_sends() -> None:
    for others, given_up in ((0b0, False), (0b11, True)):
        driven = Driven(2)
        chunk = 1 << driven.open_one_chunk(A, 0b11)
        driven.tell(SourceFound(B))
        driven.tell(SourceOpened(B, others & chunk))
        driven.state.sources[B].rests_until_s = math.inf  # it has it, and takes nothing over
        ended: list[CancelFetch] = []
        for _ in range(40):
            driven.tell(BytesArrived(A, 1_000), after_s=1.0)
            ended += only(driven.tell(Ticked()), CancelFetch)
        assert bool(ended) == given_up


def test_what_a_seed_chose_although_it_was_asked_of_another_is_not_asked_again_and_again() -> None:
    driven = Driven(32)
    driven.open(A, ALL)
    asked = driven.open_one_chunk(B, ALL >> 1)
    driven.tell(ChunksGranted(A, asked, 1))
    (other,) = driven.tell(FetchEnded(B, Failure.TAKEN))
    assert isinstance(other, Fetch)
    assert other.first != asked
    assert driven.tell(FetchEnded(A, Failure.BROKEN)) != []  # now it is free again
    assert driven.state.chunks.free >> asked & 1


# What an earlier run has left -----------------------------------------------------------------


def test_what_is_here_is_asked_of_nobody_unless_it_has_rotted() -> None:
    driven = Driven(4, unsure=0b0111)
    assert driven.open_one_chunk(A, 0b1111) == 3
    assert driven.tell(ChunksCompared(0b0001, 0b0010)) == []
    assert (driven.state.written, driven.state.chunks.unsure) == (0b0001, 0b0100)
    driven.tell(ChunkWritten(A, 3))
    (order,) = only(driven.tell(FetchEnded(A)), Fetch)
    assert (order.first, order.count) == (1, 1)
    driven.tell(ChunkWritten(A, 1))
    assert driven.tell(FetchEnded(A)) == []
    assert not driven.state.finished
    assert driven.tell(ChunksCompared(0b0100, 0)) == [Drop(A), Finish()]


def test_a_chunk_that_has_rotted_is_asked_for_at_the_next_tick() -> None:
    driven = Driven(2, unsure=0b11)
    assert driven.open(A, 0b11) == []
    driven.tell(ChunksCompared(0b01, 0b10))
    (order,) = only(driven.tell(Ticked(), after_s=0.25), Fetch)
    assert (order.first, order.count) == (1, 1)


def test_nobody_is_looked_for_because_of_what_is_still_compared() -> None:
    driven = Driven(2, unsure=0b10)
    driven.open(A, 0b01)
    assert not driven.state._partings.is_starving()
    driven.tell(ChunksCompared(0, 0b10))
    assert driven.state._partings.is_starving()


def test_a_seed_chooses_only_among_what_is_not_here() -> None:
    driven = Driven(32, unsure=bitfield.full(16))
    (order,) = driven.open(A, bitfield.full(32))
    assert isinstance(order, FetchAny)
    assert not order.among & bitfield.full(16)
    driven.tell(ChunksGranted(A, 14, 4))  # whatever it says
    fetch = driven.state.sources[A].fetch
    assert fetch is not None
    assert fetch.claimed == 0b11 << 16
