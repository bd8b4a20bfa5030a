"""Many temporary files put in place together: synced in batches, one sync a folder."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panal.errors import TargetTaken
from panal.peer.sharing import Sharing
from panal.store.hashing import HashedFile
from panal.store.index import SharedFile
from panal.store.publish import publish
from panal.store.roots import Root, disk_error
from panal.store.target import start_writing_back
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.manifest import Manifest, content_id


@dataclass(frozen=True, slots=True)
class Ready:
    """One verified file under a temporary name, and what it becomes."""

    source: Path
    entry: CollectionEntry
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class PlacedMany:
    """What came of a batch."""

    files: list[SharedFile]
    taken: list[CollectionEntry]
    """What came under their names meanwhile was left as it was."""


async def place_all(sharing: Sharing, root: Root, batch: Sequence[Ready]) -> PlacedMany:
    """Make files durable, publish and index them, and queue their news."""
    paths = {ready.entry.path for ready in batch}
    sharing.busy.update(paths)
    try:
        working = asyncio.ensure_future(asyncio.to_thread(_publish_all, root, batch))
        try:
            hashed, taken = await asyncio.shield(working)
        finally:  # the temporary files may go next: not under the thread's hands
            await asyncio.gather(working, return_exceptions=True)
        return PlacedMany(await sharing.remember(hashed), taken)
    finally:
        sharing.busy.difference_update(paths)


def _publish_all(
    root: Root, batch: Sequence[Ready]
) -> tuple[list[HashedFile], list[CollectionEntry]]:
    _sync_all([ready.source for ready in batch])
    hashed: list[HashedFile] = []
    taken: list[CollectionEntry] = []
    for ready in batch:
        path = ready.entry.path
        try:
            fingerprint = publish(ready.source, root, path, sync_folder=False)
        except TargetTaken:
            taken.append(ready.entry)
            continue
        content = content_id(ready.manifest.encode())
        hashed.append(HashedFile(path, fingerprint, content, ready.manifest))
    one_a_folder = {file.path.rpartition("/")[0]: file.path for file in hashed}
    for path in one_a_folder.values():
        with root.parent_for_writing(path) as (folder, _):
            os.fsync(folder)
    return hashed, taken


def _sync_all(sources: Sequence[Path]) -> None:
    descriptors: list[int] = []
    try:
        for source in sources:
            descriptors.append(os.open(source, os.O_RDONLY | os.O_CLOEXEC))
            start_writing_back(descriptors[-1])
        for descriptor in descriptors:
            os.fsync(descriptor)
    except OSError as error:
        raise disk_error(error, "make the folder's files durable") from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def write_file(temporary: Path, data: bytes, entry: CollectionEntry) -> None:
    """A file's bytes under a temporary name, with the entry's time and executable bit."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, mode_of(entry))
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(error, "store a file of the folder") from None


def mode_of(entry: CollectionEntry) -> int:
    """The mode before the umask."""
    return 0o777 if entry.type is EntryType.EXECUTABLE else 0o666
