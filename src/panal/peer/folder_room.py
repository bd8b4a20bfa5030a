"""What the disk has still to give to a folder that is fetched: blocks and inodes; pure."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

import msgspec

from panal.wire.collection import CollectionEntry
from panal.wire.names import SafePath

BLOCK_BYTES = 4096
"""What even the smallest file, or a folder, takes of most disks."""


class Needed(msgspec.Struct, frozen=True):
    """What the disk has to give."""

    size_bytes: int
    inodes: int


def needed(
    files: Sequence[CollectionEntry],
    folders: Sequence[CollectionEntry],
    stands: Callable[[str], bool],
    given: Sequence[int] = (),
) -> Needed:
    """What the disk has still to give to files and empty folders that are missing.

    `stands` says whether a folder that they lie in is there, `given` what each file that is on
    its way has got. Where files ask for nothing, their folders do not either: a folder may end
    on a disk that has only its reserve.
    """
    paths = (entry.path for entry in sorted([*files, *folders], key=attrgetter("path")))
    made = len(folders) + _missing_folders_of(paths, stands)
    size_bytes = sum(map(_on_disk_bytes, files)) - sum(given)
    if size_bytes > 0 or not files:
        size_bytes += made * BLOCK_BYTES
    return Needed(max(0, size_bytes), max(0, len(files) + made - len(given)))


def _on_disk_bytes(entry: CollectionEntry) -> int:
    return -(-entry.size_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _missing_folders_of(paths: Iterable[SafePath], stands: Callable[[str], bool]) -> int:
    """How many folders that these paths lie in are not there.

    In their order all of one folder come together.
    """
    count = there = 0
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
        there = min(there, shared)
        while shared <= there < len(parts) and stands("/".join(parts[: there + 1])):
            there += 1
        count += len(parts) - max(there, shared)
        before, last = parts, folder
    return count
