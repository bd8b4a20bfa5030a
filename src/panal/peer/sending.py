"""From an open file to a socket, in few threads, whoever reads how slowly.

A thread serves one receiver for a turn, then the next, so that neither the slow nor the
many shut anybody out. Who takes nothing, and what the rate limit holds back, is waited for on
the event loop, where waiting costs nothing; and a cold disk holds no loop.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from panal.peer.contents import OpenContent
from panal.peer.limits import SLOW_S
from panal.peer.outgoing import Bytes, CopiedPart, FilePart, Piece, put_turn, read
from panal.peer.patience import Pace
from panal.peer.rate_limit import RateLimit
from panal.peer.traffic import Traffic
from panal.peer.warm_sending import is_cached
from panal.wire.ids import ContentId
from panal.wire.ranges import ByteRange

SENDING_THREADS = 8
SECURE_BLOCK_BYTES = 512 * 1024
"""Over TLS: read, encrypted and written at once."""
UNSENT_BYTES = 64 * 1024
"""So much may wait in the kernel of what was handed to it."""


class Sender:
    """The threads that send, shared by all connections of a peer."""

    def __init__(self, limit: RateLimit, traffic: Traffic | None = None) -> None:
        self._limit = limit
        self.traffic = traffic or Traffic()
        """Told of what is sent."""
        self._threads = ThreadPoolExecutor(SENDING_THREADS, thread_name_prefix="send")

    def close(self) -> None:
        """Stop when what is being sent has been sent."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def is_limited(self) -> bool:
        """Whether what is sent keeps to a rate."""
        return self._limit.is_on

    async def send(
        self,
        transport: asyncio.Transport,
        opened: OpenContent,
        part: ByteRange,
        *,
        is_verified: bool = False,
    ) -> None:
        """Send bytes of a file on a plain connection.

        What is sent whole was the file as it was hashed. `is_verified` where the receiver sees
        to that itself: cheaper, but an edit can still reach bytes that are on their way.
        ContentChanged where the file is no longer what it was, ConnectionError where the
        receiver went away or took nothing for 30 s. After either the connection must be
        aborted: its answer is incomplete.
        """
        kind = FilePart if is_verified else CopiedPart
        await self._send_all(transport, kind(opened, part), opened.content)

    async def send_bytes(self, transport: asyncio.Transport, data: bytes) -> None:
        """Send bytes on a plain connection; ConnectionError as in `send`."""
        await self._send_all(transport, Bytes(data), None)

    async def write(
        self,
        write: Callable[[bytes], Awaitable[None]],
        opened: OpenContent,
        part: ByteRange,
        transport: asyncio.BaseTransport,
    ) -> None:
        """Send bytes of a file on a connection over TLS, through what `write` takes.

        The kernel cannot encrypt them on their way, so they come through this process, each
        block compared after its reading, before any of it is sent. Errors as those of `send`;
        whoever takes too little is cut off by its connection, which sees what it takes.
        """
        address, *_ = transport.get_extra_info("peername") or ("",)
        offset = part.start
        while offset < part.stop:
            size_bytes = min(SECURE_BLOCK_BYTES, part.stop - offset)
            if self._limit.is_on:
                size_bytes = self._limit.piece_bytes(address, size_bytes)
                await self._limit.admit(size_bytes, address)
            block = await self._read(opened, ByteRange(offset, offset + size_bytes))
            await write(block)
            offset += size_bytes
            self.traffic.sent(transport, opened.content, size_bytes)

    async def _read(self, opened: OpenContent, part: ByteRange) -> bytes:
        if is_cached(opened.descriptor, part):
            return read(opened, part)
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._threads, read, opened, part)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.gather(reading, return_exceptions=True)
            raise

    async def _send_all(
        self,
        transport: asyncio.Transport,
        piece: Piece,
        content: ContentId | None,
    ) -> None:
        await _until_flushed(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        # All that is known of who asks: connections from one address share its budget.
        address, *_ = transport.get_extra_info("peername") or ("",)
        # A descriptor of our own: the transport may close its, and the system give the
        # same number to another connection, while a thread still writes to it.
        with connection.dup() as own:
            keep_queue_short(own)
            sent, patience = 0, _ReceiverPatience()
            while sent < piece.length:
                before = sent
                if self._limit.is_on:
                    sent += await self._limited_turn(own.fileno(), piece, sent, address)
                else:
                    sent += await self._turn(own.fileno(), piece, sent, piece.length)
                self.traffic.sent(transport, content, sent - before)
                if sent < piece.length:
                    await patience.until_writable(own.fileno(), sent)

    async def _limited_turn(self, descriptor: int, piece: Piece, begin: int, address: str) -> int:
        """Some of it, when its turn has come."""
        size_bytes = self._limit.piece_bytes(address, piece.length - begin)
        await self._limit.admit(size_bytes, address)
        sent = await self._turn(descriptor, piece, begin, begin + size_bytes)
        self._limit.give_back(size_bytes - sent, address)
        return sent

    async def _turn(self, descriptor: int, piece: Piece, begin: int, end: int) -> int:
        loop = asyncio.get_running_loop()
        turn = loop.run_in_executor(self._threads, put_turn, descriptor, piece, begin, end)
        try:
            return await asyncio.shield(turn)
        except asyncio.CancelledError:
            # The thread still uses the descriptors: they may be closed when it is done.
            await asyncio.gather(turn, return_exceptions=True)
            raise


def keep_queue_short(connection: socket.socket) -> None:
    """Let little wait in the kernel of what is sent."""
    # Else megabytes wait in the socket when the file is sent, and the next receiver's turn
    # begins while this one's bytes still fill the wire.
    if (option := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)


async def _until_flushed(transport: asyncio.Transport) -> None:
    # The head is nearly always gone already; only a receiver that is behind makes us wait.
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + SLOW_S
    while transport.get_write_buffer_size():
        if transport.is_closing() or loop.time() > deadline_s:
            raise ConnectionResetError("The receiver is gone.")
        await asyncio.sleep(0.01)
    if transport.is_closing():
        raise ConnectionResetError("The receiver is gone.")


class _ReceiverPatience:
    """How long one receiver is waited for: only what it takes counts, not our own limits."""

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._pace = Pace(0.0, 0)

    async def until_writable(self, descriptor: int, sent_bytes: int) -> None:
        """ConnectionResetError where it takes nothing, or too little for long."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await _until_writable(descriptor)
        self._waited_s += loop.time() - began_s
        if self._pace.is_too_slow(self._waited_s, sent_bytes):
            raise ConnectionResetError("The receiver takes too little.")


async def _until_writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    writable = loop.create_future()

    def note() -> None:
        if not writable.done():
            writable.set_result(None)

    loop.add_writer(descriptor, note)
    try:
        async with asyncio.timeout(SLOW_S):
            await writable
    except TimeoutError:
        raise ConnectionResetError("The receiver takes nothing.") from None
    finally:
        loop.remove_writer(descriptor)
