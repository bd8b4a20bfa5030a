"""Uploads that go on after a break, of their sender, the connection or this peer.

What has come lies in a file of the state directory until it is whole; then it gets its name as any
upload does.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path

from panal.clock import Clock
from panal.errors import Busy, InUse, NotFound, OffsetDiffers, PanalError, TargetTaken, TooLarge
from panal.peer.ageing import Aged, expired, expires_s
from panal.peer.left_uploads import LeftUploads
from panal.peer.placing import to_end
from panal.peer.resumable_upload import ResumableUpload
from panal.peer.sharing import Sharing
from panal.peer.upload_names import Conflict, names_like
from panal.store.disk_errors import disk_error
from panal.store.hashing import ContentHasher, Stopping
from panal.store.space import check_space
from panal.store.upload_files import UploadFiles, UploadRecord
from panal.wire.ids import ContentId, parse_content_id
from panal.wire.manifest import MAX_CONTENT_BYTES, Manifest, chunk_size_for, content_id
from panal.wire.names import SafePath, printable

log = logging.getLogger(__name__)

LOOK_EVERY_S = 3600.0
MOST_UNFINISHED = 1_000
MOST_STORED = 10_000
"""So many that are in place are remembered, for senders that have not heard of it."""
MOST_HASHING = 8
"""So many are hashed as they come; of others the file is read at the end."""


class ResumableUploads:
    """The resumable uploads of one peer."""

    def __init__(
        self,
        folder: Path,
        sharing: Sharing,
        slots: asyncio.Semaphore,
        clock: Clock,
        where_is: Callable[[ContentId], str | None],
    ) -> None:
        """`where_is` gives a path that has a content already."""
        self._folder = folder
        self._sharing = sharing
        self._slots = slots
        self._clock = clock
        self._where_is = where_is
        self._left = LeftUploads(folder, sharing.stands, where_is)
        self._uploads: dict[str, ResumableUpload] = {}
        self._stopping = Stopping()

    async def restore(self) -> None:
        """Take up what an earlier run has left; PanalError where the disk gives up."""
        try:
            found = await asyncio.to_thread(self._left.read)
        except OSError as error:
            raise disk_error(error, "look for unfinished uploads") from None
        self._uploads = {upload.id: upload for upload in found}
        for upload in found:
            if upload.is_all_here and not (upload.is_stored or upload.record.is_refused):
                self._begin_storing(upload)

    async def run(self) -> None:
        """Remove what is old, now and every hour; runs until cancelled."""
        while True:
            await self._remove_old()
            await self._clock.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        """Wait for what is getting its name, unless it is still read; keep the rest."""
        self._stopping.set()
        storing = [u.storing for u in self._uploads.values() if u.storing is not None]
        await asyncio.gather(*storing, return_exceptions=True)
        for upload in self._uploads.values():
            upload.stop_hashing()

    # What senders do --------------------------------------------------------------------------

    def unfinished(self) -> list[ResumableUpload]:
        """Those that are not in place, those begun first first."""
        return [upload for upload in self._uploads.values() if not upload.is_stored]

    def totals(self) -> tuple[int, int]:
        """How many are unfinished, and what they take of the disk."""
        unfinished = self.unfinished()
        return len(unfinished), sum(upload.files.disk_bytes() for upload in unfinished)

    def get(self, identity: str) -> ResumableUpload:
        """One upload; NotFound, also where what it became is not here any more."""
        upload = self._uploads.get(identity)
        if upload is None or self._is_gone(upload):
            raise NotFound("There is no such upload, or no more.")
        return upload

    def _is_gone(self, upload: ResumableUpload) -> bool:
        """Whether it was stored and no file has its content now; to a tus client: begin anew."""
        if not (upload.is_stored and upload.record.content):
            return False
        is_indexed = self._where_is(parse_content_id(upload.record.content)) is not None
        return not is_indexed and self._left.path_of(upload.record) is None

    def expires_s(self, upload: ResumableUpload) -> float:
        """When it is removed unless it goes on; seconds since 1970."""
        return expires_s(self._aged(upload)) or self._clock.wall_s()

    async def begin(self, path: SafePath, size_bytes: int, conflict: Conflict) -> ResumableUpload:
        """A new upload.

        TargetTaken where the name is taken and that is asked about, or is a folder's, TooLarge,
        NoSpace, Refused where it could not be put or would not be shared, RootOffline while the
        folder is not there, UnsafeName where no other name would fit, Busy.
        """
        await self._sharing.refuse_offline()
        if size_bytes > MAX_CONTENT_BYTES:
            raise TooLarge(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
        if len(self.unfinished()) >= MOST_UNFINISHED:
            raise Busy(
                f"There are {MOST_UNFINISHED} unfinished uploads already; remove some, or wait."
            )
        self._sharing.refuse_left_out(path)
        is_replacing = conflict is Conflict.REPLACE
        await self._sharing.refuse_unplaceable(path, self._folder, replace=is_replacing)
        if conflict in {Conflict.ASK, Conflict.SKIP} and await self._sharing.is_taken(path):
            raise TargetTaken(f"{printable(path)} is there already; it was left as it is.")
        if conflict is Conflict.KEEP_BOTH and await self._sharing.is_taken(path):
            next(islice(names_like(path), 1, None))
        await asyncio.to_thread(check_space, self._folder, size_bytes)
        files = UploadFiles(self._folder, secrets.token_hex(16))
        record = UploadRecord(path, size_bytes, conflict.value)

        def create() -> None:
            record.stood = self._sharing.stands(path)
            files.create(record)

        await to_end(asyncio.to_thread(create))
        upload = self._uploads[files.id] = ResumableUpload(files, record, 0)
        if sum(other.hasher is not None for other in self._uploads.values()) < MOST_HASHING:
            upload.hasher = ContentHasher(chunk_size_for(size_bytes))
        return upload

    async def receive(
        self, upload: ResumableUpload, offset: int, blocks: AsyncIterator[bytes]
    ) -> None:
        """Take further bytes, and put the file in place when they are the last.

        What came stays, whatever ends it. InUse where another request does so, OffsetDiffers where
        it does not go on at `offset`, TooLarge where it goes on beyond the end, RootOffline while
        the folder is not there.
        """
        await self._sharing.refuse_offline()
        if upload.is_removed:
            raise NotFound("This upload was removed.")
        if upload.is_receiving or upload.storing is not None:
            raise InUse("Another request sends this upload at the moment.")
        if offset != upload.offset:
            raise OffsetDiffers(f"{upload.offset} bytes of this upload are here, not {offset}.")
        if upload.is_stored:
            async for block in blocks:
                if block:
                    raise OffsetDiffers("All of this upload is here; it takes nothing more.")
            return
        upload.is_receiving = True
        try:
            async with self._slots:
                await upload.append(blocks)
        finally:
            upload.is_receiving = False
        if upload.is_removed:
            raise NotFound("This upload was removed.")
        if upload.is_all_here and not upload.is_stored:
            await self.store(upload)

    async def store(self, upload: ResumableUpload) -> None:
        """Put in place what is all here, or wait for that; PanalError says why not."""
        if upload.is_stored:
            return
        try:
            await asyncio.shield(self._begin_storing(upload))
        except PanalError:
            if not (self._stopping.is_set or upload.is_removed):
                await self._note_refusal(upload)
            raise

    async def _note_refusal(self, upload: ResumableUpload) -> None:
        """Its sender hears that it is not stored: then no later start does it unasked."""
        upload.record.is_refused = True
        with contextlib.suppress(PanalError):  # a full disk: what came later is safe all the same
            await to_end(asyncio.to_thread(upload.write_record))

    async def remove(self, upload: ResumableUpload) -> None:
        """End it and remove what is here; InUse while it gets its name."""
        if upload.storing is not None:
            raise InUse("This upload is just getting its name.")
        upload.is_removed = True
        self._uploads.pop(upload.id, None)
        if not upload.is_receiving:
            upload.stop_hashing()
        await to_end(asyncio.to_thread(upload.files.remove))

    # The name ---------------------------------------------------------------------------------

    def _begin_storing(self, upload: ResumableUpload) -> asyncio.Task[None]:
        if upload.storing is None:
            upload.storing = asyncio.ensure_future(self._store(upload))
            upload.storing.add_done_callback(lambda task: _note(upload, task))
        return upload.storing

    async def _store(self, upload: ResumableUpload) -> None:
        try:
            if upload.manifest is None or not await asyncio.to_thread(upload.is_as_hashed):
                upload.manifest = await asyncio.to_thread(upload.read_manifest, self._stopping)
            manifest = upload.manifest
            content = content_id(manifest.encode())
            upload.record.content = content.hex()
            file = await asyncio.to_thread(upload.files.fingerprint)
            upload.record.inode, upload.record.mtime_ns = file.inode, file.mtime_ns
            await asyncio.to_thread(upload.write_record)
            upload.record.stored_as = await self._place(upload, content, manifest)
            await asyncio.to_thread(upload.write_record)
            upload.manifest = None
            await asyncio.to_thread(upload.files.drop_data)
        finally:
            upload.stop_hashing()
        await self._forget_oldest(upload)

    async def _forget_oldest(self, just_stored: ResumableUpload) -> None:
        # Last, whenever it began: the oldest are those that were stored first.
        self._uploads[just_stored.id] = self._uploads.pop(just_stored.id)
        stored = [upload for upload in self._uploads.values() if upload.is_stored]
        for upload in stored[: max(0, len(stored) - MOST_STORED)]:
            del self._uploads[upload.id]
            await asyncio.to_thread(upload.remove_files)

    async def _place(
        self, upload: ResumableUpload, content: ContentId, manifest: Manifest
    ) -> SafePath:
        conflict, wanted = Conflict(upload.record.conflict), SafePath(upload.record.path)
        may_replace = upload.record.stood if conflict is Conflict.REPLACE else None
        names = names_like(wanted)
        while True:
            path = next(names)
            try:
                placed = await self._sharing.put_in_place(
                    upload.files.data,
                    path,
                    content,
                    manifest,
                    replace=(path == wanted and may_replace) or False,
                    sha256_checked=True,
                )
            except TargetTaken:
                if conflict is Conflict.SKIP:
                    upload.record.content = ""
                    return wanted
            else:
                return placed.file.path

    # Age --------------------------------------------------------------------------------------

    def _aged(self, upload: ResumableUpload) -> Aged[ResumableUpload]:
        is_needed = upload.is_receiving or upload.storing is not None
        return Aged(upload, upload.files.modified_s(), is_needed)

    async def _remove_old(self) -> None:
        try:
            await self._sharing.refuse_offline()
        except PanalError:
            return  # their files cannot be seen: that says nothing of their age
        uploads = list(self._uploads.values())
        aged = await asyncio.to_thread(lambda: [self._aged(upload) for upload in uploads])
        for upload in expired(aged, self._clock.wall_s()):
            if upload.is_removed or upload.is_receiving or upload.storing is not None:
                continue  # since it was looked at
            upload.is_removed = True
            self._uploads.pop(upload.id, None)
            upload.stop_hashing()
            await asyncio.to_thread(upload.remove_files)
            if not upload.is_stored:
                log.info("Removed the unfinished upload of %s.", printable(upload.record.path))


def _note(upload: ResumableUpload, task: asyncio.Task[None]) -> None:
    upload.storing = None
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("The upload of %s is not stored: %s", printable(upload.record.path), error)
