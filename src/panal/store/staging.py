"""Verified files under temporary names, put under their final ones together."""

import itertools
import os
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from panal.errors import TargetTaken
from panal.store.disk_errors import disk_error
from panal.store.durable import MANY, sync_file_system, sync_files, syncs_whole
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile
from panal.store.parents import Parents
from panal.store.publish import as_named, publish_at
from panal.store.roots import Root
from panal.store.space import check_reserve
from panal.store.turn import COMPUTING
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath

_numbers = itertools.count()
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Staged(msgspec.Struct, frozen=True, gc=False):
    """One verified file, and what it becomes."""

    name: str
    entry: CollectionEntry
    manifest: Manifest
    fingerprint: Fingerprint


class Staging:
    """One batch of files in a folder of temporary ones; for one thread at a time.

    What is not put in place stays there, named `<content id>-...`, for a later run.
    """

    def __init__(self, folder: Path, root: Root) -> None:
        self.folder = os.fspath(folder)
        self.root = root
        self.number = next(_numbers)
        """In the order in which batches were begun."""
        self._run = secrets.token_hex(8)
        try:
            self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, "store the files of the folder") from None
        self.files: list[Staged] = []
        self.size_bytes = 0

    def close(self) -> None:
        """Let the folder go."""
        os.close(self.descriptor)

    def check_room(self) -> None:
        """NoSpace where the disk has not so much left that more may come."""
        check_reserve(Path(self.folder))

    def write(self, data: bytes | memoryview, entry: CollectionEntry, manifest: Manifest) -> None:
        """A verified file's bytes, with the entry's time and executable bit."""

        def put(descriptor: int) -> Manifest:
            written = os.write(descriptor, data)
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
            return manifest

        self.make(entry, put)

    def make(self, entry: CollectionEntry, put: Callable[[int], Manifest]) -> None:
        """A file that `put` writes and verifies; what it raises leaves nothing staged."""
        assert entry.content is not None  # noqa: S101 (a file)
        name = f"{entry.content.hex()}-{self._run}-{len(self.files)}"
        mode = 0o777 if entry.type is EntryType.EXECUTABLE else 0o666
        try:
            descriptor = os.open(name, _CREATE, mode, dir_fd=self.descriptor)
            try:
                manifest = put(descriptor)
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
                fingerprint = Fingerprint.of(os.fstat(descriptor), self.root.device)
            except BaseException:
                os.unlink(name, dir_fd=self.descriptor)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise disk_error(error, "store a file of the folder") from None
        self.files.append(Staged(name, entry, manifest, fingerprint))
        self.size_bytes += entry.size_bytes


def publish_all(batches: Sequence[Staging]) -> tuple[list[HashedFile], list[CollectionEntry]]:
    """Make the files of batches durable, then their names; and the entries whose names were taken.

    All batches are of one folder. What came under wanted names meanwhile is left as it is.
    """
    placed: list[HashedFile] = []
    taken: list[CollectionEntry] = []
    first = min(batches, key=lambda batch: batch.number)  # was there before any file of them
    root, descriptor = first.root, first.descriptor
    try:
        sync_files(descriptor, [staged.name for batch in batches for staged in batch.files])
        with COMPUTING, Parents(partial(root.parent_for_writing, sync=False)) as parents:
            for batch in batches:
                _publish(batch, parents, placed, taken)
        sync_folders(root, descriptor, [file.path for file in placed])
    except OSError as error:
        raise disk_error(error, "make the folder's files durable") from None
    return placed, taken


def _publish(
    batch: Staging,
    parents: Parents,
    placed: list[HashedFile],
    taken: list[CollectionEntry],
) -> None:
    for staged in batch.files:
        entry = staged.entry
        assert entry.content is not None  # noqa: S101 (a file)
        folder, name = parents.of(entry.path)
        try:
            publish_at(f"{batch.folder}/{staged.name}", folder, name, entry.path)
        except TargetTaken:
            taken.append(entry)
            continue
        found = as_named(staged.fingerprint, name, folder, batch.root.device)
        placed.append(HashedFile(entry.path, found, entry.content, staged.manifest))


def sync_folders(root: Root, descriptor: int, paths: list[SafePath]) -> None:
    """Make names durable: what stands under these paths, and the folders above, which may be new.

    The descriptor is of anything on their file system, opened before they were made; OSError.
    """
    one_of_each: dict[str, SafePath] = {}
    for path in paths:
        above, _, name = path.rpartition("/")
        while above not in one_of_each:
            one_of_each[above] = SafePath(f"{above}/{name}" if above else name)
            above, _, name = above.rpartition("/")
    if len(one_of_each) >= MANY and syncs_whole(descriptor):
        sync_file_system(descriptor)
        return
    for path in one_of_each.values():
        with root.parent_for_writing(path) as (folder, _):
            os.fsync(folder)
