"""Adding in place and by copy, unsharing: persistent, refused in words, never a file lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panal.errors import NotFound, PanalError, Refused, TargetTaken, UnsafeName, UsageError
from panal.store import file_systems
from tests.peer.test_watching import sees, shared, write
from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.usefixtures("seen_and_told_soon")


async def test_a_folder_and_a_file_are_shared_in_place_and_stay_so(
    network: Network, tmp_path: Path
) -> None:
    peer = await network.peer("one")
    write(tmp_path / "music/live/set.flac", b"set")
    write(tmp_path / "disk.iso", b"iso")
    body = {"paths": [str(tmp_path / "music"), str(tmp_path / "disk.iso")]}
    answer = await peer.request("POST", "/api/v1/files", json=body)
    assert answer.status == 201
    assert answer.json()["roots"] == [
        {"name": "music", "place": str(tmp_path / "music")},
        {"name": "disk.iso", "place": str(tmp_path / "disk.iso")},
    ]
    await sees(peer, "music/live/set.flac", "disk.iso")
    assert (await peer.request("GET", "/files/music/live/set.flac")).body == b"set"
    await network.stop_peer("one")
    peer = await network.peer("one")
    await sees(peer, "music/live/set.flac", "disk.iso")
    write(tmp_path / "disk.iso", b"another")
    await until(lambda: peer.node.files().files[0].size == 7, "the file root is looked at")
    assert (await peer.request("PUT", "/upload/music/new", data=b"x")).status == 403
    for path in ("music", "disk.iso"):
        assert (await peer.request("DELETE", f"/api/v1/files/{path}")).status == 204
    await sees(peer)
    assert (tmp_path / "music/live/set.flac").read_bytes() == b"set"
    assert (tmp_path / "disk.iso").exists()
    await network.stop_peer("one")
    await sees(await network.peer("one"))


async def test_a_path_in_the_folder_is_left_out_until_it_is_added_again(
    network: Network, tmp_path: Path
) -> None:
    peer = await network.peer("one")
    for name in ("docs/a", "docs/b", "c"):
        write(peer.folder / name, name.encode())
    write(tmp_path / "music/live/set", b"set")
    await peer.node.add([str(tmp_path / "music")])
    await sees(peer, "docs/a", "docs/b", "c", "music/live/set")
    assert await peer.node.unshare(["docs", "music/live"]) == ["docs", "music/live"]
    await sees(peer, "c")
    assert peer.node.status().unshared == ["docs", "music/live"]
    await network.stop_peer("one")
    peer = await network.peer("one")
    write(peer.folder / "docs/later", b"later")
    write(peer.folder / "d", b"d")
    await sees(peer, "c", "d")
    added = await peer.node.add([str(peer.folder / "docs"), str(tmp_path / "music/live")])
    assert added.again == ["docs", "music/live"]
    await sees(peer, "docs/a", "docs/b", "docs/later", "c", "d", "music/live/set")


@pytest.mark.parametrize("damage", ["emptied", "removed", "overwritten"])
async def test_what_was_unshared_stays_so_when_the_index_is_lost(
    network: Network, tmp_path: Path, damage: str
) -> None:
    peer = await network.peer("one")
    for path in (peer.folder / "diary", peer.folder / "c", tmp_path / "music/live/set"):
        write(path, b"text")
    await peer.node.add([str(tmp_path / "music")])
    await sees(peer, "diary", "c", "music/live/set")
    await peer.node.unshare(["diary", "music/live"])
    await sees(peer, "c")
    await network.stop_peer("one")
    index = peer.app.settings.state / "index.sqlite"
    if damage == "removed":
        index.unlink()
    else:
        index.write_bytes(b"" if damage == "emptied" else os.urandom(5_000))
    peer = await network.peer("one")
    await peer.node.add([str(tmp_path / "music")])
    write(peer.folder / "d", b"d")
    await sees(peer, "c", "d")
    assert (await peer.request("GET", "/files/diary")).status == 404
    assert peer.node.status().unshared == ["diary", "music/live"]


async def test_where_nothing_says_what_was_unshared_its_owner_is_told(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await network.peer("one")
    write(peer.folder / "diary", b"text")
    await sees(peer, "diary")
    assert "unshare it again" not in caplog.text
    await peer.node.unshare(["diary"])
    await network.stop_peer("one")
    state = peer.app.settings.state
    (state / "index.sqlite").write_bytes(b"")
    with (state / "withheld.ndjson").open("ab") as text:
        text.write(bytes(512) + b"\n")
    for _ in range(2):
        with pytest.raises(PanalError, match="nothing is shared"):
            await network.peer("one")
    (state / "withheld.ndjson").unlink()
    (state / "index.sqlite").write_bytes(b"")
    peer = await network.peer("one")
    assert "unshare it again" in caplog.text
    await sees(peer, "diary")


async def test_copies_go_into_the_folder_and_over_nothing(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one")
    write(tmp_path / "music/live/set", b"set")
    write(tmp_path / "music/.hidden", b"hidden")
    write(tmp_path / "disk.iso", b"iso")
    both = [str(tmp_path / "music"), str(tmp_path / "disk.iso")]
    added = await peer.node.add(both, copy=True)
    assert [file.path for file in added.files] == ["music/live/set", "disk.iso"]
    assert (peer.folder / "music/live/set").read_bytes() == b"set"
    assert len((await peer.node.add(both, copy=True)).files) == 2
    write(tmp_path / "disk.iso", b"another")
    with pytest.raises(TargetTaken):
        await peer.node.add(both, copy=True)
    assert (peer.folder / "disk.iso").read_bytes() == b"iso"


async def test_a_copy_keeps_the_time_and_the_executable_bit(
    network: Network, tmp_path: Path
) -> None:
    peer = await network.peer("one")
    write(tmp_path / "tools/run.sh", b"#!/bin/sh")
    write(tmp_path / "tools/read.txt", b"text")
    (tmp_path / "tools/run.sh").chmod(0o755)
    os.utime(tmp_path / "tools/run.sh", (1, 1_000_000_000))
    await peer.node.add([str(tmp_path / "tools")], copy=True)
    copied = (peer.folder / "tools/run.sh").stat()
    assert (copied.st_mode & 0o100, copied.st_mtime) == (0o100, 1_000_000_000)
    assert (peer.folder / "tools/read.txt").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("copy", [False, True])
async def test_what_the_kernel_makes_as_it_is_read_is_not_added(
    network: Network, copy: bool
) -> None:
    peer = await network.peer("one")
    for path in ("/proc/version", "/proc/sys"):
        with pytest.raises(Refused, match="made as it is read"):
            await peer.node.add([path], copy=copy)


@pytest.mark.parametrize(
    "kind", [0x27E0EB, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0xCAFE4A11]
)
async def test_nor_is_what_lies_on_other_file_systems_of_the_kernels(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    """By the numbers of linux/magic.h."""
    peer = await network.peer("one")
    write(tmp_path / "cgroup/memory.max", b"")
    monkeypatch.setattr(file_systems, "kind_of", lambda descriptor: kind)
    with pytest.raises(Refused, match="made as it is read"):
        await peer.node.add([str(tmp_path / "cgroup")])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "homes/me/music").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "homes/me"))
    return tmp_path / "homes/me"


async def test_what_must_not_be_shared_is_refused_and_nothing_changes(
    network: Network, tmp_path: Path, home: Path
) -> None:
    state = tmp_path / "state"
    peer = await network.peer("one", state_dir=state)
    write(peer.folder / "clash/a", b"a")
    write(tmp_path / "elsewhere/clash/b", b"b")
    write(tmp_path / "shelf/book", b"book")
    (tmp_path / "link.iso").symlink_to(tmp_path / "shelf/book")
    os.mkfifo(tmp_path / "pipe")
    await sees(peer, "clash/a")
    await peer.node.add([str(tmp_path / "shelf")])
    await sees(peer, "clash/a", "shelf/book")
    cases: list[tuple[str, type[PanalError], str]] = [
        ("/", UnsafeName, "it is empty|starts at the root"),
        (str(home), Refused, "home folder"),
        (str(home.parent), Refused, "home folder"),
        (str(state), Refused, "own state"),
        (str(state / "index.sqlite"), Refused, "part of Panal's own state"),
        (str(tmp_path / "elsewhere/clash"), TargetTaken, "is the name of"),
        (str(tmp_path / "pipe"), Refused, "neither a file nor a folder"),
        (str(tmp_path / "link.iso"), Refused, "is a link"),
        (str(tmp_path / "none"), NotFound, "No such file"),
        ("relative", UsageError, "not an absolute path"),
        (str(tmp_path / "elsewhere/.."), Refused, "home folder"),
    ]
    for path, kind, words in cases:
        with pytest.raises(kind, match=words):
            await peer.node.add([path])
    write(tmp_path / ".config/x", b"x")
    with pytest.raises(UnsafeName, match="hidden"):
        await peer.node.add([str(tmp_path / ".config")])
    for path in ("nothing", str(tmp_path / "elsewhere")):
        with pytest.raises(NotFound, match="not shared here"):
            await peer.node.unshare([path])
    assert [root.name for root in peer.node.status().roots] == ["shelf"]
    assert shared(peer) == {"clash/a", "shelf/book"}


@pytest.mark.parametrize("copy", [False, True])
async def test_nothing_of_another_peers_state_is_added(
    network: Network, tmp_path: Path, copy: bool
) -> None:
    peer = await network.peer("one", state_dir=tmp_path / "state")
    other = await network.peer("other", state_dir=tmp_path / "deep/other")
    for path in ("", "owner-token", "audit.ndjson", "index.sqlite"):
        with pytest.raises(Refused, match=r"part of Panal's state in .*/other; that"):
            await peer.node.add([str(other.app.settings.state / path)], copy=copy)
    await peer.node.add([str(tmp_path / "deep")])
    assert shared(peer) == set()
    answer = await peer.request("PUT", "/upload/deep/other/more", data=b"more")
    assert answer.status == 403


@pytest.mark.parametrize("part", ["", "network"])
async def test_a_state_is_no_folder_to_share(network: Network, tmp_path: Path, part: str) -> None:
    other = await network.peer("their", state_dir=tmp_path / "other")
    (other.app.settings.state / "network").mkdir()
    (other.app.settings.state / "network/member.json").write_bytes(b"{}")
    with pytest.raises(Refused, match="part of Panal's state"):
        await network.peer("one", folder=tmp_path / "other" / part, state_dir=tmp_path / "state")
    await network.peer("two", folder=tmp_path / "other/files", state_dir=tmp_path / "state")


async def test_a_root_around_a_root_is_refused(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one", state_dir=tmp_path / "state")
    write(tmp_path / "a/b/c/file", b"file")
    await peer.node.add([str(tmp_path / "a/b")])
    with pytest.raises(Refused, match="a root inside a root"):
        await peer.node.add([str(tmp_path / "a")])
    assert (await peer.node.add([str(tmp_path / "a/b/c")])).roots == []
    await sees(peer, "b/c/file")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    write(tmp_path / "source/dvd.iso", b"dvd")
    if os.geteuid() == 0:
        (tmp_path / "medium").mkdir()
        bind = ["mount", "--bind", "-o", "ro", str(tmp_path / "source"), str(tmp_path / "medium")]
        if subprocess.run(bind, check=False, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        yield tmp_path / "medium"
        # The peer, which runs on, may be looking at it in this very moment.
        subprocess.run(["umount", "--lazy", str(tmp_path / "medium")], check=True)
    else:
        (tmp_path / "source").chmod(0o555)
        yield tmp_path / "source"
        (tmp_path / "source").chmod(0o755)


async def test_a_read_only_medium_is_shared_and_can_be_taken_out_meanwhile(
    network: Network, read_only: Path
) -> None:
    peer = await network.peer("one")
    await peer.node.add([str(read_only)])
    path = f"{read_only.name}/dvd.iso"
    await sees(peer, path)
    assert (await peer.request("GET", f"/files/{path}")).body == b"dvd"
    if os.geteuid() == 0:
        unmount = ["umount", str(read_only)]
        await until(lambda: subprocess.run(unmount, check=False).returncode == 0, "unmounted")
        await until(lambda: peer.node.status().offline == [str(read_only)], "offline")
        source = str(read_only.parent / "source")
        subprocess.run(["mount", "--bind", "-o", "ro", source, str(read_only)], check=True)
        await until(lambda: peer.node.status().offline == [], "back")
        assert (await peer.request("GET", f"/files/{path}")).body == b"dvd"


async def test_an_offline_root_can_be_unshared(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one")
    write(tmp_path / "music/a", b"a")
    await peer.node.add([str(tmp_path / "music")])
    await sees(peer, "music/a")
    (tmp_path / "music").rename(tmp_path / "away")
    await until(lambda: peer.node.status().offline != [], "offline")
    await peer.node.unshare(["music"])
    await sees(peer)
    assert peer.node.status().offline == []
    write(peer.folder / "own", b"own")
    await sees(peer, "own")
    assert await in_step(peer)


async def in_step(peer: RunningPeer) -> Any:
    """Whether the tracker counts as this peer does."""
    announcer = peer.app.announcer
    caller = announcer._caller
    return (await announcer._client.renew(caller, announcer._digest.value())).in_step


async def test_where_one_of_them_cannot_be_added_none_is(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one")
    write(peer.folder / "b", b"there")
    write(peer.folder / "docs/a", b"a")
    write(tmp_path / "music/song", b"song")
    write(tmp_path / "b", b"other")
    await sees(peer, "b", "docs/a")
    await peer.node.unshare(["docs"])
    with pytest.raises(TargetTaken, match="'b' is the name"):
        await peer.node.add([str(tmp_path / "music"), str(tmp_path / "b")])
    with pytest.raises(Refused, match="Add 'docs' first"):
        await peer.node.add([str(tmp_path / "music"), str(peer.folder / "docs/a")])
    assert peer.app.root.further_names() == set()
    await sees(peer, "b")
