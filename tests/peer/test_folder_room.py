"""What a folder's files and folders take of a disk, and a disk that lacks it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.peer.folder_room import BLOCK_BYTES, Needed, needed
from panal.store.space import Room, lacking
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId
from panal.wire.names import safe_path

MIB = 1024 * 1024


def file(path: str, size_bytes: int = 1) -> CollectionEntry:
    return CollectionEntry(safe_path(path), EntryType.FILE, ContentId(bytes(32)), size_bytes, 0)


def folder(path: str) -> CollectionEntry:
    return CollectionEntry(safe_path(path), EntryType.EMPTY_FOLDER, None, 0, 0)


def test_folders_take_room_too() -> None:
    assert needed([], []) == Needed(0, 0)
    assert needed([file("a", 0)], []) == Needed(0, 1)
    assert needed([file("a", BLOCK_BYTES + 1)], []) == Needed(2 * BLOCK_BYTES, 1)
    assert needed([], [folder("a")]) == Needed(BLOCK_BYTES, 1)
    # t, t/a, t/a/b and t/a/c for the files; t/d and t/d/e, the empty one.
    files = [file("t/a/b/1"), file("t/a/b/2"), file("t/a/c/3"), file("t/a/z")]
    assert needed(files, [folder("t/d/e")]) == Needed(10 * BLOCK_BYTES, 10)


names = st.lists(st.sampled_from(["a", "a-", "b"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(names))
def test_each_folder_counts_once(found: set[str]) -> None:
    above = {path.rsplit("/", n)[0] for path in found for n in range(1, path.count("/") + 1)}
    count = len(found) + len(above)
    assert needed([file(path) for path in sorted(found)], []) == Needed(count * BLOCK_BYTES, count)


@pytest.mark.parametrize(
    ("free_inodes", "is_lacking"), [(None, False), (3, False), (2, True), (0, True)]
)
def test_a_disk_without_inodes(free_inodes: int | None, is_lacking: bool) -> None:
    room = Room(total_bytes=1000 * MIB, free_bytes=500 * MIB, free_inodes=free_inodes)
    found = lacking(room, Path("/there"), 3 * BLOCK_BYTES, 3)
    assert (found is not None) is is_lacking
    if found is not None:
        assert str(found).startswith("3 more files and folders are needed on /there")
    assert lacking(room, Path("/there"), 0, 0) is None
