"""A folder's files that are here already, under other names, are copied; each is verified."""

import os
from pathlib import Path

from panal.peer.bundles import Group
from panal.peer.local_copies import SLICE_BYTES, SLICE_FILES, slices
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId
from panal.wire.names import SafePath
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


def _group(size_bytes: int) -> Group:
    return [CollectionEntry(SafePath("f"), EntryType.FILE, ContentId(bytes(32)), size_bytes, 0)]


def test_a_slice_is_bounded_in_files_and_bytes() -> None:
    assert [len(some) for some in slices([_group(1)] * (SLICE_FILES + 1))] == [SLICE_FILES, 1]
    assert [len(some) for some in slices([_group(SLICE_BYTES)] * 2)] == [1, 1]
    assert list(slices([])) == []
