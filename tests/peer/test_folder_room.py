"""What a folder's files and folders take of a disk, and a disk that lacks it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import NoSpace
from panal.peer.folder_check import Comparison
from panal.peer.folder_downloads import FolderDownloads
from panal.peer.folder_room import BLOCK_BYTES, Needed, needed
from panal.store import space
from panal.store.space import Room, lacking
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId
from panal.wire.names import safe_path

MIB = 1024 * 1024


def file(path: str, size_bytes: int = 1) -> CollectionEntry:
    return CollectionEntry(safe_path(path), EntryType.FILE, ContentId(bytes(32)), size_bytes, 0)


def folder(path: str) -> CollectionEntry:
    return CollectionEntry(safe_path(path), EntryType.EMPTY_FOLDER, None, 0, 0)


def nowhere(path: str) -> bool:
    return False


def test_folders_take_room_too() -> None:
    assert needed([], [], nowhere) == Needed(0, 0)
    assert needed([file("a", 0)], [], nowhere) == Needed(0, 1)
    assert needed([file("a", BLOCK_BYTES + 1)], [], nowhere) == Needed(2 * BLOCK_BYTES, 1)
    assert needed([], [folder("a")], nowhere) == Needed(BLOCK_BYTES, 1)
    # t, t/a, t/a/b and t/a/c for the files; t/d and t/d/e, the empty one.
    files = [file("t/a/b/1"), file("t/a/b/2"), file("t/a/c/3"), file("t/a/z")]
    assert needed(files, [folder("t/d/e")], nowhere) == Needed(10 * BLOCK_BYTES, 10)
    there = {"t", "t/a", "t/a/c"}
    assert needed(files, [folder("t/d/e")], there.__contains__) == Needed(7 * BLOCK_BYTES, 7)


def test_what_has_its_room_asks_for_none_and_its_folders_for_names_alone() -> None:
    files = [file("t/a", 2 * BLOCK_BYTES), file("t/b", BLOCK_BYTES)]
    given = [2 * BLOCK_BYTES, BLOCK_BYTES]
    assert needed(files, [], nowhere, given) == Needed(0, 1)
    assert needed(files, [], {"t"}.__contains__, given) == Needed(0, 0)
    assert needed(files, [], nowhere, given[:1]) == Needed(2 * BLOCK_BYTES, 2)


def test_a_folder_whose_files_have_their_room_ends_on_a_disk_below_its_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, scratch = ContentId(bytes(32)), tmp_path / "x.folder"
    scratch.mkdir()
    (tmp_path / f"{content.hex()}.part").write_bytes(b"a" * 8 * MIB)
    monkeypatch.setattr(space, "room_at", lambda _: Room(100 << 30, 512 << 20, 1000))
    parts: Any = SimpleNamespace(partials=tmp_path, root=SimpleNamespace(path=tmp_path / "root"))
    downloads = FolderDownloads(parts)
    downloads._check_space(Comparison(missing=[file("t/big", 8 * MIB)]), scratch)
    with pytest.raises(NoSpace):
        downloads._check_space(Comparison(missing=[file("t/big", 9 * MIB)]), scratch)


names = st.lists(st.sampled_from(["a", "a-", "b"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(names), st.sets(names))
def test_each_folder_counts_once(found: set[str], standing: set[str]) -> None:
    above = set().union(*map(_above, found))
    there = {path for path in above if {path, *_above(path)} <= standing}
    count = len(found) + len(above - there)
    files = [file(path) for path in sorted(found)]
    assert needed(files, [], there.__contains__) == Needed(count * BLOCK_BYTES, count)


def _above(path: str) -> set[str]:
    return {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}


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
