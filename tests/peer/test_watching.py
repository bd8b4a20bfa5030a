"""Dropped in, edited, renamed, moved, deleted: announced by itself, and nothing read twice."""

import asyncio
import ctypes
import hashlib
import itertools
import os
import resource
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from panal.errors import PanalError, RootOffline
from panal.peer import comparing, inotify, scanning, watching
from panal.peer.comparing import Comparing, Difference
from panal.peer.scanning import Scanning
from panal.store.hashing import HashedFile, hash_file
from panal.store.index import Moved
from panal.wire.names import SafePath
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

Hashed = list[str]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Hashed:
    """The paths that were read for their hash by scans, in order."""
    paths: Hashed = []
    real = hash_file

    def counting(root: Any, path: Any, progress: Any = None) -> HashedFile:
        paths.append(path)
        return real(root, path, progress)

    monkeypatch.setattr(scanning, "hash_file", counting)
    return paths


@pytest.fixture
def no_full_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only hints lead to anything, once the first scan is over."""
    monkeypatch.setattr(watching, "WATCHED_SCAN_EVERY_S", 3_600.0)


def shared(peer: RunningPeer) -> set[str]:
    return {file.path for file in peer.node.files().files}


async def sees(peer: RunningPeer, *paths: str) -> None:
    """Wait until exactly these are shared and the tracker says so too."""
    await until(lambda: shared(peer) == set(paths), f"sharing {paths}, not {shared(peer)}")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            hits = (await peer.node.search("")).hits
            if {name.path for hit in hits for name in hit.names} == set(paths):
                return
            await asyncio.sleep(0.02)


async def listed(peer: RunningPeer) -> set[str]:
    """What the listing shows, folders followed."""
    found: set[str] = set()
    pending = [""]
    while pending:
        prefix = pending.pop()
        answer = await peer.request(
            "GET", f"/files/{prefix}", headers={"Accept": "application/json"}
        )
        for file in answer.json()["files"]:
            (pending.append if file["name"].endswith("/") else found.add)(prefix + file["name"])
    return found


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def watched(network: Network, **settings: Any) -> RunningPeer:
    """A peer whose first full scan is over: from here on hints do it."""
    peer = await network.peer("one", **settings)
    write(peer.folder / "first", b"first")
    os.utime(peer.folder / "first", ns=(1, 1))  # so long ago that it has come to rest
    await sees(peer, "first")
    (peer.folder / "first").unlink()
    await sees(peer)
    return peer


pytestmark = pytest.mark.usefixtures("no_full_scans", "seen_and_told_soon")


async def test_dropped_in_edited_replaced_and_deleted(network: Network, hashed: Hashed) -> None:
    peer = await watched(network)
    write(peer.folder / "a/b/new.txt", b"1")
    write(peer.folder / "top.txt", b"2")
    await sees(peer, "a/b/new.txt", "top.txt")
    before = peer.app.index.by_path("top.txt")
    (peer.folder / "top.txt").write_bytes(b"3")
    await until(
        lambda: peer.app.index.by_path("top.txt") not in {None, before}, "the edit is indexed"
    )
    edited = peer.app.index.by_path("top.txt")
    write(peer.folder / ".draft", b"4")
    (peer.folder / ".draft").rename(peer.folder / "top.txt")
    await until(
        lambda: peer.app.index.by_path("top.txt") not in {None, edited}, "the replacement is"
    )
    assert (await peer.request("GET", "/files/top.txt")).body == b"4"
    shutil.rmtree(peer.folder / "a")
    await sees(peer, "top.txt")
    assert hashed.count("a/b/new.txt") == 1


async def test_a_file_that_is_still_written_is_not_shared_half(
    network: Network, hashed: Hashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await watched(network)
    hashed.clear()
    looks, some = 0, Comparing.some

    def counted(comparing: Comparing, *given: Any) -> Difference:
        nonlocal looks
        looks += 1
        return some(comparing, *given)

    monkeypatch.setattr(Comparing, "some", counted)
    with monkeypatch.context() as patch, (peer.folder / "slow").open("wb", buffering=0) as file:
        patch.setattr(comparing, "SETTLED_S", 3_600.0)  # however long this process is kept waiting
        for number in range(3):
            file.write(b"x" * 10_000)
            await until(lambda number=number: looks > number, "it is looked at")  # type: ignore[misc]
            assert peer.app.index.by_path("slow") is None
    await sees(peer, "slow")
    assert hashed == ["slow"]
    found = peer.app.index.by_path("slow")
    assert found is not None
    assert found.fingerprint.size_bytes == 30_000


async def test_a_file_that_is_written_on_when_its_turn_comes_is_not_shared_half(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the hashing there may be thousands of others."""
    peer = await watched(network)
    sizes: list[int] = []

    def writing_on(root: Any, path: Any, progress: Any = None) -> HashedFile:
        if len(sizes) < 2:
            with (peer.folder / path).open("ab") as file:
                file.write(b"more")
        found = hash_file(root, path, progress)
        sizes.append(found.fingerprint.size_bytes)
        return found

    monkeypatch.setattr(scanning, "hash_file", writing_on)
    write(peer.folder / "slow", b"half")
    await sees(peer, "slow")
    assert sizes == [8, 12, 12]


