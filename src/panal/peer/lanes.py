"""Receivers wait in order of arrival; some are sent to at a time.

As many as this, and no adapting: each of fewer slots gives a receiver a whole chunk sooner, but
a receiver that is busy with others leaves its slot half used, and a fast uplink then idles.
docs/DESIGN.md has the figures.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from panal.errors import NotHereYet

PEERS_AT_ONCE = 32
OTHERS_AT_ONCE = 16
"""Clients that are no peers come one at a time, and wait for nobody's peers."""

MOST_WAITING = 256
"""Each that waits holds an open file."""


class Lane:
    """One queue and its slots; the event loop's own."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; NotHereYet where too many wait already."""
        await self._enter()
        try:
            yield
        finally:
            self._free += 1
            self._let_in()

    async def _enter(self) -> None:
        if len(self._waiting) >= MOST_WAITING:
            raise NotHereYet("Too many wait to be sent bytes; ask again in a moment.")
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._free += 1
                self._let_in()
            else:
                with contextlib.suppress(ValueError):  # called up and cancelled in one moment
                    self._waiting.remove(place)
            raise

    def _let_in(self) -> None:
        while self._waiting and self._free:
            place = self._waiting.popleft()
            if not place.done():
                self._free -= 1
                place.set_result(None)


class Lanes:
    """The queues of one peer: other peers', and everybody else's."""

    def __init__(self) -> None:
        self._peers = Lane(PEERS_AT_ONCE)
        self._others = Lane(OTHERS_AT_ONCE)

    def of(self, *, is_peer: bool) -> Lane:
        """Where a request waits."""
        return self._peers if is_peer else self._others
