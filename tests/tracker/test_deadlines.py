"""What takes too long ends; what somebody else ends is not taken for it."""

import asyncio

import pytest

from panal.tracker import deadlines
from panal.tracker.deadlines import Deadlines


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LOOK_S", 0.001)


async def _waits(of: Deadlines, most_s: float) -> None:
    with of.within(most_s):
        await asyncio.Event().wait()


async def test_what_takes_too_long_ends_and_what_does_not_goes_on() -> None:
    of = Deadlines()
    patient = asyncio.create_task(_waits(of, 3_600.0))
    with pytest.raises(TimeoutError):
        await _waits(of, 0.002)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not patient.done()
    patient.cancel()
    with pytest.raises(asyncio.CancelledError):  # by another, so it is no lateness
        await patient
    assert of.until_s == {}
    assert of.late == set()


async def test_one_that_is_late_and_ended_by_another_is_ended() -> None:
    of = Deadlines()

    async def late() -> None:
        with of.within(0.0):
            try:
                await asyncio.Event().wait()
            finally:
                asyncio.current_task().cancel()  # type: ignore[union-attr]  # it is one

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(late())


async def test_what_was_in_time_is_not_ended_later() -> None:
    of = Deadlines()
    with of.within(0.001):
        pass
    await asyncio.sleep(0.005)  # a few looks
    assert of.late == set()


async def test_what_comes_next_has_its_own_time() -> None:
    of = Deadlines()
    with of.within(0.0) as deadline:
        deadline.begin_anew(None)
        await asyncio.sleep(0.005)  # a few looks

    async def waits_anew() -> None:
        with of.within(3_600.0) as deadline:
            deadline.begin_anew(0.0)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await waits_anew()
    assert of.until_s == {}
    assert of.late == set()
