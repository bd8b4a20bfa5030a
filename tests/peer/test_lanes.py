"""Receivers take turns in order of arrival, and one that goes leaves its place."""

import asyncio

import pytest

from panal.errors import NotHereYet
from panal.peer import lanes
from panal.peer.lanes import OTHERS_AT_ONCE, PEERS_AT_ONCE, Lane, Lanes


class Receiver:
    """One that waits for its turn and holds it until it is let go."""

    def __init__(self, lane: Lane) -> None:
        self.is_served = False
        self.let_go = asyncio.Event()
        self.task = asyncio.create_task(self._take(lane))

    async def _take(self, lane: Lane) -> None:
        async with lane.turn():
            self.is_served = True
            await self.let_go.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_come_in_order_and_as_many_at_once_as_there_are_slots() -> None:
    lane = Lane(2)
    receivers = [Receiver(lane) for _ in range(5)]
    await settle()
    assert [r.is_served for r in receivers] == [True, True, False, False, False]
    receivers[1].let_go.set()
    await settle()
    assert [r.is_served for r in receivers] == [True, True, True, False, False]
    for receiver in receivers:
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in receivers))


async def test_who_goes_away_leaves_its_place_waiting_or_served_or_just_called() -> None:
    lane = Lane(1)
    served, waiting, called, last = (Receiver(lane) for _ in range(4))
    await settle()
    waiting.task.cancel()
    await settle()
    served.let_go.set()
    await asyncio.sleep(0)  # its turn ends in this step, which calls the next
    await asyncio.sleep(0)
    called.task.cancel()
    await settle()
    assert last.is_served
    last.let_go.set()
    await last.task


async def test_who_is_called_and_cancelled_in_one_moment_is_cancelled_and_no_more() -> None:
    lane = Lane(1)
    served, waiting, last = (Receiver(lane) for _ in range(3))
    await settle()
    served.task.cancel()
    waiting.task.cancel()
    done = await asyncio.gather(served.task, waiting.task, return_exceptions=True)
    assert [type(error) for error in done] == [asyncio.CancelledError] * 2
    await settle()
    assert last.is_served
    last.let_go.set()
    await last.task


async def test_too_many_that_wait_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 2)
    lane = Lane(1)
    receivers = [Receiver(lane) for _ in range(3)]
    await settle()
    with pytest.raises(NotHereYet):
        await Receiver(lane).task
    for receiver in receivers:
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in receivers))


async def test_others_have_a_lane_of_their_own() -> None:
    lanes = Lanes()
    peers = [Receiver(lanes.of(is_peer=True)) for _ in range(PEERS_AT_ONCE + 3)]
    browser = Receiver(lanes.of(is_peer=False))
    others = [Receiver(lanes.of(is_peer=False)) for _ in range(OTHERS_AT_ONCE)]
    await settle()
    assert sum(peer.is_served for peer in peers) == PEERS_AT_ONCE
    assert browser.is_served
    assert sum(other.is_served for other in others) == OTHERS_AT_ONCE - 1
    for receiver in (*peers, browser, *others):
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in (*peers, browser, *others)))
