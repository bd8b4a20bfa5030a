"""The folder and the index side by side: what is fresh, gone, moved, and what is neither."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import comparing
from panal.peer.comparing import Comparing
from panal.store.fingerprints import Skipped
from panal.store.hashing import hash_file
from panal.store.index import Index
from panal.store.mounts import FurtherRoot, Mounts
from panal.store.root_records import RootRecords
from panal.store.walking import Piece, Recall
from panal.wire.names import SafePath, safe_path
from tests.peer.test_watching import write


class Place:
    """A folder, a further root called `more`, and their index."""

    def __init__(self, top: Path) -> None:
        self.folder, self.more = top / "folder", top / "more"
        self.folder.mkdir()
        self.more.mkdir()
        self.root = Mounts(self.folder)
        self.root.mount(FurtherRoot("more", self.more, is_folder=True))
        self.root.refresh_all(lambda name: True)
        self.index = Index(top / "state/index.sqlite")
        RootRecords(self.index)
        self.comparing = Comparing(self.root, self.index, lambda: None)

    def path(self, name: str) -> Path:
        return self.more / name[5:] if name.startswith("more/") else self.folder / name

    def write(self, name: str, data: bytes) -> None:
        write(self.path(name), data)
        os.utime(self.path(name), ns=(0, time.time_ns() - 10**10 + len(data) + 1))

    def remember(self, *names: str) -> None:
        self.index.remember([hash_file(self.root, safe_path(name)) for name in names])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(comparing, "PAGE", 3)  # so that a few files are many pages
    place = Place(tmp_path)
    yield place
    place.index.close()


NAMES = [
    f"{folder}{name}"
    for folder in ("", "a/", "a-/", "a/b/", "a0/", "more/", "more/a/", "z/")
    for name in ("0", "b!", "b", "k.txt", "ñ", "\U0001f41d")
    if folder + name != "a/b"
]


@pytest.mark.parametrize("seed", range(30))
def test_any_two_states_differ_by_what_was_changed(place: Place, seed: int) -> None:
    chance = Random(seed)
    there = set(chance.sample(NAMES, chance.randrange(len(NAMES))))
    for name in there:
        self_data = name.encode()
        place.write(name, self_data)
    place.remember(*there)
    gone = {name for name in there if chance.random() < 0.3}
    edited = {name for name in there - gone if chance.random() < 0.2}
    new = {name for name in NAMES if name not in there and chance.random() < 0.3}
    for name in gone:
        place.path(name).unlink()
    for name in edited | new:
        place.write(name, name.encode() + b"edited")
    both = (place.comparing.everything(time.time), place.comparing.some(NAMES, time.time))
    for found in both:
        assert {path for path, _ in found.fresh} | {m.path for m in found.moved} == edited | new
        assert {path for path, _ in found.gone} == gone
        assert found.unsettled == []


def test_what_comes_while_others_are_looked_at_is_not_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = place.root.pieces_of

    def pieces_of(name: str, skipped: Skipped, recall: Recall) -> Iterator[Piece]:
        for piece in real(name, skipped, recall):
            if name == "" and isinstance(piece, list):  # its folder has been listed by now
                place.write("a", b"uploaded")
                place.remember("a")
            yield piece

    place.write("b", b"b")
    place.remember("b")
    monkeypatch.setattr(place.root, "pieces_of", pieces_of)
    found = place.comparing.everything(time.time)
    assert (found.fresh, found.gone) == ([], [])


@pytest.mark.parametrize(
    ("written_s", "is_settled"),
    [
        (-10.0, True),
        (-0.6, True),
        (-0.4, False),
        (-1.0, False),  # in whole seconds, of which the last may not be over
        (-2.0, True),
        (0.0, False),
        (4.0, False),
        (10.4, False),
        (10.6, True),  # a time to come, as a wrong clock or an unpacker leaves it
        (11.0, False),
        (12.0, True),
    ],
)
def test_what_is_written_during_a_long_look_is_not_settled(
    place: Place, written_s: float, is_settled: bool
) -> None:
    began_s = 1_700_000_000.0
    now_s = iter([began_s, *[began_s + 10.0] * 2])
    place.write("a", b"half")
    os.utime(place.path("a"), ns=(0, int((began_s + written_s) * 1e9)))
    found = place.comparing.everything(lambda: next(now_s))
    assert [path for path, _ in found.fresh] == (["a"] if is_settled else [])
    assert found.unsettled == ([] if is_settled else ["a"])


def test_what_is_left_out_now_is_gone_though_it_is_there(place: Place) -> None:
    place.write("a.log", b"log")
    place.remember("a.log")
    (place.folder / ".panalignore").write_text("*.log")
    assert [path for path, _ in place.comparing.everything(time.time).gone] == ["a.log"]


def test_a_renamed_folder_is_moved_and_gone_and_nothing_else(place: Place) -> None:
    names = [f"a/{number}" for number in range(10)]
    for name in names:
        place.write(name, name.encode())
    place.remember(*names)
    (place.folder / "a").rename(place.folder / "b")
    found = place.comparing.some({"a", "b"}, time.time)
    assert [(m.path, m.twin) for m in found.moved] == [(f"b/{n}", f"a/{n}") for n in range(10)]
    assert [path for path, _ in found.gone] == [SafePath(name) for name in names]
    assert found.fresh == []


def test_what_is_indexed_while_others_are_looked_at_is_no_twin_of_itself(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("known", b"1")
    place.remember("known")
    place.write("late", b"22")
    place.write("fresh", b"333")
    compare = Comparing._compare

    def late(self: Comparing, *given: Any) -> None:
        compare(self, *given)
        place.remember("late")

    monkeypatch.setattr(Comparing, "_compare", late)
    found = place.comparing.everything(time.time)
    assert ([path for path, _ in found.fresh], found.moved) == (["fresh"], [])


@pytest.mark.parametrize("name", ["k.txt", "a/b/k.txt", "more/k.txt"])
@pytest.mark.parametrize("looks_at_all", [True, False])
def test_another_file_with_the_time_that_an_archive_sets_and_an_old_inode_is_fresh(
    place: Place, name: str, looks_at_all: bool
) -> None:
    def look() -> list[str]:
        if looks_at_all:
            found = place.comparing.everything(time.time)
        else:
            found = place.comparing.some([name], time.time)
        assert not found.moved
        assert not found.gone
        return [path for path, _ in found.fresh]

    def unpack(data: bytes, mtime_ns: int) -> None:
        path = place.path(name)
        ctime_ns = path.stat().st_ctime_ns if path.exists() else 0
        while True:  # as a deleted file's inode is given to the next
            write(path, data)
            os.utime(path, ns=(0, mtime_ns))
            if path.stat().st_ctime_ns != ctime_ns:  # a clock may tick in milliseconds
                return

    archives_ns = 10**18
    unpack(b"version 1.0", archives_ns)
    assert look() == [name]
    place.remember(name)
    assert look() == look() == []
    unpack(b"version 1.1", archives_ns)
    assert look() == [name]
    place.remember(name)
    assert look() == look() == []
    unpack(b"version 1.2", archives_ns + 1)  # a time that nobody sets twice
    place.remember(name)
    assert look() == []
    os.chmod(place.path(name), 0o600)
    assert look() == []
