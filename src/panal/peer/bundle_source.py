"""Bundles from one provider: asked for and received in a thread, over a blocking connection."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping

from panal.errors import IntegrityError, Unreachable
from panal.peer.chunk_connection import WAKE_BYTES
from panal.peer.have_stream import CONNECT_S
from panal.peer.rate_limit import RateLimit
from panal.wire.address import authority
from panal.wire.bundle import MAX_BUNDLE_BYTES, bundle_bytes, encode_request
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId
from panal.wire.response import END, MAX_HEAD_BYTES, ResponseHead, parse_head

STALL_S = 15.0
"""Without a byte for so long, the provider is given up."""
REQUEST_S = 120.0
"""For a whole bundle: slower than 35 kB/s is too slow."""
_UNKNOWN = {404, 405, 501}


class NoBundles(Exception):
    """This provider does not know the request."""


class BundleSource:
    """One connection, and the one buffer that every bundle over it lies in."""

    def __init__(self, provider: Provider, limit: RateLimit) -> None:
        self._provider = provider
        self._limit = limit
        self._buffer = memoryview(bytearray(MAX_BUNDLE_BYTES + MAX_HEAD_BYTES))
        self._socket: socket.socket | None = None
        self._cancelled = threading.Event()

    def close(self) -> None:
        """End the connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def cancel(self) -> None:
        """Make a running `receive` end at once, from any thread; for good."""
        self._cancelled.set()
        if (connection := self._socket) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def receive(
        self, sizes_bytes: Mapping[ContentId, int], held: Callable[[bool], None]
    ) -> tuple[memoryview, Unreachable | None]:
        """The bundle of these contents, good until the next call; and why it is not all of it.

        Nothing in it is verified. `held` is told when our own rate limit begins and ends to
        hold it back. NoBundles, Unreachable where nothing came, IntegrityError
        where the answer is none.
        """
        body = encode_request(sizes_bytes)
        try:
            head, ahead = self._ask(body)
            length = self._length(head, bundle_bytes(sizes_bytes.values()))
            return self._body(ahead, length, held)
        except (OSError, EOFError) as error:
            self.close()
            raise self._unreachable(error) from None
        except BaseException:
            self.close()
            raise

    def _unreachable(self, error: Exception) -> Unreachable:
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return Unreachable(f"{self._provider.peer} does not answer ({words})")

    def _length(self, head: ResponseHead, most_bytes: int) -> int:
        if head.status in _UNKNOWN:
            raise NoBundles
        if head.status != 200:
            raise Unreachable(f"{self._provider.peer} answered {head.status}")
        length = head.content_length
        if length is None or length > most_bytes:
            raise IntegrityError("announced more than was asked for")
        return length

    def _ask(self, body: bytes) -> tuple[ResponseHead, memoryview]:
        host = authority(self._provider.host, self._provider.port)
        request = (
            f"POST /api/v1/bundle HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nAccept-Encoding: identity\r\nPanal-Protocol: 1\r\n\r\n"
        ).encode("ascii") + body
        if self._socket is not None:
            try:
                return self._exchange(self._socket, request)
            except (OSError, EOFError):
                # A kept connection may have been closed at the other end meanwhile: once more.
                self.close()
        return self._exchange(self._connect(), request)

    def _connect(self) -> socket.socket:
        if self._cancelled.is_set():
            raise EOFError("cancelled")
        address = self._provider.host, self._provider.port
        connection = socket.create_connection(address, timeout=CONNECT_S)
        connection.settimeout(STALL_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        if self._cancelled.is_set():  # it may have come while there was nothing to shut down
            raise EOFError("cancelled")
        return connection

    def _exchange(
        self, connection: socket.socket, request: bytes
    ) -> tuple[ResponseHead, memoryview]:
        """The head, and what came of the body with it."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        connection.sendall(request)
        filled = 0
        while (end := bytes(self._buffer[:filled]).find(END)) < 0:
            if filled >= MAX_HEAD_BYTES:
                raise IntegrityError("sent a header without end")
            filled += _receive(connection, self._buffer[filled:MAX_HEAD_BYTES])
        end += len(END)
        head = parse_head(bytes(self._buffer[:end]))
        ahead = bytes(self._buffer[end:filled])
        self._buffer[: len(ahead)] = ahead
        return head, self._buffer[: len(ahead)]

    def _body(
        self, ahead: memoryview, length: int, held: Callable[[bool], None]
    ) -> tuple[memoryview, Unreachable | None]:
        if len(ahead) > length:
            raise IntegrityError("sent more than it announced")
        connection, filled = self._socket, len(ahead)
        assert connection is not None  # noqa: S101 (the head came over it)
        ends_s = time.monotonic() + REQUEST_S
        try:
            while filled < length:
                if time.monotonic() > ends_s:
                    raise TimeoutError
                # A wake for every packet costs more than the packets do.
                wake = min(WAKE_BYTES, length - filled)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wake)
                most = length - filled
                if self._limit.is_on:
                    most = self._limit.piece_bytes(self._provider.peer, most)
                count = _receive(connection, self._buffer[filled : filled + most])
                filled += count
                if self._limit.is_on:
                    ends_s += self._wait_under_limit(count, held)
        except (OSError, EOFError) as error:
            self.close()
            return self._buffer[:filled], self._unreachable(error)
        return self._buffer[:length], None

    def _wait_under_limit(self, size_bytes: int, held: Callable[[bool], None]) -> float:
        """Let the time pass that bytes take under the limit; how long that was, in seconds."""
        began_s = time.monotonic()
        try:
            with contextlib.closing(self._limit.waits(size_bytes, self._provider.peer)) as waits:
                for wait_s in waits:
                    held(True)
                    if self._cancelled.wait(wait_s):
                        raise EOFError("cancelled")
        finally:
            held(False)
        return time.monotonic() - began_s


def _receive(connection: socket.socket, view: memoryview) -> int:
    count = connection.recv_into(view)
    if count == 0:
        raise EOFError("connection closed early")
    return count
