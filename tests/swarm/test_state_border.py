"""One download in a zone: what its state tells the border, and what it asks for then."""

import pytest

from panal.swarm.border import IN_LINE, LEFT_TO_COME_S, STEP_S, Border
from panal.swarm.messages import (
    BytesArrived,
    CancelFetch,
    ChunksAvailable,
    ChunkWritten,
    Failure,
    Fetch,
    FetchEnded,
    SourceClosed,
    SourceFound,
    SourceId,
    Ticked,
)
from panal.swarm.progress import progress_of
from panal.swarm.snapshot import facts_of
from panal.swarm.sources import Source
from panal.swarm.takeover import SILENCE_PATIENCE_S
from panal.wire import bitfield
from panal.wire.ids import Zone
from tests.swarm import CHUNK_BYTES, A, B, C, Driven, only, source_id

pytestmark = pytest.mark.p6

HERE, THERE = Zone("here"), Zone("there")
D = source_id("peer_d")


def in_zone(chunk_count: int) -> Driven:
    """A download of a peer that has a zone."""
    return Driven(chunk_count, border=Border(chunk_count, "own", HERE))


def test_what_somebody_near_has_or_comes_to_have_is_asked_of_nobody_far() -> None:
    driven = in_zone(2)
    driven.open(A, 0b01, HERE)
    assert driven.open(B, 0b11, THERE) == [Fetch(B, 1, 1)]
    driven = in_zone(2)
    driven.open(A, 0b00, HERE)
    assert driven.tell(ChunksAvailable(A, 0b01)) == [Fetch(A, 0, 1)]
    driven.tell(FetchEnded(A, Failure.NOTHING_UNSENT))  # free, and A is idle
    assert driven.open(B, 0b11, THERE) == [Fetch(B, 1, 1)]
    assert driven.open(C, 0b01, THERE) == []


def test_of_what_somebody_near_tells_only_that_comes_from_nearby() -> None:
    driven = in_zone(2)
    driven.open(A, 0b00, HERE)
    assert driven.open(B, 0b01, THERE) == [Fetch(B, 0, 1)]
    driven.tell(ChunksAvailable(B, 0b11))
    driven.tell(ChunksAvailable(A, 0b01))
    driven.tell(ChunkWritten(B, 0))
    assert driven.tell(FetchEnded(B)) == [Fetch(B, 1, 1)]


def test_a_zone_is_kept_though_it_is_not_told_again() -> None:
    driven = in_zone(2)
    for zone in (HERE, Zone("")):
        driven.tell(SourceFound(A, zone))
        assert driven.state.sources[A].zone == HERE


def test_what_nobody_near_brings_is_asked_of_a_far_one_in_the_end() -> None:
    driven = in_zone(5)
    for number in range(7):
        driven.open(source_id(f"near{number}"), 0, HERE)
    assert driven.open(A, 1 << 4, THERE) == []  # for that chunk all of them stand before us
    fetches: list[Fetch] = []
    for _ in range(len(IN_LINE) + 2):
        fetches += only(driven.tell(Ticked(), after_s=STEP_S), Fetch)
    assert fetches == [Fetch(A, 4, 1)]


def test_what_a_near_one_is_too_slow_for_is_asked_of_the_far_one_that_waited() -> None:
    driven = in_zone(2)
    (slow,) = only(driven.open(A, 0b11, HERE), Fetch)
    assert driven.open(B, 0b11, THERE) == []
    driven.tell(ChunksAvailable(B, 0b11), after_s=SILENCE_PATIENCE_S + 0.25)
    assert driven.tell(FetchEnded(A, Failure.CANCELLED)) == [Fetch(B, slow.first, 1)]
    driven.tell(ChunkWritten(B, slow.first))
    assert driven.tell(FetchEnded(B)) == []  # the other is still awaited from nearby


def test_what_crosses_is_left_to_come_and_what_comes_from_nearby_yields_meanwhile() -> None:
    driven = in_zone(2)
    assert driven.open(A, 0b01, THERE) == [Fetch(A, 0, 1)]
    assert driven.open(C, 0b10, HERE) == [Fetch(C, 1, 1)]
    driven.tell(BytesArrived(A, 1))
    assert driven.open(B, 0b11, THERE) == []
    assert driven.tell(ChunksAvailable(B, 0b11), after_s=LEFT_TO_COME_S / 2) == [CancelFetch(C)]
    driven.tell(FetchEnded(C, Failure.CANCELLED))
    driven.tell(SourceClosed(B, "gone"))


def test_what_has_crossed_too_slowly_for_long_is_moved() -> None:
    driven = in_zone(1)
    driven.open(C, 0, HERE)
    driven.open_one_chunk(A, 1)
    driven.tell(BytesArrived(A, 1))
    driven.open(B, 1, THERE)
    assert driven.tell(ChunksAvailable(B, 1), after_s=LEFT_TO_COME_S) == []
    assert driven.tell(ChunksAvailable(B, 1), after_s=0.25) == [CancelFetch(A)]


class Told(Border):
    """Notes how quickly each chunk came."""

    def __init__(self) -> None:
        super().__init__(2, "own", HERE)
        self.came: list[tuple[SourceId, float]] = []

    def chunk_came(self, source: Source, rate_bytes_s: float) -> None:
        self.came.append((source.id, rate_bytes_s))
        super().chunk_came(source, rate_bytes_s)


def test_how_quickly_a_chunk_came_counts_from_when_it_was_asked_for() -> None:
    told = Told()
    driven = Driven(2, border=told)
    index = driven.open_one_chunk(A, 0b11)
    driven.tell(BytesArrived(A, CHUNK_BYTES), after_s=0.25)
    driven.tell(ChunkWritten(A, index), after_s=0.25)
    assert told.came == [(A, CHUNK_BYTES / 0.5)]


def test_who_is_held_back_at_the_border_is_said_to_be() -> None:
    driven = in_zone(64)
    driven.open(A, 0, HERE)
    own = driven.state._border.askable(Source(B, zone=THERE), bitfield.full(64))
    assert driven.open(B, bitfield.full(64) & ~own, THERE) == []
    driven.now_s += 3.0
    far = next(s for s in facts_of(driven.state, driven.now_s).sources if s.peer == "peer_b")
    assert far.is_left_to_zone
    reason = progress_of(driven.state, driven.now_s).reason
    assert reason.startswith("what is missing is left to others of our zone for now")
