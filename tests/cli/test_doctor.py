"""`panal doctor`: what is right is ok, what is wrong is said with what to do."""

import errno
import os
import resource
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from panal.cli import checks
from panal.errors import StoreUnavailable
from tests.cli.running import Said, panal
from tests.support.network import Network, until
from tests.support.replicas import Trackers

NOBODY = ("--peer", "http://127.0.0.1:1")


def verdicts(said: Said) -> dict[str, str]:
    return {finding["check"]: finding["verdict"] for finding in said.json()["findings"]}


async def test_all_is_well_beside_a_running_peer(network: Network) -> None:
    peer = await network.peer("one")
    words = ("doctor", "--peer", peer.url, "--tracker", network.tracker_address)
    found = await panal(*words, "--name", "one", "--json")
    assert found.code == 0, found.out
    assert verdicts(found).items() >= {"tracker": "ok", "peer": "ok", "name": "ok"}.items()
    assert verdicts(found).keys() >= {"folder", "names", "space", "clock", "descriptors",
                                      "versions", "sqlite", "hashes"}  # fmt: skip
    assert str(peer.folder) in found.out
    assert not list(peer.folder.glob(".panal-doctor*"))
    assert "ok    tracker: " in (await panal(*words)).out


async def test_the_tracker_that_is_asked_is_the_running_peers_if_none_is_named(
    network: Network,
) -> None:
    peer = await network.peer("one")
    found = await panal("doctor", "--peer", peer.url)
    assert f"ok    tracker: {network.tracker_address} answers" in found.out
    assert (await panal("doctor", "--peer", peer.url, "--tracker", "127.0.0.1:1")).code == 1


async def test_a_download_that_waits_is_told_with_its_reason(network: Network) -> None:
    peer = await network.peer("one")
    begun = peer.node.get("ab" * 32, "never.bin")
    await until(lambda: peer.node.download(begun.id).state == "waiting", "waiting")
    found = await panal("doctor", "--peer", peer.url, "--tracker", network.tracker_address)
    assert "warn  download: never.bin waits: nobody online holds this content" in found.out
    assert f"'panal why {begun.id}' says more." in found.out


async def test_without_a_peer_one_is_tried_out(network: Network, tmp_path: Path) -> None:
    await network.peer("one")
    words = ("doctor", *NOBODY, "--tracker", network.tracker_address, "--json")
    found = await panal(*words, "--folder", str(tmp_path), "--name", "free")
    assert verdicts(found).items() >= {"tracker": "ok", "dial-back": "ok", "name": "ok"}.items()
    taken = await panal(*words, "--name", "ONE")
    assert (taken.code, verdicts(taken)["name"]) == (1, "fail")
    assert [peer.name for peer in await network.peers["one"].node.peers()] == ["one"]


async def test_in_a_network_it_asks_as_this_user_who_is_let_in_by_a_line(tmp_path: Path) -> None:
    async with Network(tmp_path / "members", has_members=True) as members:
        words = ("doctor", "--tracker", members.tracker_address, "--folder", str(tmp_path))
        nobody = await panal(*words, *NOBODY)
        assert (nobody.code, "--join @FILE" in nobody.out) == (1, True)
        assert "Start it" not in nobody.out
        peer = await members.peer("one")
        assert verdicts(await panal(*words, "--peer", peer.url, "--json"))["tracker"] == "ok"
        line = tmp_path / "join.txt"
        line.write_text(f"{members.join_line}\n")
        line.chmod(0o600)
        joined = await panal(*words, *NOBODY, "--join", f"@{line}", "--name", "free", "--json")
        assert verdicts(joined).items() >= {
            "tracker": "ok", "dial-back": "ok", "name": "ok"
        }.items(), joined.out  # fmt: skip
        assert verdicts(await panal(*words, *NOBODY, "--json"))["dial-back"] == "ok"


async def test_no_tracker_fails_and_says_what_to_do(tmp_path: Path) -> None:
    found = await panal(
        "doctor", *NOBODY, "--tracker", "127.0.0.1:1", "--folder", str(tmp_path / "none")
    )
    assert found.code == 1
    assert "fail  tracker: The tracker at 127.0.0.1:1 does not answer" in found.out
    assert "--tracker" in found.out
    assert "warn  folder: " in found.out


def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)
    assert [f.verdict for f in checks.check_folder(tmp_path)] == ["fail", "ok"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_to_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A folder can still be made, and no byte be written in it."""

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    usage = SimpleNamespace(free=1024, total=200 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(Path, "write_bytes", full)
    folder, space = checks.check_folder(tmp_path)
    assert (folder.verdict, space.verdict) == ("fail", "fail")
    why = "the quota is used up" if number == errno.EDQUOT else "the disk is full"
    assert f"{why}, 1.0 KiB of 200.0 MiB are free." in folder.found
    assert "read-only" not in folder.advice
    assert "Free some space" in folder.advice
    assert (
        space.found
        == "The disk is full: 1.0 KiB of 200.0 MiB are free, and Panal leaves 10.0 MiB free."
    )


def test_limits_and_edges(tmp_path: Path) -> None:
    space = [checks.check_space(tmp_path, free, 10**12).verdict for free in (0, 2**30 + 1, 2**40)]
    assert space == ["fail", "warn", "ok"]
    assert checks.check_clock(0.0).verdict == "fail"
    limits = [(256, 512), (256, 2_048), (256, 2**20), (256, resource.RLIM_INFINITY)]
    assert [checks.check_descriptors(*both).verdict for both in limits] == [
        "fail",
        "warn",
        "ok",
        "ok",
    ]
    assert "WAL-reset" in checks.check_sqlite((3, 40, 1)).found
    assert "WAL-reset" in checks.check_sqlite((3, 51, 2)).found
    for mended in ((3, 51, 3), (3, 50, 7), (3, 44, 6), (3, 6, 9)):
        assert "WAL-reset" not in checks.check_sqlite(mended).found


def test_wrong_hashes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def digest(self) -> bytes:
            return b"\0" * 32

    monkeypatch.setattr(checks, "blake3", lambda _: Wrong())
    assert checks.check_hashes().verdict == "fail"


async def test_a_tracker_without_its_database_is_not_told_to_be_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def away(_: object) -> list[object]:
        raise StoreUnavailable("Its database does not answer.")

    monkeypatch.setattr("panal.cli.network_checks.Tracker.peers", away)
    found = await panal("doctor", *NOBODY, "--tracker", "127.0.0.1:1", "--folder", str(tmp_path))
    assert "127.0.0.1:1 answers. Its database does not answer." in found.out
    assert "Start its database" in found.out
    assert "name another" not in found.out


async def test_several_trackers_are_told_apart(tmp_path: Path) -> None:
    for are_replicas, verdict in ((True, "ok"), (False, "warn")):
        async with (
            Trackers(2, are_replicas=are_replicas) as trackers,
            Network(tmp_path / verdict) as network,
        ):
            peer = await network.peer("one", trackers=trackers.addresses)
            named = ",".join(trackers.addresses)
            found = await panal("doctor", "--peer", peer.url, "--tracker", named, "--json")
            assert verdicts(found)["trackers"] == verdict
            assert f"registered at the tracker {peer.app.client.address}" in found.out
            listed = await panal("peers", "--tracker", named, "--json")
            assert listed.json()["tracker"] in trackers.addresses
            said = await panal("peers", "--tracker", named)
            assert "So says the tracker 127.0.0.1:" in said.err
            assert "So says" not in (await panal("peers", "--tracker", trackers.addresses[0])).err
