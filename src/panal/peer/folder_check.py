"""What stands where a folder's files are to go, found before the first byte is fetched."""

import asyncio
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from panal.errors import PanalError, TargetTaken, UnsafeName
from panal.peer.sharing import Sharing
from panal.store.file_systems import mounted_at
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile, hash_file
from panal.store.index import Index
from panal.store.placed_records import PlacedRecords
from panal.store.roots import Root
from panal.store.target import target_limits
from panal.store.tree import Standing, standing
from panal.wire.amounts import counted
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId
from panal.wire.names import SafePath, printable
from panal.wire.portability import unholdable

NAMED_CONFLICTS = 20
PAGE = 4_096
BATCH_FILES = 256
BATCH_BYTES = 64 * 1024 * 1024
"""What is hashed before it is remembered together; a larger file goes alone."""


class Comparison(msgspec.Struct):
    """A folder's entries, by what is to be done with them."""

    missing: list[CollectionEntry] = msgspec.field(default_factory=list)
    kept: list[CollectionEntry] = msgspec.field(default_factory=list)
    """Files that are there already, the same."""
    empty_folders: list[CollectionEntry] = msgspec.field(default_factory=list)
    missing_folders: list[CollectionEntry] = msgspec.field(default_factory=list)
    """The empty ones that are not there."""
    unsure: list[CollectionEntry] = msgspec.field(default_factory=list)
    """Files of the same size are there: only hashing can tell."""
    conflicts: list[str] = msgspec.field(default_factory=list)

    def take_in(self, other: "Comparison") -> None:
        """Add what further entries have shown."""
        self.missing += other.missing
        self.kept += other.kept
        self.empty_folders += other.empty_folders
        self.missing_folders += other.missing_folders
        self.unsure += other.unsure
        if other.conflicts:  # one folder's may be in both
            self.conflicts = list(dict.fromkeys(self.conflicts + other.conflicts))

    def refuse_conflicts(self) -> None:
        """TargetTaken, naming them, where there are any."""
        if not self.conflicts:
            return
        named = "; ".join(self.conflicts[:NAMED_CONFLICTS])
        more = len(self.conflicts) - NAMED_CONFLICTS
        rest = f"; and {more} more" if more > 0 else ""
        are = "is" if len(self.conflicts) == 1 else "are"
        raise TargetTaken(
            f"{counted(len(self.conflicts), 'name')} {are} taken, and nothing was fetched: "
            f"{named}{rest}. "
            "Move them away, or fetch into another folder."
        )


def compare(entries: Sequence[CollectionEntry], there: Standing) -> Comparison:
    """Which entries are missing, and which names are taken, by kind and size alone."""
    result = Comparison()
    result.conflicts += [f"{printable(path)} is no folder" for path in sorted(there.no_folders)]
    for entry in entries:
        status = there.found.get(entry.path)
        if entry.content is None:
            if status is None:
                result.missing_folders.append(entry)
            elif not stat.S_ISDIR(status.st_mode):
                result.conflicts.append(f"{printable(entry.path)} is no folder")
            result.empty_folders.append(entry)
        elif status is None:
            result.missing.append(entry)
        elif not stat.S_ISREG(status.st_mode):
            result.conflicts.append(f"{printable(entry.path)} is no file")
        elif status.st_size != entry.size_bytes:
            result.conflicts.append(other_content(entry))
        else:
            result.unsure.append(entry)
    return result


def other_content(entry: CollectionEntry) -> str:
    """A conflict in words."""
    return f"{printable(entry.path)} has other content"


def pages(entries: Sequence[CollectionEntry]) -> Iterator[Sequence[CollectionEntry]]:
    """Entries a page at a time: what stands under all their names would take much memory."""
    for start in range(0, len(entries), PAGE):
        yield entries[start : start + PAGE]


