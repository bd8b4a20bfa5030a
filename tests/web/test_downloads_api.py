"""Downloads and settings over the API: steered while they run, refused in words where not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from panal.peer import announcer
from panal.web.bodies import MAX_ACTIVE_DOWNLOADS, MAX_PRIORITY
from tests.support.network import Answer, Network, RunningPeer, until

DOWNLOADS = "/api/v1/downloads"
SETTINGS = "/api/v1/settings"
UNKNOWN = "0" * 64


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "DEBOUNCE_S", 0.0)
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


async def test_settings_change_while_it_runs(peer: RunningPeer) -> None:
    before = (await peer.request("GET", SETTINGS)).json()
    assert before == {"active_downloads": 4}
    ids = [await begun(peer, what=f"{number:064x}") for number in range(6)]

    def states() -> list[str]:
        return [peer.node.download(identity).state for identity in ids]

    await until(lambda: states().count("waiting") == 4, "four at once")
    assert states()[4:] == ["queued", "queued"]
    changed = await send(peer, "PATCH", SETTINGS, {"active_downloads": 5})
    assert changed.json() == {"active_downloads": 5}
    await until(lambda: states().count("waiting") == 5, "five at once")
    assert states()[5] == "queued"
    assert (await send(peer, "PATCH", SETTINGS, {})).json() == {"active_downloads": 5}


@pytest.mark.parametrize("count", [0, -1, MAX_ACTIVE_DOWNLOADS + 1, "5", 1.5, [], 2**70])
async def test_settings_that_do_not_fit(peer: RunningPeer, count: Any) -> None:
    assert (await send(peer, "PATCH", SETTINGS, {"active_downloads": count})).status == 400
    assert (await send(peer, "PATCH", SETTINGS, {"nonsense": 1})).status == 400
    assert peer.node.settings().active_downloads == 4


async def test_verify(peer: RunningPeer) -> None:
    await peer.upload("a/b.bin", b"b" * 1_000)
    answer = await send(peer, "POST", "/api/v1/verify", {"paths": ["a"]})
    assert answer.json() == {"files": 1, "bytes": 1_000, "offline": 0, "differing": {}}
    (peer.folder / "a" / "b.bin").unlink()
    found = (await send(peer, "POST", "/api/v1/verify", {})).json()
    assert (found["files"], list(found["differing"])) == (1, ["a/b.bin"])
    assert peer.node.files().files == []
    for paths, status in ((["a/b.bin"], 404), (["../x"], 400), (["/etc"], 400), ("a", 400)):
        answer = await send(peer, "POST", "/api/v1/verify", {"paths": paths})
        assert answer.status == status, paths
