"""Being ahead: a little, and others go first; far, and nobody is waited for."""

import pytest

from panal.swarm.ahead import FAR_SHARE, FEWEST_ASKED, FEWEST_CHUNKS, LEAD_SHARE, Ahead
from panal.swarm.messages import ChunkWritten, Fetch, FetchEnded, Ticked
from panal.wire import bitfield
from tests.swarm import A, B, C, Driven, only, source_id

CHUNKS = 1_000
LEAD = int(LEAD_SHARE * CHUNKS)
FAR = int(FAR_SHARE * CHUNKS)


def test_who_is_ahead_by_more_than_chance_asks_half_until_half_the_lead_is_gone() -> None:
    ahead = Ahead(CHUNKS)
    assert ahead.most_asked(LEAD, 8) is None
    assert ahead.most_asked(LEAD + 1, 8) == 4
    assert ahead.most_asked(LEAD // 2 + 1, 8) == 4
    assert ahead.most_asked(LEAD // 2, 8) is None
    assert ahead.most_asked(LEAD, 8) is None


def test_who_is_far_ahead_waits_for_nobody_until_that_is_over() -> None:
    ahead = Ahead(CHUNKS)
    assert ahead.most_asked(FAR, 8) == 4
    assert ahead.most_asked(FAR + 1, 8) is None
    assert ahead.most_asked(LEAD + 1, 8) is None
    assert ahead.most_asked(LEAD // 2, 8) is None
    assert ahead.most_asked(LEAD + 1, 8) == 4


@pytest.mark.parametrize("ready", [0, 1, 2, 3])
def test_of_few_sources_some_are_always_asked(ready: int) -> None:
    assert Ahead(CHUNKS).most_asked(LEAD + 1, ready) == FEWEST_ASKED


def test_of_a_small_file_some_chunks_are_chance() -> None:
    assert Ahead(8).most_asked(FEWEST_CHUNKS, 8) is None


def test_who_is_ahead_leaves_sources_to_others() -> None:
    driven = Driven(100)
    driven.open(A, bitfield.full(100))
    for source in (B, C, source_id("d"), source_id("e")):
        driven.open(source, bitfield.full(50))
    for index in range(50, 56):
        driven.tell(ChunkWritten(A, index))
    driven.tell(Ticked(), after_s=0.25)
    asked = [source.id for source in driven.state.sources.values() if source.fetch is not None]
    assert len(asked) == 5  # what was asked before still comes
    for source in asked[2:]:
        assert only(driven.tell(FetchEnded(source)), Fetch) == []
    assert len(only(driven.tell(FetchEnded(asked[1])), Fetch)) == 1
