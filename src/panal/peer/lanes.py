"""Receivers wait for their turn; some are sent to at a time.

As many as this, and no adapting: each of fewer slots gives a receiver a whole chunk sooner, but
a receiver that is busy with others leaves its slot half used, and a fast uplink then idles.
docs/DESIGN.md has the figures.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from panal.errors import NotHereYet
from panal.peer.turns import Turns
from panal.wire.address import place_of

PEERS_AT_ONCE = 32
OTHERS_AT_ONCE = 16
"""Clients that are no peers come one at a time, and wait for nobody's peers."""

MOST_WAITING = 256
"""In one lane; each holds a connection."""


class Lane:
    """One queue and its slots; the event loop's own."""

    def __init__(self, slots: int) -> None:
        self._turns: Turns[asyncio.Future[None]] = Turns(slots, MOST_WAITING)

    @contextlib.asynccontextmanager
    async def turn(
        self, host: str, before_waiting: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Wait for a slot and hold it; NotHereYet where too many wait already.

        `host` is the address that asks. `before_waiting` is called where no slot is free.
        """
        place = place_of(host)
        await self._enter(place, before_waiting)
        try:
            yield
        finally:
            self._end(place)

    async def _enter(self, place: str, before_waiting: Callable[[], None] | None) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent_away = self._turns.arrive(place, called)
        if sent_away is not None and not sent_away.done():
            sent_away.set_exception(
                NotHereYet("Too many wait to be sent bytes; ask again in a moment.")
            )
        self._let_in()
        if not called.done() and before_waiting is not None:
            before_waiting()
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled() and called.exception() is None:
                self._end(place)
            else:
                self._turns.leave(place, called)
            raise

    def _end(self, place: str) -> None:
        self._turns.end(place)
        self._let_in()

    def _let_in(self) -> None:
        while (chosen := self._turns.call()) is not None:
            place, called = chosen
            if called.done():  # it has gone in this very moment
                self._turns.end(place)
            else:
                called.set_result(None)


class Lanes:
    """The queues of one peer: other peers', and everybody else's."""

    def __init__(self) -> None:
        self._peers = Lane(PEERS_AT_ONCE)
        self._others = Lane(OTHERS_AT_ONCE)

    def of(self, *, is_peer: bool) -> Lane:
        """Where a request waits."""
        return self._peers if is_peer else self._others
