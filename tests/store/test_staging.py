"""Staged files: durable first, then under their names; never over another file."""

import errno
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from panal.errors import NoSpace, Refused
from panal.store import durable, publish, staging
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import hash_file
from panal.store.roots import Root
from panal.store.staging import Staging, publish_all
from panal.store.turn import COMPUTING
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.manifest import content_id
from panal.wire.names import SafePath, safe_path
from tests.support.scripted_peer import manifest_of_bytes

pytestmark = pytest.mark.p4

DAY_NS = 86_400_000_000_000


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "root").mkdir()
    (tmp_path / "staged").mkdir()
    return Root(tmp_path / "root")


def stage(batch: Staging, path: str, data: bytes, kind: EntryType = EntryType.FILE) -> None:
    manifest, content = manifest_of_bytes(data)
    entry = CollectionEntry(safe_path(path), kind, content, len(data), DAY_NS)
    batch.write(data, entry, manifest)


def some(tmp_path: Path, root: Root, count: int = 20) -> Staging:
    batch = Staging(tmp_path / "staged", root)
    for n in range(count):
        stage(batch, f"a/{n % 3}/{n}", b"x" * n)
    return batch


@pytest.mark.parametrize("whole", [True, False])
def test_a_batch_is_put_in_place(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(durable, "syncs_whole", lambda descriptor: whole)
    monkeypatch.setattr(staging, "syncs_whole", lambda descriptor: whole)
    batch = some(tmp_path, root)
    stage(batch, "run", b"#!", EntryType.EXECUTABLE)
    placed, taken = publish_all([batch])
    batch.close()
    assert (len(placed), taken) == (21, [])
    for file in placed:  # what is remembered of each is what a scan would find
        found = hash_file(root, file.path)
        assert (found.fingerprint, found.content) == (file.fingerprint, file.content)
        assert (root.path / file.path).stat().st_mtime_ns == DAY_NS
        assert content_id(file.manifest.encode()) == file.content
    assert os.access(root.path / "run", os.X_OK)
    assert not os.access(root.path / "a/1/1", os.X_OK)
    assert list((tmp_path / "staged").iterdir()) == []


def test_when_a_file_was_named_is_known(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named_later(found: Fingerprint, *_: object) -> Fingerprint:
        return replace(found, ctime_ns=found.ctime_ns + 1)

    monkeypatch.setattr(staging, "as_named", named_later)
    batch = some(tmp_path, root)
    placed, _ = publish_all([batch])
    batch.close()
    before = [staged.fingerprint.ctime_ns for staged in batch.files]
    assert [file.fingerprint.ctime_ns - 1 for file in placed] == before
    assert all(root.fingerprint(file.path) == file.fingerprint for file in placed)


@pytest.mark.parametrize("whole", [True, False])
def test_names_come_after_the_files_are_durable_and_are_made_so_too(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    steps: list[str] = []
    names: list[str] = []
    real_fsync, real_publish = os.fsync, publish.publish_at

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        steps.append("file" if "/staged/" in path else path.removeprefix(str(tmp_path)))
        real_fsync(descriptor)

    def publish_at(source: str, folder: int, name: str, path: str) -> None:
        steps.append("name")
        names.append(name)
        real_publish(source, folder, name, safe_path(path))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(staging, "publish_at", publish_at)
    for module in (durable, staging):
        monkeypatch.setattr(module, "syncs_whole", lambda descriptor: whole)
        monkeypatch.setattr(module, "sync_file_system", lambda descriptor: steps.append("all"))
    batch = some(tmp_path, root)
    publish_all([batch])
    batch.close()
    folders = {"/root", "/root/a", "/root/a/0", "/root/a/1", "/root/a/2"}
    before = ["all"] if whole else ["file"] * 20
    assert steps[: len(before) + 20] == before + ["name"] * 20
    assert set(steps[len(before) + 20 :]) == folders
    assert sorted(names) == sorted(map(str, range(20)))


def test_a_batch_is_named_in_its_turn_and_synced_out_of_it(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: dict[str, set[bool]] = {"sync": set(), "name": set()}
    real_publish, real_fsync = publish.publish_at, os.fsync

    def publish_at(source: str, folder: int, name: str, path: SafePath) -> None:
        turns["name"].add(COMPUTING.locked())
        real_publish(source, folder, name, path)

    def fsync(descriptor: int) -> None:
        turns["sync"].add(COMPUTING.locked())
        real_fsync(descriptor)

    monkeypatch.setattr(staging, "publish_at", publish_at)
    monkeypatch.setattr(os, "fsync", fsync)
    for module in (durable, staging):
        monkeypatch.setattr(module, "syncs_whole", lambda descriptor: False)
    batch = some(tmp_path, root)
    publish_all([batch])
    batch.close()
    assert turns == {"sync": {False}, "name": {True}}
    assert not COMPUTING.locked()


def test_several_batches_are_made_durable_by_the_descriptor_that_was_there_first(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells each of what failed since it was opened: the second would miss some."""
    calls: list[int] = []
    for module in (durable, staging):
        monkeypatch.setattr(module, "syncs_whole", lambda descriptor: True)
        monkeypatch.setattr(module, "sync_file_system", calls.append)
    first, second = Staging(tmp_path / "staged", root), Staging(tmp_path / "staged", root)
    for n in range(20):
        stage(first, f"first/{n}", b"data")
        stage(second, f"second/{n}/file", b"data")
    stage(second, "first/0", b"another")  # the name is taken by then, and left alone
    placed, taken = publish_all([second, first])
    assert calls == [first.descriptor] * 2
    assert len(placed) == 40
    assert [entry.path for entry in taken] == ["first/0"]
    for batch in (first, second):
        batch.close()


def test_many_folders_are_made_durable_by_one_call(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    for module in (durable, staging):
        monkeypatch.setattr(module, "syncs_whole", lambda descriptor: True)
        monkeypatch.setattr(module, "sync_file_system", calls.append)
    batch = Staging(tmp_path / "staged", root)
    for n in range(20):
        stage(batch, f"{n}/file", b"data")
    publish_all([batch])
    batch.close()
    assert len(calls) == 2


def test_what_cannot_be_made_durable_gets_no_name(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(durable, "syncs_whole", lambda descriptor: True)
    monkeypatch.setattr(durable, "sync_file_system", full)
    batch = some(tmp_path, root)
    with pytest.raises(NoSpace):
        publish_all([batch])
    batch.close()
    assert list(root.path.iterdir()) == []
    assert len(list((tmp_path / "staged").iterdir())) == 20  # for the next run


def test_a_taken_name_is_left_as_it_is(tmp_path: Path, root: Root) -> None:
    (root.path / "a/1").mkdir(parents=True)
    (root.path / "a/1/1").write_bytes(b"mine")
    batch = some(tmp_path, root)
    placed, taken = publish_all([batch])
    batch.close()
    assert len(placed) == 19
    assert [entry.path for entry in taken] == ["a/1/1"]
    assert (root.path / "a/1/1").read_bytes() == b"mine"


def test_a_planted_link_leads_nowhere(tmp_path: Path, root: Root) -> None:
    (tmp_path / "outside").mkdir()
    (root.path / "a").symlink_to(tmp_path / "outside")
    batch = some(tmp_path, root)
    with pytest.raises(Refused):
        publish_all([batch])
    batch.close()
    assert list((tmp_path / "outside").iterdir()) == []


def test_what_put_refuses_leaves_nothing(tmp_path: Path, root: Root) -> None:
    batch = Staging(tmp_path / "staged", root)
    _, content = manifest_of_bytes(b"data")
    entry = CollectionEntry(safe_path("a"), EntryType.FILE, content, 4, 0)

    def refuse(descriptor: int) -> object:
        raise Refused("no")

    with pytest.raises(Refused):
        batch.make(entry, refuse)  # type: ignore[arg-type]
    assert list((tmp_path / "staged").iterdir()) == []
    assert batch.files == []
    batch.close()


def test_which_file_systems_are_synced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = os.open("/dev/shm", os.O_RDONLY)
    processes = os.open("/proc", os.O_RDONLY)
    try:
        assert durable.syncs_whole(memory)
        assert not durable.syncs_whole(processes)
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(("", "", "5.7.19-1", "", "")))
        assert not durable.syncs_whole(memory)
    finally:
        os.close(memory)
        os.close(processes)
