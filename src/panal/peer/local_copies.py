"""Contents of a folder that are here already: left over by an earlier run, or shared elsewhere.

What is copied is verified as if it had come from another peer.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from panal.errors import ContentChanged
from panal.peer.bundles import Group
from panal.peer.small_files import manifest_of_small
from panal.store.hashing import hash_descriptor
from panal.store.index import Index
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.store.staging import Staging
from panal.store.turn import COMPUTING
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, content_id

SLICE_FILES = 256
SLICE_BYTES = 16 * 1024 * 1024
"""So much is read, then staged together: that bounds the memory."""
COPY_BYTES = 8 * 1024 * 1024


class Copied(msgspec.Struct, frozen=True):
    """One small content that was staged for every path of its group."""

    group: Group
    was_received: bool
    """By an earlier run, else it is shared elsewhere here."""


class _Read(msgspec.Struct, frozen=True):
    """What should be a content's bytes: nothing is known of them yet."""

    group: Group
    data: bytes
    leftover: Path | None = None


class LocalCopies:
    """Copies what is here; for one folder's download, each call in a thread."""

    def __init__(self, scratch: Path, index: Index, root: Root) -> None:
        """`scratch` has the files that an earlier run received and did not put in place."""
        self._index = index
        self._root = root
        self._leftovers = {path.name.partition("-")[0]: path for path in scratch.iterdir()}
        """By id."""

    def small(self, wanted: Sequence[Group]) -> set[ContentId]:
        """Which of these small contents may be copied."""
        if not self._leftovers and not self._index.files_after("", 1):
            return set()
        contents = {group[0].content for group in wanted if group[0].content is not None}
        left_over = {content for content in contents if content.hex() in self._leftovers}
        known = self._index.one_of_each(list(contents))
        return {*left_over, *(file.content for file in known)}

    def stage_small(
        self, groups: Sequence[Group], batch: Staging
    ) -> tuple[list[Copied], list[Group]]:
        """Verify and stage a slice of what may be copied; and what was not as it should be."""
        batch.check_room()
        contents = [group[0].content for group in groups if group[0].content is not None]
        known = {file.content: file for file in self._index.one_of_each(contents)}
        read = [self._read(group, known) for group in groups]
        copied: list[Copied] = []
        rest: list[Group] = []
        with COMPUTING:
            for one in read:
                manifest = manifest_of_small(one.data)
                if content_id(manifest.encode()) != one.group[0].content:
                    rest.append(one.group)
                    continue
                for entry in one.group:
                    batch.write(one.data, entry, manifest)
                if one.leftover is not None:  # not before: it would have to be fetched again
                    with contextlib.suppress(OSError):
                        one.leftover.unlink()
                copied.append(Copied(one.group, one.leftover is not None))
        return copied, rest

    def _read(self, group: Group, known: Mapping[ContentId, SharedFile]) -> _Read:
        content, size_bytes = group[0].content, group[0].size_bytes
        assert content is not None  # noqa: S101 (a file)
        if (leftover := self._leftovers.pop(content.hex(), None)) is not None:
            with contextlib.suppress(OSError):
                opened = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                return _Read(group, _read_at_most(opened, size_bytes), leftover)
        for shared in self._shared_as(content, known.get(content)):
            # What cannot be read here can be had from others.
            with contextlib.suppress(ContentChanged, OSError):
                opened = self._root.open_unchanged(shared.path, shared.fingerprint)
                return _Read(group, _read_at_most(opened, size_bytes))
        return _Read(group, b"")

    def _shared_as(self, content: ContentId, first: SharedFile | None) -> Iterator[SharedFile]:
        """Files with a content, one at hand first; all are looked up where that is another now."""
        if first is not None:
            yield first
            yield from self._index.by_content(content)

    def elsewhere(self, entry: CollectionEntry) -> list[SharedFile]:
        """Where the folder has a file's content already."""
        return [] if entry.content is None else self._index.by_content(entry.content)

    def stage(self, shared: SharedFile, batch: Staging, entry: CollectionEntry) -> None:
        """Stage a verified copy of any size; ContentChanged where it is no longer that."""
        from_file = self._root.open_unchanged(shared.path, shared.fingerprint)

        def put(descriptor: int) -> Manifest:
            _copy_bytes(from_file, descriptor)
            manifest = hash_descriptor(descriptor, entry.size_bytes)
            if content_id(manifest.encode()) != entry.content:
                raise ContentChanged("The copy is not what was shared.")
            return manifest

        try:
            batch.make(entry, put)
        finally:
            os.close(from_file)


def slices(groups: Iterable[Group]) -> Iterator[list[Group]]:
    """Groups in order, so many at a time as are read and staged together; large ones in parts."""
    some: list[Group] = []
    files = size_bytes = 0
    for part in (part for group in groups for part in _parts(group)):
        if some and (files >= SLICE_FILES or size_bytes >= SLICE_BYTES):
            yield some
            some, files, size_bytes = [], 0, 0
        some.append(part)
        files += len(part)
        size_bytes += len(part) * part[0].size_bytes
    if some:
        yield some


def _parts(group: Group) -> Iterator[Group]:
    most = min(SLICE_FILES, max(1, SLICE_BYTES // max(1, group[0].size_bytes)))
    for start in range(0, len(group), most):
        yield group[start : start + most]


def _read_at_most(descriptor: int, size_bytes: int) -> bytes:
    """One byte more than a file should have shows that it has more."""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(size_bytes + 1)


def _copy_bytes(source: int, target: int) -> None:
    offset = 0
    while data := os.pread(source, COPY_BYTES, offset):
        view = memoryview(data)
        while view:
            count = os.pwrite(target, view, offset)
            view, offset = view[count:], offset + count
