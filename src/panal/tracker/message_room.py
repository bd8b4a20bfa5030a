"""Room for the messages of announcements: few are decoded at once, and what waits is bounded.

Decoded, a message takes several times its bytes, until the records have taken it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from panal.errors import Unreachable
from panal.tracker.limits import ANNOUNCES_AT_ONCE, ANNOUNCES_WAITING_BYTES


class MessageRoom:
    """Places for messages, given in the order in which these came."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(ANNOUNCES_AT_ONCE)
        self._waiting_bytes = 0

    @asynccontextmanager
    async def place(self, size_bytes: int) -> AsyncIterator[None]:
        """A place for one message, waited for; Unreachable where too much waits already."""
        if self._waiting_bytes + size_bytes > ANNOUNCES_WAITING_BYTES:
            raise Unreachable("Too much is announced at once; try again in a moment.")
        self._waiting_bytes += size_bytes
        try:
            await self._places.acquire()
        finally:
            self._waiting_bytes -= size_bytes
        try:
            yield
        finally:
            self._places.release()
