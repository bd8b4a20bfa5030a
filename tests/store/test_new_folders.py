"""Empty folders made together: durable, with their times, and nothing that is there touched."""

import os
from pathlib import Path

import pytest

from panal.errors import PanalError
from panal.store import staging
from panal.store.new_folders import make_folders
from panal.store.roots import Root
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.names import safe_path
from tests.store.makers import noted_syncs

DAY_NS = 86_400_000_000_000


def folder(path: str, mtime_ns: int = DAY_NS) -> CollectionEntry:
    return CollectionEntry(safe_path(path), EntryType.EMPTY_FOLDER, None, 0, mtime_ns)


def test_they_have_their_times_and_what_is_there_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "t/there").mkdir(parents=True)
    before_ns = (tmp_path / "t/there").stat().st_mtime_ns
    make_folders(Root(tmp_path), [folder("t/a/b"), folder("t/new"), folder("t/there")])
    assert (tmp_path / "t/a/b").stat().st_mtime_ns == DAY_NS
    assert (tmp_path / "t/new").stat().st_mtime_ns == DAY_NS
    assert (tmp_path / "t/there").stat().st_mtime_ns == before_ns
    make_folders(Root(tmp_path), [])


def test_each_folder_above_is_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "syncs_whole", lambda descriptor: False)
    synced = noted_syncs(monkeypatch)
    paths = [f"t/{above}/{number:03}" for above in "ab" for number in range(200)]
    make_folders(Root(tmp_path), list(map(folder, paths)))
    above = [tmp_path, tmp_path / "t", tmp_path / "t/a", tmp_path / "t/b"]
    assert sorted(synced) == sorted(place.stat().st_ino for place in above)


def test_the_one_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(PanalError, match="make the folder 'a'"):
        make_folders(Root(tmp_path), [folder("a")])
