"""Folders shared as collections: a snapshot of what is in them, as one content.

A snapshot has the folder's shared files with their executable bits and times, and its empty
folders. Hidden files, symbolic links, special files, unsafe names, what may not be read, and
what is not shared for another reason (`.panalignore`, usual secrets, unshared) are left out
and counted; a folder in which nothing else is counts as empty. Owners, groups, other
mode bits, extended attributes, times of folders that have files, and hard links between files
are not kept. It stays what it was until it is made again, and then takes the old one's place.
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import chain

import msgspec
from msgspec.structs import replace

from panal.clock import Clock
from panal.errors import NotFound, TargetTaken, UsageError
from panal.peer.announcer import Announcer
from panal.peer.comparing import SETTLED_S, rest_for
from panal.peer.contents import Contents
from panal.peer.offering import Offering
from panal.peer.scanning import Scanning
from panal.peer.sharing import Sharing
from panal.store.collection_records import CollectionRecord, CollectionRecords
from panal.store.fingerprints import Skipped
from panal.store.index import Index
from panal.store.mounts import Mounts
from panal.store.shared_files import SharedFile
from panal.store.texts import Texts
from panal.store.tree import Tree, TreeFile, read_tree
from panal.wire.collection import (
    MAX_MTIME_NS,
    MIN_MTIME_NS,
    CollectionEntry,
    EntryType,
    encode,
    read,
)
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, path_problem, printable

LOOK_AGAIN_S = 0.05
SETTLING_SCANS = 20
"""How often a folder in which files are still being written is looked at again."""
TOO_DEEP = "too deep to be fetched with its folder"
LONGEST_PEER_NAME = "n" * 63


class AddedFolder(msgspec.Struct, frozen=True):
    """One snapshot that is shared now."""

    record: CollectionRecord
    files: int
    empty_folders: int
    size_bytes: int
    """Of all its files."""
    skipped: Skipped


class Collections:
    """Makes snapshots and keeps their texts."""

    def __init__(
        self,
        *,
        root: Mounts,
        index: Index,
        sharing: Sharing,
        scanning: Scanning,
        announcer: Announcer,
        contents: Contents,
        texts: Texts,
        clock: Clock,
        whole_folder_name: str,
    ) -> None:
        """`whole_folder_name` is what the shared folder itself is called for others."""
        self._root = root
        self._index = index
        self._scanning = scanning
        self._texts = texts
        self._clock = clock
        self._whole_folder_name = whole_folder_name
        self._records = CollectionRecords(index)
        self.is_linked: Callable[[ContentId], bool] = lambda _: False
        """Whether a link for guests needs a folder's text."""
        self.offering = Offering(root, self._records, texts, announcer, contents, clock)
        sharing.displacing = self._give_way
        sharing.lost = self.offering.touched

    async def restore(self, unfinished: set[ContentId]) -> None:
        """Offer again what was shared; keep the texts that unfinished downloads need."""
        for record in self._records.all():
            if self._texts.path(record.content).is_file():
                await self.offering.take_in(record)
            else:
                self._records.remove(record.path)
        kept = {record.content for record in self.offering.known.values()}
        kept |= {content for content in self._texts.all() if self.is_linked(content)}
        self._texts.keep_only(kept | unfinished)

    async def add(self, path: SafePath | None) -> AddedFolder:
        """Share a folder below the shared one, or that one itself, as it is now.

        NotFound where there is none, UsageError where its files do not come to rest,
        TargetTaken where a file has the name.
        """
        name = SafePath(path or self._whole_folder_name)
        if self._index.by_path(name) is not None:
            raise TargetTaken(f"{printable(name)} is a file that is shared already.")
        base = path or ""
        tree = await self._tree_at_rest(base)
        indexed = chain.from_iterable(self._index.pages_below(f"{base}/" if base else ""))
        entries = await asyncio.to_thread(snapshot, base, tree, indexed)
        content, manifest = await asyncio.to_thread(lambda: self._texts.keep(encode(entries)))
        record = CollectionRecord(name, base, content, manifest)
        await self._take_in(record, entries)
        files = [entry for entry in entries if entry.content is not None]
        return AddedFolder(
            record,
            len(files),
            len(entries) - len(files),
            sum(entry.size_bytes for entry in files),
            tree.skipped,
        )

    async def register(self, path: SafePath, content: ContentId, manifest: Manifest) -> None:
        """Share a folder whose text is kept already, in place of what the path had before."""
        kept = await asyncio.to_thread(self._texts.read, content)
        entries = () if kept is None else read(kept[0])
        await self._take_in(CollectionRecord(path, path, content, manifest), entries)

    async def _take_in(self, record: CollectionRecord, entries: Iterable[CollectionEntry]) -> None:
        await asyncio.to_thread(self._records.save, record, entries)
        before = self.offering.known.get(record.path)
        await self.offering.take_in(record)
        if before is not None:
            self.forget_text(before.content)

    def forget_text(self, content: ContentId) -> None:
        """Keep a text no longer, unless a shared folder needs it."""
        if not self.offering.needs(content) and not self.is_linked(content):
            self._texts.remove(content)

    def _give_way(self, paths: list[SafePath]) -> None:
        """Files get these paths: a folder that was shared under one of them is gone."""
        for path in self.offering.known.keys() & paths:
            content = self.offering.known[path].content
            self.offering.drop(path)
            self._records.remove(path)
            self.forget_text(content)
        self.offering.touched(paths)

    async def _tree_at_rest(self, base: str) -> Tree:
        """The tree, once no file in it is so young that it is not indexed yet."""
        moving: list[SafePath] = []
        for _ in range(SETTLING_SCANS):
            await asyncio.to_thread(self._read, base)  # NotFound at once
            await self._scanning.scan([base] if base else None)
            while self._scanning.to_hash:  # by a scan that began before
                await self._clock.sleep(LOOK_AGAIN_S)
            tree = await asyncio.to_thread(self._read, base)
            wall_s = self._clock.wall_s()
            young = {
                path: file
                for path, file in tree.files.items()
                if abs(wall_s - file.mtime_ns / 1e9) < SETTLED_S + rest_for(file.mtime_ns)
            }
            known = await asyncio.to_thread(self._index.by_paths, list(young))
            moving = [
                path for path, file in young.items() if not _is_as_indexed(known.get(path), file)
            ]
            if not moving:
                return tree
            await self._clock.sleep(SETTLED_S)
        raise UsageError(
            f"{len(moving)} files are still being written, such as {printable(moving[0])}: "
            "try again when the folder rests."
        )

    def _read(self, base: str) -> Tree:
        name = self._root.root_name(base)
        if not name:
            return read_tree(self._root.path, base, "", self._left_out)
        if name in self._root.single_files():
            raise NotFound(f"{printable(base)} is no folder.")
        inner = base.removeprefix(name).removeprefix("/")
        return read_tree(self._root.places()[name], inner, f"{name}/", self._left_out)

    def _left_out(self, path: str, is_folder: bool) -> str | None:
        return self._root.left_out(path, is_folder=is_folder)


