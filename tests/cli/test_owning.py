"""The commands for one's own peer, against a real one; what is out of reach is code 4."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from panal.answers import VerifyProgress
from panal.cli.owning import _below
from panal.cli.remote import RemotePeer
from panal.errors import NotFound, PanalError
from panal.peer import verifying
from panal.store.fingerprints import Fingerprint
from panal.store.rereading import wrong_chunks_of
from panal.store.roots import Root
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath
from tests.cli.running import panal
from tests.fsck.place import overwrite
from tests.support.network import Network, RunningPeer, until

UNKNOWN = "0" * 64


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one", shares_folder=False)


async def test_ls_says_what_is_left_out(peer: RunningPeer) -> None:
    (peer.folder / ".git").mkdir()
    for name in (".hidden", "a.pem", "b.key"):
        (peer.folder / name).write_bytes(b"x")
    await peer.app.scanning.scan()
    assert (await panal("ls", "--peer", peer.url)).err.splitlines() == [
        "Nothing is shared yet.",
        "Left out: 2 files (a secret by its name)",
        "Left out: 1 file and 1 folder with all in it (hidden)",
    ]
    listed = (await panal("ls", "--peer", peer.url, "--json")).json()
    assert listed["skipped"] == {"hidden": 2, "a secret by its name": 2}
    assert listed["skipped_folders"] == {"hidden": 1}


async def test_ls_shows_all_pages(peer: RunningPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await panal("ls", "--peer", peer.url)).err == "Nothing is shared yet.\n"
    for name in ("b.txt", "a.txt", "sub/c.txt"):
        await peer.upload(name, name.encode())
    listed = (await panal("ls", "--peer", peer.url, "--json")).json()
    assert [file["path"] for file in listed["files"]] == ["a.txt", "b.txt", "sub/c.txt"]
    assert set(listed["files"][0]) == {"path", "id", "size", "sha256", "link", "offline"}
    lines = (await panal("ls", "--peer", peer.url + "/")).out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["a.txt", "b.txt", "sub/c.txt"]


async def test_the_environment_names_the_peer(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANAL_PEER", peer.url)
    assert (await panal("ls", "--json")).json() == {
        "files": [],
        "skipped": {},
        "skipped_folders": {},
    }


async def test_add_and_unshare(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one")
    at = ("--peer", peer.url)
    elsewhere = tmp_path / "music"
    elsewhere.mkdir()
    (elsewhere / "song.mp3").write_bytes(b"la")
    (tmp_path / "note.txt").write_text("a note")
    added = (await panal("add", str(elsewhere), str(tmp_path / "note.txt"), "--json", *at)).json()
    assert [root["name"] for root in added["roots"]] == ["music", "note.txt"]
    assert added["folders"] == added["files"] == []

    def shared() -> list[str]:
        return [file.path for file in peer.node.files().files]

    await until(lambda: shared() == ["music/song.mp3", "note.txt"], "both are shared")
    assert not list(peer.folder.glob("[!.]*"))
    gone = await panal("unshare", str(elsewhere), "note.txt", *at)
    assert gone.code == 0, gone.err
    await until(lambda: shared() == [], "neither is")
    assert (elsewhere / "song.mp3").exists()
    assert (await panal("unshare", "note.txt", *at)).code == 3
    assert (await panal("add", str(tmp_path / "note.txt"), "--copy", "--quiet", *at)).out == ""
    assert (peer.folder / "note.txt").read_text() == "a note"


async def test_what_names_nothing_is_said_in_words(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    (peer.folder / "album").mkdir()
    for place in (network.place, peer.folder / "album"):
        monkeypatch.chdir(place)
        empty = await panal("unshare", "", "--peer", peer.url)
        assert (empty.code, "An empty path names nothing" in empty.err) == (2, True)
    assert peer.node.status().unshared == []
    for command in ("unshare", "get", "verify", "link"):
        no_text = await panal(command, "x\udcff", "--peer", peer.url)
        assert (no_text.code, r"'x\xff' is not UTF-8" in no_text.err) == (2, True), no_text.err


async def test_a_folder_in_the_folder_is_added_as_one(network: Network) -> None:
    peer = await network.peer("one")
    (peer.folder / "album" / "empty").mkdir(parents=True)
    (peer.folder / "album" / "a.txt").write_bytes(b"a" * 1_000)
    await until(lambda: len(peer.node.files().files) == 1, "shared")
    words = ("add", str(peer.folder / "album"), "--peer", peer.url)
    (folder,) = (await panal(*words, "--json")).json()["folders"]
    assert (folder["path"], folder["files"], folder["bytes"]) == ("album", 1, 1_000)
    assert folder["link"].startswith(f"panal:{folder['id']}?name=album")
    assert folder["link"] in (await panal(*words)).out
    (whole,) = (await panal("add", str(peer.folder), "--json", *words[2:])).json()["folders"]
    assert (whole["path"], whole["files"]) == ("one", 1)


async def test_a_folder_in_the_folder_is_unshared_and_added_again(network: Network) -> None:
    peer = await network.peer("one")
    (peer.folder / "album/live").mkdir(parents=True)
    for name in ("a.txt", "live/b.txt"):
        (peer.folder / "album" / name).write_bytes(b"a" * 1_000)
    await until(lambda: len(peer.node.files().files) == 2, "shared")
    album, at = str(peer.folder / "album"), ("--peer", peer.url)
    assert (await panal("unshare", album, *at)).code == 0
    await until(lambda: peer.node.files().files == [], "no longer shared")
    refused = await panal("add", f"{album}/a.txt", *at)
    assert refused.code == 7
    assert "'album' is left out: unshared. Add 'album' first." in refused.err
    assert (await panal("add", f"{album}/live", *at)).code == 7
    (folder,) = (await panal("add", album, "--json", *at)).json()["folders"]
    assert (folder["files"], folder["skipped"]) == (2, {})
    assert peer.node.status().unshared == []
    assert len(peer.node.files().files) == 2


async def test_ls_says_which_folder_was_withdrawn_and_what_to_do(network: Network) -> None:
    peer = await network.peer("one")
    (peer.folder / "album").mkdir()
    (peer.folder / "album/a.txt").write_bytes(b"a")
    (peer.folder / "album/b.txt").write_bytes(b"b")
    await peer.node.add_folder("album")
    (peer.folder / "album/b.txt").unlink()
    await until(lambda: peer.node.status().withdrawn == {"album": "album/b.txt"}, "withdrawn")
    assert (await panal("ls", "--peer", peer.url)).err == (
        "Withdrawn: the folder album is not what was shared any more (see album/b.txt). "
        "To share it as it is now: 'panal add' it again.\n"
    )
    await peer.node.add_folder("album")
    assert peer.node.status().withdrawn == {}


async def test_what_a_root_has_is_said_to_be_in_that_root(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one")
    music, at = tmp_path / "music", ("--peer", peer.url)
    (music / "live").mkdir(parents=True)
    assert (await panal("add", str(music), *at)).code == 0
    again = await panal("add", str(music), str(music / "live"), *at)
    assert again.out == (
        f"music  shared already, in place, from {music}\nmusic/live  shared, as it is in {music}\n"
    )


async def test_a_folder_that_rules_leave_out_is_not_added_empty(network: Network) -> None:
    peer = await network.peer("one")
    (peer.folder / "build").mkdir()
    (peer.folder / "build/a.txt").write_bytes(b"a")
    (peer.folder / ".panalignore").write_text("build/\n")
    await peer.app.scanning.scan()
    refused = await panal("add", str(peer.folder / "build"), "--peer", peer.url)
    assert refused.code == 7
    assert "it is left out: ignored." in refused.err


async def test_downloads_are_listed_and_steered(peer: RunningPeer) -> None:
    at = ("--peer", peer.url)
    assert (await panal("downloads", *at)).err == "No downloads.\n"
    identity = peer.node.get(UNKNOWN).id
    await until(lambda: peer.node.download(identity).state == "waiting", "waiting")
    listed = (await panal("downloads", "--json", *at)).json()["downloads"]
    assert [download["id"] for download in listed] == [identity]
    assert identity in (await panal("downloads", "list", *at)).out
    paused = (await panal("downloads", "pause", identity[:6], "--json", *at)).json()
    assert [d["state"] for d in paused["downloads"]] == ["paused"]
    first = await panal("downloads", "priority", "5", identity, *at)
    assert "priority 5" in first.out
    assert peer.node.download(identity).priority == 5
    assert (await panal("downloads", "resume", identity, "--quiet", *at)).out == ""
    assert peer.node.download(identity).state != "paused"
    assert (await panal("downloads", "--unfinished", *at)).err == "No unfinished files.\n"
    unfinished = (await panal("downloads", "--unfinished", "--json", *at)).json()
    assert unfinished == {"unfinished": []}
    gone = await panal("downloads", "cancel", identity, *at)
    assert gone.out == f"Cancelled: {UNKNOWN}\n"
    assert peer.node.downloads() == []
    missing = await panal("downloads", "pause", identity, "--json", *at)
    assert (missing.code, missing.json()["type"]) == (3, "urn:panal:error:not-found")


async def test_a_short_id_that_means_several(peer: RunningPeer) -> None:
    for number in range(20):
        peer.node.get(f"{number:064x}")
    by_first: dict[str, int] = {}
    for download in peer.node.downloads():
        by_first[download.id[0]] = by_first.get(download.id[0], 0) + 1
    twice = next(first for first, count in by_first.items() if count > 1)
    assert (await panal("downloads", "pause", twice, "--peer", peer.url)).code == 2


async def test_settings_are_shown_and_changed(peer: RunningPeer) -> None:
    at = ("--peer", peer.url)
    assert (await panal("settings", *at)).out == (
        "active_downloads = 4\n"
        "upload_limit = none\n"
        "download_limit = none\n"
        "upload_limit_per_peer = none\n"
        "download_limit_per_peer = none\n"
        "verify_rate = 4 MB/s\n"
    )
    words = ("active_downloads=6", "upload_limit=5M", "download_limit_per_peer_bytes_s=1.5MiB/s")
    changed = (await panal("settings", *words, "--json", *at)).json()
    assert changed == {
        "active_downloads": 6,
        "upload_limit_bytes_s": 5_000_000,
        "download_limit_bytes_s": 0,
        "upload_limit_per_peer_bytes_s": 0,
        "download_limit_per_peer_bytes_s": 1_572_864,
        "verify_rate_bytes_s": 4_000_000,
    }
    assert peer.node.settings().upload_limit_bytes_s == 5_000_000
    shown = (await panal("settings", "upload_limit=none", *at)).out
    assert "upload_limit = none\n" in shown
    assert "download_limit_per_peer = 1.573 MB/s\n" in shown
    quiet = await panal("settings", "active_downloads=5", "--quiet", *at)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert "active_downloads = 5\n" in (await panal("settings", "--quiet", *at)).out


@pytest.mark.parametrize(
    "change",
    ["upload_limit", "nonsense=1", "=5", "", "upload_limit=", "upload_limit=5", "upload_limit=-1M",
     "upload_limit=fast", "active_downloads=5M", "active_downloads=0", "active_downloads=²"],
)  # fmt: skip
async def test_settings_that_make_no_sense(peer: RunningPeer, change: str) -> None:
    said = await panal("settings", "active_downloads=7", change, "--json", "--peer", peer.url)
    assert (said.code, said.json()["type"]) == (2, "urn:panal:error:bad-request")
    assert peer.node.settings().active_downloads == 4


@pytest.mark.parametrize("option", ["--limit-up", "--limit-down"])
async def test_a_get_at_a_peer_keeps_to_that_peers_limits(peer: RunningPeer, option: str) -> None:
    refused = await panal("get", "x", "--peer", peer.url, option, "1M")
    assert refused.code == 2
    assert "panal settings" in refused.err


async def test_verify_names_what_rotted(peer: RunningPeer) -> None:
    at = ("--peer", peer.url)
    for name in ("whole.bin", "sub/rotten.bin"):
        await peer.upload(name, Random(name).randbytes(100_000))
    assert (await panal("verify", *at)).out == "2 files, 195.3 KiB read, 0 differ.\n"
    rotten = peer.folder / "sub" / "rotten.bin"
    before = rotten.stat()
    with rotten.open("r+b") as file:
        file.write(b"rot")
    os.utime(rotten, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (await panal("verify", "whole.bin", "--json", *at)).json() == {
        "files": 1, "bytes": 100_000, "offline": 0, "differing": {}, "repaired": [],
    }  # fmt: skip
    found = await panal("verify", str(peer.folder / "sub"), "--json", *at)
    assert found.code == 5
    assert list(found.json()["differing"]) == ["sub/rotten.bin"]
    read = "2 files, 195.3 KiB read, "
    told = (await panal("verify", *at)).out
    assert told.splitlines()[-1] == f"{read}1 differ."
    # Its time was set back by a program: no repair would touch it.
    assert "--repair" not in told
    assert "touch it to share it as it is, or remove it and get it again" in told
    repaired = await panal("verify", "--repair", *at)
    assert repaired.code == 5
    assert "not repaired: 'sub/rotten.bin' may have been edited" in repaired.out
    assert repaired.out.splitlines()[-1] == (f"{read}0 repaired, 1 not: the reasons are above.")
    alone = (await panal("verify", "sub", "--repair", *at)).out
    assert alone.splitlines()[-1].startswith("1 file, 97.7 KiB read, 0 repaired, 1 not")
    assert [file.path for file in peer.node.files().files] == ["whole.bin"]
    assert (await panal("verify", "nothing", *at)).code == 3


async def test_ls_says_what_is_withdrawn_and_what_to_do(peer: RunningPeer) -> None:
    at = ("--peer", peer.url)
    await peer.upload("rotten.bin", b"x" * 100_000)
    path = peer.folder / "rotten.bin"
    overwrite(path, 7, b"rot")
    ctime_ns = path.stat().st_ctime_ns  # as on a disk that has rotted: no program can set it
    peer.app.index.write("UPDATE shared SET ctime_ns = ?", (ctime_ns,))
    assert "'panal verify --repair' fetches what is wrong" in (await panal("verify", *at)).out
    first, second = (await panal("ls", *at)).err.splitlines()
    assert first == "Nothing is shared: what was is withdrawn."
    assert second.startswith("Withdrawn: rotten.bin has other bytes than were shared in 1 of 1 ")
    assert second.endswith("'panal verify --repair' fetches what is wrong from others.")


async def test_ls_says_that_what_was_edited_is_being_read(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.peer.comparing.SETTLED_S", 3_600.0)  # it is always too new
    peer = await network.peer("one")
    at = ("--peer", peer.url)
    await peer.upload("one.txt", b"one")
    (peer.folder / "one.txt").write_bytes(b"two")
    await until(lambda: peer.node.status().unsettled == 1, "it was seen, and is still too new")
    await until(lambda: not peer.node.files().files, "what it was is not shared any more")
    assert (await panal("ls", *at)).err == (
        "Nothing is shared at this moment: 1 file is new or edited, and shared once read.\n"
    )


async def test_ls_says_which_folder_is_not_there_though_it_shares_nothing(
    peer: RunningPeer, tmp_path: Path
) -> None:
    at = ("--peer", peer.url)
    (tmp_path / "disk").mkdir()
    await panal("add", str(tmp_path / "disk"), *at)
    assert (await panal("ls", *at)).err == "Nothing is shared yet.\n"
    (tmp_path / "disk").rmdir()
    await peer.app.presence.check()
    assert (await panal("ls", *at)).err == (
        f"Not there: {tmp_path / 'disk'}. What it shares is offline until it is back, as by "
        "mounting its disk again.\n"
    )


async def test_verify_tells_how_far_it_has_come(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line each, of one file still being read too; whoever hangs up ends it."""
    monkeypatch.setattr(verifying, "TELL_S", 0.0)
    began, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def held(
        root: Root,
        path: SafePath,
        expected: Fingerprint,
        manifest: Manifest,
        chunks: range,
        progress: Callable[[int], None],
    ) -> int:
        try:
            while path == "b.bin" and not may_go_on.is_set():
                progress(7)
                began.set()
                may_go_on.wait(0.001)
        except PanalError:
            ended.set()
            raise
        return wrong_chunks_of(root, path, expected, manifest, chunks, progress)

    monkeypatch.setattr(verifying, "wrong_chunks_of", held)
    for name in ("a.bin", "b.bin"):
        await peer.upload(name, name.encode() * 200)
    async with RemotePeer(peer.url) as remote:
        seen: list[VerifyProgress] = []

        def see(step: VerifyProgress) -> None:
            seen.append(step)
            if step.bytes == 1_007:
                may_go_on.set()

        answer = await remote.verify([], see)
        assert (answer.files, answer.bytes, answer.differing) == (2, 2_000, {})
        assert {(step.of_files, step.of_bytes, step.answer) for step in seen} == {(2, 2_000, None)}
        assert sorted(step.bytes for step in seen) == [step.bytes for step in seen]
        with pytest.raises(NotFound):
            await remote.verify(["b.bin", "nothing"], see)

    for accept in ("application/x-ndjson", "application/json"):
        for event in (began, may_go_on, ended):
            event.clear()
        headers = {"Accept": accept}
        asked = asyncio.create_task(
            peer.request("POST", "/api/v1/verify", json={"paths": []}, headers=headers)
        )
        await until(began.is_set, "reading")
        asked.cancel()
        await until(ended.is_set, "the peer has given up, its thread too")
    assert len(peer.node.files().files) == 2


