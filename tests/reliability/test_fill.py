"""P5: a small disk that is really full at some moment, and has room again, costs nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from soaks.fill import AT_WORK, small_disk, tried
from soaks.place import Place
from soaks.power import CannotMount

pytestmark = [pytest.mark.slow, pytest.mark.p5]
AT = {"download": (2, 8), "upload": (4, 6)}
"""Which calls; killed on the full disk at the last. `python -m soaks.fill` tries a hundred."""


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, place: Place) -> Iterator[Path]:
    if os.geteuid():
        pytest.skip("only root mounts disks")
    try:
        with small_disk(place.place / "disk", request.param) as mounted:
            yield mounted
    except CannotMount as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", AT)
async def test_full_at_a_moment_it_goes_on_when_there_is_room(
    place: Place, disk: Path, name: str
) -> None:
    for at in AT[name]:
        fault = msgspec.structs.replace(AT_WORK, at=at)
        trial = await tried(place, disk, place.cases[name], fault, kills=at == AT[name][-1])
        assert trial.findings == [], (at, trial.struck)
        assert trial.struck
        if at == AT[name][0]:
            assert trial.noted == "said that there is no room"


async def test_a_full_disk_that_is_ignored_is_noticed(place: Place, disk: Path) -> None:
    fault = msgspec.structs.replace(AT_WORK, at=1, kinds=("write",))  # of the upload's bytes
    trial = await tried(place, disk, place.cases["upload"], fault, wrong="full ignored")
    assert "not its own" in str(trial.findings), trial.struck
