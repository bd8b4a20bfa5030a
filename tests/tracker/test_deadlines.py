"""What takes too long ends; what somebody else ends is not taken for it."""

import asyncio
import math
from collections.abc import Awaitable

import pytest

from panal.tracker import deadlines
from panal.tracker.deadlines import Deadlines


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LOOK_S", 0.001)


async def _within(of: Deadlines, most_s: float, work: Awaitable[object]) -> None:
    """Do something for so long at most; TimeoutError."""
    task = of.begin(most_s)
    try:
        await work
    except asyncio.CancelledError:
        if not of.is_late(task):
            raise
        raise TimeoutError from None
    finally:
        of.end(task)


async def test_what_takes_too_long_ends_and_what_does_not_goes_on() -> None:
    of = Deadlines()
    patient = asyncio.create_task(_within(of, 3_600.0, asyncio.Event().wait()))
    with pytest.raises(TimeoutError):
        await _within(of, 0.002, asyncio.Event().wait())
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

    async def is_ended_too() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.current_task().cancel()  # type: ignore[union-attr]  # it is one

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(_within(of, 0.0, is_ended_too()))
    assert of.late == set()


async def test_what_was_in_time_is_not_ended_later() -> None:
    of = Deadlines()
    of.end(of.begin(0.001))
    await asyncio.sleep(0.005)  # a few looks
    assert of.late == set()


async def test_what_comes_next_has_its_own_time() -> None:
    of = Deadlines()
    task = of.begin(0.0)
    of.until_s[task] = math.inf
    await asyncio.sleep(0.005)  # a few looks
    of.end(task)

    async def waits_anew() -> None:
        task = asyncio.current_task()
        assert task is not None
        of.until_s[task] = 0.0
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await _within(of, 3_600.0, waits_anew())
    assert of.until_s == {}
    assert of.late == set()
