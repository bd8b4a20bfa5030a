"""Work that a cancel does not break off."""

import asyncio

import pytest

from panal.peer.placing import to_end


async def test_a_cancel_counts_when_the_work_is_done_however_often_it_comes() -> None:
    release = asyncio.Event()
    done: list[bool] = []
    cancels: list[bool] = []

    async def work() -> None:
        await release.wait()
        done.append(True)

    task = asyncio.create_task(to_end(work(), lambda: cancels.append(True)))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]
    assert cancels


async def test_what_fails_is_told() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await to_end(work())
