"""Being ahead: having more than the neighbours have that still download."""

from panal.swarm.ahead import FEWEST_CHUNKS, LEAD_SHARE, is_ahead
from panal.swarm.awaited import AT_ONCE
from panal.swarm.messages import ChunksAvailable, Fetch, FetchAny, SourceId, Ticked
from panal.swarm.sources import Source, Stage
from panal.wire import bitfield
from tests.swarm import A, B, Driven

CHUNKS = 1_000
LEAD = int(LEAD_SHARE * CHUNKS)


def having(count: int, stage: Stage = Stage.READY) -> Source:
    return Source(A, stage=stage, bits=bitfield.full(count))


def ahead(own: int, *near: Source, of: int = CHUNKS) -> bool:
    return is_ahead(bitfield.full(own), near, of)


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


def asked(driven: Driven) -> list[bool]:
    """Whether the next request of all gives way."""
    orders = driven.tell(ChunksAvailable(A, bitfield.full(driven.state.chunk_count)))
    return [order.gives_way for order in orders if isinstance(order, Fetch | FetchAny)]


def test_who_is_ahead_gives_way_with_what_it_asks_for() -> None:
    driven = Driven(20, written=bitfield.full(10))
    driven.open(A, 0)
    driven.open(B, 0)
    driven.tell(Ticked(), after_s=0.25)
    assert asked(driven) == [True]


def test_who_is_not_ahead_does_not() -> None:
    driven = Driven(20, written=bitfield.full(10))
    driven.open(A, bitfield.full(10))
    driven.open(B, bitfield.full(8))
    driven.tell(Ticked(), after_s=0.25)
    assert asked(driven) == [False]


def test_in_a_crowd_nobody_gives_way() -> None:
    """What waits there is soon asked of another."""
    driven = Driven(20, written=bitfield.full(10))
    driven.open(A, 0)
    for number in range(AT_ONCE):
        driven.open(SourceId(f"peer_{number}@10.0.0.{number}:5000"), 0)
    driven.tell(Ticked(), after_s=0.25)
    assert driven.state.is_crowded
    assert asked(driven) == [False]
