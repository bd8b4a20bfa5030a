"""Whom the last chunks are asked of: nobody who would bring one long after others bring all."""

import pytest

from panal.swarm.messages import ChunksAvailable, Fetch, Order, SourceFound, SourceOpened, Ticked
from panal.swarm.requests import MOST_LEFT
from panal.wire import bitfield
from tests.swarm import CHUNK_BYTES, A, B, Driven, only

CHUNKS = 4


def beside_a_quick_one(slow_chunks_s: float, chunks: int = CHUNKS, lacks: int = 0) -> Driven:
    """B brings ten chunks a second and is asked for one of them; A has never been asked here."""
    driven = Driven(chunks)
    for source, chunks_s in ((B, 10.0), (A, slow_chunks_s)):
        driven.tell(SourceFound(source))
        driven.state.sources[source].fetch_rate_bytes_s = chunks_s * CHUNK_BYTES
        driven.state.sources[source].may_choose = False
    (asked,) = driven.tell(SourceOpened(B, bitfield.full(chunks) & ~lacks))
    assert isinstance(asked, Fetch)
    assert asked.count == 1
    return driven


def opened(driven: Driven) -> list[Order]:
    return driven.tell(SourceOpened(A, driven.state.chunks.all))


@pytest.mark.parametrize(("slow_chunks_s", "is_asked"), [(0.0, True), (1.0, False), (1.5, True)])
def test_who_needs_twice_as_long_for_one_chunk_as_others_for_the_rest_is_not_asked(
    slow_chunks_s: float, is_asked: bool
) -> None:
    """Three are free, and B is through with them after 0.4 s, half of 0.8; 0: not known yet."""
    assert bool(opened(beside_a_quick_one(slow_chunks_s))) is is_asked


def test_while_much_is_left_everybody_is_asked() -> None:
    assert opened(beside_a_quick_one(0.01, MOST_LEFT + 2)) != []
    assert opened(beside_a_quick_one(0.01, MOST_LEFT + 1)) == []


def test_what_others_lack_is_asked_of_who_has_it() -> None:
    driven = beside_a_quick_one(0.01, lacks=0b1)
    (order,) = opened(driven)
    assert isinstance(order, Fetch)
    driven = beside_a_quick_one(0.01, lacks=0b1)
    driven.tell(ChunksAvailable(B, 0b1))
    assert opened(driven) == []


def test_others_who_are_late_are_not_counted_on() -> None:
    driven = beside_a_quick_one(0.01)
    assert opened(driven) == []
    assert only(driven.tell(Ticked(), after_s=0.05), Fetch) == []
    assert len(only(driven.tell(Ticked(), after_s=0.06), Fetch)) == 1
