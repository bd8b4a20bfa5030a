"""Folders between real peers: whole, in part, merged, interrupted, and from peers that lie."""

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web

from panal.errors import TargetTaken
from panal.peer import downloads, folder_check
from panal.peer.collections import TOO_DEEP
from panal.store import shared_files
from panal.store.space import reserve_bytes
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.names import MAX_DEPTH
from panal.wire.portability import TargetLimits
from tests.support.folder_peer import FolderPeer, line, whole
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

LARGE = Random(5).randbytes(5 * MIN_CHUNK_BYTES + 77)
OLD_NS = 1_234_567_890_123_456_789


def make_tree(top: Path, small_files: int = 300) -> None:
    """A bit of everything that a real folder has."""
    for folder in ("a/b/c", "empty/inner", "many", "mit Leerzeichen #1 100%"):
        (top / folder).mkdir(parents=True)
    (top / "a/run.sh").write_bytes(b"#!/bin/sh\n")
    (top / "a/run.sh").chmod(0o755)
    (top / "a/b/c/nothing").write_bytes(b"")
    (top / "a/b/large.bin").write_bytes(LARGE)
    (top / "a/b/large copy.bin").write_bytes(LARGE)
    (top / "mit Leerzeichen #1 100%/año ~ -rf.txt").write_bytes(b"odd")
    (top / "%2e%2e").write_bytes(b"literal")
    for n in range(small_files):
        (top / f"many/{n}.txt").write_bytes(f"file {n % 250}".encode() * (n % 250 % 7))
    for n, file in enumerate(sorted(path for path in top.rglob("*") if path.is_file())):
        os.utime(file, ns=(OLD_NS + n, OLD_NS + n))


