"""From an open file to a socket, by sendfile, in few threads, whoever reads how slowly.

A thread serves one receiver for a turn, then the next, so that neither the slow nor the
many shut anybody out. Who takes nothing, and what the rate limit holds back, is waited for on
the event loop, where waiting costs nothing; and a cold disk holds no loop. The file is
compared with its fingerprint before and after each block: bytes of a file that changed are
cut off, never finished.
"""

import asyncio
import os
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from panal.errors import ContentChanged
from panal.peer.contents import OpenContent
from panal.peer.rate_limit import RateLimit
from panal.wire.ranges import ByteRange

SENDING_THREADS = 8
BLOCK_BYTES = 4 * 1024 * 1024
UNSENT_BYTES = 64 * 1024
"""So much may wait in the kernel of what was handed to it."""
TURN_S = 0.05
"""How long a thread serves one receiver before it turns to another."""
READ_STALL_S = 30.0


class Sender:
    """The threads that send, shared by all connections of a peer."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._threads = ThreadPoolExecutor(SENDING_THREADS, thread_name_prefix="send")

    def close(self) -> None:
        """Stop when what is being sent has been sent."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(
        self, transport: asyncio.Transport, opened: OpenContent, part: ByteRange
    ) -> None:
        """Send bytes of a file on a plain connection.

        ContentChanged where the file is no longer what it was, ConnectionError where the
        receiver went away or took nothing for 30 s. After either the connection must be
        aborted: its answer is incomplete.
        """
        await _until_flushed(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        # All that is known of who asks: connections from one address share its budget.
        address, *_ = transport.get_extra_info("peername") or ("",)
        # A descriptor of our own: the transport may close its, and the system give the
        # same number to another connection, while a thread still writes to it.
        with connection.dup() as own:
            _keep_queue_short(own)
            sent = 0
            while sent < part.length:
                rest = ByteRange(part.start + sent, part.stop)
                if self._limit.is_on:
                    sent += await self._limited_turn(own.fileno(), opened, rest, address)
                else:
                    sent += await self._turn(own.fileno(), opened, rest)
                if sent < part.length:
                    await _until_writable(own.fileno())

    async def _limited_turn(
        self, descriptor: int, opened: OpenContent, rest: ByteRange, address: str
    ) -> int:
        """One piece, when its turn has come."""
        piece_bytes = self._limit.piece_bytes(address, rest.length)
        await self._limit.admit(piece_bytes, address)
        piece = ByteRange(rest.start, rest.start + piece_bytes)
        sent = await self._turn(descriptor, opened, piece)
        self._limit.give_back(piece_bytes - sent, address)
        return sent

    async def _turn(self, descriptor: int, opened: OpenContent, part: ByteRange) -> int:
        loop = asyncio.get_running_loop()
        turn = loop.run_in_executor(self._threads, _send, descriptor, opened, part)
        try:
            return await asyncio.shield(turn)
        except asyncio.CancelledError:
            # The thread still uses both descriptors: they may be closed when it is done.
            await asyncio.gather(turn, return_exceptions=True)
            raise


def _send(descriptor: int, opened: OpenContent, part: ByteRange) -> int:
    """How much the receiver took in one turn; all of it at best."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    ends_s = time.monotonic() + TURN_S
    sent = 0
    while sent < part.length:
        if not opened.is_unchanged():
            raise ContentChanged("The file changed while it was being sent.")
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            return sent
        try:
            count = min(BLOCK_BYTES, part.length - sent)
            taken = os.sendfile(descriptor, opened.descriptor, part.start + sent, count)
        except BlockingIOError:
            poll.poll(1_000 * left_s)
            continue
        if taken == 0:
            raise ContentChanged("The file became shorter while it was being sent.")
        sent += taken
    if not opened.is_unchanged():
        raise ContentChanged("The file changed while it was being sent.")
    return sent


def _keep_queue_short(connection: socket.socket) -> None:
    # Else megabytes wait in the socket when the file is sent, and the next receiver's turn
    # begins while this one's bytes still fill the wire.
    if (option := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)


async def _until_flushed(transport: asyncio.Transport) -> None:
    # The head is nearly always gone already; only a receiver that is behind makes us wait.
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + READ_STALL_S
    while transport.get_write_buffer_size():
        if transport.is_closing() or loop.time() > deadline_s:
            raise ConnectionResetError("The receiver is gone.")
        await asyncio.sleep(0.01)
    if transport.is_closing():
        raise ConnectionResetError("The receiver is gone.")


async def _until_writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    writable = loop.create_future()

    def note() -> None:
        if not writable.done():
            writable.set_result(None)

    loop.add_writer(descriptor, note)
    try:
        async with asyncio.timeout(READ_STALL_S):
            await writable
    except TimeoutError:
        raise ConnectionResetError("The receiver takes nothing.") from None
    finally:
        loop.remove_writer(descriptor)
