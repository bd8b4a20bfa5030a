"""The endless answer of `GET /content/<id>/have`: which chunks a provider can serve now.

::

    "Panal-Have 1\\n"   then u32 length, then a bitfield of that many bytes
    u32 index          as each further chunk is had
    0xFFFFFFFF         heartbeat, every 5 s

All integers are little-endian. A provider takes a chunk back by closing the stream; the
follower asks anew.
"""

import struct

from panal.errors import IntegrityError, UsageError
from panal.wire import bitfield

GREETING = b"Panal-Have 1\n"
HEARTBEAT = 0xFFFFFFFF
HEARTBEAT_S = 5.0
SILENCE_S = 15.0
"""A stream that is silent for longer counts as gone."""
MAX_HEARTBEATS_AHEAD = 1_000
"""More than one a second, as after a pause of the network; a provider sends one in 5 s."""
TOLD_TIMES = 2
"""So often each chunk may be told on average: a provider tells one a second time at most."""
_U32 = struct.Struct("<I")


def opening(bits: int, count: int) -> bytes:
    """The first bytes of the stream."""
    raw = bitfield.to_bytes(bits, count)
    return GREETING + _U32.pack(len(raw)) + raw


def index_frame(index: int) -> bytes:
    """The frame of one further chunk, or of a heartbeat."""
    return _U32.pack(index)


class HaveReader:
    """Bytes in, chunks out: one follower's side of the stream.

    IntegrityError on anything that does not belong there.
    """

    def __init__(self, chunk_count: int) -> None:
        self._chunk_count = chunk_count
        self._buffer = bytearray()
        self._opened = False
        self._may_be_told = TOLD_TIMES * chunk_count
        self.heartbeats = 0
        """How many came."""

    def feed(self, data: bytes) -> tuple[int | None, list[int]]:
        """Take bytes; gives the bitfield once, when it is whole, and the indices since."""
        if self._opened and not self._buffer and not len(data) % _U32.size:
            return None, self._indices(data)  # as nearly always: whole numbers and nothing else
        self._buffer += data
        bits = None if self._opened else self._open()
        if not self._opened:
            return bits, []
        whole = len(self._buffer) // _U32.size * _U32.size
        numbers = bytes(self._buffer[:whole])
        del self._buffer[:whole]
        return bits, self._indices(numbers)

    def _open(self) -> int | None:
        buffer = self._buffer
        if not GREETING.startswith(buffer[: len(GREETING)]):
            raise IntegrityError("The provider's list of chunks does not begin as one.")
        head = len(GREETING) + _U32.size
        if len(buffer) < head:
            return None
        (length,) = _U32.unpack_from(buffer, len(GREETING))
        if length != (self._chunk_count + 7) // 8:
            raise IntegrityError("The provider's list of chunks has a wrong length.")
        if len(buffer) < head + length:
            return None
        try:
            bits = bitfield.from_bytes(bytes(buffer[head : head + length]), self._chunk_count)
        except UsageError as error:
            raise IntegrityError(str(error)) from None
        del buffer[: head + length]
        self._opened = True
        return bits

    def _indices(self, numbers: bytes) -> list[int]:
        further = [value for (value,) in _U32.iter_unpack(numbers) if value != HEARTBEAT]
        self.heartbeats += len(numbers) // _U32.size - len(further)
        self._may_be_told -= len(further)
        if self._may_be_told < 0:
            raise IntegrityError("The provider names the same chunks again and again.")
        if further and max(further) >= self._chunk_count:
            raise IntegrityError("The provider names a chunk beyond the last.")
        return further
