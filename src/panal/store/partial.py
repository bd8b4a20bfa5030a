"""A download in the making: verified chunks at their offsets, beside a journal of them.

A chunk is *written* when its hash agreed and its bytes are at their offset: only then is it
journalled, counted and served. It is *durable* after the next `sync`. The journal is never
ahead of the data::

    "PANALJ1\\n"  content id (32)  then u32 records, little-endian:
    index         this chunk was written
    0xFFFFFFFE    a sync begins: what is named up to here is its batch
    0xFFFFFFFF    the batch is durable
    0xFFFFFFFD    what is named up to here and not durable counts no more

Opened again after an unclean stop, chunks that were only written are hashed once more and
kept where they are right.
"""

import contextlib
import fcntl
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from panal.errors import PanalError, StateInUse
from panal.store.roots import disk_error
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest

_MAGIC = b"PANALJ1\n"
_RECORD = struct.Struct("<I")
_DURABLE = 0xFFFFFFFF
_BATCH = 0xFFFFFFFE
_FORGET = 0xFFFFFFFD
# It can only be read by setting it; here, before there are threads.
_UMASK = os.umask(0o077)
os.umask(_UMASK)
SYNC_BATCH_BYTES = 64 * 1024 * 1024


class ChunkWriter:
    """One chunk on its way in: bytes go to their offset while they are hashed.

    There is at most one writer a chunk, and none for a chunk that is written already, so
    no later sender can touch bytes that were verified.
    """

    def __init__(self, partial: "PartialFile", index: int) -> None:
        self._partial = partial
        self._index = index
        self._offset, self.remaining_bytes = partial.manifest.chunk_range(index)
        self._hash = blake3()

    def write(self, data: memoryview) -> None:
        """Take the next bytes of the chunk, never more than remain."""
        self._hash.update(data)
        self._partial.write_at(data, self._offset)
        self._offset += len(data)
        self.remaining_bytes -= len(data)

    def finish(self) -> bool:
        """Whether the chunk is whole and right; then it is written."""
        expected = self._partial.manifest.chunk_hash(self._index)
        right = self.remaining_bytes == 0 and self._hash.digest() == expected
        self._partial.close_writer(self._index, written=right)
        return right

    def abandon(self) -> None:
        """Give the chunk up; its bytes mean nothing."""
        self._partial.close_writer(self._index, written=False)


