"""The files of one folder on their way: fetched or copied, gathered, put in place in batches."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from panal.clock import Clock
from panal.errors import ContentChanged, PanalError, TargetTaken
from panal.peer.bundles import Bundles, Group
from panal.peer.fetching import Fetching
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.local_copies import LocalCopies, slices
from panal.peer.placing import Placing, to_end
from panal.peer.sharing import Sharing
from panal.peer.small_files import SmallFiles, describes, wrong_list
from panal.peer.transfer import Transfer
from panal.store.index import Index
from panal.store.roots import Root
from panal.store.space import check_reserve
from panal.store.staging import Staging
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest

BATCH_FILES = 128
BATCH_BYTES = 16 * 1024 * 1024
BATCH_S = 1.0


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
        self._fetching = fetching
        self._scratch = scratch
        self._transfer = transfer
        self._small = SmallFiles(
            folder,
            fetching.locate,
            fetching.calling,
            fetching.limit,
            fetching.received,
            clock,
            self._wait,
        )
        self._news = fetching.news_of_providers(folder, self._small.known)
        self._small.banned = transfer.banned
        self._local = LocalCopies(scratch, index, root)
        self._clock = clock
        self._flushed_at_s = clock.now_s()
        self._batch: Staging | None = None
        self._staging = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self._placing = Placing(sharing, clock)
        self._bundles = Bundles(self._small, self._new_batch, self._placing.add, transfer)

    async def __aenter__(self) -> "FolderFiles":
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._news.close()
        finally:
            if self._batch is not None:
                self._batch.close()
            # Whatever ended it: what waits is put in place, if the disk lets it.
            with contextlib.suppress(PanalError):
                await self._placing.flush()

    async def copy_small(self, wanted: Sequence[Group]) -> list[Group]:
        """What is here already is put in place, from a copy; the rest is left over."""
        may_be_here = await asyncio.to_thread(self._local.small, wanted)
        rest = [group for group in wanted if group[0].content not in may_be_here]
        for some in slices(group for group in wanted if group[0].content in may_be_here):
            batch = self._new_batch()
            try:
                staging = asyncio.to_thread(self._local.stage_small, some, batch)
                staged, not_staged = await to_end(staging)
            except BaseException:
                batch.close()
                raise
            await self._placing.add(batch)
            for one in staged:
                self._count(one.group, 0, was_received=one.was_received)
            rest += not_staged
        return rest

    async def fetch_bundled(self, wanted: Sequence[Group]) -> list[Group]:
        """What comes in bundles is put in place; the rest is left over."""
        rest = await self._bundles.fetch(wanted)
        await self._placing.flush()
        return rest

    async def fetch_small(self, entries: Group) -> None:
        """One content of at most one chunk, for all the paths that have it."""
        entry = entries[0]
        transfer = self._transfer.begin(entry.path)
        fetched_bytes = 0
        try:
            if not self._batch:  # others write to the disk too
                await asyncio.to_thread(check_reserve, self._scratch)
            data, manifest, peer = await self._small.get(entry, transfer)
            self._transfer.bytes_by_peer[peer] += len(data)
            fetched_bytes = len(data)
            await self._gather(data, manifest, entries)
        finally:
            self._transfer.end(transfer, fetched_bytes)
        self._count(entries, fetched_bytes)

    async def _gather(
        self, data: bytes, manifest: Manifest, entries: Sequence[CollectionEntry]
    ) -> None:
        """Stage a content, once for each path."""
        for entry in entries:
            async with self._staging:
                batch = self._batch = self._batch or self._new_batch()
                await to_end(asyncio.to_thread(batch.write, data, entry, manifest))
            if self._is_due(batch):
                await self.flush()

    def _is_due(self, batch: Staging) -> bool:
        is_full = len(batch.files) >= BATCH_FILES or batch.size_bytes >= BATCH_BYTES
        return is_full or self._clock.now_s() - self._flushed_at_s >= BATCH_S

    def _new_batch(self) -> Staging:
        return Staging(self._scratch, self._root)

    async def _wait(self, most_s: float) -> None:
        """Nobody gives a file: until somebody comes who had it, or so long at most."""
        await self.flush()
        await self._news.pause(most_s, most_s)

    async def flush(self) -> None:
        """Put in place what was gathered; others gather the next batch meanwhile."""
        async with self._flushing:
            async with self._staging:
                batch, self._batch = self._batch, None
            self._flushed_at_s = self._clock.now_s()
            if batch is not None:
                await self._placing.add(batch)
            await self._placing.flush()

    @property
    def taken(self) -> list[CollectionEntry]:
        """Whose names others have taken meanwhile."""
        return self._placing.taken

    def _count(
        self,
        entries: Sequence[CollectionEntry],
        fetched_bytes: int,
        *,
        was_received: bool = False,
    ) -> None:
        """The first was fetched, unless nothing was, now or earlier; the others are copies."""
        first, *others = entries
        if fetched_bytes:
            self._transfer.files_done += 1
            self._transfer.missing.discard(first.path)
        elif was_received:
            self._transfer.keep(first)
        else:
            self._transfer.copy(first)
        for entry in others:
            self._transfer.copy(entry)

    # Files of several chunks --------------------------------------------------------------

    async def fetch_large(self, entries: Group) -> None:
        """One content of several chunks; its further paths are copies made here."""
        first, *others = entries
        transfer = self._transfer.begin(first.path)
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
                self._transfer.copy(entry)
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
        for shared in await asyncio.to_thread(self._local.elsewhere, entry):
            batch = self._new_batch()
            try:
                await to_end(asyncio.to_thread(self._local.stage, shared, batch, entry))
            except ContentChanged:
                batch.close()
                continue
            except BaseException:
                batch.close()
                raise
            await self._placing.add(batch)
            return True
        return False
