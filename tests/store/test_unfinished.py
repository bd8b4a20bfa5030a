"""Unfinished files on the disk: found, measured, and removed only while nobody uses them."""

import contextlib
import os
from pathlib import Path
from random import Random

import pytest

from panal.errors import PanalError, StateInUse
from panal.store.partial import PartialFile
from panal.store.unfinished import (
    Leftover,
    begin_ageing,
    in_use,
    leftovers_in,
    remove,
    right_bytes,
)
from panal.wire.ids import ContentId
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.scripted_peer import manifest_of_bytes

DATA = Random(5).randbytes(3 * MIN_CHUNK_BYTES + 7)
MANIFEST, CONTENT = manifest_of_bytes(DATA)
LATER_S = 4_000_000_000.0


def opened(folder: Path, *chunks: int) -> PartialFile:
    partial = PartialFile(folder, CONTENT, MANIFEST)
    partial.compare_some()
    for index in chunks:
        if not partial.written >> index & 1:
            offset, length = MANIFEST.chunk_range(index)
            writer = partial.begin_chunk(index)
            writer.write(memoryview(DATA)[offset : offset + length])
            assert writer.finish()
    return partial


def only(folder: Path) -> Leftover:
    (leftover,) = leftovers_in(folder)
    return leftover


@pytest.mark.parametrize(
    ("chunks", "right"), [((), 0), ((1,), MIN_CHUNK_BYTES), ((0, 3), MIN_CHUNK_BYTES + 7)]
)
def test_what_is_there(tmp_path: Path, chunks: tuple[int, ...], right: int) -> None:
    opened(tmp_path, *chunks).close()
    leftover = only(tmp_path)
    assert (leftover.content, leftover.size_bytes, right_bytes(leftover)) == (
        CONTENT,
        len(DATA),
        right,
    )
    assert leftover.disk_bytes >= len(DATA)


def test_nothing_else_is_looked_at(tmp_path: Path) -> None:
    for name in ("queue", "a.part", "0" * 64, "0" * 64 + ".new", "F" * 64 + ".part"):
        (tmp_path / name).touch()
    assert leftovers_in(tmp_path) == []
    assert leftovers_in(tmp_path / "missing") == []


def test_removed_with_its_journal(tmp_path: Path) -> None:
    opened(tmp_path, 0).close()
    assert remove(only(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", ["part", "journal"])
def test_one_without_the_other(tmp_path: Path, left: str) -> None:
    opened(tmp_path, 0).close()
    for path in tmp_path.iterdir():
        if path.suffix != f".{left}":
            path.unlink()
    leftover = only(tmp_path)
    assert right_bytes(leftover) == 0
    assert remove(leftover)
    assert list(tmp_path.iterdir()) == []


def test_not_while_it_is_used(tmp_path: Path) -> None:
    partial = opened(tmp_path, 0)
    leftover = only(tmp_path)
    assert not remove(leftover)
    assert opened_again_is_refused(tmp_path)
    partial.close()
    assert opened(tmp_path).written == 1


def opened_again_is_refused(folder: Path) -> bool:
    with pytest.raises(StateInUse):
        opened(folder)
    return True


def test_not_if_it_was_written_to_meanwhile(tmp_path: Path) -> None:
    opened(tmp_path, 0).close()
    leftover = only(tmp_path)
    begin_ageing(leftover, LATER_S)
    assert only(tmp_path).modified_s == LATER_S
    assert not remove(leftover)
    assert remove(only(tmp_path))


def test_a_folder_is_removed_unless_it_is_used(tmp_path: Path) -> None:
    folder = tmp_path / f"{CONTENT.hex()}.folder"
    with in_use(folder), in_use(folder):
        (folder / "x").write_bytes(b"123")
        assert not remove(only(tmp_path))
        assert (only(tmp_path).size_bytes, right_bytes(only(tmp_path))) == (3, 3)
    assert remove(only(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "partial"
    for place in (elsewhere, folder):
        place.mkdir()
    (elsewhere / "kept").write_bytes(b"x" * 10_000)
    (folder / f"{CONTENT.hex()}.folder").symlink_to(elsewhere)
    (folder / f"{ContentId(bytes(32)).hex()}.part").symlink_to(elsewhere / "kept")
    for leftover in leftovers_in(folder):
        assert leftover.size_bytes < 10_000
        with contextlib.suppress(PanalError):
            remove(leftover)
    assert (elsewhere / "kept").read_bytes() == b"x" * 10_000


def test_a_folder_removed_as_it_is_taken_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = tmp_path / f"{CONTENT.hex()}.folder", os.open
    removed: list[str] = []

    def slow_open(path: Path, flags: int) -> int:
        descriptor = real(path, flags)
        if not removed:
            removed.append(path.name)
            path.rmdir()
        return descriptor

    monkeypatch.setattr(os, "open", slow_open)
    with in_use(folder):
        assert folder.is_dir()
    assert removed
