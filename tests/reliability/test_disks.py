"""P2, P5: small, read-only and vanishing disks, really mounted; skipped where none can be."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from panal.peer import downloads
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.network import Network, RunningPeer, until

DATA = Random(13).randbytes(8 * MIN_CHUNK_BYTES + 5)
Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    mounted: list[Path] = []

    def mounting(name: str, *options: str, source: str = "tmpfs") -> Path:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *options, source, str(place)], capture_output=True)
        if done.returncode:
            pytest.skip(f"nothing can be mounted: {done.stderr.decode().strip()}")
        mounted.append(place)
        return place

    yield mounting
    for place in reversed(mounted):
        subprocess.run(["umount", "-l", str(place)], capture_output=True)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "LOOK_FOR_ROOM_S", 0.01)
    monkeypatch.setattr(downloads, "TRY_AGAIN_S", 0.0)


def state_of(peer: RunningPeer, identity: str) -> str:
    return peer.node.download(identity).state


async def test_where_no_file_can_be_made_it_says_so_and_goes_on(
    network: Network, mount: Mount
) -> None:
    """Bytes are free and inodes are not."""
    seed = await network.peer("seed")
    uploaded = await seed.upload("data.bin", DATA)
    disk = mount("small", "-t", "tmpfs", "-o", "size=64m,nr_inodes=40")
    getter = await network.peer("getter", folder=disk / "files")
    fillers: list[Path] = []
    while True:
        filler = disk / f"filler-{len(fillers)}"
        try:
            filler.touch()
        except OSError:
            break
        fillers.append(filler)
    identity = getter.node.get(uploaded["id"]).id
    await until(lambda: getter.node.download(identity).error == "no-space", "it waits")
    assert "a limit on files" in getter.node.download(identity).reason
    for filler in fillers:
        filler.unlink()
    await until(lambda: state_of(getter, identity) == "done", "done")
    assert (getter.folder / "data.bin").read_bytes() == DATA
    await network.stop_peer("getter")


@pytest.mark.parametrize("full", ["state", "folder"])
async def test_either_disk_may_be_full_while_the_other_is_not(
    network: Network, mount: Mount, full: str
) -> None:
    seed = await network.peer("seed")
    uploaded = await seed.upload("data.bin", DATA)
    disks = {name: mount(name, "-t", "tmpfs", "-o", "size=8m") for name in ("state", "folder")}
    getter = await network.peer("getter", folder=disks["folder"], state_dir=disks["state"])
    mine = disks["folder"] / "mine.txt"
    mine.write_bytes(b"mine")
    identity = getter.node.get(uploaded["id"]).id
    await until(lambda: state_of(getter, identity) == "done", "the first is done")
    filler = disks[full] / "filler.tmp"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    answer = await getter.request("PUT", "/upload/more.bin", data=DATA[: 2 * MIN_CHUNK_BYTES])
    whole = (getter.folder / "more.bin").exists()
    assert answer.status in ({507} if full == "folder" else {201, 507}), answer.body
    assert whole or answer.status != 201  # what was not acknowledged is absent or whole
    assert (await getter.request("GET", "/files/data.bin")).body == DATA  # reads go on
    assert (await getter.request("GET", "/api/v1/status")).status == 200
    filler.unlink()
    again = await getter.request("PUT", "/upload/more.bin", data=DATA[: 2 * MIN_CHUNK_BYTES])
    assert again.status in {200, 201}
    assert mine.read_bytes() == b"mine"
    assert all(file.stat().st_size for file in disks["state"].iterdir() if "wal" not in file.name)
    await network.stop_peer("getter")


async def test_a_folder_that_cannot_be_written_is_waited_for_in_words(
    network: Network, mount: Mount
) -> None:
    seed = await network.peer("seed")
    uploaded = await seed.upload("data.bin", DATA)
    content = network.place / "medium"
    content.mkdir()
    (content / "there.txt").write_bytes(b"there")
    folder = mount("read-only", "--bind", source=str(content))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    getter = await network.peer("getter", folder=folder, state_dir=network.place / "st")
    await until(lambda: getter.app.index.by_path("there.txt") is not None, "shared all the same")
    assert (await getter.request("GET", "/files/there.txt")).body == b"there"
    identity = getter.node.get(uploaded["id"]).id
    await until(lambda: getter.node.download(identity).error == "refused", "it waits, in words")
    assert getter.node.download(identity).bytes_done == 0
    assert "Read-only" in getter.node.download(identity).reason
    refused = await getter.request("PUT", "/upload/more.bin", data=b"more")
    assert (refused.status, "Read-only" in refused.json()["detail"]) == (403, True)
    assert os.listdir(folder) == ["there.txt"]
    subprocess.run(["mount", "-o", "remount,bind,rw", str(folder)], check=True)
    await until(lambda: state_of(getter, identity) == "done", "done by itself")
    assert (folder / "data.bin").read_bytes() == DATA
    await network.stop_peer("getter")


async def test_a_folder_that_vanishes_in_mid_transfer_is_waited_for_or_named(
    network: Network, mount: Mount
) -> None:
    """Nothing goes beneath the mount point; with the disk back, what was there is used."""
    seed = await network.peer("seed")
    uploaded = await seed.upload("data.bin", DATA)
    content = network.place / "medium"
    content.mkdir()
    folder = mount("coming-and-going", "--bind", source=str(content))
    getter = await network.peer("getter", folder=folder, state_dir=network.place / "st")
    getter.app.download_limit.change(2 * MIN_CHUNK_BYTES, 0)
    identity = getter.node.get(uploaded["id"]).id
    await until(lambda: getter.node.download(identity).bytes_done > 0, "some is there")
    subprocess.run(["umount", "-l", str(folder)], check=True)
    getter.app.download_limit.change(0, 0)
    await until(
        lambda: (
            state_of(getter, identity) in {"failed", "done"}
            or bool(getter.node.download(identity).error)
        ),
        "a named end",
    )
    answer = getter.node.download(identity)
    assert os.listdir(folder) == []
    assert answer.state != "done" or (content / "data.bin").read_bytes() == DATA
    if answer.state != "done":
        assert answer.error
        assert answer.reason
    mount("coming-and-going", "--bind", source=str(content))
    again = await getter.fetched(uploaded["id"])
    assert again.state == "done"
    assert (content / "data.bin").read_bytes() == DATA
    await network.stop_peer("getter")


async def test_a_folder_on_a_disk_that_was_unmounted_is_waited_for(
    network: Network, mount: Mount
) -> None:
    """The folder lies below the mount point: then not even an empty one is left in its place."""
    seed = await network.peer("seed")
    uploaded = await seed.upload("data.bin", DATA)
    content = network.place / "disk"
    content.mkdir()
    folder = mount("mounted", "--bind", source=str(content)) / "files"
    getter = await network.peer("getter", folder=folder, state_dir=network.place / "st")
    subprocess.run(["umount", "-l", str(folder.parent)], check=True)
    identity = getter.node.get(uploaded["id"]).id
    await until(lambda: bool(getter.node.download(identity).error), "a reason")
    answer = getter.node.download(identity)
    assert (answer.state, answer.error) == ("waiting", "root-offline")
    assert "is not there now" in answer.reason
    await network.stop_peer("getter")