class FolderCheck:
    """Looks at the target, and writes nothing into it."""

    def __init__(
        self, root: Root, index: Index, placed: PlacedRecords, sharing: Sharing, scratch: Path
    ) -> None:
        """`scratch` is where names may be tried: on the target's file system."""
        self._root = root
        self._index = index
        self._placed = placed
        self._sharing = sharing
        self._scratch = scratch
        self._placed_before: list[SafePath] = []
        """By earlier gets, and unchanged since."""

    async def look(self, entries: Sequence[CollectionEntry]) -> Comparison:
        """What is to be fetched; UnsafeName where the target cannot hold the names.

        TargetTaken, all conflicts named together, where something else is there.
        """
        limits = await asyncio.to_thread(target_limits, self._scratch)
        problem = unholdable((entry.path for entry in entries), limits)
        if problem is not None:
            raise UnsafeName(f"The folder cannot be taken. {problem}")
        result = Comparison()
        for page in pages(entries):
            result.take_in(await asyncio.to_thread(self._compared, page))
        await self._hash_unsure(result)
        result.refuse_conflicts()
        await asyncio.to_thread(refuse_unplaceable, self._root, result.missing, self._scratch)
        return result

    async def share_placed_before(self) -> None:
        """Share what earlier gets have put in place, as if this one had hashed it."""
        paths = self._placed_before
        for start in range(0, len(paths), PAGE):
            files = await asyncio.to_thread(self._placed.files, paths[start : start + PAGE])
            await self._sharing.remember(files)
        if paths:
            await asyncio.to_thread(self._placed.forget)

    def _compared(self, entries: Sequence[CollectionEntry]) -> Comparison:
        """These entries; a file that has not changed since its content was known is believed."""
        there = standing(self._root.path, [entry.path for entry in entries])
        result = compare(entries, there)
        unsure, result.unsure = result.unsure, []
        device = self._root.device
        found = {e.path: Fingerprint.of(there.found[e.path], device) for e in unsure}
        known = self._known(found)
        for entry in unsure:
            content = known.get(entry.path)
            if content is None:
                result.unsure.append(entry)
            elif content == entry.content:
                result.kept.append(entry)
            else:
                result.conflicts.append(other_content(entry))
        return result

    def _known(self, found: Mapping[SafePath, Fingerprint]) -> dict[SafePath, ContentId]:
        placed = self._placed.unchanged(found)
        self._placed_before += [path for path in found if path in placed]  # no further copies
        shared = self._index.by_paths(list(found))
        return placed | {
            file.path: file.content
            for file in shared.values()
            if file.fingerprint.is_believed(found[file.path])
        }

    async def _hash_unsure(self, result: Comparison) -> None:
        """Several at once, remembered in batches."""
        left = batches(result.unsure)

        async def work() -> None:
            for batch in left:
                hashed = await asyncio.to_thread(self._hash_all, batch)
                same: list[HashedFile] = []
                for entry, file in zip(batch, hashed, strict=True):
                    if file is not None and file.content == entry.content:
                        result.kept.append(entry)
                        same.append(file)
                        continue
                    result.conflicts.append(other_content(entry))
                    if file is not None:
                        self._sharing.withdraw_edited(file)
                await self._sharing.remember(same)

        await asyncio.gather(*(work() for _ in range(os.cpu_count() or 1)))

    def _hash_all(self, entries: Sequence[CollectionEntry]) -> list[HashedFile | None]:
        return [self._hash(entry) for entry in entries]

    def _hash(self, entry: CollectionEntry) -> HashedFile | None:
        try:
            return hash_file(self._root, entry.path)
        except PanalError:
            return None  # it cannot be read, so it is not known to be the same


def refuse_unplaceable(root: Root, missing: Sequence[CollectionEntry], source: Path) -> None:
    """Refused where files from `source` could not be moved into a folder that is there."""
    where = mounted_at(source)
    there: dict[str, bool] = {}

    def is_there(path: str) -> bool:
        """Whether the folder that a path lies in is; each is looked at once."""
        above = path.rpartition("/")[0]
        if above not in there:
            can_be = above == "" or is_there(above)
            there[above] = can_be and root.refuse_unplaceable(SafePath(path), where)
        return there[above]

    for entry in missing:
        is_there(entry.path)


def batches(entries: Sequence[CollectionEntry]) -> Iterator[list[CollectionEntry]]:
    """Entries in groups worth a transaction, none larger than one thread should keep alone."""
    batch: list[CollectionEntry] = []
    size_bytes = 0
    for entry in entries:
        if batch and (len(batch) == BATCH_FILES or size_bytes >= BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(entry)
        size_bytes += entry.size_bytes
    if batch:
        yield batch
