"""One connection to a provider, and chunks by it: the fast path of receiving.

A blocking connection, read in the thread that asks: bytes go from the socket into one reused
buffer, and from there to the hash and the disk, all of it outside the interpreter's lock.
"""

import contextlib
import socket
import threading
from collections.abc import Callable

from panal.errors import IntegrityError
from panal.peer.have_stream import CONNECT_S
from panal.peer.rate_limit import RateLimit
from panal.store.partial import ChunkTaken, PartialFile
from panal.swarm.engine import CorruptChunk, SourceFailure
from panal.swarm.messages import Failure
from panal.wire import bitfield
from panal.wire.address import authority
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.ranges import ByteRange
from panal.wire.response import (
    END,
    MAX_HEAD_BYTES,
    ResponseHead,
    parse_chunks,
    parse_head,
    refusal_words,
)

BUFFER_BYTES = 256 * 1024
WAKE_BYTES = 32 * 1024
"""Half of what a new connection's window holds: the kernel would clamp the window to more."""
FAR_OFF_S = 86_400.0
"""The engine's clocks decide, and cancel; but only a socket with a timeout is polled before it
is read, and only a poll waits for WAKE_BYTES without taking any of them."""
_ABSENT = {404, 410, 416, 503}
_NO_CHOICE = {204, 404, 405, 501}