def _is_as_indexed(indexed: SharedFile | None, found: TreeFile) -> bool:
    """Whether a file is what was hashed, whichever number its disk has now."""
    return indexed is not None and replace(indexed.fingerprint, device=0) == found.fingerprint


def snapshot(base: str, tree: Tree, indexed: Iterable[SharedFile]) -> list[CollectionEntry]:
    """The entries of a folder; what of the tree is not shared is counted as skipped.

    The files of the tree are used up.
    """
    cut = len(base) + 1 if base else 0
    entries = []
    for shared in indexed:
        file = tree.files.get(shared.path)
        if file is None or not _is_as_indexed(shared, file):
            continue
        del tree.files[shared.path]
        if not _fits_below_a_name(base, shared.path):
            tree.skipped.add(TOO_DEEP, shared.path)
            continue
        kind = EntryType.EXECUTABLE if file.is_executable else EntryType.FILE
        path, size_bytes = SafePath(shared.path[cut:]), file.fingerprint.size_bytes
        entries.append(
            CollectionEntry(path, kind, shared.content, size_bytes, _mtime_ns(file.mtime_ns))
        )
    for path in tree.files:
        tree.skipped.add("not shared", path)
    return entries + _empty_folders(tree, cut, [entry.path for entry in entries])


def _fits_below_a_name(base: str, path: str) -> bool:
    """Whether a path can be fetched: the shared folder itself comes below a peer's name."""
    return base != "" or path_problem(f"{LONGEST_PEER_NAME}/{path}") is None


def _empty_folders(tree: Tree, cut: int, files: list[SafePath]) -> list[CollectionEntry]:
    """The folders in which no file and no other folder is, as far as a snapshot has them."""
    folders = {
        path[cut:]: mtime_ns
        for path, mtime_ns in tree.folders.items()
        if _fits_below_a_name(path[:cut], path)
    }
    used = {path.rpartition("/")[0] for path in [*files, *folders]}
    return [
        CollectionEntry(SafePath(path), EntryType.EMPTY_FOLDER, None, 0, _mtime_ns(mtime_ns))
        for path, mtime_ns in folders.items()
        if path not in used
    ]


def _mtime_ns(on_disk: int) -> int:
    """Some file systems know times before 1677 and after 2262; a snapshot has the nearest."""
    return max(MIN_MTIME_NS, min(MAX_MTIME_NS, on_disk))