class PartialFile:
    """The file under its temporary name, and which of its chunks are there.

    Safe to use from several threads. `on_written` is called with each chunk's index, in the
    thread that wrote it.
    """

    def __init__(self, folder: Path, content: ContentId, manifest: Manifest) -> None:
        """Open or begin `<id>.part` in `folder`; StateInUse where another process fetches it."""
        self.manifest = manifest
        self.path = folder / f"{content.hex()}.part"
        self._journal_path = folder / f"{content.hex()}.journal"
        self._lock = threading.Lock()
        self._open_writers: set[int] = set()
        self._unsynced_bytes = 0
        self.on_written: Callable[[int], None] = lambda index: None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._journal = _open_private(self._journal_path, os.O_APPEND)
            _lock_or_refuse(self._journal)
            self.descriptor = _open_private(self.path, 0)
            if os.fstat(self.descriptor).st_size != manifest.size_bytes:
                os.ftruncate(self._journal, 0)  # these bytes are not those it speaks of
            self._allocate()
        except OSError as error:
            raise disk_error(error, "prepare the download") from None
        self._durable, candidates = self._read_journal(content)
        self._written = self._durable
        self._keep_what_is_right(candidates)
        self.resumed = self._written

    @property
    def written(self) -> int:
        """The bitfield of verified chunks."""
        return self._written

    @property
    def is_whole(self) -> bool:
        """Whether every chunk is written."""
        return self._written == bitfield.full(self.manifest.chunk_count)

    def bytes_in(self, bits: int) -> int:
        """How many bytes the chunks of a bitfield have."""
        count = self.manifest.chunk_count
        size = bits.bit_count() * self.manifest.chunk_bytes
        if count and bits >> (count - 1):
            size -= self.manifest.chunk_bytes - self.manifest.chunk_range(count - 1)[1]
        return size

    def begin_chunk(self, index: int) -> ChunkWriter:
        """The one writer of a chunk that is not written yet."""
        with self._lock:
            if index in self._open_writers or self._written >> index & 1:
                raise PanalError(f"Chunk {index} is being written or is there already.")
            self._open_writers.add(index)
        return ChunkWriter(self, index)

    def write_at(self, data: memoryview, offset: int) -> None:
        """Put bytes at their offset, all of them."""
        try:
            while data:
                count = os.pwrite(self.descriptor, data, offset)
                data, offset = data[count:], offset + count
        except OSError as error:
            raise disk_error(error, "write the download") from None

    def close_writer(self, index: int, *, written: bool) -> None:
        """End a chunk's writer; a written chunk is journalled, then counted, then told."""
        with self._lock:
            self._open_writers.discard(index)
            if not written:
                return
            self._append(index)
            self._written |= 1 << index
            self._unsynced_bytes += self.manifest.chunk_range(index)[1]
        self.on_written(index)

    @property
    def wants_sync(self) -> bool:
        """Whether a batch is full."""
        return self._unsynced_bytes >= SYNC_BATCH_BYTES

    def sync(self) -> None:
        """Make every chunk that is written now durable; blocks on the disk."""
        with self._lock:
            if self._unsynced_bytes == 0 and self._durable == self._written:
                return
            batch, self._unsynced_bytes = self._written, 0
            self._append(_BATCH)
        try:
            os.fdatasync(self.descriptor)
        except OSError as error:
            raise disk_error(error, "make the download durable") from None
        with self._lock:
            self._append(_DURABLE)
            self._durable = batch

    def make_publishable(self) -> None:
        """Make all of it durable, with the mode that the user's other new files have."""
        try:
            os.fchmod(self.descriptor, 0o666 & ~_UMASK)
            os.fsync(self.descriptor)
        except OSError as error:
            raise disk_error(error, "make the download durable") from None
        self.sync()

    def close(self) -> None:
        """Stop, keeping what is there for the next time."""
        with contextlib.suppress(PanalError):
            self.sync()
        os.close(self.descriptor)
        os.close(self._journal)

    def discard(self) -> None:
        """Remove the temporary names; an open descriptor goes on."""
        for path in (self.path, self._journal_path):
            path.unlink(missing_ok=True)

    def _allocate(self) -> None:
        size = self.manifest.size_bytes
        if size == 0 or os.fstat(self.descriptor).st_size == size:
            return
        try:
            os.posix_fallocate(self.descriptor, 0, size)
        except OSError as error:
            if disk_error(error, "").slug == "no-space":
                raise
        os.ftruncate(self.descriptor, size)

    def _append(self, *records: int) -> None:
        try:
            os.write(self._journal, b"".join(map(_RECORD.pack, records)))
        except OSError as error:
            raise disk_error(error, "record the download's progress") from None

    def _read_journal(self, content: ContentId) -> tuple[int, int]:
        """Durable chunks and those that were only written."""
        head = _MAGIC + content
        raw = os.pread(self._journal, os.fstat(self._journal).st_size, 0)
        if not raw.startswith(head):
            os.ftruncate(self._journal, 0)
            os.write(self._journal, head)
            return 0, 0
        whole = (len(raw) - len(head)) // _RECORD.size * _RECORD.size
        os.ftruncate(self._journal, len(head) + whole)  # a torn last record
        records = [value for (value,) in _RECORD.iter_unpack(raw[len(head) : len(head) + whole])]
        return _replay(records, self.manifest.chunk_count)

    def _keep_what_is_right(self, candidates: int) -> None:
        right = []
        for index in bitfield.indices(candidates):
            offset, length = self.manifest.chunk_range(index)
            found = blake3(os.pread(self.descriptor, length, offset)).digest()
            if found == self.manifest.chunk_hash(index):
                right.append(index)
                self._written |= 1 << index
                self._unsynced_bytes += length
        if candidates:
            self._append(_FORGET, *right)


def _replay(records: list[int], chunk_count: int) -> tuple[int, int]:
    """The durable chunks and the merely written ones that a journal's records come to."""
    named: set[int] = set()
    batch: set[int] = set()
    durable: set[int] = set()
    for record in records:
        if record == _BATCH:
            batch = set(named)
        elif record == _DURABLE:
            durable |= batch
            named -= batch
        elif record == _FORGET:
            named, batch = set(), set()
        elif record < chunk_count:
            named.add(record)
    return _bits(durable), _bits(named - durable)


def _bits(chunks: set[int]) -> int:
    bits = bytearray(max(chunks, default=0) // 8 + 1)
    for index in chunks:
        bits[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(bits, "little")


def _open_private(path: Path, flags: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)


def _lock_or_refuse(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateInUse("Another Panal process is fetching the same content here.") from None
