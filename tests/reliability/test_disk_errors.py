"""P5: a disk that is full or broken at any call costs nothing that was there."""

import msgspec
import pytest

from soaks.disk_errors import FAULTS
from soaks.faults import Fault
from soaks.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.p5]
AT: dict[str, dict[str, tuple[int, ...]]] = {
    "download": {"full": (1, 5), "quota": (3,), "sync": (1, 2), "write": (2,), "short": (1,)},
    "upload": {"full": (1,), "sync": (1,), "write": (2,), "descriptors": (1,), "read-only": (1,)},
}
"""Which calls of each kind; `python -m soaks.disk_errors` goes through all."""


@pytest.mark.parametrize("case", AT)
async def test_what_fails_at_a_call_ends_in_words_and_then_right(place: Place, case: str) -> None:
    for name, calls in AT[case].items():
        for at in calls:
            fault = msgspec.structs.replace(
                FAULTS[name], at=at, after_word="started", besides=("index.sqlite-wal",)
            )
            trial = await place.tried(place.cases[case], fault)
            assert trial.findings == [], (name, trial.struck, trial.outcome.words)
            assert trial.struck, (name, at)


async def test_a_full_disk_in_mid_transfer_is_waited_for_and_goes_on_by_itself(
    place: Place,
) -> None:
    fault = Fault(2, "fail", 6, "ENOSPC", ("pwrite64",), ("index.sqlite-wal",), "started")
    trial = await place.tried(place.cases["download"], fault)
    assert trial.findings == []
    words = trial.outcome.words
    assert any(word.startswith("waiting no-space") for word in words), (words, trial.struck)
    assert any(word.startswith("done") for word in words), words


async def test_a_failed_sync_is_waited_for_and_what_came_is_fetched_anew(place: Place) -> None:
    fault = Fault(1, "fail", 4, "EIO", ("fdatasync", "fsync"), after_word="started")
    trial = await place.tried(place.cases["download"], fault)
    assert trial.findings == []
    words = trial.outcome.words
    waiting = [number for number, word in enumerate(words) if word.startswith("waiting failed")]
    done = [number for number, word in enumerate(words) if word.startswith("done")]
    assert waiting, words
    assert done > waiting
    assert "Input/output error" in words[waiting[0]]
