"""Downloads and settings over the API: steered while they run, refused in words where not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import announcer
from panal.peer.live_settings import MAX_ACTIVE_DOWNLOADS
from panal.store.setting_records import SettingRecords
from panal.web.bodies import MAX_PRIORITY
from tests.support.network import Answer, Network, RunningPeer, until

DOWNLOADS = "/api/v1/downloads"
SETTINGS = "/api/v1/settings"
UNKNOWN = "0" * 64


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path) as made:
        yield made


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one", shares_folder=False)


async def send(peer: RunningPeer, method: str, path: str, body: Any = None) -> Answer:
    raw = None if body is None else json.dumps(body).encode()
    return await peer.request(method, path, data=raw, headers={"Content-Type": "application/json"})


async def begun(peer: RunningPeer, **wanted: Any) -> str:
    answer = await send(peer, "POST", DOWNLOADS, wanted)
    assert answer.status == 202, answer.body
    return str(answer.json()["id"])


async def test_pause_resume_and_priority(peer: RunningPeer) -> None:
    identity = await begun(peer, what=UNKNOWN, priority=3)
    where = f"{DOWNLOADS}/{identity}"
    assert (await peer.request("GET", where)).json()["priority"] == 3
    await until(lambda: peer.node.download(identity).state == "waiting", "waiting")
    for _ in range(2):
        paused = await send(peer, "POST", f"{where}/pause")
        assert (paused.status, paused.json()["state"]) == (200, "paused")
    changed = await send(peer, "PATCH", where, {"priority": -7})
    assert (changed.status, changed.json()["priority"]) == (200, -7)
    resumed = await send(peer, "POST", f"{where}/resume")
    assert resumed.json()["state"] in {"queued", "running", "waiting"}
    await until(lambda: peer.node.download(identity).state == "waiting", "waiting again")


async def test_what_has_ended_or_never_was_is_not_steered(peer: RunningPeer) -> None:
    identity = await begun(peer, what="nobody's")
    await until(lambda: peer.node.download(identity).state == "failed", "failed")
    for where, status in ((f"{DOWNLOADS}/{identity}", 400), (f"{DOWNLOADS}/{'0' * 16}", 404)):
        for method, path, body in (
            ("POST", f"{where}/pause", None),
            ("POST", f"{where}/resume", None),
            ("PATCH", where, {"priority": 1}),
        ):
            assert (await send(peer, method, path, body)).status == status, (method, path)


async def test_a_name_is_waited_for(network: Network, peer: RunningPeer) -> None:
    identity = await begun(peer, what="later.txt", wait=True)
    await until(lambda: peer.node.download(identity).state == "waiting", "waiting")
    assert "waited for" in peer.node.download(identity).reason
    other = await network.peer("two", shares_folder=False)
    await other.upload("later.txt", b"here")
    await until(lambda: peer.node.download(identity).state == "done", "done")
    assert (peer.folder / "later.txt").read_bytes() == b"here"


@pytest.mark.parametrize(
    "wanted",
    [
        {"priority": MAX_PRIORITY + 1},
        {"priority": -MAX_PRIORITY - 1},
        {"priority": "1"},
        {"priority": 1.5},
        {"priority": None},
        {"priority": 2**70},
        {"wait": 1},
        {"wait": "yes"},
    ],
)
async def test_wishes_that_do_not_fit(peer: RunningPeer, wanted: dict[str, Any]) -> None:
    assert (await send(peer, "POST", DOWNLOADS, {"what": UNKNOWN} | wanted)).status == 400
    assert peer.node.downloads() == []


DEFAULTS = {
    "active_downloads": 4,
    "upload_limit_bytes_s": 0,
    "download_limit_bytes_s": 0,
    "upload_limit_per_peer_bytes_s": 0,
    "download_limit_per_peer_bytes_s": 0,
    "verify_rate_bytes_s": 4_000_000,
}


async def test_settings_change_while_it_runs(peer: RunningPeer) -> None:
    before = (await peer.request("GET", SETTINGS)).json()
    assert before == DEFAULTS
    ids = [await begun(peer, what=f"{number:064x}") for number in range(6)]

    def states() -> list[str]:
        return [peer.node.download(identity).state for identity in ids]

    await until(lambda: states().count("waiting") == 4, "four at once")
    assert states()[4:] == ["queued", "queued"]
    changed = await send(peer, "PATCH", SETTINGS, {"active_downloads": 5})
    assert changed.json() == DEFAULTS | {"active_downloads": 5}
    await until(lambda: states().count("waiting") == 5, "five at once")
    assert states()[5] == "queued"
    unchanged = await send(peer, "PATCH", SETTINGS, {})
    assert unchanged.json() == DEFAULTS | {"active_downloads": 5}


@pytest.mark.parametrize(
    "count", [0, -1, MAX_ACTIVE_DOWNLOADS + 1, "5", 1.5, [], None, True, 2**70]
)
async def test_settings_that_do_not_fit(peer: RunningPeer, count: Any) -> None:
    assert (await send(peer, "PATCH", SETTINGS, {"active_downloads": count})).status == 400
    assert (await send(peer, "PATCH", SETTINGS, {"nonsense": 1})).status == 400
    assert peer.node.settings().active_downloads == 4


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name.endswith("_bytes_s")])
@pytest.mark.parametrize(
    "limit", [-1, 1, 999, 10**12 + 1, 2**63, 2**70, None, "5M", 1_000.5, True, []]
)
async def test_limits_that_do_not_fit_change_nothing(
    peer: RunningPeer, name: str, limit: Any
) -> None:
    answer = await send(peer, "PATCH", SETTINGS, {"active_downloads": 7, name: limit})
    assert answer.status == 400
    assert answer.json()["type"] == "urn:panal:error:bad-request"
    assert (await peer.request("GET", SETTINGS)).json() == DEFAULTS


async def test_settings_are_kept_and_what_is_given_at_the_start_goes_first(
    network: Network,
) -> None:
    async def restarted(**settings: Any) -> dict[str, int]:
        peer = await network.peer("kept", registered=False, shares_folder=False, **settings)
        shown: dict[str, int] = (await peer.request("GET", SETTINGS)).json()
        return shown

    async def change(**changes: int) -> None:
        answer = await send(network.peers["kept"], "PATCH", SETTINGS, changes)
        assert answer.status == 200, answer.body

    assert await restarted() == DEFAULTS
    wanted = {
        "active_downloads": 9,
        "upload_limit_bytes_s": 10**12,
        "download_limit_bytes_s": 1_000,
        "upload_limit_per_peer_bytes_s": 2_000,
        "download_limit_per_peer_bytes_s": 3_000,
        "verify_rate_bytes_s": 0,
    }
    await change(**wanted)
    await network.stop_peer("kept")
    assert await restarted() == wanted
    await network.stop_peer("kept")
    given = await restarted(upload_limit_bytes_s=0, download_limit_bytes_s=5_000)
    assert given == wanted | {"upload_limit_bytes_s": 0, "download_limit_bytes_s": 5_000}
    await change(active_downloads=8)  # which must not keep what was given
    await network.stop_peer("kept")
    assert await restarted() == wanted | {"active_downloads": 8}
    await change(**DEFAULTS)
    await network.stop_peer("kept")
    assert await restarted() == DEFAULTS


async def test_kept_values_that_make_no_sense_are_left(network: Network) -> None:
    peer = await network.peer("kept", shares_folder=False)
    records = SettingRecords(peer.app.index)
    records.save({"active_downloads": -3, "of_a_later_version": 1, "upload_limit_bytes_s": 5_000})
    await network.stop_peer("kept")
    peer = await network.peer("kept", shares_folder=False)
    shown = (await peer.request("GET", SETTINGS)).json()
    assert shown == DEFAULTS | {"upload_limit_bytes_s": 5_000}


async def test_limits_reach_the_transfers_under_way(network: Network, peer: RunningPeer) -> None:
    """A download that a limit at either end all but stops goes on when it is lifted."""
    data = Random(8).randbytes(5_000_000)
    other = await network.peer("two", shares_folder=False)
    names = ("upload_limit_bytes_s", "upload_limit_per_peer_bytes_s",
             "download_limit_bytes_s", "download_limit_per_peer_bytes_s")  # fmt: skip
    for number, name in enumerate(names):
        uploaded = await other.upload(f"{number}.bin", data[number:])
        limited = other if name.startswith("upload") else peer
        await send(limited, "PATCH", SETTINGS, {name: 1_000})
        identity = await begun(peer, what=uploaded["id"])

        def arrived(identity: str = identity) -> int:
            return sum(source.bytes for source in peer.node.download(identity).sources)

        await until(lambda: arrived() > 0, f"{name}: something comes")
        if limited is peer:
            await until(
                lambda i=identity: peer.node.download(i).held_back,  # type: ignore[misc]
                f"{name}: it says so",
            )
        assert arrived() < len(data) // 2
        await send(limited, "PATCH", SETTINGS, {name: 0})
        await until(
            lambda i=identity: peer.node.download(i).state == "done",  # type: ignore[misc]
            f"{name}: done",
        )
        assert not peer.node.download(identity).held_back


async def test_small_files_of_a_folder_keep_to_the_limit(
    network: Network, peer: RunningPeer
) -> None:
    other = await network.peer("two")
    for number in range(4):
        (other.folder / "album").mkdir(exist_ok=True)
        (other.folder / "album" / f"{number}.bin").write_bytes(Random(number).randbytes(100_000))
    await until(lambda: len(other.node.files().files) == 4, "shared")
    folder = await other.node.add_folder("album")
    peer.node.change_settings(download_limit_bytes_s=10_000)
    identity = await begun(peer, what=folder.link)
    await until(lambda: peer.node.download(identity).held_back, "held back")
    assert peer.node.download(identity).files_done == 0
    peer.node.change_settings(download_limit_bytes_s=0)
    await until(lambda: peer.node.download(identity).state == "done", "done")
    assert (peer.folder / "album" / "3.bin").read_bytes() == Random(3).randbytes(100_000)


async def test_verify(peer: RunningPeer) -> None:
    await peer.upload("a/b.bin", b"b" * 1_000)
    answer = await send(peer, "POST", "/api/v1/verify", {"paths": ["a"]})
    assert answer.json() == {
        "files": 1,
        "bytes": 1_000,
        "offline": 0,
        "differing": {},
        "repaired": [],
    }
    (peer.folder / "a" / "b.bin").unlink()
    found = (await send(peer, "POST", "/api/v1/verify", {})).json()
    assert (found["files"], list(found["differing"])) == (1, ["a/b.bin"])
    assert peer.node.files().files == []
    for paths, status in ((["a/b.bin"], 404), (["../x"], 400), (["/etc"], 400), ("a", 400)):
        answer = await send(peer, "POST", "/api/v1/verify", {"paths": paths})
        assert answer.status == status, paths
