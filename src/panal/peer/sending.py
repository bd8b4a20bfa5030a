"""From an open file to a socket, in few threads, whoever reads how slowly.

A thread serves one receiver for a turn, then the next, so that neither the slow nor the
many shut anybody out. Who takes nothing, and what the rate limit holds back, is waited for on
the event loop, where waiting costs nothing; and a cold disk holds no loop.

Bytes of a file that changed are cut off, never finished. Who verifies what comes is sent it by
sendfile, and the file compared with its fingerprint before and after each block. For everybody
else that is not enough: what sendfile has handed over are the file's own pages, and an edit
changes them while they wait in a socket, the receiver's too. So each block is copied, and sent
if the file still is what it was after that.
"""

import asyncio
import os
import select
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from panal.errors import ContentChanged
from panal.peer.contents import OpenContent
from panal.peer.limits import SLOW_S
from panal.peer.patience import Pace
from panal.peer.rate_limit import RateLimit
from panal.peer.traffic import Traffic
from panal.peer.warm_sending import is_cached
from panal.wire.ids import ContentId
from panal.wire.ranges import ByteRange

SENDING_THREADS = 8
BLOCK_BYTES = 4 * 1024 * 1024
COPIED_BYTES = 1024 * 1024
"""A block that is copied. With smaller ones threads that send side by side spend more on taking the
interpreter from each other; larger ones leave the processor's cache."""
SECURE_BLOCK_BYTES = 512 * 1024
"""Over TLS: read, encrypted and written at once."""
UNSENT_BYTES = 64 * 1024
"""So much may wait in the kernel of what was handed to it."""
TURN_S = 0.05
"""How long a thread serves one receiver before it turns to another."""


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
        kind = _FilePart if is_verified else _CopiedPart
        await self._send_all(transport, kind(opened, part), opened.content)

    async def send_bytes(self, transport: asyncio.Transport, data: bytes) -> None:
        """Send bytes on a plain connection; ConnectionError as in `send`."""
        await self._send_all(transport, _Bytes(data), None)

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
            return _read(opened, part)
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._threads, _read, opened, part)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.gather(reading, return_exceptions=True)
            raise

    async def _send_all(
        self,
        transport: asyncio.Transport,
        piece: "_FilePart | _Bytes",
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

    async def _limited_turn(
        self, descriptor: int, piece: "_FilePart | _Bytes", begin: int, address: str
    ) -> int:
        """Some of it, when its turn has come."""
        size_bytes = self._limit.piece_bytes(address, piece.length - begin)
        await self._limit.admit(size_bytes, address)
        sent = await self._turn(descriptor, piece, begin, begin + size_bytes)
        self._limit.give_back(size_bytes - sent, address)
        return sent

    async def _turn(
        self, descriptor: int, piece: "_FilePart | _Bytes", begin: int, end: int
    ) -> int:
        loop = asyncio.get_running_loop()
        turn = loop.run_in_executor(self._threads, _send, descriptor, piece, begin, end)
        try:
            return await asyncio.shield(turn)
        except asyncio.CancelledError:
            # The thread still uses the descriptors: they may be closed when it is done.
            await asyncio.gather(turn, return_exceptions=True)
            raise


def _read(opened: OpenContent, part: ByteRange) -> bytes:
    data = os.pread(opened.descriptor, part.length, part.start)
    if len(data) != part.length or not opened.is_unchanged():
        raise ContentChanged("The file changed while it was being sent.")
    return data


class _FilePart:
    """Bytes of an open file, on their way by sendfile."""

    def __init__(self, opened: OpenContent, part: ByteRange) -> None:
        self._opened = opened
        self._part = part
        self.length = part.length

    def check(self) -> None:
        """ContentChanged where the file is no longer what it was."""
        if not self._opened.is_unchanged():
            raise ContentChanged("The file changed while it was being sent.")

    def put(self, descriptor: int, begin: int, end: int) -> int:
        """Hand over what the socket takes between two offsets; BlockingIOError."""
        offset, count = self._part.start + begin, min(BLOCK_BYTES, end - begin)
        taken = os.sendfile(descriptor, self._opened.descriptor, offset, count)
        if taken == 0:
            raise ContentChanged("The file became shorter while it was being sent.")
        return taken


class _CopiedPart(_FilePart):
    """Bytes of an open file, each block read whole before any of it is sent."""

    def __init__(self, opened: OpenContent, part: ByteRange) -> None:
        super().__init__(opened, part)
        self._buffer = memoryview(bytearray(min(COPIED_BYTES, part.length)))
        self._ahead = self._buffer[:0]

    def check(self) -> None:
        """What has been copied does not change; each block is compared after its reading."""

    def put(self, descriptor: int, begin: int, end: int) -> int:
        """Hand over what the socket takes between two offsets; BlockingIOError."""
        if not self._ahead:
            self._read(begin, min(COPIED_BYTES, end - begin))
        taken = os.write(descriptor, self._ahead[: end - begin])
        self._ahead = self._ahead[taken:]
        return taken

    def _read(self, begin: int, count: int) -> None:
        got = os.preadv(self._opened.descriptor, [self._buffer[:count]], self._part.start + begin)
        super().check()
        if got == 0:
            raise ContentChanged("The file became shorter while it was being sent.")
        self._ahead = self._buffer[:got]


class _Bytes:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.length = len(data)

    def check(self) -> None:
        """They do not change."""

    def put(self, descriptor: int, begin: int, end: int) -> int:
        """Hand over what the socket takes between two offsets; BlockingIOError."""
        return os.write(descriptor, self._data[begin:end])


def _send(descriptor: int, piece: _FilePart | _Bytes, begin: int, end: int) -> int:
    """How much the receiver took in one turn; all of it at best."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    ends_s = time.monotonic() + TURN_S
    sent = begin
    while sent < end:
        piece.check()
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            return sent - begin
        try:
            sent += piece.put(descriptor, sent, end)
        except BlockingIOError:
            poll.poll(1_000 * left_s)
    piece.check()
    return sent - begin


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
