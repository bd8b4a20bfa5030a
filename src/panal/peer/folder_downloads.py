"""A folder from wherever its files are: checked as a whole, then fetched file by file.

The list first; then, before a byte of any file: every name, every conflict and the space.
Small files come in bundles and are put in place in batches; those of several chunks
come as any download does, from everybody who has them.
"""

import asyncio
import contextlib
import shutil
import stat
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path

import msgspec

from panal.clock import Clock
from panal.errors import NoSpace, TargetTaken, TooLarge
from panal.peer.announcer import Announcer
from panal.peer.bundles import Group
from panal.peer.collections import Collections
from panal.peer.contents import Contents
from panal.peer.fetching import Fetching
from panal.peer.folder_check import Comparison, FolderCheck
from panal.peer.folder_files import FolderFiles
from panal.peer.folder_room import Needed, needed
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.placing import to_end
from panal.peer.sharing import Sharing
from panal.peer.small_files import is_small
from panal.peer.transfer import Transfer
from panal.store.index import Index
from panal.store.new_folders import make_folders
from panal.store.placed_records import PlacedRecords
from panal.store.publish import make_all_durable
from panal.store.roots import Root
from panal.store.space import allocated_bytes, check_space
from panal.store.texts import Texts
from panal.store.tree import standing
from panal.store.unfinished import in_use
from panal.wire.amounts import counted
from panal.wire.collection import MAX_TEXT_BYTES, CollectionEntry, placed_at, read
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable

SMALL_AT_ONCE = 5
SINGLES_BETWEEN = 16
"""So many come one by one before bundles are tried again: somebody else may be here by then."""
LARGE_AT_ONCE = 3
FOLDERS_AT_ONCE = 1_000
"""Empty ones made between two looks whether the download is wanted still."""


class FolderParts(msgspec.Struct, frozen=True):
    """What a folder's download works with."""

    root: Root
    index: Index
    sharing: Sharing
    fetching: Fetching
    collections: Collections
    contents: Contents
    announcer: Announcer
    texts: Texts
    placed: PlacedRecords
    clock: Clock
    partials: Path
    ends_with_download: bool
    """A stand-alone get: it shares a folder only while it fetches it."""