async def test_what_is_renamed_or_moved_is_not_read_again(network: Network, hashed: Hashed) -> None:
    peer = await watched(network)
    for name in ("folder/a", "folder/deep/b", "c"):
        write(peer.folder / name, name.encode())
    await sees(peer, "folder/a", "folder/deep/b", "c")
    hashed.clear()
    (peer.folder / "c").rename(peer.folder / "folder/d")
    (peer.folder / "folder").rename(peer.folder / "other")
    await sees(peer, "other/a", "other/deep/b", "other/d")
    write(peer.folder / "other/deep/e", b"watched under its new name")
    await sees(peer, "other/a", "other/deep/b", "other/d", "other/deep/e")
    (peer.folder / "other/deep").rename(peer.folder / "up")
    await sees(peer, "other/a", "up/b", "other/d", "up/e")
    os.link(peer.folder / "up/b", peer.folder / "linked")
    await sees(peer, "other/a", "up/b", "other/d", "up/e", "linked")
    assert hashed == ["other/deep/e"]
    for path in shared(peer):
        answer = await peer.request("GET", f"/files/{path}")
        assert answer.body == (peer.folder / path).read_bytes()


async def test_an_edit_that_keeps_name_and_size_is_no_move(
    network: Network, hashed: Hashed
) -> None:
    peer = await watched(network)
    write(peer.folder / "a", b"one")
    await sees(peer, "a")
    hashed.clear()
    (peer.folder / "a").rename(peer.folder / "b")
    (peer.folder / "b").write_bytes(b"two")
    await sees(peer, "b")
    assert (await peer.request("GET", "/files/b")).body == b"two"
    assert hashed == ["b"]


async def test_what_an_unpacker_dated_is_read_again_when_it_moves(
    network: Network, hashed: Hashed
) -> None:
    peer = await watched(network)
    write(peer.folder / "a", b"one")
    os.utime(peer.folder / "a", (1_000_000_000, 1_000_000_000))
    await sees(peer, "a")
    hashed.clear()
    (peer.folder / "a").rename(peer.folder / "b")
    await sees(peer, "b")
    assert hashed == ["b"]


async def test_what_an_unpacker_dated_is_not_read_again_when_its_folder_moves(
    network: Network, hashed: Hashed
) -> None:
    peer = await watched(network)
    write(peer.folder / "a/deep/b", b"one")
    os.utime(peer.folder / "a/deep/b", (1_000_000_000, 1_000_000_000))
    await sees(peer, "a/deep/b")
    hashed.clear()
    for old, new in (("a", "c"), ("c", "d")):
        (peer.folder / old).rename(peer.folder / new)
        await sees(peer, f"{new}/deep/b")
    assert hashed == []
    assert (await peer.request("GET", "/files/d/deep/b")).body == b"one"


async def test_what_was_rewritten_and_dated_back_is_read_again_when_its_folder_moves(
    network: Network, hashed: Hashed
) -> None:
    peer = await watched(network)
    write(peer.folder / "a/b", b"one")
    os.utime(peer.folder / "a/b", (1_000_000_000, 1_000_000_000))
    await sees(peer, "a/b")
    hashed.clear()
    (peer.folder / "a/b").write_bytes(b"two")
    os.utime(peer.folder / "a/b", (1_000_000_000, 1_000_000_000))
    (peer.folder / "a").rename(peer.folder / "c")
    await sees(peer, "c/b")
    assert hashed == ["c/b"]
    assert (await peer.request("GET", "/files/c/b")).body == b"two"


