"""Shared files read again, chunk by chunk, and compared with their manifests.

Only BLAKE3 is computed: bytes whose chunks all agree are those of the content id. What the kernel
has in memory of a file is dropped first, as far as it can be, so that the disk itself is read.
"""

import ctypes
import os
import platform
from collections.abc import Callable
from contextlib import suppress

from panal.errors import ContentChanged
from panal.store.chunk_reading import ChunkReading
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint
from panal.store.roots import Root
from panal.wire.bitfield import from_indices
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
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
        reading = ChunkReading(descriptor, manifest, progress)
        wrong = from_indices(index for index in chunks if not reading.is_right(index))
        _forget_chunks(descriptor, manifest, chunks)
        if not expected.is_of(descriptor):
            raise ContentChanged(f"{printable(path)} changed while it was read.")
    finally:
        os.close(descriptor)
    return wrong


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
