"""P2, P5: small, read-only and vanishing disks, really mounted; skipped where none can be."""

import os
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import downloads, fetching
from panal.store.partial import PartialFile
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.network import Network, RunningPeer, until

pytestmark = [pytest.mark.p2, pytest.mark.p5]

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


async def offered(network: Network) -> str:
    """The content id of what another peer has."""
    seed = await network.peer("seed")
    return str((await seed.upload("data.bin", DATA))["id"])


async def waits(peer: RunningPeer, identity: str, error: str) -> str:
    """Until a download waits because of that; its reason."""
    await until(lambda: peer.node.download(identity).error == error, f"it waits: {error}")
    answer = peer.node.download(identity)
    assert answer.state == "waiting"
    return answer.reason


async def is_done(peer: RunningPeer, identity: str) -> None:
    """Until a download has ended, by itself; its bytes are right."""
    await until(lambda: state_of(peer, identity) == "done", "done by itself")
    assert (peer.folder / "data.bin").read_bytes() == DATA


def bound(network: Network, mount: Mount, name: str) -> tuple[Path, Path]:
    """A disk that may be unmounted and mounted again: what is on it, and where it is mounted."""
    content = network.place / f"{name}-disk"
    content.mkdir(exist_ok=True)
    return content, mount(name, "--bind", source=str(content))


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_where_no_file_can_be_made_it_says_so_and_goes_on(
    network: Network, mount: Mount
) -> None:
    """Bytes are free and inodes are not."""
    content = await offered(network)
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
    identity = getter.node.get(content).id
    assert "a limit on files" in await waits(getter, identity, "no-space")
    for filler in fillers:
        filler.unlink()
    await is_done(getter, identity)
    await network.stop_peer("getter")


@pytest.mark.parametrize("full", ["state", "folder"])
async def test_either_disk_may_be_full_while_the_other_is_not(
    network: Network, mount: Mount, full: str
) -> None:
    content = await offered(network)
    disks = {name: mount(name, "-t", "tmpfs", "-o", "size=8m") for name in ("state", "folder")}
    getter = await network.peer("getter", folder=disks["folder"], state_dir=disks["state"])
    mine = disks["folder"] / "mine.txt"
    mine.write_bytes(b"mine")
    identity = getter.node.get(content).id
    await is_done(getter, identity)
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
    content = await offered(network)
    disk, folder = bound(network, mount, "read-only")
    (disk / "there.txt").write_bytes(b"there")
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    getter = await network.peer("getter", folder=folder, state_dir=network.place / "st")
    await until(lambda: getter.app.index.by_path("there.txt") is not None, "shared all the same")
    assert (await getter.request("GET", "/files/there.txt")).body == b"there"
    identity = getter.node.get(content).id
    assert "Read-only" in await waits(getter, identity, "refused")
    assert getter.node.download(identity).bytes_done == 0
    refused = await getter.request("PUT", "/upload/more.bin", data=b"more")
    assert (refused.status, "Read-only" in refused.json()["detail"]) == (403, True)
    assert os.listdir(folder) == ["there.txt"]
    subprocess.run(["mount", "-o", "remount,bind,rw", str(folder)], check=True)
    await is_done(getter, identity)
    await network.stop_peer("getter")


