"""The journal beside a partial file: which chunks were written, and which are durable.

::

    "PANALJ1\\n"  content id (32)  then u32 records, little-endian:
    index         this chunk was written
    0xFFFFFFFE    a sync begins: what is named up to here is its batch
    0xFFFFFFFF    the batch is durable
    0xFFFFFFFD    what is named up to here and not durable counts no more
    0x80000000 + index  this chunk counts no more, durable or not

It is locked for as long as it is open. Any prefix of it is true, so a torn end costs only
what it would have said. Its calls raise OSError; the partial file says it in words.
"""

import contextlib
import fcntl
import logging
import os
from pathlib import Path

from panal.errors import StateInUse
from panal.store.journal_records import MAGIC, RECORD, records_in, replay, whole_records
from panal.wire.ids import ContentId

log = logging.getLogger(__name__)


class Journal:
    """One content's journal, open and locked."""

    def __init__(self, path: Path, content: ContentId) -> None:
        """Open or begin it; StateInUse where somebody has it open already."""
        self._head = MAGIC + content
        self._descriptor = open_locked(path)
        self._size_bytes = os.fstat(self._descriptor).st_size
        self._is_torn = False

    def read(self, chunk_count: int) -> tuple[int, int]:
        """The bitfields of durable chunks and of those that were only written."""
        raw = os.pread(self._descriptor, self._size_bytes, 0)
        if not raw.startswith(self._head):
            if not self._head.startswith(raw):
                log.warning(
                    "A journal of another version or content was found (%s…): what there was of "
                    "that download is fetched anew.",
                    self._head[len(MAGIC) :].hex()[:8],
                )
            self.restart()
            return 0, 0
        records = whole_records(raw[len(self._head) :])
        self._size_bytes = len(self._head) + len(records) * RECORD.size
        os.ftruncate(self._descriptor, self._size_bytes)  # a torn last record
        return replay(records, chunk_count)

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
        self._write(b"".join(map(RECORD.pack, records)))

    def sync(self) -> None:
        """Make everything said so far durable."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        if self._is_torn:
            self._cut()
        self._is_torn = True
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with contextlib.suppress(OSError):
                self._cut()  # a full disk took a part: without it, what was said before stands
            raise
        self._is_torn = False
        self._size_bytes += len(data)

    def _cut(self) -> None:
        """Drop what a failed write left: part of a record would shift all that follow."""
        os.ftruncate(self._descriptor, self._size_bytes)


def said(path: Path, content: ContentId, chunk_count: int) -> int:
    """The bitfield of chunks that a journal calls written or durable, whoever has it open."""
    try:
        records = records_in(path.read_bytes(), content)
    except FileNotFoundError:
        return 0
    durable, written = replay(records or [], chunk_count)
    return durable | written


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that only we may read, made where it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)


def open_locked(path: Path) -> int:
    """A journal's descriptor with its lock; StateInUse where somebody has that."""
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
