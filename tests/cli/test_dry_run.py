"""`panal get --dry-run`: says what would come, ends as the real one would, writes nothing."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panal.peer import folder_check
from panal.store.file_systems import Mounted
from panal.store.space import reserve_bytes
from tests.cli.running import Said, panal
from tests.support.folder_peer import FolderPeer, line
from tests.support.network import Network, RunningPeer
from tests.support.patience import PATIENCE_S

NOBODY = "e" * 64


class Asking:
    """Dry runs into a folder that stays as it is."""

    def __init__(self, network: Network, peer: RunningPeer, into: Path) -> None:
        self.network, self.peer, self.into = network, peer, into

    async def said(self, what: str, *words: str) -> Said:
        before = sorted(self.into.parent.rglob("*"))
        options = ("--into", str(self.into), "--tracker", self.network.tracker_address)
        answer = await panal("get", what, "--dry-run", *options, *words)
        assert sorted(self.into.parent.rglob("*")) == before
        return answer

    async def plan(self, what: str, code: int = 0) -> Any:
        answer = await self.said(what, "--json")
        assert answer.code == code, answer.out
        return answer.json()


@pytest.fixture
async def asking(network: Network, tmp_path: Path) -> Asking:
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("data.bin", b"x" * 5_000)
    album = peer.folder / "album"
    (album / "sub").mkdir(parents=True)
    (album / "empty").mkdir()
    (album / "a.txt").write_bytes(b"a" * 1_000)
    (album / "sub" / "b.txt").write_bytes(b"b" * 2_000)
    (album / "sub" / "again.txt").write_bytes(b"b" * 2_000)
    await peer.node.add_folder("album")
    assert await peer.app.announcer.announced(PATIENCE_S)
    (tmp_path / "target").mkdir()
    return Asking(network, peer, tmp_path / "target" / "deep")


async def test_a_file(asking: Asking) -> None:
    plan = await asking.plan("data.bin")
    assert (plan["kind"], plan["size"], plan["providers"]) == ("file", 5_000, ["one"])
    assert (plan["files"], plan["bytes"], plan["files_there"]) == (1, 5_000, 0)
    assert (plan["path"], plan["conflicts"]) == (str(asking.into / "data.bin"), [])
    assert (plan["error"], plan["reason"]) == (None, "")
    assert plan["free"] > 0
    words = (await asking.said("data.bin")).out
    assert "from one\n1 file to fetch, 4.9 KiB\n" in words
    assert [peer.name for peer in await asking.peer.node.peers()] == ["one"]


async def test_a_folder_and_paths_in_it(asking: Asking) -> None:
    whole = await asking.plan("album")
    assert (whole["kind"], whole["size"]) == ("collection", 5_000)
    assert (whole["files"], whole["bytes"]) == (3, 3_000)  # equal content comes once
    assert whole["path"] == str(asking.into / "album")
    part = await asking.plan("album/sub")
    assert (part["files"], part["size"], part["path"]) == (2, 4_000, str(asking.into / "sub"))
    one = await asking.plan("album/sub/b.txt")
    assert (one["files"], one["bytes"], one["path"]) == (1, 2_000, str(asking.into / "b.txt"))
    assert (await asking.said("album/nothing")).code == 3
    assert (await asking.said("data.bin/inside")).code == 3
    (asking.into / "sub").mkdir(parents=True)
    (asking.into / "sub" / "b.txt").write_bytes(b"b" * 2_000)
    part = await asking.plan("album/sub")
    assert (part["files"], part["files_there"]) == (1, 1)
    (asking.into / "sub" / "again.txt").write_bytes(b"c" * 2_000)
    part = await asking.plan("album/sub", code=7)
    assert part["conflicts"] == ["'sub/again.txt' has other content"]
    assert part["error"] == "target-taken"


async def test_what_is_there_and_what_is_in_the_way(asking: Asking) -> None:
    asking.into.mkdir()
    target = asking.into / "data.bin"
    target.write_bytes(b"x" * 5_000)
    plan = await asking.plan("data.bin")
    assert (plan["files"], plan["files_there"]) == (0, 1)
    for other in (b"y" * 5_000, b"shorter"):
        target.write_bytes(other)
        assert (await asking.plan("data.bin", code=7))["error"] == "target-taken"
    answer = await asking.said("data.bin")
    assert (answer.code, "has other content" in answer.err) == (7, True)
    target.unlink()
    target.mkdir()
    assert (await asking.plan("data.bin", code=7))["conflicts"] == ["'data.bin' is no file"]


async def test_no_space(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def almost_full(_: object) -> SimpleNamespace:
        free = 4_095 + reserve_bytes(10**12)
        sizes = {"f_bavail": free, "f_bfree": free, "f_frsize": 1, "f_blocks": 10**12}
        return SimpleNamespace(**sizes, f_files=0)

    monkeypatch.setattr(os, "statvfs", almost_full)
    plan = await asking.plan("data.bin", code=6)
    assert (plan["error"], plan["free"]) == ("no-space", 4_095)
    assert (await asking.plan("album/a.txt", code=6))["error"] == "no-space"
    asking.into.mkdir()
    (asking.into / "data.bin").write_bytes(b"x" * 5_000)
    assert (await asking.plan("data.bin"))["files"] == 0


async def test_what_would_wait_for_room_says_so(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = await asking.network.peer("two")
    full = SimpleNamespace(f_bavail=0, f_bfree=0, f_frsize=1, f_blocks=10**12, f_files=0)
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    answers = [
        await asking.said("data.bin", "--wait"),
        await panal("get", "data.bin", "--dry-run", "--peer", two.url),
    ]
    for answer in answers:
        assert answer.code == 0, answer.err
        assert answer.err.startswith("It would wait for room: ")
    told = await panal("get", "data.bin", "--dry-run", "--peer", two.url, "--json")
    assert (told.code, told.json()["error"]) == (0, "no-space")


async def test_nobody_has_it_or_nobody_who_answers(asking: Asking) -> None:
    assert (await asking.said("nobodys")).code == 3
    plan = await asking.plan(NOBODY)
    assert (plan["files"], plan["bytes"], plan["size"], plan["kind"]) == (None, None, None, None)
    assert "it would be waited for" in (await asking.said(NOBODY)).out
    (link,) = [file.link for file in asking.peer.node.files().files if file.path == "data.bin"]
    await asking.network.stop_peer("one")
    assert (await asking.plan(link))["providers"] == []
    asking.into.mkdir()
    (asking.into / "data.bin").write_bytes(b"x" * 5_000)
    assert (await asking.plan(link))["files"] == 0


async def test_a_list_that_is_another_is_not_believed(asking: Asking) -> None:
    liar = FolderPeer("liar", [line("a.txt", b"a")], [b"a"])
    manifest, _ = liar.contents[liar.content]
    liar.contents[liar.content] = (manifest, liar.text.replace(b"a.txt", b"b.txt"))
    async with liar.running(asking.network.tracker_address, "lies"):
        plan = await asking.plan("lies")
    assert (plan["providers"], plan["files"]) == (["liar"], None)


async def test_at_a_running_peer(asking: Asking) -> None:
    two = await asking.network.peer("two", shares_folder=False)
    at = ("--peer", two.url, "--dry-run")
    plan = (await panal("get", "album", *at, "--json")).json()
    assert (plan["path"], plan["files"]) == (str(two.folder / "album"), 3)
    assert two.node.downloads() == []
    (two.folder / "data.bin").write_bytes(b"other")
    assert (await panal("get", "data.bin", *at)).code == 7
    assert (await panal("get", "nobodys", *at)).code == 3
    assert (await panal("get", "album", *at, "--into", "x")).code == 2
    own = (await panal("get", "data.bin", "--peer", asking.peer.url, "--dry-run", "--json")).json()
    assert (own["files"], own["files_there"], own["providers"]) == (0, 1, [])


async def test_a_peer_that_is_only_a_setting_gives_way_to_a_folder_that_was_typed(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANAL_PEER", "http://127.0.0.1:9")
    assert (await asking.plan("data.bin"))["path"] == str(asking.into / "data.bin")
    both = await asking.said("data.bin", "--peer", "http://127.0.0.1:9")
    assert (both.code, "leave --into out" in both.err) == (2, True)


async def test_where_something_is_mounted_it_says_that_nothing_can_be_put(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking.into.mkdir()
    monkeypatch.setattr(folder_check, "mounted_at", lambda _: Mounted(0, 0))
    for what in ("data.bin", "album"):
        plan = await asking.plan(what, code=7)
        assert "on another file system" in plan["reason"]


async def test_what_the_asked_peer_has_under_another_path_is_said_to_be_there(
    network: Network,
) -> None:
    one = await network.peer("one")
    await one.upload("s2/uniq.bin", b"u" * 5_000)
    (one.folder / "s2/tree").mkdir()
    (one.folder / "s2/tree/b.txt").write_bytes(b"bb")
    await one.node.add_folder("s2/tree")
    assert await one.app.announcer.announced(PATIENCE_S)
    said = await panal("get", "uniq.bin", "--dry-run", "--peer", one.url)
    assert said.code == 0
    assert f"{one.folder}/s2/uniq.bin  " in said.out
    assert "from nobody: it is here\n0 files to fetch, 0 B; 1 file there already\n" in said.out
    said = await panal("get", "tree", "--dry-run", "--peer", one.url)
    assert f"{one.folder}/s2/tree  " in said.out
    assert "from nobody: it is here\n0 files to fetch, 0 B\n" in said.out