@pytest.mark.parametrize("below", ["", "files"])
async def test_a_folder_whose_disk_is_unmounted_in_mid_transfer_is_waited_for(
    network: Network, mount: Mount, below: str
) -> None:
    """At once, not when all has come; nothing goes beneath the mount point, whether the folder is
    that or lies below it; with the disk back, the download goes on by itself."""
    content = await offered(network)
    disk, mounted = bound(network, mount, "coming-and-going")
    folder = mounted / below
    getter = await network.peer("getter", folder=folder, state_dir=network.place / "st")
    getter.app.download_limit.change(2 * MIN_CHUNK_BYTES, 0)
    identity = getter.node.get(content).id
    await until(lambda: getter.node.download(identity).bytes_done > 0, "some is there")
    getter.app.download_limit.change(MIN_CHUNK_BYTES // 16, 0)
    unmount(mounted)
    assert "is not there now" in await waits(getter, identity, "root-offline")
    assert getter.node.download(identity).bytes_done < len(DATA)
    getter.app.download_limit.change(0, 0)
    assert os.listdir(mounted) == []
    mount("coming-and-going", "--bind", source=str(disk))
    await is_done(getter, identity)
    assert (disk / below / "data.bin").read_bytes() == DATA
    await network.stop_peer("getter")


@pytest.mark.parametrize("below", ["", "files"])
async def test_nothing_goes_beneath_a_disk_that_goes_just_as_a_download_begins(
    network: Network, mount: Mount, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """After it was seen that the folder is there, and before anything was made in it."""
    content = await offered(network)
    disk, mounted = bound(network, mount, "going")
    getter = await network.peer("getter", folder=mounted / below, state_dir=network.place / "st")
    real = fetching._open_partial

    def goes(*given: Any) -> PartialFile:
        unmount(mounted)
        monkeypatch.setattr(fetching, "_open_partial", real)
        return real(*given)

    monkeypatch.setattr(fetching, "_open_partial", goes)
    identity = getter.node.get(content).id
    await until(lambda: bool(getter.node.download(identity).error), "a reason")
    assert getter.node.download(identity).state == "waiting"
    assert os.listdir(mounted) == []
    mount("going", "--bind", source=str(disk))
    await is_done(getter, identity)
    await network.stop_peer("getter")


async def test_a_folder_on_a_disk_that_was_unmounted_is_waited_for(
    network: Network, mount: Mount
) -> None:
    """The folder lies below the mount point: then not even an empty one is left in its place."""
    content = await offered(network)
    disk, mounted = bound(network, mount, "mounted")
    folder = mounted / "files"
    getter = await network.peer("getter", folder=folder, state_dir=network.place / "st")
    unmount(mounted)
    identity = getter.node.get(content).id
    assert "is not there now" in await waits(getter, identity, "root-offline")
    assert os.listdir(mounted) == []
    mount("mounted", "--bind", source=str(disk))
    await is_done(getter, identity)
    await network.stop_peer("getter")


@pytest.mark.parametrize("how", ["tmpfs", "bind"])
async def test_what_is_mounted_in_a_folder_is_shared_and_takes_nothing_in(
    network: Network, mount: Mount, how: str
) -> None:
    """That is said before the first byte: a file moves in one step only within one mount."""
    seed = await network.peer("seed")
    await seed.upload("data.bin", DATA)
    await seed.upload("sub/new/deep.bin", DATA[:9])
    await seed.node.add_folder("sub")
    getter = await network.peer("getter")
    (network.place / "other").mkdir()
    options = {"tmpfs": ("-t", "tmpfs"), "bind": ("--bind",)}[how]
    source = {"tmpfs": "tmpfs", "bind": str(network.place / "other")}[how]
    disk = mount("getter/sub", *options, source=source)
    (disk / "there.txt").write_bytes(b"there")
    await until(lambda: getter.app.index.by_path("sub/there.txt") is not None, "shared")
    words = "cannot be put in place: it is on another file system"
    for path in ("sub/x", "sub/new/deep/x"):
        refused = await getter.request("PUT", f"/upload/{path}", data=b"x")
        assert (refused.status, words in refused.json()["detail"]) == (403, True)
        name = b64encode(path.encode()).decode()
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
        headers["Upload-Metadata"] = f"path {name}"
        assert (await getter.request("POST", "/api/v1/uploads", headers=headers)).status == 403
        answer = await getter.fetched("data.bin", path)
        assert (answer.state, answer.error, answer.bytes_done) == ("failed", "refused", 0)
        assert words in answer.reason
    answer = await getter.fetched("sub")
    assert (answer.state, answer.error, answer.bytes_done) == ("failed", "refused", 0)
    assert words in answer.reason
    assert os.listdir(disk) == ["there.txt"]
    assert (await getter.fetched("data.bin", "beside/data.bin")).state == "done"
    await network.stop_peer("getter")
