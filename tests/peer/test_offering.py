"""A folder's snapshot is offered while all of it can be delivered, and never else."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peer.test_watching import write
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.usefixtures("seen_and_told_soon")


async def is_offered(peer: RunningPeer, content: str, wanted: bool) -> None:
    """Wait until the tracker and the peer's own door both say so."""
    offered = peer.app.collections.offering
    await until(lambda: bool(offered.entries()) is wanted, f"{content} offered: {wanted}")
    assert await peer.app.announcer.announced(PATIENCE_S)
    kinds = {hit.kind for hit in (await peer.node.search("")).hits}
    assert ("collection" in kinds) is wanted
    for path in (f"/content/{content}", f"/content/{content}/manifest"):
        assert (await peer.request("GET", path)).status == (200 if wanted else 404)


async def with_snapshot(network: Network) -> tuple[RunningPeer, str]:
    for name in ("tree/a", "tree/deep/b", "aside"):
        write(network.place / "one" / name, name.encode() * 9)
    peer = await network.peer("one")
    content = (await peer.node.add_folder("tree")).id
    await is_offered(peer, content, True)
    return peer, content


def delete(tree: Path) -> None:
    shutil.rmtree(tree)


def delete_one(tree: Path) -> None:
    (tree / "deep/b").unlink()


def edit_one(tree: Path) -> None:
    (tree / "deep/b").write_bytes(b"edited")


def rename(tree: Path) -> None:
    tree.rename(tree.with_name("other"))


@pytest.mark.parametrize("change", [delete, delete_one, edit_one, rename])
async def test_withdrawn_once_a_file_is_not_as_it_was_and_back_with_it(
    network: Network, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    peer, content = await with_snapshot(network)
    shutil.copytree(peer.folder / "tree", tmp_path / "kept")
    change(peer.folder / "tree")
    await is_offered(peer, content, False)
    await network.stop_peer("one")
    peer = await network.peer("one")
    await is_offered(peer, content, False)
    shutil.copytree(tmp_path / "kept", peer.folder / "tree", dirs_exist_ok=True)
    await is_offered(peer, content, True)
    two = await network.peer("two")
    assert (await two.fetched(content)).state == "done"


async def test_what_others_do_beside_it_changes_nothing(network: Network) -> None:
    peer, content = await with_snapshot(network)
    write(peer.folder / "tree/more", b"more")
    (peer.folder / "aside").unlink()
    os.utime(peer.folder / "tree/a", (7, 7))
    await until(lambda: peer.app.index.by_path("aside") is None, "aside is gone")
    await until(lambda: peer.app.index.by_path("tree/more") is not None, "more is shared")
    await is_offered(peer, content, True)


async def test_withdrawn_when_it_is_unshared_and_back_when_it_is_added(network: Network) -> None:
    peer, content = await with_snapshot(network)
    await peer.node.unshare(["tree"])
    await is_offered(peer, content, False)
    await peer.node.add([str(peer.folder / "tree")])
    await is_offered(peer, content, True)


async def test_it_goes_and_comes_with_its_root(network: Network, tmp_path: Path) -> None:
    write(tmp_path / "disk/photos/1", b"one")
    peer = await network.peer("one")
    await peer.node.add([str(tmp_path / "disk")])
    content = (await peer.node.add_folder("disk/photos")).id
    await is_offered(peer, content, True)
    (tmp_path / "disk").rename(tmp_path / "away")
    await is_offered(peer, content, False)
    await network.stop_peer("one")
    peer = await network.peer("one")
    await is_offered(peer, content, False)
    (tmp_path / "away").rename(tmp_path / "disk")
    await is_offered(peer, content, True)
    await peer.node.unshare(["disk"])
    await is_offered(peer, content, False)


async def test_the_whole_folder_goes_and_comes(network: Network) -> None:
    peer, _ = await with_snapshot(network)
    content = (await peer.node.add_folder()).id
    offering = peer.app.collections.offering
    (peer.folder / "aside").unlink()
    await until(lambda: [e.path for e in offering.entries()] == ["tree"], "only tree is left")
    write(peer.folder / "aside", b"aside" * 9)
    await until(lambda: len(offering.entries()) == 2, "both are back")
    assert (await peer.request("GET", f"/content/{content}")).status == 200
