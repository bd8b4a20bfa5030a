"""One blocking connection to a provider, read in the thread that asks.

Bytes go from the socket into one reused buffer, outside the interpreter's lock. Opened when
first used, and again when it broke.
"""

import contextlib
import socket
import threading

from panal.errors import IntegrityError
from panal.peer.calling import PLAIN, Calling
from panal.peer.questions import CONNECT_S
from panal.wire.address import authority
from panal.wire.catalogue import Provider
from panal.wire.chunk_request import head
from panal.wire.response import END, MAX_HEAD_BYTES, ResponseHead, parse_head

WAKE_BYTES = 32 * 1024
"""Half of what a new connection's window holds: the kernel would clamp the window to more."""
FAR_WAKE_BYTES = 256 * 1024
"""The same at most, where the kernel has made the buffer larger."""
FAR_OFF_S = 86_400.0
"""Others decide how long to wait, and cancel; but only a socket with a timeout is polled before
it is read, and only a poll waits for WAKE_BYTES without taking any of them."""


class ProviderConnection:
    """Requests and the heads of their answers; bodies are received by whoever asked.

    Everything raises OSError, or EOFError where the connection ended or was cancelled.
    """

    def __init__(self, provider: Provider, buffer_bytes: int, calling: Calling = PLAIN) -> None:
        self._provider = provider
        self._calling = calling
        self._buffer_bytes = buffer_bytes
        self._socket: socket.socket | None = None
        self._wakes_at = 1
        self.buffer = memoryview(b"")
        self.ahead = memoryview(b"")
        """What came of the body with the head."""
        self.cancelled = threading.Event()

    def ask(self, method: str, path: str, fields: str, body: bytes = b"") -> ResponseHead:
        """Send a request; the head of its answer. IntegrityError where it is none."""
        return parse_head(self.ask_unread(method, path, fields, body))

    def ask_unread(self, method: str, path: str, fields: str, body: bytes = b"") -> bytes:
        """Send a request; the head of its answer as it came."""
        host = authority(self._provider.host, self._provider.port)
        request = head(method, path, host, fields) + body
        reused = self._socket is not None
        try:
            return self._exchange(request)
        except (OSError, EOFError):
            # A kept connection may have been closed at the other end meanwhile: once more.
            self.close()
            self._stop_if_cancelled()
            if not reused:
                raise
            return self._exchange(request)

    def receive(self, view: memoryview) -> int:
        """Some bytes into `view`; how many."""
        connection = self._socket
        count = 0 if connection is None else connection.recv_into(view)
        if count == 0:
            raise EOFError("connection closed early")
        return count

    def wake_at(self, count: int) -> None:
        """Sleep until so many bytes are there: a wake for every packet costs more than they do."""
        # Under TLS a part of what comes lies with the library already: nobody knows how much.
        if self._calling.context is not None:
            return
        if count != self._wakes_at and self._socket is not None:
            self._wakes_at = count
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def far_wake_bytes(self, left_bytes: int) -> int:
        """When to wake who uses none of `left_bytes` before all of it is there."""
        if self._socket is None:
            return 1
        # The window is about half of the buffer. A slow link's buffer stays small, so that what
        # comes at all is noticed soon.
        quarter = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 4
        return min(left_bytes, max(WAKE_BYTES, min(quarter, FAR_WAKE_BYTES)))

    def wait_at_most(self, timeout_s: float) -> None:
        """For the next bytes, each time; TimeoutError then."""
        if self._socket is not None:
            self._socket.settimeout(timeout_s)

    def cancel(self) -> None:
        """Make what runs end at once, from any thread, and what begins until that is cleared."""
        self.cancelled.set()
        if (connection := self._socket) is not None:
            with contextlib.suppress(OSError):
                # Not the TLS socket's own way, which would let what comes be read undecrypted.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _exchange(self, request: bytes) -> bytes:
        connection = self._socket or self._connect()
        connection.settimeout(FAR_OFF_S)
        self.wake_at(1)
        connection.sendall(request)
        filled = 0
        while (end := bytes(self.buffer[:filled]).find(END)) < 0:
            if filled >= MAX_HEAD_BYTES:
                raise IntegrityError("sent a header without end")
            filled += self.receive(self.buffer[filled:MAX_HEAD_BYTES])
        end += len(END)
        self.ahead = memoryview(bytes(self.buffer[end:filled]))
        return bytes(self.buffer[:end])

    def _connect(self) -> socket.socket:
        self._stop_if_cancelled()
        connection = socket.create_connection(
            (self._provider.host, self._provider.port), timeout=CONNECT_S
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.buffer:
            self.buffer = memoryview(bytearray(self._buffer_bytes))
        self._wakes_at = 1
        connection = self._calling.secure(connection, self._provider.peer, self._use)
        self._stop_if_cancelled()
        return connection

    def _use(self, connection: socket.socket) -> None:
        self._socket = connection
        self._stop_if_cancelled()  # it may have come while there was nothing to shut down

    def _stop_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise EOFError("cancelled")