async def test_get_at_a_peer_and_waiting_for_a_name(network: Network, peer: RunningPeer) -> None:
    other = await network.peer("two", shares_folder=False)
    data = Random(3).randbytes(50_000)
    words = ("get", "later.bin", "--peer", peer.url)
    assert (await panal(*words)).code == 3
    waiting = asyncio.create_task(panal(*words, "--wait", "--json"))
    await until(lambda: any(d.state == "waiting" for d in peer.node.downloads()), "waiting")
    await other.upload("later.bin", data)
    got = await waiting
    assert got.code == 0, got.err
    assert got.json()["size"] == len(data)
    assert "It is waited for" in got.err
    assert (peer.folder / "later.bin").read_bytes() == data


def test_paths_inside_the_folder_and_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder / "sub")
    assert _below(folder, Path("x.txt")) == "sub/x.txt"
    assert _below(folder, Path("../x.txt")) == "x.txt"
    assert _below(folder, Path()) == "sub"
    assert _below(folder, tmp_path / "link" / "x.txt") == "x.txt"
    assert _below(tmp_path / "link", folder / "x.txt") == "x.txt"
    assert _below(folder, Path("..")) is None
    assert _below(folder, tmp_path / "x.txt") is None
    assert _below(folder, tmp_path / "folder2") is None


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_relative_path_from_outside_is_unshared_as_it_was_added(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slash: str
) -> None:
    peer = await network.peer("one")
    at = ("--peer", peer.url)
    (tmp_path / "away" / "music").mkdir(parents=True)
    (tmp_path / "away" / "music" / "song").write_bytes(b"la")
    monkeypatch.chdir(tmp_path)
    assert (await panal("add", "away/music", *at)).code == 0
    gone = await panal("unshare", f"away/music{slash}", *at)
    assert gone.code == 0, gone.err
    assert (await peer.request("GET", "/files/music/song")).status == 404
    assert (await panal("unshare", "away/music", *at)).code == 3
    assert (await panal("unshare", "away/no-such", *at)).code == 3
