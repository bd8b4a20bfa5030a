"""What stands where a folder's files are to go, found before the first byte is fetched."""

import asyncio
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from panal.errors import PanalError, TargetTaken, UnsafeName
from panal.peer.sharing import Sharing
from panal.store.hashing import HashedFile, hash_file
from panal.store.index import Index
from panal.store.roots import Fingerprint, Root
from panal.store.target import target_limits
from panal.store.tree import Standing, standing
from panal.wire.collection import CollectionEntry
from panal.wire.names import printable
from panal.wire.portability import unholdable

NAMED_CONFLICTS = 20


@dataclass(slots=True)
class Comparison:
    """A folder's entries, by what is to be done with them."""

    missing: list[CollectionEntry] = field(default_factory=list)
    kept: list[CollectionEntry] = field(default_factory=list)
    """Files that are there already, the same."""
    empty_folders: list[CollectionEntry] = field(default_factory=list)
    unsure: list[CollectionEntry] = field(default_factory=list)
    """Files of the same size are there: only hashing can tell."""
    conflicts: list[str] = field(default_factory=list)

    def refuse_conflicts(self) -> None:
        """TargetTaken, naming them, where there are any."""
        if not self.conflicts:
            return
        named = "; ".join(self.conflicts[:NAMED_CONFLICTS])
        more = len(self.conflicts) - NAMED_CONFLICTS
        rest = f"; and {more} more" if more > 0 else ""
        raise TargetTaken(
            f"{len(self.conflicts)} names are taken, and nothing was fetched: {named}{rest}. "
            "Move them away, or fetch into another folder."
        )


def compare(entries: Sequence[CollectionEntry], there: Standing) -> Comparison:
    """Which entries are missing, and which names are taken, by kind and size alone."""
    result = Comparison()
    result.conflicts += [f"{printable(path)} is no folder" for path in sorted(there.no_folders)]
    for entry in entries:
        status = there.found.get(entry.path)
        if entry.content is None:
            if status is not None and not stat.S_ISDIR(status.st_mode):
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


class FolderCheck:
    """Looks at the target, and writes nothing into it."""

    def __init__(self, root: Root, index: Index, sharing: Sharing, scratch: Path) -> None:
        """`scratch` is where names may be tried: on the target's file system."""
        self._root = root
        self._index = index
        self._sharing = sharing
        self._scratch = scratch

    async def look(self, entries: Sequence[CollectionEntry]) -> Comparison:
        """What is to be fetched; UnsafeName where the target cannot hold the names.

        TargetTaken, all conflicts named together, where something else is there.
        """
        limits = await asyncio.to_thread(target_limits, self._scratch)
        problem = unholdable((entry.path for entry in entries), limits)
        if problem is not None:
            raise UnsafeName(f"The folder cannot be taken. {problem}")
        there = await asyncio.to_thread(standing, self._root.path, [e.path for e in entries])
        result = compare(entries, there)
        await self._hash_unsure(result, there)
        result.refuse_conflicts()
        return result

    async def _hash_unsure(self, result: Comparison, there: Standing) -> None:
        known = await asyncio.to_thread(self._known, result.unsure, there)
        to_hash = [entry for entry in result.unsure if not known[entry]]
        workers = os.cpu_count() or 1
        found = await asyncio.gather(
            *(asyncio.to_thread(self._hash_all, to_hash[n::workers]) for n in range(workers))
        )
        hashed = {file.path: file for part in found for file in part}
        same: list[HashedFile] = []
        for entry in result.unsure:
            file = hashed.get(entry.path)
            if known[entry] == entry.content:
                result.kept.append(entry)
            elif file is not None and file.content == entry.content:
                result.kept.append(entry)
                same.append(file)
            else:
                result.conflicts.append(other_content(entry))
        await self._sharing.remember(same)

    def _known(
        self, entries: list[CollectionEntry], there: Standing
    ) -> dict[CollectionEntry, bytes | None]:
        """Which content the index knows each file to have, unchanged since."""
        known: dict[CollectionEntry, bytes | None] = {}
        for entry in entries:
            shared = self._index.by_path(entry.path)
            found = Fingerprint.of(there.found[entry.path], self._root.device)
            known[entry] = (
                shared.content if shared is not None and shared.fingerprint == found else None
            )
        return known

    def _hash_all(self, entries: list[CollectionEntry]) -> list[HashedFile]:
        hashed = []
        for entry in entries:
            try:
                hashed.append(hash_file(self._root, entry.path))
            except PanalError:
                continue  # it cannot be read, so it is not known to be the same
        return hashed
