"""What has been handed to a socket and not left it, and the slot that is held meanwhile.

A whole chunk goes into its socket at one go: a loop that is woken whenever there is room again, for
a part of it each time, computes more for that than for all else about the answer. So the answer's
slot must not be free before most of it has left, or many more would be sent to at once than there
are slots. When that is is looked at only where somebody wants the slot.
"""

import asyncio
import fcntl
import socket
import sys
import termios

from panal.peer.lanes import Lane
from panal.peer.sending import UNSENT_BYTES, let_wait

AHEAD_BYTES = 256 * 1024
"""A chunk of all but the largest files."""


class Draining:
    """One connection's answers, after their last byte was handed over."""

    def __init__(self, connection: socket.socket) -> None:
        """`connection` is no descriptor that a transport uses."""
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] | None = None
        self._is_watched = False

    @property
    def is_on(self) -> bool:
        """Whether a slot is held for an answer that was handed over whole."""
        return self._over is not None

    def begin(self) -> socket.socket:
        """Where the next answer is to be handed over."""
        let_wait(self._connection, AHEAD_BYTES)
        return self._connection

    def queued_bytes(self) -> int:
        """How much its receiver has not acknowledged yet of all that was handed over."""
        found = fcntl.ioctl(self._connection.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(found, sys.byteorder)

    async def run(self, lane: Lane) -> None:
        """Hold a slot of this lane, until `end` or, where somebody wants it, little is left."""
        over = self._over = self._loop.create_future()
        try:
            await lane.linger(over, self._watch)
        finally:
            self._over = None
            if self._is_watched:
                self._is_watched = False
                self._loop.remove_writer(self._connection.fileno())

    def end(self) -> None:
        """Let the slot go: the receiver asks again, or is gone, or little is left."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def look(self) -> None:
        """Let the slot go where little is left."""
        if self._over is not None and self.queued_bytes() < UNSENT_BYTES:
            self.end()

    def close(self) -> None:
        """The connection is not used any more."""
        self._connection.close()

    def _watch(self) -> None:
        # The system says that there is room as soon as half of what may wait has left.
        let_wait(self._connection, 2 * UNSENT_BYTES)
        self._loop.add_writer(self._connection.fileno(), self.end)
        self._is_watched = True
