"""P3, P4: killed at any of its calls that change the disk, a peer or tracker goes on from there."""

import msgspec
import pytest

from soaks import kills
from soaks.faults import Fault
from soaks.place import BY_OTHER_WAYS, Place, Trial

pytestmark = [pytest.mark.slow, pytest.mark.p3, pytest.mark.p4]
AT_WORK = {"download": 5, "folder": 3, "upload": 3, "resumable": 3}
NAMING = ("openat", "link", "linkat", "rename", "renameat", "unlink", "unlinkat")
ANYWHERE = {"index": 3, "announce": 3}
"""Of 130 to 190 each; `python -m soaks.kills` goes through all."""


async def swept(
    place: Place, name: str, most: int, wrong: str = "", kill: Fault = kills.AT_WORK
) -> list[Trial]:
    return [trial async for trial in kills.sweep(place, name, most, wrong, kill)]


async def test_killed_at_its_work_it_goes_on(place: Place) -> None:
    for name, most in AT_WORK.items():
        trials = await swept(place, name, most)
        assert [finding for trial in trials for finding in trial.findings] == []
        assert sum(bool(trial.struck) for trial in trials) >= most - 1


@pytest.mark.parametrize("way", sorted(BY_OTHER_WAYS))
async def test_killed_as_its_file_gets_its_name_by_another_way_it_goes_on(
    place: Place, way: str
) -> None:
    """On a file system without renameat2, or without links too."""
    kill = msgspec.structs.replace(kills.AT_WORK, kinds=NAMING)
    trials = await swept(place, way, 100, kill=kill)
    assert [finding for trial in trials for finding in trial.findings] == []
    assert any(trial.struck.startswith(("link", "rename")) for trial in trials)


async def test_killed_at_any_call_it_goes_on(place: Place) -> None:
    for name, most in ANYWHERE.items():
        trials = await swept(place, name, most, kill=kills.KILL)
        assert [finding for trial in trials for finding in trial.findings] == []
        assert sum(bool(trial.struck) for trial in trials) >= most - 1


async def test_a_wrong_write_order_is_found(place: Place) -> None:
    """As many kills at such calls as a right peer makes, and one more, for the defect's own."""
    for wrong, name, kind, finding in (
        ("journal first", "download", "pwrite64", "written-chunk-wrong"),
        ("name first", "upload", "write", "not its own"),
    ):
        # What is noted of the membership comes between the others' calls at a time of its own.
        besides = (*kills.AT_WORK.besides, "audit.ndjson")
        kill = msgspec.structs.replace(kills.AT_WORK, kinds=(kind,), besides=besides)
        case = place.cases[name]
        found = ""
        for at in range(1, await place.count(case, kill) + 2):
            trial = await place.tried(case, msgspec.structs.replace(kill, at=at), wrong)
            found += str(trial.findings)
            if finding in found:
                break
        assert finding in found, wrong
