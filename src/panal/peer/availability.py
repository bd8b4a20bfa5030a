"""Telling one follower which chunks are here, straight to its connection.

A peer tells every neighbour of every chunk: a task, a queue and a timer for each word would
cost more than sending the chunk itself.
"""

import asyncio

from panal.wire.have import HEARTBEAT, HEARTBEAT_S, index_frame

MOST_UNREAD_BYTES = 1024 * 1024
"""A follower that leaves so much unread is cut off; it may ask anew."""


class Availability:
    """One follower's view of a content: the chunks at first, then what is added."""

    def __init__(self, bits: int, chunk_count: int) -> None:
        self.bits = bits
        self.chunk_count = chunk_count
        self._ended = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._is_chunked = False
        self._untold: list[int] = []

    def tell(self, index: int) -> None:
        """A further chunk is here."""
        if self._transport is None:
            self._untold.append(index)
        else:
            self._write(index_frame(index))

    def end(self) -> None:
        """Chunks were taken back, or the peer goes: the follower must ask anew."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def stream(self, transport: asyncio.Transport, *, chunked: bool) -> None:
        """Tell on a connection whose answer has begun, until `end` or the follower goes.

        `chunked` says whether the answer has that transfer coding (RFC 9112, 7.1).
        """
        self._is_chunked = chunked
        self._transport = transport
        if self._untold:
            self._write(b"".join(map(index_frame, self._untold)))
        while not self._ended.done():
            await asyncio.wait({self._ended}, timeout=HEARTBEAT_S)
            if not self._ended.done():
                self._write(index_frame(HEARTBEAT))

    def _write(self, frames: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            self.end()
        elif transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            transport.abort()
            self.end()
        elif self._is_chunked:
            transport.write(b"%x\r\n%b\r\n" % (len(frames), frames))
        else:
            transport.write(frames)