class ChunkConnection:
    """Fetches chunks of one content; opened when first used, and again when it broke."""

    def __init__(
        self, provider: Provider, content: ContentId, manifest: Manifest, limit: RateLimit
    ) -> None:
        self._provider = provider
        self._content = content
        self._manifest = manifest
        self._limit = limit
        self._socket: socket.socket | None = None
        self._buffer = memoryview(b"")
        self._ahead = memoryview(b"")
        self._body_bytes = 0
        """Of the running answer's body, what was not received yet."""
        self._wakes_at = 1
        self._cancelled = threading.Event()
        self.bytes_received = 0
        self.held_s = 0.0
        """How long our own limit kept bytes from coming."""

    def fetch(
        self, first: int, count: int, into: PartialFile, wrote: Callable[[int], None]
    ) -> None:
        """Fetch chunks `first` to `first + count - 1`; `wrote` follows each right one."""
        wanted = self._bytes_of(first, count)

        def transfer() -> None:
            self._ask(wanted)
            self._receive_chunks(first, count, into, wrote)

        self._guarded(transfer)

    def fetch_any(
        self,
        among: int,
        most: int,
        into: PartialFile,
        granted: Callable[[int, int], None],
        wrote: Callable[[int], None],
    ) -> None:
        """Fetch up to `most` chunks of the provider's choice; `granted` says which, before any."""

        def transfer() -> None:
            first, count = self._ask_any(among, most)
            granted(first, count)
            self._receive_chunks(first, count, into, wrote)

        self._guarded(transfer)

    def _guarded(self, transfer: Callable[[], None]) -> None:
        try:
            self._stop_if_cancelled()
            transfer()
        except ChunkTaken as error:
            self._disconnect()
            raise SourceFailure(Failure.TAKEN, str(error)) from None
        except (OSError, EOFError, IntegrityError) as error:
            self._disconnect()
            self._stop_if_cancelled()
            broken = not isinstance(error, IntegrityError)
            failure = Failure.BROKEN if broken else Failure.MISBEHAVED
            raise SourceFailure(failure, words_of(error)) from None
        except SourceFailure as error:
            if error.failure is not Failure.NOTHING_UNSENT:
                self._disconnect()
            raise
        except BaseException:
            self._disconnect()
            raise
        finally:
            self._cancelled.clear()

    def forget_cancel(self) -> None:
        """A cancellation that came when nothing ran shall not end what runs next."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """Make a running fetch end at once, from any thread."""
        self._cancelled.set()
        if (connection := self._socket) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise SourceFailure(Failure.CANCELLED, "cancelled")

    def _ask(self, wanted: ByteRange) -> None:
        head = self._request("GET", "", f"Range: bytes={wanted.start}-{wanted.stop - 1}\r\n")
        if head.status in _ABSENT:
            raise SourceFailure(Failure.NOT_HERE_YET, refusal_words(head.status))
        if head.status >= 500:
            raise ConnectionError(f"answered {head.status}")
        content_range = head.fields.get("content-range")
        if head.status != 206 or content_range != wanted.content_range(self._manifest.size_bytes):
            raise IntegrityError(f"answered {head.status} with another range than was asked")
        if head.content_length != wanted.length:
            raise IntegrityError("announced another length than was asked")

    def _ask_any(self, among: int, most: int) -> tuple[int, int]:
        """The chunks that follow, as first and count."""
        body = bitfield.to_bytes(among, self._manifest.chunk_count)
        fields = f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n"
        head = self._request("POST", f"/next?max={most}", fields, body)
        if head.status in _NO_CHOICE:
            if head.status != 204 and head.content_length != 0:
                self._disconnect()  # a text follows that nobody reads
            raise SourceFailure(Failure.NOTHING_UNSENT, f"answered {head.status}")
        if head.status in _ABSENT:
            raise SourceFailure(Failure.NOT_HERE_YET, refusal_words(head.status))
        if head.status >= 500:
            raise ConnectionError(f"answered {head.status}")
        chosen = parse_chunks(head.fields.get("panal-chunks", ""))
        if head.status != 200 or chosen is None:
            raise IntegrityError(f"answered {head.status} and named no chunks")
        first, count = chosen
        asked = among >> first
        if count > most or asked & bitfield.full(count) != bitfield.full(count):
            raise IntegrityError("chose chunks that it was not asked for")
        if head.content_length != self._bytes_of(first, count).length:
            raise IntegrityError("announced another length than its chunks have")
        return chosen

    def _bytes_of(self, first: int, count: int) -> ByteRange:
        start, _ = self._manifest.chunk_range(first)
        offset, length = self._manifest.chunk_range(first + count - 1)
        return ByteRange(start, offset + length)

    def _request(self, method: str, below: str, fields: str, body: bytes = b"") -> ResponseHead:
        host = authority(self._provider.host, self._provider.port)
        request = (
            f"{method} /content/{self._content.hex()}{below} HTTP/1.1\r\nHost: {host}\r\n{fields}"
            "Accept-Encoding: identity\r\nPanal-Protocol: 1\r\n\r\n"
        ).encode("ascii") + body
        reused = self._socket is not None
        try:
            return self._exchange(request)
        except (OSError, EOFError):
            # A kept connection may have been closed at the other end meanwhile: once more.
            self._disconnect()
            self._stop_if_cancelled()
            if not reused:
                raise
            return self._exchange(request)

    def _exchange(self, request: bytes) -> ResponseHead:
        connection = self._socket or self._connect()
        self._wake_at(1)
        connection.sendall(request)
        filled = 0
        while (end := bytes(self._buffer[:filled]).find(END)) < 0:
            if filled >= MAX_HEAD_BYTES:
                raise IntegrityError("sent a header without end")
            filled += self._receive(self._buffer[filled:MAX_HEAD_BYTES])
        end += len(END)
        self._ahead = memoryview(bytes(self._buffer[end:filled]))
        return parse_head(bytes(self._buffer[:end]))

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(
            (self._provider.host, self._provider.port), timeout=CONNECT_S
        )
        connection.settimeout(FAR_OFF_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._socket, self._wakes_at = connection, 1
        self._stop_if_cancelled()  # it may have come while there was nothing to shut down
        return connection

    def _wake_at(self, count: int) -> None:
        """Sleep until so many bytes are there: a wake for every packet costs more than they do."""
        if count != self._wakes_at and self._socket is not None:
            self._wakes_at = count
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def _disconnect(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _receive(self, view: memoryview) -> int:
        connection = self._socket
        count = 0 if connection is None else connection.recv_into(view)
        if count == 0:
            raise EOFError("connection closed early")
        return count

    def _receive_chunks(
        self, first: int, count: int, into: PartialFile, wrote: Callable[[int], None]
    ) -> None:
        self._body_bytes = self._bytes_of(first, count).length - len(self._ahead)
        for index in range(first, first + count):
            self._receive_chunk(index, into)
            wrote(index)

    def _receive_chunk(self, index: int, into: PartialFile) -> None:
        writer = into.begin_chunk(index)
        try:
            while writer.remaining_bytes:
                writer.write(self._fill(min(writer.remaining_bytes, len(self._buffer))))
        except BaseException:
            writer.abandon()
            raise
        if not writer.finish():
            raise CorruptChunk(index)

    def _fill(self, want: int) -> memoryview:
        """The next `want` bytes of the body, in the reused buffer."""
        filled = 0
        if self._ahead:
            part, self._ahead = self._ahead[:want], self._ahead[want:]
            self._buffer[: len(part)] = part
            filled = len(part)
            self._count(filled)
        while filled < want:
            most = want - filled
            if self._limit.is_on:
                most = self._limit.piece_bytes(self._provider.peer, most)
            count = self._receive(self._buffer[filled : filled + most])
            self._body_bytes -= count
            # Not before the first bytes: they show that the wait is over.
            self._wake_at(max(1, min(WAKE_BYTES, self._body_bytes)))
            filled += count
            self._count(count)
        return self._buffer[:want]

    def _count(self, size_bytes: int) -> None:
        """Bytes came in: they count, and their time under the limit passes before the next.

        After them, so that a slow source holds no part of the budget while it is waited for.
        """
        self.bytes_received += size_bytes
        if not self._limit.is_on:
            return
        with contextlib.closing(self._limit.waits(size_bytes, self._provider.peer)) as waits:
            for wait_s in waits:
                self._cancelled.wait(wait_s)
                self._stop_if_cancelled()
                self.held_s += wait_s


def words_of(error: BaseException) -> str:
    """Why a connection failed, for people."""
    error = getattr(error, "os_error", error)  # where a library wraps it
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
