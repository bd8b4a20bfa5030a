"""Chunks of an open file read again and compared with their hashes, in bounded memory."""

import errno
import os
from collections.abc import Callable

from blake3 import blake3

from panal.store.hashing import READ_BYTES
from panal.wire.manifest import Manifest

_BAD_SECTOR = {errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.EILSEQ}
"""What reading ends with where bytes are lost; with all else the disk is away for a while."""


class ChunkReading:
    """Reads one open file, each chunk a block at a time."""

    def __init__(
        self,
        descriptor: int,
        manifest: Manifest,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._descriptor = descriptor
        self._manifest = manifest
        self._progress = progress
        self._buffer = memoryview(bytearray(min(READ_BYTES, manifest.chunk_bytes)))
        self._read_bytes = 0

    def is_right(self, index: int) -> bool:
        """Whether a chunk can be read and has its hash; OSError where the disk cannot be asked."""
        offset, left_bytes = self._manifest.chunk_range(index)
        digest = blake3()
        while left_bytes:
            try:
                count = os.preadv(self._descriptor, [self._buffer[:left_bytes]], offset)
            except OSError as error:
                if error.errno not in _BAD_SECTOR:
                    raise
                return False  # nobody can be given these bytes
            if count == 0:
                return False
            digest.update(self._buffer[:count])
            offset, left_bytes = offset + count, left_bytes - count
            self._read_bytes += count
            self._progress(self._read_bytes)
        return digest.digest() == self._manifest.chunk_hash(index)
