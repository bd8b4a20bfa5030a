"""Bytes that the owner sends in: streamed, hashed on the way, in place when whole.

Nothing appears under its name before all of it is here and durable; what breaks off leaves
nothing behind.
"""

import asyncio
import logging
import os
import re
import secrets
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from panal.errors import TooLarge
from panal.peer.limits import UPLOADS_AT_ONCE
from panal.peer.placing import to_end
from panal.peer.sharing import Placed, Sharing
from panal.store.disk_errors import disk_error
from panal.store.hashing import ContentHasher, hash_descriptor
from panal.store.own_files import clear
from panal.store.space import check_space
from panal.trust.files import private_folder
from panal.wire.manifest import MAX_CONTENT_BYTES, Manifest, chunk_size_for, content_id
from panal.wire.names import SafePath

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-f]{32})")
BATCH_BYTES = 1024 * 1024
"""Received bytes are hashed and written in batches of about this size."""


class Incoming(msgspec.Struct):
    """One upload on its way."""

    id: str
    path: SafePath
    size_bytes: int | None
    """What its sender has said that it has."""
    received_bytes: int = 0
    is_all_here: bool = False


class Uploads:
    """Takes files into the folder."""

    def __init__(self, sharing: Sharing, temporary: Path) -> None:
        """`temporary` lies on the folder's file system."""
        self._sharing = sharing
        self._temporary = temporary
        self.slots = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self.incoming: dict[str, Incoming] = {}
        """By id, in the order in which they began."""

    def make_ready(self, *, clears: bool) -> None:
        """Make room beside the folder, and remove what an earlier run has left if it `clears`.

        Refused where a link leads elsewhere.
        """
        try:
            private_folder(self._temporary)
            if clears:
                clear(self._temporary, _NAME)
        except OSError as error:  # what is there can be shared all the same
            log.warning("%s", disk_error(error, f"make {self._temporary} ready for uploads"))

    async def store(
        self,
        path: SafePath,
        blocks: AsyncIterator[bytes],
        expected_bytes: int | None,
        *,
        exact: bool,
        replace: bool,
        like: os.stat_result | None = None,
    ) -> Placed:
        """Store one file; TargetTaken where other content has the name, unless `replace`.

        RootOffline where the folder's disk has gone.

        `expected_bytes` is the length if `exact`, else at most an upper bound: it is what
        space is checked for and the chunk size guessed from. It gets the time and the executable
        bit of what it is to be `like`.
        """
        if expected_bytes is not None and expected_bytes > MAX_CONTENT_BYTES:
            raise TooLarge(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
        self._sharing.refuse_left_out(path)
        await self._sharing.refuse_unplaceable(path, self._temporary, replace=replace)
        await self._sharing.make_own_place(self._temporary.parent)
        async with self.slots:
            check_space(self._temporary, expected_bytes or 0)
            self._make_folder()
            temporary = self._temporary / secrets.token_hex(16)
            incoming = Incoming(temporary.name, path, expected_bytes if exact else None)
            self.incoming[incoming.id] = incoming
            try:
                receiving = self._receive(temporary, blocks, expected_bytes or 0, incoming, like)
                manifest = await receiving
                if exact and manifest.size_bytes != expected_bytes:
                    raise TooLarge("The upload is longer or shorter than it said.")
                return await self._sharing.put_in_place(
                    temporary,
                    path,
                    content_id(manifest.encode()),
                    manifest,
                    replace=replace,
                    sha256_checked=True,
                )
            finally:
                del self.incoming[incoming.id]
                temporary.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self._temporary.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise disk_error(error, "store the upload") from None

    async def _receive(
        self,
        temporary: Path,
        blocks: AsyncIterator[bytes],
        guessed_bytes: int,
        incoming: Incoming,
        like: os.stat_result | None,
    ) -> Manifest:
        mode = 0o777 if like is not None and like.st_mode & stat.S_IXUSR else 0o666
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(temporary, flags, mode)
        except OSError as error:
            raise disk_error(error, "store the upload") from None
        try:
            with ContentHasher(chunk_size_for(guessed_bytes)) as hasher:
                await _hash_and_write_all(hasher, temporary, descriptor, blocks, incoming)
                incoming.is_all_here = True
                if like is not None:
                    os.utime(descriptor, ns=(like.st_mtime_ns, like.st_mtime_ns))
                finishing = asyncio.ensure_future(asyncio.to_thread(_finish, hasher, descriptor))
                try:
                    manifest = await asyncio.shield(finishing)
                finally:  # the descriptor is closed next: not under the thread's hands
                    await to_end(asyncio.gather(finishing, return_exceptions=True))
        except ConnectionError:
            raise  # the sender went away; the disk is not at fault
        except OSError as error:
            raise disk_error(error, "store the upload") from None
        finally:
            os.close(descriptor)
        return manifest


async def _hash_and_write_all(
    hasher: ContentHasher,
    file: Path,
    descriptor: int,
    blocks: AsyncIterator[bytes],
    incoming: Incoming,
) -> None:
    """Each batch is hashed and written in a thread while the next one comes in."""
    behind: asyncio.Future[None] | None = None
    try:
        async for batch in _batches(blocks):
            incoming.received_bytes += len(batch)
            if incoming.received_bytes > MAX_CONTENT_BYTES:
                raise TooLarge(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
            if behind is not None:
                await asyncio.shield(behind)
            # Each time: others write too, and who sends without a length says nothing before.
            check_space(file.parent, len(batch))
            behind = asyncio.ensure_future(
                asyncio.to_thread(_hash_and_write, hasher, descriptor, batch)
            )
        if behind is not None:
            await asyncio.shield(behind)
    finally:
        if behind is not None:
            # The descriptor is closed next, whatever happened: not under the thread's hands.
            await to_end(asyncio.gather(behind, return_exceptions=True))


async def _batches(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    async for block in blocks:
        gathered.append(block)
        size += len(block)
        if size >= BATCH_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _hash_and_write(hasher: ContentHasher, descriptor: int, batch: bytes) -> None:
    view = memoryview(batch)
    hasher.update(view)
    while view:
        view = view[os.write(descriptor, view) :]


def _finish(hasher: ContentHasher, descriptor: int) -> Manifest:
    manifest = hasher.finish()
    if manifest is None:  # the guess of the chunk size was wrong: once more, from the disk
        manifest = hash_descriptor(descriptor, hasher.size_bytes)
    os.fsync(descriptor)
    return manifest
