"""Receivers wait in order of arrival; a few are sent to at a time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from panal.clock import Clock
from panal.swarm.upload_slots import SlotCount

OTHER_CLIENTS = 16
"""Slots for clients that are no peers: they come one at a time and wait for nobody's peers."""


class Turn:
    """One receiver's turn; `sent_bytes` is what it was sent in it."""

    def __init__(self) -> None:
        self.sent_bytes = 0


class Lane:
    """One queue and its slots; the event loop's own."""

    def __init__(self, count: SlotCount, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a slot and hold it."""
        await self._enter()
        turn = Turn()
        try:
            yield turn
        finally:
            self._busy -= 1
            self._count.sent(turn.sent_bytes, bool(self._waiting), self._clock.now_s())
            self._let_in()

    async def _enter(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._busy -= 1
                self._let_in()
            else:
                self._waiting.remove(place)
            raise

    def _let_in(self) -> None:
        while self._waiting and self._busy < self._count.slots:
            place = self._waiting.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)


class Lanes:
    """The queues of one peer: other peers', and everybody else's."""

    def __init__(self, clock: Clock) -> None:
        self._peers = Lane(SlotCount(), clock)
        self._others = Lane(SlotCount(OTHER_CLIENTS), clock)

    def of(self, *, is_peer: bool) -> Lane:
        """Where a request waits."""
        return self._peers if is_peer else self._others