def described(top: Path) -> dict[str, tuple[Any, ...]]:
    """Everything that a copy must have, by path."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in top.rglob("*"):
        name, status = str(path.relative_to(top)), path.lstat()
        if path.is_dir():
            found[name] = ("folder",)
        else:
            executable = bool(status.st_mode & 0o100)
            found[name] = ("file", path.read_bytes(), executable, status.st_mtime_ns)
    return found


async def shared_tree(network: Network, name: str = "one", small_files: int = 300) -> RunningPeer:
    folder = network.place / name / "tree"
    folder.mkdir(parents=True)
    make_tree(folder, small_files)
    return await network.peer(name)


async def test_a_copy_is_the_same_tree(network: Network) -> None:
    one = await shared_tree(network)
    added = await one.node.add_folder("tree")
    assert (added.path, added.files, added.empty_folders) == ("tree", 306, 1)
    assert added.skipped == {}
    two = await network.peer("two")
    await until(lambda: one.app.lease.problem == "", "registered")
    answer = await two.fetched(added.link)
    assert (answer.state, answer.reason) == ("done", "")
    assert described(two.folder / "tree") == described(one.folder / "tree")
    assert (answer.files, answer.files_done) == (306, 306)
    assert (answer.size, answer.bytes_done) == (added.bytes, added.bytes)
    fetched = sum(source.bytes for source in answer.sources)
    assert answer.bytes_resumed == 0
    assert answer.bytes_copied > len(LARGE)  # what is there twice came once
    assert fetched + answer.bytes_copied == added.bytes
    # It is a provider of the whole folder itself now, under the same id.
    again = await two.node.add_folder("tree")
    assert again.id == added.id
    await network.stop_peer("one")
    three = await network.peer("three")
    assert (await three.fetched(f"{added.id}/a", "part")).state == "done"
    assert described(three.folder / "part") == described(two.folder / "tree/a")
    assert not any((two.folder / ".panal/partial").iterdir())


async def test_what_is_there_already_is_kept(network: Network) -> None:
    one = await shared_tree(network)
    added = await one.node.add_folder("tree")
    make_tree(network.place / "two" / "tree")
    mine = network.place / "two" / "tree/a/run.sh"
    os.utime(mine, ns=(5, 5))
    (network.place / "two" / "tree/more.txt").write_bytes(b"mine")
    two = await network.peer("two")
    answer = await two.fetched(added.link)
    assert (answer.state, answer.name) == ("done", "tree")
    assert sum(source.bytes for source in answer.sources) == 0
    assert (answer.bytes_resumed, answer.bytes_copied) == (added.bytes, 0)
    assert mine.stat().st_mtime_ns == 5  # the user's file, not ours
    (two.folder / "tree/a/b/large.bin").unlink()
    (two.folder / "tree/many/1.txt").unlink()
    answer = await two.fetched(added.link)
    assert answer.state == "done"
    assert sum(source.bytes for source in answer.sources) == 0  # their twins were there
    assert answer.bytes_copied > len(LARGE)
    assert answer.bytes_resumed + answer.bytes_copied == added.bytes
    assert (two.folder / "tree/a/b/large.bin").read_bytes() == LARGE


async def test_however_few_are_looked_at_together(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_files, "PAGE", 3)
    monkeypatch.setattr(folder_check, "PAGE", 3)
    monkeypatch.setattr(folder_check, "BATCH_FILES", 2)
    one = await shared_tree(network, small_files=20)
    (network.place / "one" / "tree2").mkdir()  # sorts right behind the folder's files
    (network.place / "one" / "tree2/beside.txt").write_bytes(b"beside")
    added = await one.node.add_folder("tree")
    assert (added.files, added.skipped) == (26, {})
    two = await network.peer("two", shares_folder=False)
    for fetched in (True, False):
        answer = await two.fetched(added.link)
        assert answer.state == "done"
        assert (sum(source.bytes for source in answer.sources) > 0) == fetched
        assert described(two.folder / "tree") == described(one.folder / "tree")
    make_tree(network.place / "three" / "tree", 20)
    three = await network.peer("three", shares_folder=False)
    answer = await three.fetched(added.link)
    assert (answer.state, answer.bytes_resumed) == ("done", added.bytes)
    (network.place / "four" / "tree").mkdir(parents=True)
    (network.place / "four" / "tree/many").write_bytes(b"no folder")
    four = await network.peer("four", shares_folder=False)
    reason = (await four.fetched(added.link)).reason
    assert "1 name is taken, and nothing was fetched: 'tree/many' is no folder." in reason


async def test_conflicts_are_told_together_and_nothing_is_written(network: Network) -> None:
    one = await shared_tree(network, small_files=30)
    added = await one.node.add_folder("tree")
    target = network.place / "two" / "tree"
    (target / "a").mkdir(parents=True)
    (target / "a/run.sh").write_bytes(b"#!/bin/SH\n")  # as long, and not the same
    (target / "%2e%2e").write_bytes(b"longer than theirs")
    (target / "empty").write_bytes(b"a file where a folder is to be")
    (target / "many").mkdir()
    (target / "many/3.txt").mkdir()
    before = described(target)
    two = await network.peer("two")
    answer = await two.fetched(added.link)
    assert (answer.state, answer.error) == ("failed", TargetTaken.slug)
    assert answer.reason.startswith("4 names are taken, and nothing was fetched")
    for name in ("a/run.sh", "%2e%2e", "'tree/empty' is no folder", "'tree/many/3.txt' is no file"):
        assert name in answer.reason
    assert described(target) == before
    assert sum(source.bytes for source in answer.sources) == 0
    (network.place / "two" / "file").write_bytes(b"x")
    answer = await two.fetched(added.id, "file")
    assert answer.error == TargetTaken.slug
    assert (await two.fetched(added.id, "elsewhere/deep")).state == "done"
    assert described(two.folder / "elsewhere/deep") == described(one.folder / "tree")


@pytest.mark.parametrize(
    ("what", "inside"),
    [
        ("tree/a/b", "a/b"),
        ("{id}/a/b", "a/b"),
        ("panal:{id}/empty", "empty"),
        ("tree/many", "many"),
    ],
)
async def test_a_part_of_a_folder(network: Network, what: str, inside: str) -> None:
    one = await shared_tree(network, small_files=20)
    added = await one.node.add_folder("tree")
    two = await network.peer("two")
    assert await one.app.announcer.announced(PATIENCE_S)
    answer = await two.fetched(what.format(id=added.id))
    assert (answer.state, answer.reason) == ("done", "")
    name = inside.rpartition("/")[2]
    assert answer.name == name
    assert described(two.folder / name) == described(one.folder / "tree" / inside)
    assert [path.name for path in two.folder.iterdir() if path.name != ".panal"] == [name]


async def test_one_file_of_a_folder(network: Network) -> None:
    one = await shared_tree(network, small_files=3)
    added = await one.node.add_folder("tree")
    two = await network.peer("two")
    answer = await two.fetched(f"{added.id}/a/run.sh")
    assert (answer.state, answer.name) == ("done", "run.sh")
    assert (two.folder / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (await two.fetched(f"{added.id}/a/b/large.bin", "l.bin")).state == "done"
    assert (two.folder / "l.bin").read_bytes() == LARGE
    source = one.folder / "tree/a/b/large.bin"
    assert (two.folder / "l.bin").stat().st_mtime_ns == source.stat().st_mtime_ns
    assert (await two.fetched(f"{added.id}/a/nothing")).error == "not-found"
    file_id = two.node.files().files[0].id
    assert (await two.fetched(f"{file_id}/a")).error == "not-found"


async def test_what_the_policy_leaves_out_is_counted(network: Network) -> None:
    folder = network.place / "one"
    make_tree(folder / "sub", small_files=2)
    (folder / ".hidden").write_bytes(b"x")
    (folder / "sub/link").symlink_to("a/run.sh")
    (folder / "sub/out").symlink_to("/etc")
    for name in ("server.key", "old.log", ".out"):
        (folder / "sub" / name).symlink_to("/etc")
    (folder / "young").mkdir()
    (folder / ".panalignore").write_text("*.log\ncache/\n")
    (folder / "sub/only").mkdir()
    (folder / "sub/only/some.log").write_bytes(b"x")
    (folder / "sub/cache").mkdir()
    (folder / "sub/cache/file").write_bytes(b"x")
    os.mkfifo(folder / "sub/pipe")
    os.mknod(folder / "sub/\x1b[2J.txt")
    one = await network.peer("one")
    (folder / "young/file").write_bytes(b"written a moment ago")
    added = await one.node.add_folder()
    assert added.path == "one"
    counted = {"hidden": 3, "symbolic link": 4, "special file": 1, "unsafe name": 1}
    assert added.skipped.items() >= counted.items()
    assert sum(added.skipped.values()) - sum(counted.values()) == 2  # some.log and cache/
    assert added.skipped == one.node.status().skipped
    assert added.files == 9
    two = await network.peer("two")
    assert (await two.fetched(added.link)).state == "done"
    assert (two.folder / "one/young/file").read_bytes() == b"written a moment ago"
    assert not os.path.lexists(two.folder / "one/sub/link")
    assert list((two.folder / "one/sub/only").iterdir()) == []
    assert not (two.folder / "one/sub/cache").exists()
    assert (await one.request("POST", "/api/v1/folders", json={"path": "none"})).status == 404
    assert (await one.request("POST", "/api/v1/folders", json={"path": "../x"})).status == 400
    answer = await one.request("POST", "/api/v1/folders", json={"path": "young"})
    assert (answer.status, answer.json()["files"]) == (201, 1)


async def test_what_would_be_too_deep_below_the_peers_name_is_left_out(network: Network) -> None:
    deepest = network.place / "one" / "/".join(f"d{n}" for n in range(MAX_DEPTH - 1))
    deepest.mkdir(parents=True)
    (deepest / "file").write_bytes(b"deep")
    (deepest / "empty").mkdir()
    (deepest.parent / "file").write_bytes(b"higher")
    one, two = await network.peer("one"), await network.peer("two")
    added = await one.node.add_folder()
    assert (added.files, added.skipped) == (1, {TOO_DEEP: 1})
    assert (await two.fetched(added.link)).state == "done"
    part = await one.node.add_folder("d0")
    assert (part.files, part.empty_folders, part.skipped) == (2, 1, {})
    assert (await two.fetched(part.link)).state == "done"
    assert described(two.folder / "d0") == described(network.place / "one" / "d0")


async def test_a_newer_snapshot_takes_the_place_of_the_old(network: Network) -> None:
    one = await shared_tree(network, small_files=2)
    first = await one.node.add_folder("tree")
    assert (await one.node.add_folder("tree")).id == first.id
    (one.folder / "tree/new.txt").write_bytes(b"new")
    second = await one.node.add_folder("tree")
    assert second.id != first.id
    assert await one.app.announcer.announced(PATIENCE_S)
    hits = (await one.node.search("tree")).hits
    assert [(hit.id, hit.kind) for hit in hits if hit.name == "tree"] == [(second.id, "collection")]
    assert (await one.request("GET", f"/content/{first.id}")).status == 404
    assert len(os.listdir(one.folder / ".panal/collections")) == 1
    # A file under the folder's name: the folder is gone.
    os.rename(one.folder / "tree", one.folder / "moved")
    await one.upload("tree", b"a file now")
    assert await one.app.announcer.announced(PATIENCE_S)
    hits = (await one.node.search("tree")).hits
    assert [hit.kind for hit in hits if hit.name == "tree"] == ["file"]
    assert os.listdir(one.folder / ".panal/collections") == []


async def test_a_folder_is_shared_again_after_a_restart(network: Network) -> None:
    one = await shared_tree(network, small_files=5)
    added = await one.node.add_folder("tree")
    await network.stop_peer("one")
    one = await network.peer("one")
    two = await network.peer("two")
    answer = await two.fetched("tree")
    assert (answer.state, answer.content) == ("done", added.id)
    # 0 where its folder was counted in before the tracker compared what it had kept.
    assert one.app.announcer.times_told_everything <= 1
    await network.stop_peer("two")
    await network.stop_peer("one")
    two = await network.peer("two")

    async def kinds() -> list[str]:
        return [hit.kind for hit in (await two.node.search("tree")).hits if hit.name == "tree"]

    async with asyncio.timeout(PATIENCE_S):
        while await kinds() != ["collection"]:
            await asyncio.sleep(0)


# Peers that lie --------------------------------------------------------------------------


def everything_in(place: Path) -> set[str]:
    return {str(path) for path in place.rglob("*") if ".panal" not in path.parts}


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([line("../escaped", b"x")], "unsafe-name"),
        ([line("/escaped", b"x")], "unsafe-name"),
        ([line("a/../../escaped", b"x")], "unsafe-name"),
        ([line(".panal/index.sqlite", b"x")], "unsafe-name"),
        ([line(".bashrc", b"x")], "unsafe-name"),
        ([line("a\x1b[2J", b"x")], "unsafe-name"),
        ([line("good", b"x"), line("/".join("a" * 40), b"x")], "unsafe-name"),
        ([line("a", b"x"), line("a", b"y")], "integrity"),
        ([line("a", b"x"), line("a/b", b"x")], "integrity"),
        ([line("b", b"x"), line("a", b"x")], "integrity"),
        ([line("a", b"x", size=10**15)], "integrity"),
        ([line("a", b"x", kind="l")], "integrity"),
        ([line("a", b"x", size=2)], "integrity"),
        ([line("a", b"x", size=0)], "integrity"),
        ([line("a", b"x", size=MIN_CHUNK_BYTES + 1)], "integrity"),
        ([line("a", LARGE, size=5)], "integrity"),
    ],
)
async def test_an_evil_list_is_refused(network: Network, lines: list[str], error: str) -> None:
    getter = await network.peer("getter")
    before = everything_in(network.place)
    evil = FolderPeer("evil", lines, [b"x", b"y", LARGE])
    async with evil.running(network.tracker_address):
        answer = await getter.fetched(evil.content.hex(), "tree")
    assert (answer.state, answer.error) == ("failed", error)
    assert everything_in(network.place) == before
    assert {source.state for source in answer.sources} <= {"done"}  # who serves it is no liar


async def test_a_list_of_another_kind_of_content_blames_nobody(network: Network) -> None:
    getter = await network.peer("getter")
    inner = FolderPeer("inner", [line("a", b"x")], [b"x"])
    listed = f"{inner.content.hex()} {len(inner.text)} f 0 file\n"
    outer = FolderPeer("outer", [listed], [b"x"])
    outer.contents.update(inner.contents)
    async with outer.running(network.tracker_address):
        answer = await getter.fetched(outer.content.hex(), "tree")
    assert (answer.state, answer.error) == ("failed", "integrity")
    assert {source.state for source in answer.sources} <= {"done"}


SMALL = [f"small {n}".encode() * 50 for n in range(60)]
LINES = sorted(
    (line(f"f{n:02}", data) for n, data in enumerate(SMALL)), key=lambda text: text.split(" ", 4)[4]
)


async def test_who_sends_wrong_bytes_is_asked_no_more(network: Network) -> None:
    async def lie(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        return await whole(peer, request, bytes(len(data)))

    getter = await network.peer("getter")
    liar = FolderPeer("liar", LINES, SMALL, lie)
    good = FolderPeer("good", LINES, SMALL)
    async with liar.running(network.tracker_address):
        begun = getter.node.get(liar.content.hex(), "tree")
        await until(
            lambda: "liar sent wrong bytes" in getter.node.download(begun.id).reason, "the reason"
        )
        assert everything_in(getter.folder) == set()
        async with good.running(network.tracker_address):
            await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert {f"f{n:02}": data for n, data in enumerate(SMALL)} == {
        path.name: path.read_bytes() for path in (getter.folder / "tree").iterdir()
    }
    states = {source.peer: source.state for source in getter.node.download(begun.id).sources}
    assert states == {"good": "done", "liar": "banned"}
    assert len(liar.asked) <= 5  # those that were on their way at once


async def test_a_source_that_dies_in_the_middle_is_replaced(network: Network) -> None:
    async def cut(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        if len(peer.asked) <= 20:
            return await whole(peer, request, data)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    getter = await network.peer("getter")
    files, lines = [*SMALL, LARGE], [*LINES, line("large", LARGE)]
    dying, good = FolderPeer("dying", lines, files, cut), FolderPeer("good", lines, files)
    async with dying.running(network.tracker_address):
        begun = getter.node.get(dying.content.hex(), "tree")
        await until(lambda: "dying" in getter.node.download(begun.id).reason, "a wait")
        await until(lambda: len(everything_in(getter.folder)) > 15, "what came is in place")
    async with good.running(network.tracker_address):
        await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert (getter.folder / "tree/large").read_bytes() == LARGE
    assert len(list((getter.folder / "tree").iterdir())) == 61
    small = {content for content, (_, data) in good.contents.items() if data in SMALL}
    assert (small & set(good.asked)).isdisjoint(dying.asked[:20])


async def test_a_source_that_starts_again_is_asked_for_small_files_at_once(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.peer.small_files.LOOK_AGAIN_S", 3_600.0)
    data = [b"one", b"two"]
    getter = await network.peer("getter")
    good = FolderPeer("good", [line("0.bin", data[0]), line("1.bin", data[1])], data)

    async def gone(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    good.send = gone
    async with good.running(network.tracker_address):
        identity = getter.node.get(good.content.hex(), "tree").id
        await until(
            lambda: "good does not answer" in getter.node.download(identity).reason, "it waits"
        )
    good.send = whole
    async with good.running(network.tracker_address):
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert [(getter.folder / f"tree/{n}.bin").read_bytes() for n in (0, 1)] == data


async def test_a_stopped_folder_goes_on_after_a_restart(network: Network) -> None:
    async def gated(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        if len(peer.asked) > 30:
            peer.reached.set()
            await peer.release.wait()
        return await whole(peer, request, data)

    getter = await network.peer("getter")
    async with FolderPeer("slow", LINES, SMALL, gated).running(network.tracker_address) as slow:
        begun = getter.node.get(f"{slow.content.hex()}", "tree")
        await slow.reached.wait()
        await getter.node.pause_download(begun.id)
        assert getter.node.download(begun.id).state == "paused"
        getter.node.resume_download(begun.id)
        await network.stop_peer("getter")
        slow.release.set()
        getter = await network.peer("getter")
        await until(lambda: getter.node.download(begun.id).state == "done", "done")
        answer = getter.node.download(begun.id)
        assert answer.bytes_resumed > 0
        assert answer.bytes_copied == 0
    assert len(list((getter.folder / "tree").iterdir())) == 60
    assert not any((getter.folder / ".panal/partial").iterdir())


# The target ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["tree", "tree/a", "tree/a/b", "tree/a/run.sh", "tree/empty/inner"])
async def test_a_planted_link_leads_nowhere(network: Network, at: str) -> None:
    one = await shared_tree(network, small_files=3)
    added = await one.node.add_folder("tree")
    outside = network.place / "outside"
    outside.mkdir()
    two = await network.peer("two")
    (two.folder / at).parent.mkdir(parents=True, exist_ok=True)
    (two.folder / at).symlink_to(outside)
    answer = await two.fetched(added.link)
    assert (answer.state, answer.error) == ("failed", TargetTaken.slug)
    assert f"'{at}'" in answer.reason
    assert list(outside.iterdir()) == []


async def test_a_link_planted_while_files_come_leads_nowhere(network: Network) -> None:
    async def gated(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        peer.reached.set()
        await peer.release.wait()
        return await whole(peer, request, data)

    getter = await network.peer("getter")
    outside = network.place / "outside"
    outside.mkdir()
    async with FolderPeer("slow", LINES, SMALL, gated).running(network.tracker_address) as slow:
        begun = getter.node.get(slow.content.hex(), "tree")
        await slow.reached.wait()
        (getter.folder / "tree").symlink_to(outside)
        slow.release.set()
        await until(lambda: getter.node.download(begun.id).state == "failed", "refused")
    assert getter.node.download(begun.id).error == "refused"
    assert list(outside.iterdir()) == []


async def test_a_folder_waits_for_room_before_the_first_byte(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(network.place)

    class AlmostFull:
        f_frsize, f_blocks, f_files = real.f_frsize, real.f_blocks, 0
        f_bavail = reserve_bytes(real.f_blocks * real.f_frsize) // real.f_frsize + 60

    async with FolderPeer("good", LINES, SMALL).running(network.tracker_address) as good:
        monkeypatch.setattr("os.statvfs", lambda _: AlmostFull)
        monkeypatch.setattr(downloads, "LOOK_FOR_ROOM_S", 0.01)
        monkeypatch.setattr(downloads, "TRY_AGAIN_S", 0.0)
        getter = await network.peer("getter")
        begun = getter.node.get(good.content.hex(), "tree").id
        await until(lambda: getter.node.download(begun).error == "no-space", "waiting")
        answer = getter.node.download(begun)
        assert answer.state == "waiting"
        assert answer.reason.startswith("needs 244.0 KiB more on ")
        assert good.asked == []
        AlmostFull.f_bavail += 1  # 60 files of one block each, and their folder
        await until(lambda: getter.node.download(begun).state == "done", "done")


@pytest.mark.parametrize(
    ("limits", "one", "other"),
    [
        (TargetLimits(folds_case=True), "d/README", "d/readme"),
        (TargetLimits(folds_case=True), "D/a", "d/b"),
        (TargetLimits(folds_forms=True), "caf\u00e9", "cafe\u0301"),
        (TargetLimits(refused=frozenset(":")), "a:b", "a:b"),
        (TargetLimits(refuses_trailing=True), "dot./x", "dot./x"),
    ],
)
async def test_names_that_the_target_cannot_hold(
    network: Network, monkeypatch: pytest.MonkeyPatch, limits: TargetLimits, one: str, other: str
) -> None:
    getter = await network.peer("getter")
    lines = [line(path, b"x" * n) for n, path in enumerate(sorted({one, other}, key=str.encode))]
    async with FolderPeer("good", lines, [b"", b"x"]).running(network.tracker_address) as good:
        with monkeypatch.context() as patched:
            patched.setattr("panal.peer.folder_check.target_limits", lambda scratch: limits)
            answer = await getter.fetched(good.content.hex(), "tree")
        assert (answer.state, answer.error) == ("failed", "unsafe-name")
        assert one.partition("/")[0] in answer.reason
        assert other.partition("/")[0] in answer.reason
        assert good.asked == []
        assert everything_in(getter.folder) == set()
        assert (await getter.fetched(good.content.hex(), "tree")).state == "done"
    assert (getter.folder / "tree" / one).exists()
    assert (getter.folder / "tree" / other).exists()


async def test_a_name_taken_meanwhile_is_left_and_named(network: Network) -> None:
    async def gated(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        peer.reached.set()
        await peer.release.wait()
        return await whole(peer, request, data)

    getter = await network.peer("getter")
    async with FolderPeer("slow", LINES, SMALL, gated).running(network.tracker_address) as slow:
        begun = getter.node.get(slow.content.hex(), "tree")
        await slow.reached.wait()
        (getter.folder / "tree").mkdir()
        (getter.folder / "tree/f07").write_bytes(b"mine")
        slow.release.set()
        await until(lambda: getter.node.download(begun.id).state == "failed", "told")
    answer = getter.node.download(begun.id)
    assert answer.error == TargetTaken.slug
    assert "'tree/f07'" in answer.reason
    assert (getter.folder / "tree/f07").read_bytes() == b"mine"
    assert len(list((getter.folder / "tree").iterdir())) == 60


async def test_two_folders_at_once_share_what_they_have_in_common(network: Network) -> None:
    one = await shared_tree(network, small_files=50)
    first = await one.node.add_folder("tree")
    second = await one.node.add_folder("tree/a")
    two = await network.peer("two")
    answers = await asyncio.gather(two.fetched(first.link), two.fetched(second.link))
    assert [answer.state for answer in answers] == ["done", "done"]
    assert described(two.folder / "a") == described(two.folder / "tree/a")
