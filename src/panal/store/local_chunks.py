"""What of a download is on this machine already, a piece at a time; each chunk is hashed before it
counts.

An earlier run has left it in the unfinished file, or another file has it: that is copied from, and
only read. Where two files can share their blocks, the unfinished one begins with those of the
other: then no room is taken twice.
"""

import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path

from panal.store.hashing import READ_BYTES
from panal.store.journal import Journal, open_private
from panal.store.journal_records import BATCH, DURABLE
from panal.store.partial import ChunkTaken, PartialFile, chunks_at_once
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest

_FICLONE = 0x40049409
"""ioctl_ficlone(2): share the blocks of another file until one of them is written."""


class LocalChunks:
    """Looks at what may be here, in one thread at a time."""

    def __init__(self, partial: PartialFile, source: int = -1, bits: int = 0) -> None:
        """`bits` are the chunks that an open file may be copied for."""
        self._partial = partial
        self._source = source
        self._copyable = bits & ~partial.written
        """Not here, and not tried yet; what is unsure is tried where it turns out to be wrong."""

    @property
    def unsure(self) -> int:
        """The bitfield of chunks that may be here: they are asked of nobody yet."""
        return self._partial.unsure | self._copyable

    def look_at_some(self) -> tuple[int, int]:
        """Some of the unsure chunks: which are written from now on, and which are missing."""
        if not self._partial.unsure:
            return self._copy_some()
        right, wrong = self._partial.compare_some()
        self._copyable &= ~right
        return right, wrong & ~self._copyable

    def _copy_some(self) -> tuple[int, int]:
        some = bitfield.next_of(self._copyable, chunks_at_once(self._partial.manifest))
        right = bitfield.from_indices(filter(self._copy, bitfield.indices(some)))
        self._partial.resumed |= right
        self._copyable &= ~some
        return right, some & ~right

    def _copy(self, index: int) -> bool:
        """Whether a chunk could be read, and was right: others may have it where it was not."""
        try:
            writer = self._partial.begin_chunk(index)
        except ChunkTaken:
            return False
        offset, left_bytes = self._partial.manifest.chunk_range(index)
        try:
            while left_bytes and (block := self._read(min(left_bytes, READ_BYTES), offset)):
                writer.write(memoryview(block))
                offset, left_bytes = offset + len(block), left_bytes - len(block)
        except BaseException:
            writer.abandon()
            raise
        return writer.finish()

    def _read(self, size_bytes: int, offset: int) -> bytes:
        """The next bytes; none at the end, or where the disk does not give them."""
        with suppress(OSError):
            return os.pread(self._source, size_bytes, offset)
        return b""


def begin_as_clone(
    folder: Path, content: ContentId, manifest: Manifest, source: int, bits: int
) -> None:
    """Begin `<id>.part` in `folder` with an open file's blocks, where the disk can share them.

    Its chunks (a bitfield) are unsure then. What an earlier run has left is kept as it is.
    StateInUse where somebody fetches the content.
    """
    part = folder / f"{content.hex()}.part"
    with suppress(OSError), ExitStack() as opened:
        folder.mkdir(mode=0o700, exist_ok=True)
        journal = Journal(part.with_suffix(".journal"), content)
        opened.callback(journal.close)
        durable, written = journal.read(manifest.chunk_count)
        if part.exists() and durable | written:
            return
        journal.restart()
        part.unlink(missing_ok=True)
        descriptor = open_private(part, os.O_EXCL)
        opened.callback(os.close, descriptor)
        fcntl.ioctl(descriptor, _FICLONE, source)
        os.ftruncate(descriptor, manifest.size_bytes)
        os.fsync(descriptor)
        # Called durable, it is compared piece by piece, and not when the file is opened.
        journal.append(*bitfield.indices(bits), BATCH, DURABLE)
