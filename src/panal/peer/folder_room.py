"""What the disk has still to give to a folder that is fetched: blocks and inodes; pure."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from panal.wire.collection import CollectionEntry
from panal.wire.names import SafePath

BLOCK_BYTES = 4096
"""What even the smallest file, or a folder, takes of most disks."""


class Needed(msgspec.Struct, frozen=True):
    """What entries take of a disk."""

    size_bytes: int
    inodes: int


def needed(files: Sequence[CollectionEntry], folders: Sequence[CollectionEntry]) -> Needed:
    """What files and empty folders take that are missing, each in the order of its paths.

    The folders that they lie in count as missing too: some may be there.
    """
    paths = (entry.path for entry in sorted([*files, *folders], key=attrgetter("path")))
    made = len(folders) + _folders_of(paths)
    return Needed(sum(map(_on_disk_bytes, files)) + made * BLOCK_BYTES, len(files) + made)


def _on_disk_bytes(entry: CollectionEntry) -> int:
    return -(-entry.size_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _folders_of(paths: Iterable[SafePath]) -> int:
    """How many folders these paths lie in; in their order all of one folder come together."""
    count = 0
    before: list[str] = []
    last = ""
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder == last:
            continue
        parts = folder.split("/") if folder else []
        shared = 0
        for one, other in zip(parts, before, strict=False):
            if one != other:
                break
            shared += 1
        count += len(parts) - shared
        before, last = parts, folder
    return count
