"""A folder's files that are here already, under other names, are copied; each is verified."""

import errno
import os
from pathlib import Path

import pytest

from panal.errors import PanalError
from panal.peer import local_copies
from panal.peer.bundles import Group
from panal.peer.local_copies import SLICE_BYTES, SLICE_FILES, LocalCopies, slices
from panal.peer.small_files import manifest_of_small
from panal.store.index import Index
from panal.store.roots import Root
from panal.store.staging import Staging
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, content_id
from panal.wire.names import SafePath, safe_path
from tests.support.network import Network, RunningPeer, until

FILES = 600


async def _fetched_once(network: Network) -> tuple[RunningPeer, str]:
    """Who has a folder under the name `one`, and its link."""
    tree = network.place / "a/tree"
    tree.mkdir(parents=True)
    for number in range(FILES):
        (tree / f"{number:03}").write_bytes(b"%03d" % number)
    a, b = await network.peer("a"), await network.peer("b")
    await until(lambda: a.app.index.totals()[0] == FILES, "everything shared")
    link = (await a.node.add_folder("tree")).link
    assert (await b.fetched(link, "one")).state == "done"
    return b, link


def _bytes_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


async def test_under_another_name_nothing_is_fetched(network: Network) -> None:
    b, link = await _fetched_once(network)
    answer = await b.fetched(link, "two")
    assert answer.state == "done"
    assert (sum(source.bytes for source in answer.sources), answer.bytes_copied) == (0, 3 * FILES)
    assert _bytes_in(b.folder / "two") == _bytes_in(network.place / "a/tree")


async def test_a_copy_that_has_rotted_is_fetched_instead(network: Network) -> None:
    b, link = await _fetched_once(network)
    rotten = b.folder / "one/007"
    times = rotten.stat()
    rotten.write_bytes(b"rot")
    os.utime(rotten, ns=(times.st_atime_ns, times.st_mtime_ns))
    answer = await b.fetched(link, "two")
    assert answer.state == "done"
    assert sum(source.bytes for source in answer.sources) == 3
    assert _bytes_in(b.folder / "two") == _bytes_in(network.place / "a/tree")


async def test_a_copy_that_cannot_be_read_is_fetched_instead(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    b, link = await _fetched_once(network)
    read = local_copies._read_at_most
    bad = (b.folder / "one/007").stat().st_ino

    def failing(descriptor: int, size_bytes: int) -> bytes:
        is_bad = os.fstat(descriptor).st_ino == bad
        data = read(descriptor, size_bytes)
        if is_bad:
            raise OSError(errno.EIO, "as of a worn sector")
        return data

    monkeypatch.setattr(local_copies, "_read_at_most", failing)
    answer = await b.fetched(link, "two")
    assert answer.state == "done"
    assert sum(source.bytes for source in answer.sources) == 3
    assert _bytes_in(b.folder / "two") == _bytes_in(network.place / "a/tree")


def _group(size_bytes: int) -> Group:
    return [CollectionEntry(SafePath("f"), EntryType.FILE, ContentId(bytes(32)), size_bytes, 0)]


def test_a_slice_is_bounded_in_files_and_bytes() -> None:
    assert [len(some) for some in slices([_group(1)] * (SLICE_FILES + 1))] == [SLICE_FILES, 1]
    assert [len(some) for some in slices([_group(SLICE_BYTES)] * 2)] == [1, 1]
    assert list(slices([])) == []


def test_a_large_group_comes_in_parts() -> None:
    [entry] = _group(1)
    parts = list(slices([[entry] * (2 * SLICE_FILES + 1)]))
    assert [sum(map(len, some)) for some in parts] == [SLICE_FILES, SLICE_FILES, 1]


def test_a_disk_that_fails_costs_nothing_that_an_earlier_run_received(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    groups: list[Group] = []
    for data in (b"one", b"two", b"three"):
        content = content_id(manifest_of_small(data).encode())
        (scratch / f"{content.hex()}-0-0").write_bytes(data)
        entry = CollectionEntry(safe_path(data.decode()), EntryType.FILE, content, len(data), 0)
        groups.append([entry])
    root, index = Root(tmp_path / "root"), Index(tmp_path / "index.sqlite")
    batch = Staging(scratch, root)
    write = Staging.write

    def failing(self: Staging, data: bytes, entry: CollectionEntry, manifest: Manifest) -> None:
        if entry.path == "two":
            raise PanalError("The disk fails.")
        write(self, data, entry, manifest)

    monkeypatch.setattr(Staging, "write", failing)
    with pytest.raises(PanalError):
        LocalCopies(scratch, index, root).stage_small(groups, batch)
    assert sorted(path.read_bytes() for path in scratch.iterdir()) == [b"one", b"three", b"two"]
    batch.close()
    index.close()
