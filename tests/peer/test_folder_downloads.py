"""What a folder's download leaves behind, however it ends."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from panal.cli.progress import describe
from panal.clock import SystemClock
from panal.peer import folder_downloads
from panal.peer.folder_downloads import FolderDownloads, FolderParts
from panal.peer.folder_transfer import FolderTransfer
from panal.store.new_folders import make_folders
from panal.store.roots import Root
from panal.store.unfinished import in_use
from panal.wire.collection import CollectionEntry, read
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from tests.support.folder_peer import FolderPeer
from tests.support.network import Network, until


async def test_a_download_cancelled_as_it_makes_its_directory_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    @contextlib.contextmanager
    def slowly(folder: Path) -> Iterator[None]:
        begun.set()
        go_on.wait()
        try:
            with in_use(folder):
                yield
        finally:
            ended.set()

    monkeypatch.setattr(folder_downloads, "in_use", slowly)
    sharing = SimpleNamespace(make_own_place=lambda place: asyncio.sleep(0))
    parts = cast(FolderParts, SimpleNamespace(partials=tmp_path, sharing=sharing))
    content, manifest = ContentId(bytes(32)), cast(Manifest, None)
    fetching = asyncio.create_task(
        FolderDownloads(parts).fetch(content, manifest, (), FolderTransfer(clock=SystemClock()))
    )
    while not begun.is_set() and not fetching.done():
        await asyncio.sleep(0)
    fetching.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await asyncio.to_thread(ended.wait)
    assert not list(tmp_path.iterdir())


async def test_a_cancel_ends_the_making_of_empty_folders(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of them is made whole, and no other."""
    begun, go_on = threading.Event(), threading.Event()
    made: list[int] = []

    def slowly(root: Root, folders: Sequence[CollectionEntry]) -> None:
        begun.set()
        go_on.wait()
        make_folders(root, folders)
        made.append(len(folders))

    monkeypatch.setattr(folder_downloads, "FOLDERS_AT_ONCE", 10)
    monkeypatch.setattr(folder_downloads, "make_folders", slowly)
    getter = await network.peer("getter")
    lines = [f"- 0 d 0 {number:02}\n" for number in range(40)]
    async with FolderPeer("liar", lines, []).running(network.tracker_address) as liar:
        identity = getter.node.get(liar.content.hex(), "tree").id
        try:
            await until(begun.is_set, "the first page is being made")
            removing = asyncio.create_task(getter.node.remove_download(identity))
            for _ in range(100):
                await asyncio.sleep(0)
        finally:
            go_on.set()
        await removing
    assert made == [10]
    assert len(list((getter.folder / "tree").iterdir())) == 10


async def test_a_list_that_has_come_is_not_said_to_be_all_of_its_folder(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_at, go_on = threading.Event(), threading.Event()

    def slowly(text: bytes) -> Iterator[CollectionEntry]:
        read_at.set()
        go_on.wait()
        yield from read(text)

    one, two = await network.peer("one"), await network.peer("two")
    (one.folder / "tree").mkdir()
    (one.folder / "tree/file").write_bytes(b"a" * 1_000)
    added = await one.node.add_folder("tree")
    monkeypatch.setattr(folder_downloads, "read", slowly)
    identity = two.node.get(added.link).id
    try:
        await until(read_at.is_set, "the list has come")
        told = two.node.download(identity)
        assert (told.state, told.bytes_done) == ("running", 0)
        assert "all of it" not in describe(told)
        assert "All of it" not in two.node.why(identity).why
    finally:
        go_on.set()
    await until(lambda: two.node.download(identity).state == "done", "done")
    assert two.node.download(identity).bytes_done == 1_000
