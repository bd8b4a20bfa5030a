"""One upload that goes on after a break: its file, how far it is, and its hashes.

Bytes are hashed as they come, as long as all of them come to one run of the peer; else the whole
file is read once when the last byte is here.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import msgspec

from panal.errors import NotFound, OffsetDiffers, TooLarge
from panal.peer.placing import to_end
from panal.peer.uploads import BATCH_BYTES
from panal.store.disk_errors import disk_error
from panal.store.hashing import ContentHasher, Stopping, hash_descriptor
from panal.store.space import check_space
from panal.store.upload_files import UploadFiles, UploadRecord
from panal.wire.manifest import Manifest

SYNC_BYTES = 64 * 1024 * 1024


class ResumableUpload(msgspec.Struct):
    """One upload."""

    files: UploadFiles
    record: UploadRecord
    offset: int
    hasher: ContentHasher | None = None
    """What has hashed all bytes up to `offset`."""
    is_receiving: bool = False
    is_removed: bool = False
    manifest: Manifest | None = None
    """Of all its bytes, so that one that found no place is not read each time that it is tried."""
    storing: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """What it is called."""
        return self.files.id

    @property
    def is_all_here(self) -> bool:
        """Whether every byte has come."""
        return self.offset == self.record.size_bytes

    @property
    def is_stored(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.record.stored_as)

    async def append(self, blocks: AsyncIterator[bytes]) -> None:
        """Write what comes to the end, until it is removed.

        TooLarge, NoSpace, NotFound or OffsetDiffers where what was here is gone, PanalError.
        """
        try:
            descriptor = await asyncio.to_thread(self.files.open)
        except NotFound:  # another program has removed what was here
            self.offset = 0
            raise
        unsynced = 0
        try:
            async for batch in _batches(blocks):
                if self.is_removed:
                    return
                if self.offset + len(batch) > self.record.size_bytes:
                    raise TooLarge("The upload is longer than it said.")
                await to_end(asyncio.to_thread(self._append_batch, descriptor, batch))
                unsynced += len(batch)
                if unsynced >= SYNC_BYTES:
                    unsynced = 0
                    await to_end(asyncio.to_thread(self._sync, descriptor))
        finally:
            try:
                if not self.is_removed:
                    await to_end(asyncio.to_thread(self._sync, descriptor))
            finally:
                os.close(descriptor)
                if self.is_removed:
                    self.stop_hashing()

    def _append_batch(self, descriptor: int, batch: bytes) -> None:
        check_space(self.files.folder, len(batch))
        view, offset = memoryview(batch), self.offset
        try:
            self._refuse_lost(descriptor)
            while view:
                count = os.pwrite(descriptor, view, offset)
                view, offset = view[count:], offset + count
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self.offset)
            raise disk_error(error, "store the upload") from None
        if self.hasher is not None:
            self.hasher.update(memoryview(batch))
        self.offset = offset

    def _refuse_lost(self, descriptor: int) -> None:
        """OffsetDiffers where another program has cut or removed what is here.

        What is beyond it is cut off: of a write that failed, or another program's.
        """
        size_bytes = self.files.size_bytes(descriptor)
        if self.is_removed or size_bytes == self.offset:
            return
        self.stop_hashing()
        is_lost = size_bytes is None or size_bytes < self.offset
        if is_lost:
            self.offset = min(self.offset, self.files.here_bytes())
        os.ftruncate(descriptor, self.offset)
        if is_lost:
            raise OffsetDiffers(
                f"What was here of this upload was cut on the disk; {self.offset} bytes are left."
            )

    def _sync(self, descriptor: int) -> None:
        try:
            self.files.sync(descriptor, self.offset)
        except OSError as error:
            # The system tells once of what it could not write: it may be lost.
            self.stop_hashing()
            self.offset = self.files.cut_to_durable(descriptor)
            raise disk_error(error, "store the upload") from None

    def is_as_hashed(self) -> bool:
        """Whether its bytes, which found no place, are still those whose manifest is known."""
        file = self.files.fingerprint()
        return (self.record.inode, self.record.mtime_ns) == (file.inode, file.mtime_ns)

    def read_manifest(self, stopping: Stopping) -> Manifest:
        """The manifest of all that is here, made durable; read anew unless it was hashed."""
        descriptor = self.files.open()
        try:
            self._refuse_lost(descriptor)
            manifest = None
            if self.hasher is not None and self.hasher.size_bytes == self.offset:
                manifest = self.hasher.finish()
            if manifest is None:
                manifest = hash_descriptor(descriptor, self.record.size_bytes, stopping)
            os.fsync(descriptor)
        except OSError as error:
            raise disk_error(error, "store the upload") from None
        finally:
            os.close(descriptor)
        return manifest

    def write_record(self) -> None:
        """Keep what is known of it; PanalError."""
        try:
            self.files.write_record(self.record)
        except OSError as error:
            raise disk_error(error, "store the upload") from None

    def remove_files(self) -> None:
        """Remove what is here, as far as that goes."""
        with contextlib.suppress(OSError):
            self.files.remove()

    def stop_hashing(self) -> None:
        """Hash no more; the file is read at the end instead."""
        hasher, self.hasher = self.hasher, None
        if hasher is not None:
            hasher.__exit__()


async def _batches(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What comes, in batches; what came before a failure too, and the failure then."""
    gathered: list[bytes] = []
    size = 0
    failure: Exception | None = None
    try:
        async for block in blocks:
            gathered.append(block)
            size += len(block)
            if size >= BATCH_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
    except Exception as error:
        failure = error
    if gathered:
        yield b"".join(gathered)
    if failure is not None:
        raise failure
