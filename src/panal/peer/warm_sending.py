"""Bytes that lie in memory, sent from the event loop itself.

For a chunk, a thread costs more than the sending: its waking, the interpreter's lock, and the
loop's waking when it is done. The loop can do without where no disk is waited for, which the
system is asked beforehand.
"""

import asyncio
import ctypes
import os
import socket
import sys

from panal.errors import ContentChanged
from panal.peer.contents import OpenContent
from panal.wire.ranges import ByteRange

MOST_BYTES = 1024 * 1024
"""Longer parts are for a thread: the loop has others to serve, and one fast receiver more to
win by a core of its own."""
_CACHESTAT = 451
"""The number of the call on every architecture that came after Alpha; Linux 6.5."""
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_system_call = ctypes.CDLL(None).syscall
_system_call.restype = ctypes.c_long
_pointer = ctypes.c_void_p
_system_call.argtypes = (ctypes.c_long, ctypes.c_uint, _pointer, _pointer, ctypes.c_uint)
_Span, _Found = ctypes.c_uint64 * 2, ctypes.c_uint64 * 5


def is_cached(descriptor: int, part: ByteRange) -> bool:
    """Whether reading that part of a file waits for no disk, as far as the system says."""
    if not sys.platform.startswith("linux"):
        return False
    found = _Found()
    if _system_call(_CACHESTAT, descriptor, _Span(part.start, part.length), found, 0):
        return False  # too old a system, or not for us to know
    pages = (part.stop - 1) // _PAGE_BYTES - part.start // _PAGE_BYTES + 1
    return found[0] >= pages


class WarmSending:
    """One answer on its way: its head, then a part of a file."""

    def __init__(
        self, connection: socket.socket, head: bytes, opened: OpenContent, part: ByteRange
    ) -> None:
        """`connection` does not block, and is no descriptor that a transport uses."""
        self._connection = connection
        self._head = head
        self._opened = opened
        self._offset = part.start
        self._stop = part.stop
        self._loop = asyncio.get_running_loop()
        self.sent_bytes = 0
        """Of the file, so far."""

    async def run(self) -> None:
        """Send all of it.

        ContentChanged where the file is no longer what it was, OSError where the receiver is
        gone; the connection is to be ended then. It waits for a slow receiver for ever: the
        connection has the patience.
        """
        if self._put():
            return
        done: asyncio.Future[None] = self._loop.create_future()

        def put() -> None:
            try:
                if not self._put() or done.done():
                    return
            except (OSError, ContentChanged) as error:
                if not done.done():
                    done.set_exception(error)
            else:
                done.set_result(None)

        descriptor = self._connection.fileno()
        self._loop.add_writer(descriptor, put)
        try:
            await done
        finally:
            self._loop.remove_writer(descriptor)

    def _put(self) -> bool:
        """Hand over what the socket takes; whether that was all."""
        self._check()
        try:
            if self._head:
                sent = self._connection.send(self._head, socket.MSG_MORE)
                self._head = self._head[sent:]
            while self._offset < self._stop and not self._head:
                left = self._stop - self._offset
                taken = os.sendfile(
                    self._connection.fileno(), self._opened.descriptor, self._offset, left
                )
                if taken == 0:
                    raise ContentChanged("The file became shorter while it was being sent.")
                self._offset += taken
                self.sent_bytes += taken
        except BlockingIOError:
            pass
        if self._head or self._offset < self._stop:
            return False
        self._check()
        return True

    def _check(self) -> None:
        if not self._opened.is_unchanged():
            raise ContentChanged("The file changed while it was being sent.")
