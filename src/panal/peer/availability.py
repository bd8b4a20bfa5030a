"""Telling followers which chunks are here, straight to their connections.

A peer tells every neighbour of every chunk: a task, a queue and a timer for each word would
cost more than sending the chunk itself. So words are gathered for a moment that is the longer
the more there are to tell them to; the first after a quiet time goes at once.
"""

import asyncio
from collections import deque

from panal.wire.catalogue import Provider
from panal.wire.have import HEARTBEAT, HEARTBEAT_S, index_frame

GATHERED_S = 0.01
"""For how long words are gathered, for each follower; at most MOST_GATHERED_S."""
MOST_GATHERED_S = 0.2

MOST_UNREAD_BYTES = 1024 * 1024
"""A follower that leaves so much unread is cut off; it may ask anew."""


class Availability:
    """One follower's view of a content: the chunks at first, then what is added."""

    def __init__(self, bits: int, chunk_count: int, follower: Provider | None) -> None:
        self.bits = bits
        self.chunk_count = chunk_count
        self.follower = follower
        """Who follows, where it has said so."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._is_chunked = False
        self._untold = b""
        self._told_at_s = 0.0

    def tell(self, frames: bytes) -> None:
        """Further chunks are here."""
        if self._transport is None:
            self._untold += frames
        else:
            self._write(frames)

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
        self._told_at_s = self._loop.time()
        if self._untold:
            self._write(self._untold)
        while not self._ended.done():
            left_s = self._told_at_s + HEARTBEAT_S - self._loop.time()
            if left_s <= 0:
                self._write(index_frame(HEARTBEAT))
            else:
                await asyncio.wait({self._ended}, timeout=left_s)

    def _write(self, frames: bytes) -> None:
        transport, self._told_at_s = self._transport, self._loop.time()
        if transport is None or transport.is_closing():
            self.end()
        elif transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            transport.abort()
            self.end()
        elif self._is_chunked:
            transport.write(b"%x\r\n%b\r\n" % (len(frames), frames))
        else:
            transport.write(frames)


class Followers:
    """All who follow one content."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._all: set[Availability] = set()
        self._gathered: deque[int] = deque()
        self._is_armed = False
        self._told_at_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, availability: Availability) -> None:
        """One more."""
        self._all.add(availability)

    def discard(self, availability: Availability) -> None:
        """One less."""
        self._all.discard(availability)

    def known(self) -> list[Provider]:
        """Those that have said how they can be followed in turn."""
        return [one.follower for one in self._all if one.follower is not None]

    def end(self) -> None:
        """Chunks were taken back, or the peer goes: all must ask anew."""
        for availability in self._all:
            availability.end()

    def tell(self, index: int) -> None:
        """A further chunk is here; from any thread."""
        self._gathered.append(index)
        if not self._is_armed:
            self._is_armed = True
            self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        gather_s = min(MOST_GATHERED_S, GATHERED_S * len(self._all))
        if self._loop.time() - self._told_at_s >= gather_s:
            self._tell_all()
        else:
            self._loop.call_at(self._told_at_s + gather_s, self._tell_all)

    def _tell_all(self) -> None:
        self._told_at_s = self._loop.time()
        self._is_armed = False  # before the words are taken: what comes later arms anew
        frames = bytearray()
        while self._gathered:
            frames += index_frame(self._gathered.popleft())
        if not frames:
            return  # two were armed at once, and an empty block would end a chunked answer
        for availability in list(self._all):
            availability.tell(bytes(frames))
