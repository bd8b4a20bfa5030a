"""The files of one folder on their way: fetched or copied, gathered, put in place in batches."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from panal.clock import Clock
from panal.errors import ContentChanged, TargetTaken
from panal.peer.fetching import Fetching, Transfer
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.http_source import client_session
from panal.peer.placing import Ready, place_all, write_file
from panal.peer.sharing import Sharing
from panal.peer.small_files import SmallFiles, describes, manifest_of_small, wrong_list
from panal.store.hashing import hash_descriptor
from panal.store.index import Index, SharedFile
from panal.store.roots import Root, disk_error
from panal.store.space import check_reserve
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, content_id

BATCH_FILES = 128
BATCH_BYTES = 16 * 1024 * 1024
BATCH_S = 1.0
COPY_BYTES = 8 * 1024 * 1024


class FolderFiles:
    """Use it as a context; what was gathered and not flushed stays in `scratch`."""

    def __init__(
        self,
        folder: ContentId,
        root: Root,
        index: Index,
        sharing: Sharing,
        fetching: Fetching,
        clock: Clock,
        scratch: Path,
        transfer: FolderTransfer,
    ) -> None:
        """`scratch` is a directory of this download's own, on the target's file system.

        What an earlier run left in it is used, where it is right.
        """
        self._root = root
        self._index = index
        self._sharing = sharing
        self._fetching = fetching
        self._scratch = scratch
        self._transfer = transfer
        self._session = client_session(keeps_connections=True)
        self._small = SmallFiles(
            folder, fetching.locate, self._session, fetching.limit, clock, self.flush
        )
        self._small.banned = transfer.banned
        self._leftovers = {path.name.partition("-")[0]: path for path in scratch.iterdir()}
        """Files that were received before a stop, and not put in place any more, by id."""
        self._run = secrets.token_hex(4)
        self._clock = clock
        self._flushed_at_s = clock.now_s()
        self._batch: list[Ready] = []
        self._batch_bytes = 0
        self._flushing = asyncio.Lock()
        self._written = 0
        self.taken: list[CollectionEntry] = []

    async def __aenter__(self) -> "FolderFiles":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def fetch_small(self, entries: list[CollectionEntry]) -> None:
        """One content of at most one chunk, for all the paths that have it."""
        transfer = self._transfer.begin()
        entry = entries[0]
        fetched_bytes = 0
        try:
            if not self._batch:  # others write to the disk too
                await asyncio.to_thread(check_reserve, self._scratch)
            copied = await asyncio.to_thread(self._read_copy, entry)
            if copied is None:
                data, manifest, peer = await self._small.get(entry, transfer)
                self._transfer.bytes_by_peer[peer] += len(data)
                fetched_bytes = len(data)
            else:
                data, manifest = copied
            await self._gather(data, manifest, entries)
        finally:
            self._transfer.end(transfer, fetched_bytes)
        self._count(entries, fetched_bytes)

    async def _gather(
        self, data: bytes, manifest: Manifest, entries: Sequence[CollectionEntry]
    ) -> None:
        """Write a content under temporary names, one for each path."""
        for entry in entries:
            source = self._temporary(entry)
            await asyncio.to_thread(write_file, source, data, entry)
            self._batch.append(Ready(source, entry, manifest))
            self._batch_bytes += len(data)
            if self._is_due():
                await self.flush()

    def _is_due(self) -> bool:
        is_full = len(self._batch) >= BATCH_FILES or self._batch_bytes >= BATCH_BYTES
        return is_full or self._clock.now_s() - self._flushed_at_s >= BATCH_S

    def _temporary(self, entry: CollectionEntry) -> Path:
        self._written += 1
        content = "" if entry.content is None else entry.content.hex()
        return self._scratch / f"{content}-{self._run}-{self._written}"

    async def flush(self) -> None:
        """Put in place what was gathered; others gather the next batch meanwhile."""
        async with self._flushing:
            batch, self._batch, self._batch_bytes = self._batch, [], 0
            self._flushed_at_s = self._clock.now_s()
            if batch:
                placed = await place_all(self._sharing, self._root, batch)
                self.taken += placed.taken

    def _count(self, entries: Sequence[CollectionEntry], fetched_bytes: int) -> None:
        """The first of these was fetched, unless nothing was; the others are copies of it."""
        first = 1 if fetched_bytes else 0
        self._transfer.files_done += first
        for entry in entries[first:]:
            self._transfer.keep(entry.size_bytes)

    def _read_copy(self, entry: CollectionEntry) -> tuple[bytes, Manifest] | None:
        """The bytes of the same small content elsewhere here, verified."""
        for opened in self._opened_copies(entry):
            with os.fdopen(opened, "rb") as file:
                data = file.read(entry.size_bytes + 1)
            manifest = manifest_of_small(data) if len(data) == entry.size_bytes else None
            if manifest is not None and content_id(manifest.encode()) == entry.content:
                return data, manifest
        return None

    def _opened_copies(self, entry: CollectionEntry) -> Iterator[int]:
        assert entry.content is not None  # noqa: S101 (a file)
        if (leftover := self._leftovers.pop(entry.content.hex(), None)) is not None:
            with contextlib.suppress(OSError):
                opened = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                leftover.unlink()  # it is written anew: nothing takes its space twice
                yield opened
        for shared in self._copies(entry):
            with contextlib.suppress(ContentChanged):
                yield self._root.open_unchanged(shared.path, shared.fingerprint)

    def _copies(self, entry: CollectionEntry) -> list[SharedFile]:
        return [] if entry.content is None else self._index.by_content(entry.content)

    # Files of several chunks --------------------------------------------------------------

    async def fetch_large(self, entries: list[CollectionEntry]) -> None:
        """One content of several chunks; its further paths are copies made here."""
        first, *others = entries
        transfer = self._transfer.begin()
        size_bytes = 0
        try:
            if not await self._copy(first):
                await self._fetch(first, transfer)
                size_bytes = first.size_bytes
        except TargetTaken:
            self.taken.append(first)
            size_bytes = first.size_bytes
        finally:
            self._transfer.end(transfer, size_bytes)
        self._count([first], size_bytes)
        for entry in others:
            if await self._copy(entry):
                self._transfer.keep(entry.size_bytes)
            else:
                await self.fetch_large([entry])

    async def _fetch(self, entry: CollectionEntry, transfer: Transfer) -> None:
        assert entry.content is not None  # noqa: S101 (a file)
        manifest = await self._fetching.manifest(entry.content, transfer, self._small.usable())
        if not describes(manifest, entry):
            raise wrong_list(entry)
        await self._fetching.fetch(entry.content, manifest, entry.path, transfer, entry)

    async def _copy(self, entry: CollectionEntry) -> bool:
        """Put the same content from elsewhere in the folder in place, if it is there."""
        for shared in await asyncio.to_thread(self._copies, entry):
            source = self._temporary(entry)
            try:
                manifest = await asyncio.to_thread(self._write_copy, shared, source, entry)
            except ContentChanged:
                continue
            placed = await place_all(self._sharing, self._root, [Ready(source, entry, manifest)])
            self.taken += placed.taken
            return True
        return False

    def _write_copy(self, shared: SharedFile, source: Path, entry: CollectionEntry) -> Manifest:
        """A verified copy under a temporary name; ContentChanged where it is no longer that."""
        from_file = self._root.open_unchanged(shared.path, shared.fingerprint)
        try:
            write_file(source, b"", entry)
            with source.open("r+b") as file:
                _copy_bytes(from_file, file.fileno())
                manifest = hash_descriptor(file.fileno(), entry.size_bytes)
                os.utime(file.fileno(), ns=(entry.mtime_ns, entry.mtime_ns))
        except OSError as error:
            raise disk_error(error, "copy a file of the folder") from None
        finally:
            os.close(from_file)
        if content_id(manifest.encode()) != entry.content:
            raise ContentChanged("The copy is not what was shared.")
        return manifest


def _copy_bytes(source: int, target: int) -> None:
    offset = 0
    while data := os.pread(source, COPY_BYTES, offset):
        view = memoryview(data)
        while view:
            count = os.pwrite(target, view, offset)
            view, offset = view[count:], offset + count
