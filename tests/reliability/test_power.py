"""P4: what was acknowledged is there after a power cut, and nothing is claimed that is not."""

import os
import shutil

import pytest

from soaks.place import Place
from soaks.power import CannotMount, Disk, tried

pytestmark = [pytest.mark.slow, pytest.mark.p4]


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, place: Place) -> Disk:
    if os.geteuid():
        pytest.skip("only root mounts disks")
    try:
        made = Disk(place.place / "disk", request.param)
        made.renew()
        with made.mounted(made.image):
            return made
    except CannotMount as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", ["download", "upload"])
async def test_a_power_cut_loses_nothing_that_was_acknowledged(
    place: Place, disk: Disk, name: str
) -> None:
    """In the middle of the work, and as it is said to be done."""
    case = place.cases[name]
    for at, word in ((120, ""), (0, case.end)):
        trial = await tried(place, disk, case, at, word)
        assert trial.findings == []
        assert trial.struck


async def test_without_syncs_a_power_cut_is_noticed(place: Place, disk: Disk) -> None:
    case = place.cases["upload"]
    trial = await tried(place, disk, case, 0, case.end, "no sync")
    assert "was acknowledged and is not there" in str(trial.findings)


def test_the_tools_are_said_where_they_are_missing(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CannotMount, match=r"mkfs\.ext4 is not installed"):
        Disk(place.place / "none", "ext4")