class FolderDownloads:
    """Fetches folders, one call each."""

    def __init__(self, parts: FolderParts) -> None:
        self._parts = parts

    def is_folder(self, path: SafePath) -> bool:
        """Whether a folder stands under a path."""
        found = standing(self._parts.root.path, [path]).found.get(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def place_of(self, content: ContentId) -> SafePath | None:
        """Where a folder below the shared one lies that is shared as this content."""
        record = self._parts.collections.offering.offered_as(content)
        return SafePath(record.base) if record is not None and record.base else None

    async def manifest(self, content: ContentId) -> Manifest | None:
        """The manifest of a folder whose list is here already."""
        kept = await asyncio.to_thread(self._parts.texts.read, content)
        return None if kept is None else kept[1]

    async def entries(
        self,
        content: ContentId,
        manifest: Manifest,
        base: SafePath,
        inside: SafePath | None,
        transfer: Transfer,
    ) -> tuple[CollectionEntry, ...]:
        """What is to be fetched, under the paths that it gets; the list is fetched first.

        IntegrityError or UnsafeName where the list may not be taken, NotFound where there is
        nothing under `inside`.
        """
        if manifest.size_bytes > MAX_TEXT_BYTES:
            raise TooLarge(f"The folder's list has {manifest.size_bytes} bytes: too many.")
        kept = await asyncio.to_thread(self._parts.texts.read, content)
        if kept is None:
            await self._fetch_text(content, manifest, transfer)
            kept = await asyncio.to_thread(self._parts.texts.read, content)
        assert kept is not None  # noqa: S101 (fetched just now)
        return await asyncio.to_thread(placed_at, read(kept[0]), base, inside)

    async def _fetch_text(self, content: ContentId, manifest: Manifest, transfer: Transfer) -> None:
        texts = self._parts.texts
        async with self._parts.fetching.whole(content, manifest, texts.folder, transfer) as partial:
            await asyncio.to_thread(partial.make_publishable)
            await asyncio.to_thread(texts.take, partial.path, content)
            await asyncio.to_thread(partial.discard)

    async def fetch(
        self,
        content: ContentId,
        manifest: Manifest,
        entries: Sequence[CollectionEntry],
        transfer: FolderTransfer,
    ) -> None:
        """Fetch what is missing of these entries; asked again, it goes on.

        UnsafeName, TargetTaken or NoSpace before the first byte of a file; what comes under
        a wanted name later is left alone, and named when all others are there.
        """
        files = [entry for entry in entries if entry.content is not None]
        transfer.files = len(files)
        scratch = self._parts.partials / f"{content.hex()}.folder"
        await self._parts.sharing.make_own_place(self._parts.partials.parent)
        with contextlib.ExitStack() as using:

            def take() -> None:
                using.enter_context(in_use(scratch))
                using.callback(_remove_if_empty, scratch)

            await to_end(asyncio.to_thread(take))
            await self._fetch_into(scratch, content, manifest, entries, transfer)

    async def _fetch_into(
        self,
        scratch: Path,
        content: ContentId,
        manifest: Manifest,
        entries: Sequence[CollectionEntry],
        transfer: FolderTransfer,
    ) -> None:
        try:
            found = await self._check(entries, scratch)
            transfer.missing = {entry.path for entry in found.missing}
            for entry in found.kept:
                transfer.keep(entry)
            if found.missing or not self._parts.ends_with_download:
                self._parts.contents.begin_own(content, self._parts.texts.path(content), manifest)
                self._parts.announcer.hold(content, complete=True)
                with self._saying_what_is_missing(found, scratch, transfer):
                    await self._fetch_files(content, found, scratch, transfer)
            # Perhaps placed by a try whose last sync failed, or by another program just now.
            kept = [entry.path for entry in found.kept]
            await asyncio.to_thread(make_all_durable, self._parts.root, kept)
            for start in range(0, len(found.empty_folders), FOLDERS_AT_ONCE):
                some = found.empty_folders[start : start + FOLDERS_AT_ONCE]
                await to_end(asyncio.to_thread(make_folders, self._parts.root, some))
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        except NoSpace as error:
            raise NoSpace(
                str(error), error.place or str(self._parts.partials), error.wanted_bytes
            ) from None
        finally:
            self._parts.announcer.release(content)

    async def _check(self, entries: Sequence[CollectionEntry], scratch: Path) -> Comparison:
        parts = self._parts
        names = scratch.with_suffix(".names")
        check = FolderCheck(parts.root, parts.index, parts.placed, parts.sharing, names)
        found = await check.look(entries)
        if found.missing or not parts.ends_with_download:
            await check.share_placed_before()
        await asyncio.to_thread(self._check_space, found, scratch)
        return found

    def _check_space(self, found: Comparison, scratch: Path) -> None:
        wanted = self._wanted(found, found.missing, scratch)
        check_space(self._parts.partials, wanted.size_bytes, wanted.inodes)

    @contextlib.contextmanager
    def _saying_what_is_missing(
        self, found: Comparison, scratch: Path, transfer: FolderTransfer
    ) -> Iterator[None]:
        """Not the one file that found no room counts, but all that are still to come."""
        try:
            yield
        except NoSpace as error:
            missing = [entry for entry in found.missing if entry.path in transfer.missing]
            wanted = self._wanted(found, missing, scratch)
            wanted_bytes = max(error.wanted_bytes, wanted.size_bytes)
            raise NoSpace(str(error), error.place, wanted_bytes) from None

    def _wanted(
        self, found: Comparison, missing: Sequence[CollectionEntry], scratch: Path
    ) -> Needed:
        """What the disk has still to give to files that are missing or on their way."""
        here = list(scratch.iterdir())
        for content in {entry.content for entry in missing if not is_small(entry)}:
            assert content is not None  # noqa: S101 (files only)
            here.append(self._parts.partials / f"{content.hex()}.part")
        given = [size_bytes for file in here if (size_bytes := allocated_bytes(file))]
        top = self._parts.root.path
        return needed(missing, found.missing_folders, lambda path: (top / path).is_dir(), given)

    async def _fetch_files(
        self, content: ContentId, found: Comparison, scratch: Path, transfer: FolderTransfer
    ) -> None:
        parts = self._parts
        async with FolderFiles(
            content,
            parts.root,
            parts.index,
            parts.sharing,
            parts.fetching,
            parts.clock,
            scratch,
            transfer,
        ) as files:
            small = _by_content([entry for entry in found.missing if is_small(entry)])
            large = _by_content([entry for entry in found.missing if not is_small(entry)])[::-1]
            await _all_done(
                _small_ones(files, small),
                *(_each(large, files.fetch_large) for _ in range(LARGE_AT_ONCE)),
            )
            await files.flush()
        if files.taken:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
            named = ", ".join(printable(entry.path) for entry in files.taken[:20])
            were = "was" if len(files.taken) == 1 else "were"
            raise TargetTaken(
                f"{counted(len(files.taken), 'name')} {were} taken while the folder was fetched, "
                f"and left alone: {named}. All else is in place."
            )

    async def finish(
        self, content: ContentId, manifest: Manifest, base: SafePath, inside: SafePath | None
    ) -> None:
        """Share what is whole: the folder as it was shared there, if all of it was asked for.

        A get that ends here leaves its list to the next one.
        """
        if self._parts.ends_with_download:
            return
        if inside is None:
            await self._parts.collections.register(base, content, manifest)
        else:
            await asyncio.to_thread(self._parts.collections.forget_text, content)


def _remove_if_empty(scratch: Path) -> None:
    with contextlib.suppress(OSError):  # what was received stays for the next time
        scratch.rmdir()


def _by_content(entries: Sequence[CollectionEntry]) -> list[Group]:
    """Entries of one content together."""
    groups: dict[ContentId | None, Group] = {}
    for entry in entries:
        group = groups.get(entry.content)
        if group is None:
            groups[entry.content] = (entry,)  # most are alone, where a list takes twice as much
        elif isinstance(group, list):
            group.append(entry)
        else:
            groups[entry.content] = [*group, entry]
    return list(groups.values())


async def _small_ones(files: FolderFiles, wanted: list[Group]) -> None:
    """From copies, in bundles as long as somebody gives them; what is left over, one by one."""
    wanted = await files.copy_small(wanted)
    while wanted:
        wanted = await files.fetch_bundled(wanted)
        some, wanted = wanted[:SINGLES_BETWEEN][::-1], wanted[SINGLES_BETWEEN:]
        await _all_done(*(_each(some, files.fetch_small) for _ in range(SMALL_AT_ONCE)))


async def _each(queue: list[Group], work: Callable[[Group], Awaitable[None]]) -> None:
    """One of several workers on a queue, which takes from its end."""
    while queue:
        await work(queue.pop())


async def _all_done(*workers: Coroutine[None, None, None]) -> None:
    """Wait for all; the first that fails ends the others."""
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
