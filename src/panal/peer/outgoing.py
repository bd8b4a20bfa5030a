"""What is handed to a socket, piece by piece: a file by sendfile, a file copied, bytes.

Bytes of a file that changed are cut off, never finished. Who verifies what comes is sent it by
sendfile, and the file compared with its fingerprint before and after each block. For everybody
else that is not enough: what sendfile has handed over are the file's own pages, and an edit
changes them while they wait in a socket, the receiver's too. So each block is copied, and sent
if the file still is what it was after that.
"""

import os
import select
import time

from panal.errors import ContentChanged
from panal.peer.contents import OpenContent
from panal.wire.ranges import ByteRange

BLOCK_BYTES = 4 * 1024 * 1024
COPIED_BYTES = 1024 * 1024
"""A block that is copied. With smaller ones threads that send side by side spend more on taking the
interpreter from each other; larger ones leave the processor's cache."""
TURN_S = 0.05
"""How long a thread serves one receiver before it turns to another."""


def read(opened: OpenContent, part: ByteRange) -> bytes:
    """All bytes of a part, as they were hashed; ContentChanged."""
    data = os.pread(opened.descriptor, part.length, part.start)
    if len(data) != part.length or not opened.is_unchanged():
        raise ContentChanged("The file changed while it was being sent.")
    return data


class FilePart:
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


class CopiedPart(FilePart):
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


class Bytes:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.length = len(data)

    def check(self) -> None:
        """They do not change."""

    def put(self, descriptor: int, begin: int, end: int) -> int:
        """Hand over what the socket takes between two offsets; BlockingIOError."""
        return os.write(descriptor, self._data[begin:end])


Piece = FilePart | Bytes


def put_turn(descriptor: int, piece: Piece, begin: int, end: int) -> int:
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