async def test_a_restart_reads_nothing_again_and_sees_what_moved(
    network: Network, hashed: Hashed
) -> None:
    peer = await watched(network)
    for name in ("stays", "folder/moves", "goes"):
        write(peer.folder / name, name.encode())
    await sees(peer, "stays", "folder/moves", "goes")
    await network.stop_peer("one")
    hashed.clear()
    (peer.folder / "folder").rename(peer.folder / "moved")
    (peer.folder / "goes").unlink()
    peer = await network.peer("one")
    await sees(peer, "stays", "moved/moves")
    assert hashed == []


async def test_thousands_at_once_are_each_read_once(network: Network, hashed: Hashed) -> None:
    peer = await watched(network)
    hashed.clear()
    for number in range(5_000):
        write(peer.folder / f"many/{number % 50}/{number}", b"%d" % number)
    await until(lambda: peer.app.index.totals()[0] == 5_000, "all indexed")
    assert await peer.app.announcer.announced(PATIENCE_S)
    assert len(hashed) == len(set(hashed)) == 5_000
    shutil.rmtree(peer.folder / "many")
    await sees(peer)


async def test_a_changed_rule_is_followed_at_once(network: Network) -> None:
    peer = await watched(network)
    write(peer.folder / "docs/draft.tmp", b"draft")
    write(peer.folder / "docs/text", b"text")
    await sees(peer, "docs/draft.tmp", "docs/text")
    (peer.folder / "docs/.panalignore").write_text("*.tmp\n")
    await sees(peer, "docs/text")
    write(peer.folder / "docs/more.tmp", b"more")
    write(peer.folder / "more.txt", b"more")
    await sees(peer, "docs/text", "more.txt")
    (peer.folder / "docs/.panalignore").unlink()
    await sees(peer, "docs/draft.tmp", "docs/more.tmp", "docs/text", "more.txt")


# Watching that fails ----------------------------------------------------------------------


def refuse(*_: object) -> None:
    raise PanalError("The system's limit of watches is reached.")


