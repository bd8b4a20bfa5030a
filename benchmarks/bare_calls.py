"""Unary gRPC calls over bare HTTP/2, made of bytes that were prepared before.

A client of gRPC's own costs about what the server does; ten thousand of them fit no machine that
has a tracker to measure besides. This one knows only what it meets: no compression, no windows
that fill, answers that are small.
"""

import asyncio
import struct
from collections import deque

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0x0, 0x1, 0x4, 0x6, 0x7, 0x8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_HEAD_BYTES = 9


class BareConnection(asyncio.Protocol):
    """One connection; `call` may be under way several times."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._stream = 1
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._answers: dict[int, bytes] = {}
        self._taken = 0

    @classmethod
    async def open(cls, address: str) -> "BareConnection":
        """Connect to ``host:port``."""
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, host, int(port))
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(PREFACE + _frame(_SETTINGS, 0, 0, b""))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everybody know who waits."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the tracker has hung up"))

    async def call(self, prepared: bytes) -> bytes:
        """Make a call that `prepare` has made; the answer's message, empty where it was refused."""
        stream, self._stream = self._stream, self._stream + 2
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = future
        assert self._transport is not None
        self._transport.write(prepared.replace(_STREAM, struct.pack(">I", stream)))
        try:
            return await future
        finally:
            del self._waiting[stream]

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take frame after frame."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        while len(buffer) - at >= _HEAD_BYTES:
            size = int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) - at < _HEAD_BYTES + size:
                break
            kind, flags, stream = struct.unpack_from(">BBI", buffer, at + 3)
            at += _HEAD_BYTES + size
            self._take(kind, flags, stream, buffer[at - size : at])
        self._buffer = buffer[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == _DATA:
            self._answers[stream] = self._answers.get(stream, b"") + payload
            self._taken += len(payload)
            if self._taken > 16_384:
                window = struct.pack(">I", self._taken)
                self._transport.write(_frame(_WINDOW, 0, 0, window))
                self._taken = 0
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            answer = payload if kind == _PING else b""
            self._transport.write(_frame(kind, _ACK, 0, answer))
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            future = self._waiting.get(stream)
            if future is not None and not future.done():
                future.set_result(self._answers.pop(stream, b"")[5:])


_STREAM = b"\x7e\xed\xbe\xef"
"""Stands where the stream's number belongs."""


def prepare(method: str, message: bytes) -> bytes:
    """A call as bytes, its stream's number left open."""
    head = b"\x83\x86" + _literal(b"\x04", method.encode()) + _literal(b"\x01", b"tracker")
    head += _literal(b"\x0f\x10", b"application/grpc")
    head += b"\x00\x02te" + _text(b"trailers")
    body = b"\x00" + struct.pack(">I", len(message)) + message
    stream = int.from_bytes(_STREAM, "big")
    return _frame(_HEADERS, _END_HEADERS, stream, head) + _frame(_DATA, _END_STREAM, stream, body)


def _literal(name: bytes, value: bytes) -> bytes:
    return name + _text(value)


def _text(value: bytes) -> bytes:
    assert len(value) < 127
    return bytes([len(value)]) + value


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


async def calls_a_second(
    address: str, prepared: list[bytes], duration_s: float, connections: int, at_once: int
) -> float:
    """How many calls are answered in a second; ValueError where one is refused."""
    opened = [await BareConnection.open(address) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    turns = deque(prepared)
    answered = 0
    until_s = loop.time() + duration_s

    async def lane(connection: BareConnection) -> None:
        nonlocal answered
        while loop.time() < until_s:
            turns.rotate(-1)
            if not await connection.call(turns[0]):
                raise ValueError("a call was refused")
            answered += 1

    began_s = loop.time()
    await asyncio.gather(*(lane(one) for one in opened for _ in range(at_once)))
    spent_s = loop.time() - began_s
    for one in opened:
        one.close()
    return answered / spent_s
