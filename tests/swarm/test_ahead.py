"""Being ahead: having gained more than the neighbours that still download."""

import pytest

from panal.swarm.ahead import FEWEST_CHUNKS, LEAD_SHARE, SILENT_S, Ahead
from panal.swarm.awaited import AT_ONCE
from panal.swarm.messages import ChunksAvailable, ChunkWritten, Fetch, FetchAny, SourceId, Ticked
from panal.swarm.sources import Source, Stage
from panal.wire import bitfield
from tests.swarm import A, B, Driven

CHUNKS = 1_000
LEAD = int(LEAD_SHARE * CHUNKS)


def having(
    count: int, stage: Stage = Stage.READY, first_lead: int = 0, grew_at_s: float = 0.0
) -> Source:
    bits = bitfield.full(count)
    return Source(A, stage=stage, bits=bits, first_lead=first_lead, grew_at_s=grew_at_s)


def ahead(own: int, *near: Source, of: int = CHUNKS, now_s: float = 0.0) -> bool:
    """Whether who has had so many for a while is."""
    looks = Ahead(of)
    looks.look(bitfield.full(own), near, now_s)
    return looks.look(bitfield.full(own), near, now_s)


def test_ahead_is_who_has_more_than_the_others_by_more_than_chance() -> None:
    assert not ahead(100 + LEAD, having(100))
    assert ahead(101 + LEAD, having(100))
    assert not ahead(101 + LEAD, having(100), having(102))
    assert ahead(102 + LEAD, having(100), having(102))
    assert not ahead(100, having(500))


def test_of_a_small_file_some_chunks_are_chance() -> None:
    assert not ahead(FEWEST_CHUNKS, having(0), of=20)
    assert ahead(FEWEST_CHUNKS + 1, having(0), of=20)


def test_seeds_and_who_is_away_need_nothing_first() -> None:
    assert not ahead(500)
    assert not ahead(500, having(CHUNKS), having(0, stage=Stage.AWAY))
    assert ahead(500, having(CHUNKS), having(0, stage=Stage.AWAY), having(100))


def test_what_was_had_before_two_met_is_no_lead() -> None:
    """Who came early would let all pass who come later."""
    assert not ahead(500, having(0, first_lead=-500))
    assert not ahead(500 + LEAD, having(0, first_lead=-500))
    assert ahead(501 + LEAD, having(0, first_lead=-500))
    assert ahead(101 + LEAD, having(500, first_lead=400))


def test_what_came_since_the_last_look_does_not_count_yet() -> None:
    """Nor has what others have now been told."""
    looks = Ahead(CHUNKS)
    assert not looks.look(bitfield.full(200), [having(0)], 0.0)
    assert looks.look(bitfield.full(200), [having(0)], 0.25)


def test_who_tells_of_nothing_new_is_not_waited_for() -> None:
    """It takes nothing, or it hides what it has to be served before all others."""
    assert ahead(500, having(0, grew_at_s=10.0), now_s=9.9 + SILENT_S)
    assert not ahead(500, having(0, grew_at_s=10.0), now_s=10.0 + SILENT_S)
    assert not ahead(500, having(0, grew_at_s=-9.0), having(495, grew_at_s=0.0))


def asked(driven: Driven) -> list[bool]:
    """Whether what is asked of one that has all now gives way."""
    orders = driven.tell(ChunksAvailable(A, bitfield.full(driven.state.chunk_count)))
    return [order.gives_way for order in orders if isinstance(order, Fetch | FetchAny)]


def grown(driven: Driven, *sources: SourceId) -> None:
    """We have half of it, and they tell of a first chunk: twice looked at."""
    for source in sources:
        driven.tell(ChunksAvailable(source, 1))
    driven.tell(Ticked(), after_s=0.25)
    driven.tell(Ticked(), after_s=0.25)


@pytest.mark.parametrize("silent_s", [0.0, SILENT_S])
def test_who_is_ahead_gives_way_with_what_it_asks_for(silent_s: float) -> None:
    driven = Driven(20)
    driven.open(A, 0)
    driven.open(B, bitfield.full(10))
    for index in range(10):
        driven.tell(ChunkWritten(B, index))
    grown(driven, A, B)
    driven.tell(Ticked(), after_s=silent_s)
    assert asked(driven) == [not silent_s]


def test_in_a_crowd_nobody_gives_way() -> None:
    """What waits there is soon asked of another."""
    driven = Driven(20)
    crowd = [SourceId(f"peer_{number}@10.0.0.{number}:5000") for number in range(AT_ONCE)]
    driven.open(B, bitfield.full(10))
    for source in (A, *crowd):
        driven.open(source, 0)
    for index in range(10):
        driven.tell(ChunkWritten(B, index))
    grown(driven, A, B, *crowd)
    assert driven.state.is_crowded
    assert asked(driven) == [False]
