"""Of many neighbours not all are asked at once."""

from random import Random

import pytest

from panal.swarm.awaited import AT_ONCE, SILENT_S, Awaited
from panal.swarm.messages import (
    BytesArrived,
    ChunksAvailable,
    Failure,
    FetchAny,
    FetchEnded,
    SourceClosed,
    Ticked,
)
from panal.swarm.sources import RunningFetch, Source, Stage
from panal.swarm.state import DownloadState
from tests.swarm import CHUNK_BYTES, Driven, source_id

CHUNKS = 200
NEARLY_ALL = 2 ** (CHUNKS - 1) - 1
MANY = 2 * AT_ONCE


def asked(state: DownloadState) -> int:
    return sum(source.fetch is not None for source in state.sources.values())


def meeting(count: int) -> Driven:
    return meet(Driven(CHUNKS), count)


def meet(driven: Driven, count: int) -> Driven:
    for number in range(count):
        driven.open(source_id(f"p{number}"), NEARLY_ALL)
    return driven


@pytest.mark.parametrize(("near", "expected"), [(AT_ONCE, AT_ONCE), (MANY, AT_ONCE)])
def test_as_many_are_asked_as_are_enough(near: int, expected: int) -> None:
    assert asked(meeting(near).state) == expected


def test_of_those_who_have_all_everybody_is_asked() -> None:
    driven = Driven(CHUNKS)
    for number in range(MANY - 1):
        driven.open(source_id(f"p{number}"), 2**CHUNKS - 1)
    driven.open(source_id("last"), NEARLY_ALL)
    assert asked(driven.state) == MANY


@pytest.mark.parametrize(
    ("near", "silent_s", "expected"),
    [
        (AT_ONCE + 1, 0.0, AT_ONCE - 3),
        (AT_ONCE + 1, SILENT_S, AT_ONCE),
        (AT_ONCE, 0.0, AT_ONCE),
    ],
)
def test_three_that_are_awaited_are_three_fewer_to_ask(
    near: int, silent_s: float, expected: int
) -> None:
    sources = [Source(source_id(f"p{number}"), stage=Stage.READY) for number in range(near)]
    for source in sources[:3]:
        source.fetch = RunningFetch(1, asked_at_s=10.0)
    awaited = Awaited()
    awaited.counted(sources, 10.0 + silent_s)
    assert awaited.more_to_ask(near) == expected


def test_of_those_left_out_no_more_are_asked_than_are_enough() -> None:
    driven = meeting(3 * AT_ONCE)
    driven.tell(Ticked())
    driven.tell(Ticked(), after_s=2 * SILENT_S)
    assert asked(driven.state) == 2 * AT_ONCE


def test_who_is_silent_does_not_count() -> None:
    driven = meeting(MANY)
    driven.tell(Ticked())
    driven.tell(Ticked(), after_s=SILENT_S / 2)
    assert asked(driven.state) == AT_ONCE
    driven.tell(Ticked(), after_s=SILENT_S)
    assert asked(driven.state) == MANY


def test_who_sends_counts_however_long_it_takes() -> None:
    driven = meeting(MANY)
    sending = [source.id for source in driven.state.sources.values() if source.fetch is not None]
    driven.tell(Ticked())
    for _ in range(8):
        driven.now_s += SILENT_S / 2
        for source in sending:
            driven.tell(BytesArrived(source, CHUNK_BYTES // 64))
        driven.tell(Ticked())
    assert asked(driven.state) == AT_ONCE


def test_who_breaks_a_silence_counts_at_once() -> None:
    driven = meeting(MANY)
    driven.tell(Ticked())
    driven.tell(Ticked(), after_s=2 * SILENT_S)
    assert asked(driven.state) == MANY
    first, *others = [source.id for source in driven.state.sources.values()]
    driven.tell(Ticked(), after_s=2 * SILENT_S)
    assert not driven.state.awaited
    driven.tell(BytesArrived(first, 1))
    assert driven.state.awaited == {first}
    driven.tell(FetchEnded(first, Failure.BROKEN))
    assert first not in driven.state.awaited
    assert all(driven.state.sources[one].fetch is not None for one in others)


def test_a_neighbour_that_becomes_whole_downloads_no_more() -> None:
    driven = meeting(2)
    assert driven.state.neighbours.downloading == 2
    whole = source_id("p0")
    driven.tell(ChunksAvailable(whole, 2**CHUNKS - 1))
    driven.tell(ChunksAvailable(whole, 2**CHUNKS - 1))
    assert driven.state.neighbours.downloading == 1
    driven.tell(SourceClosed(whole, "gone"))
    assert driven.state.neighbours.downloading == 1
    driven.tell(SourceClosed(source_id("p1"), "gone"))
    assert driven.state.neighbours.downloading == 0


def test_whose_request_ends_before_bytes_were_ever_counted_makes_room_for_one() -> None:
    driven = meeting(MANY)
    ended = next(source.id for source in driven.state.sources.values() if source.fetch is not None)
    driven.tell(FetchEnded(ended))
    assert asked(driven.state) == AT_ONCE


class Lowest(Random):
    """The smallest lot for everybody."""

    def randrange(self, *_: object) -> int:
        return 0


def test_a_seed_that_chooses_comes_before_all_others() -> None:
    driven = Driven(CHUNKS)
    driven.state = DownloadState(CHUNK_BYTES, CHUNKS, 0, Lowest())
    meet(driven, MANY)
    seed = source_id("seed")
    assert driven.open(seed, 2**CHUNKS - 1) == []
    driven.tell(Ticked())
    orders = driven.tell(Ticked(), after_s=2 * SILENT_S)
    assert isinstance(orders[0], FetchAny)
    assert orders[0].source == seed
