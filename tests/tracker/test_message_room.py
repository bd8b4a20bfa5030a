"""What waits until announcements are decoded is bounded, and goes in its turn."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from panal.errors import Unreachable
from panal.tracker.limits import ANNOUNCES_AT_ONCE, ANNOUNCES_WAITING_BYTES
from panal.tracker.message_room import MessageRoom

MIB = 1024 * 1024


async def test_further_messages_wait_for_a_place_and_get_it_in_order() -> None:
    room, order = MessageRoom(), []

    async def come(number: int) -> None:
        async with room.place(MIB):
            order.append(number)

    async with AsyncExitStack() as stack:
        for _ in range(ANNOUNCES_AT_ONCE):
            await stack.enter_async_context(room.place(MIB))
        waiting = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert order == []
        waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [0, 2, 3, 4]


async def test_more_than_may_wait_is_refused_until_that_is_over() -> None:
    room = MessageRoom()
    async with AsyncExitStack() as stack:
        for _ in range(ANNOUNCES_AT_ONCE):
            await stack.enter_async_context(room.place(ANNOUNCES_WAITING_BYTES))  # none waits

        async def come() -> None:
            async with room.place(ANNOUNCES_WAITING_BYTES - 5):
                pass

        waiting = asyncio.create_task(come())
        await asyncio.sleep(0)
        with pytest.raises(Unreachable, match="try again in a moment"):
            async with room.place(6):
                pass
    await waiting
    async with room.place(6):
        pass
