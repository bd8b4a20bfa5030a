"""The journal beside a partial file: which chunks were written, and which are durable.

::

    "PANALJ1\\n"  content id (32)  then u32 records, little-endian:
    index         this chunk was written
    0xFFFFFFFE    a sync begins: what is named up to here is its batch
    0xFFFFFFFF    the batch is durable
    0xFFFFFFFD    what is named up to here and not durable counts no more

It is locked for as long as it is open. Any prefix of it is true, so a torn end costs only
what it would have said. Its calls raise OSError; the partial file says it in words.
"""

import fcntl
import os
import struct
from pathlib import Path

from panal.errors import StateInUse
from panal.wire.ids import ContentId

DURABLE = 0xFFFFFFFF
BATCH = 0xFFFFFFFE
FORGET = 0xFFFFFFFD
_MAGIC = b"PANALJ1\n"
_RECORD = struct.Struct("<I")


class Journal:
    """One content's journal, open and locked."""

    def __init__(self, path: Path, content: ContentId) -> None:
        """Open or begin it; StateInUse where somebody has it open already."""
        self._head = _MAGIC + content
        self._descriptor = _open_locked(path)
        self._size_bytes = os.fstat(self._descriptor).st_size
        self._is_torn = False

    def read(self, chunk_count: int) -> tuple[int, int]:
        """The bitfields of durable chunks and of those that were only written."""
        raw = os.pread(self._descriptor, self._size_bytes, 0)
        if not raw.startswith(self._head):
            self.restart()
            return 0, 0
        whole_bytes = (len(raw) - len(self._head)) // _RECORD.size * _RECORD.size
        self._size_bytes = len(self._head) + whole_bytes
        os.ftruncate(self._descriptor, self._size_bytes)  # a torn last record
        records = _RECORD.iter_unpack(raw[len(self._head) : self._size_bytes])
        return replay([record for (record,) in records], chunk_count)

    def restart(self) -> None:
        """Forget everything, and for good before this returns."""
        held_something = self._size_bytes > 0
        os.ftruncate(self._descriptor, 0)
        self._size_bytes = 0
        self._write(self._head)
        if held_something:  # else a power cut could bring it back beside other bytes
            os.fsync(self._descriptor)

    def append(self, *records: int) -> None:
        """Add records behind the others."""
        self._write(b"".join(map(_RECORD.pack, records)))

    def sync(self) -> None:
        """Make everything said so far durable."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        if self._is_torn:  # part of a record would shift all that follow
            os.ftruncate(self._descriptor, self._size_bytes)
        self._is_torn = True
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._is_torn = False
        self._size_bytes += len(data)


def replay(records: list[int], chunk_count: int) -> tuple[int, int]:
    """The durable chunks and the merely written ones that a journal's records come to."""
    named: set[int] = set()
    batch: set[int] = set()
    durable: set[int] = set()
    for record in records:
        if record == BATCH:
            batch = set(named)
        elif record == DURABLE:
            durable |= batch
            named -= batch
        elif record == FORGET:
            named, batch = set(), set()
        elif record < chunk_count:
            named.add(record)
    return _bits(durable), _bits(named - durable)


def _bits(chunks: set[int]) -> int:
    bits = bytearray(max(chunks, default=0) // 8 + 1)
    for index in chunks:
        bits[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(bits, "little")


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that only we may read, made where it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)


def _open_locked(path: Path) -> int:
    while True:
        descriptor = open_private(path, os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise StateInUse("Another download of the same content is running here.") from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last owner removed it before it was ours: once more
