"""A download in the making: verified chunks at their offsets, beside a journal of them.

A chunk is *written* when its hash agreed and its bytes are at their offset: only then is it
journalled, counted and served. It is *durable* after the next `sync`. The journal is never
ahead of the data.

Opened again, each chunk is hashed once more and kept where it is right: what was only written
before an unclean stop at opening, and what was durable by `compare_some`, for a disk may have
changed it meanwhile. Until then that is *unsure*: neither written nor to be written. After a
failed sync all that was only written is lost, here and in the journal: the kernel reports a
failed write-back once, drops the bytes, and would let the next sync succeed.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from panal.errors import PanalError
from panal.store.chunk_reading import ChunkReading
from panal.store.chunk_writer import ChunkWriter
from panal.store.disk_errors import disk_error
from panal.store.file_systems import lies_in_memory
from panal.store.fingerprints import Fingerprint
from panal.store.journal import Journal, open_private
from panal.store.journal_records import BATCH, DURABLE, FORGET, WRONG
from panal.store.pending_writes import PendingWrites
from panal.wire import bitfield
from panal.wire.amounts import counted
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest

log = logging.getLogger(__name__)

# It can only be read by setting it; here, before there are threads.
_UMASK = os.umask(0o077)
os.umask(_UMASK)
SYNC_BATCH_BYTES = 64 * 1024 * 1024
LOOKED_AT_ONCE_BYTES = 16 * 1024 * 1024
"""Between two such pieces of what is here already there is time to sync, and to stop."""


def chunks_at_once(manifest: Manifest) -> int:
    """How many chunks of what is here already are looked at in one piece."""
    return max(1, LOOKED_AT_ONCE_BYTES // manifest.chunk_bytes)


class ChunkTaken(Exception):
    """A chunk is being written by another, or is there already."""


class PartialFile:
    """The file under its temporary name, and which of its chunks are there.

    Safe to use from several threads. `on_written` is called with each chunk's index, in the
    thread that wrote it.
    """

    def __init__(self, folder: Path, content: ContentId, manifest: Manifest) -> None:
        """Open or begin `<id>.part` in `folder`, made where the one above is there.

        StateInUse where another has it open.
        """
        self.manifest = manifest
        self.path = folder / f"{content.hex()}.part"
        self._journal_path = folder / f"{content.hex()}.journal"
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        """One sync at a time: a durable mark means the batch that began last."""
        self._open_writers: set[int] = set()
        self._unsynced_bytes = 0
        self.pending_writes = PendingWrites()
        self._failure: PanalError | None = None
        self._is_closed = False
        self.published: Fingerprint | None = None
        """What it must still be once it may have its final name, and others write to it."""
        self.on_written: Callable[[int], None] = lambda index: None
        with contextlib.ExitStack() as undo, _told_as("prepare the download"):
            folder.mkdir(mode=0o700, exist_ok=True)
            self._journal = Journal(self._journal_path, content)
            undo.callback(self._journal.close)
            self.descriptor = self._open_file()
            undo.callback(os.close, self.descriptor)
            if os.fstat(self.descriptor).st_size != manifest.size_bytes:
                self._journal.restart()  # these bytes are not those it speaks of
                self._allocate()
            self._durable, candidates = self._journal.read(manifest.chunk_count)
            self._written, self._unsure = 0, self._durable
            self._keep_what_is_right(candidates)
            undo.pop_all()
        self.resumed = self._written
        """The bitfield of chunks that were here before, and are right."""

    @property
    def written(self) -> int:
        """The bitfield of verified chunks."""
        return self._written

    @property
    def unsure(self) -> int:
        """The bitfield of chunks that an earlier run made durable, and nobody has compared yet."""
        return self._unsure

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
        """The one writer of a chunk that is not written yet; ChunkTaken."""
        with self._lock:
            self._check()
            if index in self._open_writers or (self._written | self._unsure) >> index & 1:
                raise ChunkTaken(f"chunk {index} comes from another or is there already")
            self._open_writers.add(index)
        return ChunkWriter(self, index)

    def compare_some(self) -> tuple[int, int]:
        """Compare some of the unsure chunks, in one thread at a time; the right, and the wrong.

        The right ones are written from now on; the wrong ones are missing, whatever the journal
        said of them. Nothing where none is left.
        """
        with self._lock:
            self._check()
            some = bitfield.next_of(self._unsure, chunks_at_once(self.manifest))
        with _told_as("read what is here of the download"):
            right = self._right_among(some)
        wrong = some & ~right
        with self._lock:
            self._check()
            if wrong:
                self._append(*(WRONG | index for index in bitfield.indices(wrong)))
            self._durable &= ~wrong
            self._unsure &= ~some
            self._written |= right
            self.resumed |= right
        if wrong:
            log.warning(
                "%s of %s had changed on the disk and will be fetched again: it may be failing.",
                counted(wrong.bit_count(), "chunk"),
                self.path,
            )
        for index in bitfield.indices(right):
            self.on_written(index)
        return right, wrong

    def write_at(self, data: memoryview, offset: int) -> None:
        """Put bytes at their offset, all of them."""
        try:  # for each chunk: the context manager of rarer calls takes longer than the call
            with self.pending_writes:
                while data:
                    count = os.pwrite(self.descriptor, data, offset)
                    data, offset = data[count:], offset + count
        except OSError as error:
            raise disk_error(error, "write the download") from None

    def close_writer(self, index: int, *, written: bool) -> None:
        """End a chunk's writer; a written chunk is journalled, then counted, then told."""
        with self._lock:
            self._open_writers.discard(index)
            try:
                if written:
                    self._count(index)
            finally:
                if self._is_closed and not self._open_writers:
                    self._release()
        if written:
            self.on_written(index)

    def _count(self, index: int) -> None:
        if self._failure is not None:
            raise self._failure
        self._append(index)
        self._written |= 1 << index
        self._unsynced_bytes += self.manifest.chunk_range(index)[1]

    @property
    def wants_sync(self) -> bool:
        """Whether a batch is full."""
        return self._unsynced_bytes >= SYNC_BATCH_BYTES

    def sync(self) -> None:
        """Make every chunk that is written now durable; blocks on the disk.

        Where it fails, nothing but what was durable before is written any more, and every
        further call fails: the rest is fetched again into the file opened anew.
        """
        with self._syncing:
            if not self._written & ~self._durable and self._failure is None:
                return
            batch = self._begin_batch()
            try:
                os.fdatasync(self.descriptor)
                # What a durable mark speaks of is on the disk before the mark can be.
                self._journal.sync()
            except OSError as error:
                raise self._lose(error) from None
            self._end_batch(batch)

    def make_publishable(
        self, *, executable: bool = False, mtime_ns: int | None = None, mode: int | None = None
    ) -> None:
        """Make all of it durable, with the mode that the user's other new files have, or that one.

        It is `mode` itself where that is given: of the file that it takes the place of.
        """
        if mode is None:
            mode = (0o777 if executable else 0o666) & ~_UMASK
        with self._syncing:
            batch = self._begin_batch()
            with _told_as("set the mode of the download"):
                os.fchmod(self.descriptor, mode)
                if mtime_ns is not None:
                    os.utime(self.descriptor, ns=(mtime_ns, mtime_ns))
                self.published = Fingerprint.of(os.fstat(self.descriptor))
            try:
                os.fsync(self.descriptor)
            except OSError as error:
                raise self._lose(error) from None
            self._end_batch(batch)

    def _begin_batch(self) -> int:
        with self._lock:
            self._check()
            self._append(BATCH)
            self._unsynced_bytes = 0
            return self._written

    def _end_batch(self, batch: int) -> None:
        with self._lock:
            self._append(DURABLE)
            self._durable |= batch

    def _lose(self, error: OSError) -> PanalError:
        failure = disk_error(error, "make the download durable")
        with self._lock:
            self._failure = failure
            self._written &= self._durable
            self._unsynced_bytes = 0
            try:
                self._journal.append(FORGET)
            except OSError:  # then it may say nothing at all
                with contextlib.suppress(OSError):
                    self._journal.restart()
        return failure

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_closed:
            raise PanalError("The download was stopped.")

    def close(self) -> None:
        """Stop, keeping what is there for the next time; a running sync is waited for."""
        with contextlib.suppress(PanalError):
            self.sync()
        with self._syncing, self._lock:
            if not self._is_closed and not self._open_writers:
                self._release()  # else the last writer does, lest it write to another's file
            self._is_closed = True

    def _release(self) -> None:
        os.close(self.descriptor)
        self._journal.close()

    def forget_journal(self) -> None:
        """Durably: what gets its name from now on is not what the journal speaks of."""
        with _told_as("finish the repair"):
            self._journal_path.unlink(missing_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Remove the temporary names; an open descriptor goes on."""
        for path in (self.path, self._journal_path):
            path.unlink(missing_ok=True)

    def _open_file(self) -> int:
        descriptor = open_private(self.path, 0)
        if os.fstat(descriptor).st_nlink == 1:
            return descriptor
        os.close(descriptor)  # it has its final name too: it is the user's, not ours to write
        self.path.unlink()
        return open_private(self.path, os.O_EXCL)

    def _allocate(self) -> None:
        size = self.manifest.size_bytes
        try:
            # In memory all of it would be filled with zeros, and nothing asked for meanwhile.
            if size and not lies_in_memory(self.descriptor):
                os.posix_fallocate(self.descriptor, 0, size)
        except OSError as error:
            if disk_error(error, "").slug == "no-space":
                os.ftruncate(self.descriptor, 0)  # give back what it did get
                raise
        os.ftruncate(self.descriptor, size)

    def _append(self, *records: int) -> None:
        try:
            self._journal.append(*records)
        except OSError as error:
            raise disk_error(error, "record the download's progress") from None

    def _keep_what_is_right(self, candidates: int) -> None:
        right = bitfield.indices(self._right_among(candidates))
        for index in right:
            self._written |= 1 << index
            self._unsynced_bytes += self.manifest.chunk_range(index)[1]
        if len(right) < candidates.bit_count():
            self._journal.append(FORGET, *right)

    def _right_among(self, bits: int) -> int:
        if not bits:
            return 0
        reading = ChunkReading(self.descriptor, self.manifest)
        return bitfield.from_indices(filter(reading.is_right, bitfield.indices(bits)))


@contextlib.contextmanager
def _told_as(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, doing) from None