async def test_where_watching_fails_scans_do_it_and_status_says_so(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SCAN_EVERY_S", 0.1)
    monkeypatch.setattr(inotify.FolderWatch, "_follow", refuse)
    peer = await network.peer("one")
    write(peer.folder / "a", b"a")
    await sees(peer, "a")
    (peer.folder / "a").unlink()
    await sees(peer)
    assert peer.node.status().watching == {"": "The system's limit of watches is reached."}


async def test_watching_that_fails_later_gives_way_to_scans(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SCAN_EVERY_S", 0.1)
    peer = await watched(network)
    monkeypatch.setattr(inotify.FolderWatch, "_read", refuse)
    write(peer.folder / "a", b"a")
    await sees(peer, "a")
    assert "limit" in peer.node.status().watching[""]


async def test_news_that_the_kernel_dropped_are_made_up_by_a_scan(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await watched(network)
    real = inotify.FolderWatch._take

    def overflow(
        self: inotify.FolderWatch, watch: int, mask: int, name: str, *found: set[str]
    ) -> None:
        real(self, -1, 0x4000, "", *found)

    monkeypatch.setattr(inotify.FolderWatch, "_take", overflow)
    write(peer.folder / "a/b", b"b")
    await sees(peer, "a/b")


async def test_no_link_is_followed_out_of_the_folder(network: Network, tmp_path: Path) -> None:
    write(tmp_path / "outside/far/file", b"not shared")
    peer = await watched(network)
    (tmp_path / "sub/.hidden").mkdir(parents=True)
    (tmp_path / "sub/link").symlink_to(tmp_path / "outside")
    (tmp_path / "sub").rename(peer.folder / "sub")
    write(peer.folder / "sub/a", b"a")
    await sees(peer, "sub/a")
    assert set(peer.app.watching._watches[""]._watches) == {"", "sub"}


# Roots that go away -----------------------------------------------------------------------


@pytest.mark.parametrize("further", [False, True])
async def test_a_root_that_goes_away_is_offline_and_comes_back_unread(
    network: Network, tmp_path: Path, hashed: Hashed, further: bool
) -> None:
    peer = await watched(network)
    root, path = peer.folder, "a/b"
    if further:
        root, path = tmp_path / "music", "music/a/b"
        root.mkdir()
        await peer.node.add([str(root)])
    write(root / "a/b", b"b")
    await sees(peer, path)
    hashed.clear()
    root.rename(tmp_path / "away")
    await until(lambda: peer.node.status().offline == [str(root)], "offline")
    async with asyncio.timeout(PATIENCE_S):
        while (await peer.node.search("")).hits:
            await asyncio.sleep(0.02)
    assert shared(peer) == {path}
    assert peer.node.files().files[0].offline
    assert path not in await listed(peer)
    assert (await peer.request("GET", f"/files/{path}")).status == 404
    content = peer.node.files().files[0].id
    assert (await peer.request("GET", f"/content/{content}")).status == 404
    assert shared(peer) == {path}
    (tmp_path / "away").rename(root)
    await until(lambda: peer.node.status().offline == [], "online")
    await sees(peer, path)
    assert not peer.node.files().files[0].offline
    assert path in await listed(peer)
    assert (await peer.request("GET", f"/content/{content}")).body == b"b"
    assert hashed == []
    write(root / "later", b"watched again")
    await sees(peer, path, path.replace("a/b", "later"))
    announcer = peer.app.announcer
    renewal = await announcer._client.renew(announcer._caller, announcer._digest.value())
    assert renewal.in_step


async def test_a_start_without_a_root_keeps_what_is_known_of_it(
    network: Network, tmp_path: Path, hashed: Hashed
) -> None:
    peer = await watched(network)
    write(tmp_path / "disk/a", b"a")
    await peer.node.add([str(tmp_path / "disk")])
    await sees(peer, "disk/a")
    await network.stop_peer("one")
    hashed.clear()
    (tmp_path / "disk").rename(tmp_path / "away")
    (tmp_path / "disk").mkdir()  # a mount point without its disk
    peer = await network.peer("one")
    assert peer.node.status().offline == [str(tmp_path / "disk")]
    assert (await peer.node.search("")).hits == []
    (tmp_path / "disk").rmdir()
    (tmp_path / "away").rename(tmp_path / "disk")
    await sees(peer, "disk/a")
    assert hashed == []


async def test_a_start_without_the_folder_makes_none_in_its_place_and_forgets_nothing(
    network: Network, tmp_path: Path, hashed: Hashed
) -> None:
    state: dict[str, Any] = {"state_dir": tmp_path / "state"}
    peer = await network.peer("one", **state)
    write(peer.folder / "a", b"a")
    write(tmp_path / "disk/b", b"b")
    await peer.node.add([str(tmp_path / "disk")])
    await sees(peer, "a", "disk/b")
    await network.stop_peer("one")
    hashed.clear()
    peer.folder.rename(tmp_path / "away")
    with pytest.raises(RootOffline, match="Mount its disk"):
        await network.peer("one", **state)
    assert not peer.folder.exists()
    (tmp_path / "away").rename(peer.folder)
    peer = await network.peer("one", **state)
    await sees(peer, "a", "disk/b")
    assert hashed == []
    (peer.folder / "a").unlink()
    await sees(peer, "disk/b")
    await network.stop_peer("one")
    shutil.rmtree(peer.folder)
    await sees(await network.peer("one", **state), "disk/b")  # nothing is missing


async def test_what_was_unshared_at_the_start_is_watched_once_it_is_shared_again(
    network: Network, tmp_path: Path
) -> None:
    peer = await watched(network)
    write(peer.folder / "album/disc/a", b"a")
    write(tmp_path / "music/live/b", b"b")
    await peer.node.add([str(tmp_path / "music")])
    await sees(peer, "album/disc/a", "music/live/b")
    await peer.node.unshare(["album", "music/live"])
    await sees(peer)
    await network.stop_peer("one")
    peer = await network.peer("one")
    write(peer.folder / "first", b"first")
    await sees(peer, "first")
    await peer.node.add([str(peer.folder / "album"), str(tmp_path / "music/live")])
    await sees(peer, "first", "album/disc/a", "music/live/b")
    write(peer.folder / "album/disc/new", b"new")
    write(tmp_path / "music/live/new", b"new")
    await sees(peer, "first", "album/disc/a", "music/live/b", "album/disc/new", "music/live/new")


def test_what_changed_before_a_folder_was_watched_anew_is_told(tmp_path: Path) -> None:
    told = SimpleQueue[set[str]]()
    unshared = {"album"}
    (tmp_path / "album").mkdir()
    watch = inotify.FolderWatch(tmp_path, unshared.__contains__, told.put, pytest.fail)
    watch.start()
    try:
        assert told.get(timeout=PATIENCE_S) == {""}
        (tmp_path / "album/new").touch()
        unshared.clear()
        watch.watch_below("album")
        assert told.get(timeout=PATIENCE_S) == {"album"}
    finally:
        watch.stop()


@pytest.fixture
def moves_wait(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Event]:
    """Files that were only moved are taken in once this is set."""
    go_on = asyncio.Event()
    real = Scanning._take_in_moved

    async def later(scanning: Scanning, moved: list[Moved]) -> None:
        await go_on.wait()
        await real(scanning, moved)

    monkeypatch.setattr(Scanning, "_take_in_moved", later)
    yield go_on
    go_on.set()


async def test_a_new_file_does_not_wait_for_those_that_were_moved(
    network: Network, hashed: Hashed, moves_wait: asyncio.Event
) -> None:
    peer = await watched(network)
    write(peer.folder / "old/a", b"a")
    await sees(peer, "old/a")
    (peer.folder / "old").rename(peer.folder / "new")
    await until(lambda: peer.node.status().to_hash == 1, "the move was seen")
    write(peer.folder / "b", b"b")
    await sees(peer, "old/a", "b")
    moves_wait.set()
    await sees(peer, "new/a", "b")
    assert hashed == ["first", "old/a", "b"]


async def test_news_do_not_wait_for_a_look_at_everything(
    network: Network, hashed: Hashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await watched(network)
    go_on, begun = threading.Event(), threading.Event()
    real = Comparing.everything

    def slow(comparing: Comparing, *given: Any) -> Difference:
        begun.set()
        found = real(comparing, *given)
        go_on.wait(30)
        return found

    monkeypatch.setattr(Comparing, "everything", slow)
    write(peer.folder / "seen-by-both", b"a")
    peer.app.watching.hint([""], 0.0)
    await until(begun.is_set, "the full look")
    write(peer.folder / "b", b"b")
    await sees(peer, "seen-by-both", "b")
    compared = peer.app.scanning.times_compared
    go_on.set()
    await until(lambda: peer.app.scanning.times_compared > compared, "the full look is over")
    await until(lambda: peer.node.status().to_hash == 0, "all is taken in")
    await sees(peer, "seen-by-both", "b")
    assert sorted(hashed) == ["b", "first", "seen-by-both"]


async def test_no_full_scan_finds_again_what_is_being_moved(
    network: Network, moves_wait: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "MOVED_AT_ONCE", 1)
    peer = await watched(network)
    write(peer.folder / "old/a", b"a")
    await sees(peer, "old/a")
    (peer.folder / "old").rename(peer.folder / "new")
    await until(lambda: peer.node.status().to_hash == 1, "the move was seen")
    compared = peer.app.scanning.times_compared
    peer.app.watching.hint([""], 0.0)
    write(peer.folder / "b", b"b")
    await sees(peer, "old/a", "b")  # news go on
    assert peer.app.scanning.times_compared == compared
    moves_wait.set()
    await sees(peer, "new/a", "b")
    await until(lambda: peer.app.scanning.times_compared > compared, "the full scan after it")


async def test_what_changes_places_is_seen_and_not_read_again(
    network: Network, hashed: Hashed
) -> None:
    peer = await watched(network)
    for name in ("a", "b", "c", "blue/x", "green/x"):
        write(peer.folder / name, name.encode())
    await sees(peer, "a", "b", "c", "blue/x", "green/x")
    hashed.clear()
    for names in (("a", "b", "c"), ("blue", "green")):
        (peer.folder / names[0]).rename(peer.folder / "aside")
        for to, name in itertools.pairwise(names):
            (peer.folder / name).rename(peer.folder / to)
        (peer.folder / "aside").rename(peer.folder / names[-1])
    truth = {"a": b"b", "b": b"c", "c": b"a", "blue/x": b"green/x", "green/x": b"blue/x"}

    def is_true() -> bool:
        return all(
            (file := peer.app.index.by_path(path)) is not None
            and file.sha256 == hashlib.sha256(data).digest()
            for path, data in truth.items()
        )

    await until(is_true, "all indexed as they are now")
    await sees(peer, *truth)
    for path, data in truth.items():
        assert (await peer.request("GET", f"/files/{path}")).body == data
    assert hashed == []


def exchange(one: Path, other: Path) -> None:
    """Let two names change places at once; elsewhere than Linux the test is left out."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2):
        pytest.skip(f"No exchange here: {os.strerror(ctypes.get_errno())}.")


async def test_folders_that_change_places_are_watched_on(network: Network) -> None:
    """The kernel knows them by inode, and what it told first is old when it is read."""
    peer = await watched(network)
    for name in "abcd":
        write(peer.folder / name / f"sub{name}/file", name.encode())
    await sees(peer, *(f"{name}/sub{name}/file" for name in "abcd"))
    for one, other in ("ab", "bc", "ad", "da", "cd"):
        exchange(peer.folder / one, peer.folder / other)
    (peer.folder / "c").rename(peer.folder / "e")
    (peer.folder / "b").rename(peer.folder / "c")
    below = {path.relative_to(peer.folder): path for path in peer.folder.glob("*/sub*")}
    assert len(below) == 4
    await sees(peer, *(f"{name}/file" for name in below))
    for path in below.values():
        write(path / "new", b"new in " + bytes(path))
        write(path.parent / "new", b"beside it, in " + bytes(path))
    news = [f"{name}/{file}" for name in below for file in ("file", "new", "../new")]
    await sees(peer, *(os.path.normpath(name) for name in news))


async def test_a_folder_that_left_is_watched_no_more(network: Network, tmp_path: Path) -> None:
    peer = await watched(network)
    write(peer.folder / "a/sub/file", b"a")
    write(tmp_path / "other/file", b"b")
    await sees(peer, "a/sub/file")
    exchange(peer.folder / "a", tmp_path / "other")
    await sees(peer, "a/file")
    watch = peer.app.watching._watches[""]
    assert set(watch._watches) == {"", "a"}
    assert sorted(watch._paths.values()) == ["", "a"]


async def test_many_news_are_those_of_their_folders(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HINTS_ONE_BY_ONE", 3)
    peer = await watched(network)
    compared = peer.app.scanning.times_compared
    for number in range(30):
        write(peer.folder / f"many/{number}", b"x")
    paths = [f"many/{number}" for number in range(30)]
    peer.app.watching.hint(paths, 0.0)
    await sees(peer, *paths)
    assert peer.app.scanning.times_compared == compared
    peer.app.watching.hint([f"{number}/file" for number in range(4)], 0.0)
    await until(lambda: peer.app.scanning.times_compared > compared, "all is looked at")


async def test_what_is_moved_back_before_it_was_taken_in_stays_shared(
    network: Network, hashed: Hashed, moves_wait: asyncio.Event
) -> None:
    peer = await watched(network)
    write(peer.folder / "old/a", b"a")
    await sees(peer, "old/a")
    (peer.folder / "old").rename(peer.folder / "new")
    await until(lambda: peer.node.status().to_hash == 1, "the move was seen")
    (peer.folder / "new").rename(peer.folder / "old")
    write(peer.folder / "b", b"b")
    await sees(peer, "old/a", "b")
    moves_wait.set()
    await until(lambda: peer.node.status().to_hash == 0, "all is taken in")
    await sees(peer, "old/a", "b")
    assert hashed == ["first", "old/a", "b"]


async def test_a_twin_is_not_forgotten_while_its_content_moves(
    network: Network, hashed: Hashed, moves_wait: asyncio.Event
) -> None:
    peer = await watched(network)
    write(peer.folder / "old/a", b"a")
    await sees(peer, "old/a")
    os.link(peer.folder / "old/a", peer.folder / "second")
    await until(lambda: peer.node.status().to_hash == 1, "the second name was seen")
    (peer.folder / "old/a").unlink()
    await peer.app.scanning.take_in(await peer.app.scanning.look(["old/a"]))
    assert shared(peer) == {"old/a"}
    moves_wait.set()
    await sees(peer, "second")
    assert hashed == ["first", "old/a"]


async def test_a_folder_is_watched_also_with_more_than_a_thousand_descriptors(
    network: Network, descriptors: None
) -> None:
    peer = await network.peer("one")
    (peer.folder / "a.txt").write_bytes(b"a")
    await until(lambda: peer.app.index.by_path(SafePath("a.txt")) is not None, "it is shared")
    assert peer.app.watching.problems == {}


@pytest.fixture
def descriptors() -> Iterator[None]:
    """So many are taken that the next ones have numbers above 1,023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4_096:
        pytest.skip("this process may not have so many descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    taken = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(1_100)]
    yield
    for descriptor in taken:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
