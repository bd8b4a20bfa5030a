"""Shared files read again, chunk by chunk, and compared with their manifests.

Only BLAKE3 is computed: bytes whose chunks all agree are those of the content id. What the kernel
has in memory of a file is dropped first, as far as it can be, so that the disk itself is read.
"""

import ctypes
import errno
import os
import platform
from collections.abc import Callable
from contextlib import suppress

from blake3 import blake3

from panal.errors import ContentChanged
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import READ_BYTES
from panal.store.roots import Root
from panal.wire.bitfield import from_indices
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_BAD_SECTOR = {errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.EILSEQ}
"""What reading ends with where bytes are lost; with all else the disk is away for a while."""
_THREAD, _IDLE = 1, 3 << 13
"""ioprio_set(2): of one thread, and for when nobody else wants the disk."""


def wrong_chunks_of(
    root: Root,
    path: SafePath,
    expected: Fingerprint,
    manifest: Manifest,
    chunks: range,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Those of some chunks of a shared file that have other bytes or cannot be read: a bitfield.

    ContentChanged where the file is another than was shared, or does not keep still; RootOffline;
    PanalError where its disk cannot be asked.
    `progress` is called with the bytes read so far, and may end it by raising.
    """
    try:
        return _wrong_chunks(root, path, expected, manifest, chunks, progress)
    except OSError as error:
        raise disk_error(error, f"read {printable(path)}") from None


def _wrong_chunks(
    root: Root,
    path: SafePath,
    expected: Fingerprint,
    manifest: Manifest,
    chunks: range,
    progress: Callable[[int], None],
) -> int:
    descriptor = root.open_unchanged(path, expected)
    try:
        _forget_chunks(descriptor, manifest, chunks)
        reading = _Reading(descriptor, manifest, progress)
        wrong = from_indices(index for index in chunks if not reading.is_right(index))
        _forget_chunks(descriptor, manifest, chunks)
        if not expected.is_of(descriptor):
            raise ContentChanged(f"{printable(path)} changed while it was read.")
    finally:
        os.close(descriptor)
    return wrong


class _Reading:
    def __init__(
        self, descriptor: int, manifest: Manifest, progress: Callable[[int], None]
    ) -> None:
        self._descriptor = descriptor
        self._manifest = manifest
        self._progress = progress
        self._buffer = memoryview(bytearray(min(READ_BYTES, manifest.chunk_bytes)))
        self._read_bytes = 0

    def is_right(self, index: int) -> bool:
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


def forget_cached(descriptor: int, offset_bytes: int = 0, size_bytes: int = 0) -> None:
    """Let the kernel drop what it keeps of a file: only what is on the disk can rot.

    A size of 0 is all that follows.
    """
    with suppress(OSError):
        os.posix_fadvise(descriptor, offset_bytes, size_bytes, os.POSIX_FADV_DONTNEED)


def _forget_chunks(descriptor: int, manifest: Manifest, chunks: range) -> None:
    if chunks:
        start = chunks.start * manifest.chunk_bytes
        forget_cached(descriptor, start, len(chunks) * manifest.chunk_bytes)


def read_when_idle() -> None:
    """From now on this thread reads when nobody else wants the disk, where the scheduler knows."""
    if (number := _IOPRIO_SET.get(platform.machine())) is not None:
        ctypes.CDLL(None).syscall(number, _THREAD, 0, _IDLE)
