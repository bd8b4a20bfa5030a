"""Bytes to a manifest: one read per byte, both hashes side by side, bounded memory."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
from blake3 import blake3

from panal.errors import ContentChanged, PanalError
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint
from panal.store.leases import is_open_for_writing
from panal.store.roots import Root
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, chunk_size_for, content_id, manifest_of
from panal.wire.names import SafePath, printable

_MIB = 1024 * 1024
READ_BYTES = max(_MIB, min(4 * _MIB, 32 * _MIB // (os.cpu_count() or 1)))
"""Smaller blocks change hands more often between the threads of the two hashes; but as many files
as there are cores are hashed at once, with two blocks each."""
_INLINE_BYTES = 128 * 1024  # below it, handing a block to another thread costs more than it wins


class HashedFile(msgspec.Struct, frozen=True, gc=False):
    """What hashing a file, or fetching one, has shown."""

    path: SafePath
    fingerprint: Fingerprint
    content: ContentId
    manifest: Manifest
    sha256_checked: bool = True
    """Whether the SHA-256 was computed here, and not only told."""


class ContentHasher:
    """SHA-256 of everything and BLAKE3 of each chunk, fed in order.

    SHA-256, the slower of the two, runs one block behind on a thread of its own: a buffer
    may be filled again once the `update` after its own has returned.
    """

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._sha256 = hashlib.sha256()
        self._chunk = blake3()
        self._in_chunk_bytes = 0
        self._chunk_hashes: list[bytes] = []
        self._side = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._behind: Future[None] | None = None
        self.size_bytes = 0

    def __enter__(self) -> "ContentHasher":
        return self

    def __exit__(self, *_: object) -> None:
        self._side.shutdown()

    def update(self, block: memoryview) -> None:
        """Take the next bytes, any number of them."""
        self._catch_up()
        if len(block) > _INLINE_BYTES:
            self._behind = self._side.submit(self._sha256.update, block)
        else:
            self._sha256.update(block)
        self.size_bytes += len(block)
        while block:
            part = block[: self._chunk_bytes - self._in_chunk_bytes]
            self._chunk.update(part)
            self._in_chunk_bytes += len(part)
            if self._in_chunk_bytes == self._chunk_bytes:
                self._close_chunk()
            block = block[len(part) :]

    def _catch_up(self) -> None:
        if self._behind is not None:
            self._behind.result()
            self._behind = None

    def _close_chunk(self) -> None:
        self._chunk_hashes.append(self._chunk.digest())
        self._chunk = blake3()
        self._in_chunk_bytes = 0

    def finish(self) -> Manifest | None:
        """The manifest, or None where the size turned out to want another chunk size."""
        self._catch_up()
        if self._in_chunk_bytes:
            self._close_chunk()
        if chunk_size_for(self.size_bytes) != self._chunk_bytes:
            return None
        return manifest_of(self.size_bytes, self._sha256.digest(), self._chunk_hashes)


def hash_descriptor(
    descriptor: int, size_bytes: int, progress: Callable[[int], None] | None = None
) -> Manifest:
    """The manifest of an open file of that size, read once from its beginning.

    `progress` is called with the bytes read so far. ContentChanged where the file ends
    earlier or goes on.
    """
    buffers = [memoryview(bytearray(min(READ_BYTES, size_bytes + 1))) for _ in range(2)]
    with ContentHasher(chunk_size_for(size_bytes)) as hasher:
        offset = 0
        while count := os.preadv(descriptor, [buffers[0]], offset):
            hasher.update(buffers[0][:count])
            buffers.reverse()
            offset += count
            if progress is not None:
                progress(offset)
            if offset > size_bytes:
                break
        manifest = hasher.finish() if offset == size_bytes else None
    if manifest is None:
        raise ContentChanged("The file changed while it was read; it is tried again later.")
    return manifest


class Stopping:
    """Ends reading soon, in whatever thread: set once, and given as `progress`."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """End whatever is being read with this."""
        self.is_set = True

    def __call__(self, _read_bytes: int) -> None:
        """Raise once it is set; called with the bytes read so far."""
        if self.is_set:
            raise PanalError("The peer is stopping.")


def hash_file(
    root: Root, path: SafePath, progress: Callable[[int], None] | None = None
) -> HashedFile:
    """A file of the folder, hashed; ContentChanged where it did not keep still meanwhile.

    `progress` is called with the bytes read so far, and may end it by raising.
    """
    descriptor, before = root.open_file(path)
    try:
        if is_open_for_writing(descriptor):
            # Only the first write to a mapped page changes the times, until it is on the disk.
            os.fdatasync(descriptor)
        manifest = hash_descriptor(descriptor, before.size_bytes, progress)
        if not before.is_of(descriptor):
            raise ContentChanged(f"{printable(path)} changed while it was hashed.")
    except OSError as error:
        raise disk_error(error, f"read {printable(path)}") from None
    finally:
        os.close(descriptor)
    return HashedFile(path, before, content_id(manifest.encode()), manifest)


def sha256_of_descriptor(descriptor: int, progress: Callable[[int], None] | None = None) -> bytes:
    """The SHA-256 of an open file, read from its beginning; `progress` as in `hash_file`."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(READ_BYTES))
    offset = 0
    while count := os.preadv(descriptor, [buffer], offset):
        digest.update(buffer[:count])
        offset += count
        if progress is not None:
            progress(offset)
    return digest.digest()
