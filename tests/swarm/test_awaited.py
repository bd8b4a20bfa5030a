"""Of many neighbours not all are asked at once."""

import pytest

from panal.swarm.awaited import AT_ONCE, SILENT_S
from panal.swarm.messages import BytesArrived, FetchAny, Ticked
from panal.swarm.state import DownloadState
from tests.swarm import CHUNK_BYTES, Driven, source_id

CHUNKS = 200
NEARLY_ALL = 2 ** (CHUNKS - 1) - 1
MANY = 2 * AT_ONCE


def asked(state: DownloadState) -> int:
    return sum(source.fetch is not None for source in state.sources.values())


def meeting(count: int) -> Driven:
    driven = Driven(CHUNKS)
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


def test_a_seed_that_chooses_comes_before_all_others() -> None:
    driven = meeting(MANY)
    seed = source_id("seed")
    assert driven.open(seed, 2**CHUNKS - 1) == []
    driven.tell(Ticked())
    orders = driven.tell(Ticked(), after_s=2 * SILENT_S)
    assert isinstance(orders[0], FetchAny)
    assert orders[0].source == seed
