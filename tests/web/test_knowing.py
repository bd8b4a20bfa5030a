"""What the owner is told of this peer, of links and of a search that nobody waits for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panal.wire.catalogue import SearchPage, SearchQuery
from tests.support.network import Network, RunningPeer, until
from tests.support.raw_http import connection, request


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path) as made:
        yield made


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one", shares_folder=False)


async def test_the_peers_own_state(network: Network, peer: RunningPeer) -> None:
    status = (await peer.request("GET", "/api/v1/status")).json()
    assert (status["registered"], status["reachable"], status["problem"]) == (True, True, "")
    assert "127.0.0.1" in status["reachability"]
    assert status["tracker"] == network.tracker_address
    assert (status["hosts"], status["port"]) == (["127.0.0.1"], peer.app.port)
    assert (status["network"], status["open"], status["guests"]) == (None, False, None)
    assert status["settings"] == (await peer.request("GET", "/api/v1/settings")).json()


async def test_which_network_it_is_in(tmp_path: Path) -> None:
    async with Network(tmp_path, has_members=True) as network:
        member = await network.peer("one", shares_folder=False)
        assert network.join_line is not None
        status = member.node.status()
        assert status.network is not None
        assert (status.network.name, status.network.pin) == ("one", network.join_line.pin.hex())


async def test_the_room_on_the_disk(peer: RunningPeer) -> None:
    disk = (await peer.request("GET", "/api/v1/disk")).json()
    assert disk["folder"] == str(peer.folder)
    assert 0 < disk["free"] <= disk["total"]
    assert disk["usable"] == max(0, disk["free"] - disk["reserve"])


async def test_a_files_line_for_a_shell_fetches_it(peer: RunningPeer, tmp_path: Path) -> None:
    name = "it's $HOME; -x.txt"
    await peer.upload("it%27s%20%24HOME%3B%20-x.txt", b"the bytes")
    answer = await peer.request("POST", "/api/v1/links", json={"what": name})
    link = answer.json()
    assert link["link"].startswith("panal:" + link["id"])
    there = tmp_path / "there"
    there.mkdir()
    run = await asyncio.create_subprocess_shell(f"{link['curl']} -sS", cwd=there)
    assert await run.wait() == 0
    assert (there / name).read_bytes() == b"the bytes"
    folder = (await peer.request("POST", "/api/v1/links", json={"what": link["id"]})).json()
    assert folder["curl"] == link["curl"]


async def test_a_folder_has_no_line_for_a_shell(peer: RunningPeer) -> None:
    await peer.upload("a/x.txt", b"x")
    link = (await peer.request("POST", "/api/v1/links", json={"what": "a"})).json()
    assert (link["kind"], link["url"], link["curl"]) == ("collection", None, None)


async def test_a_text_as_a_qr_code(peer: RunningPeer) -> None:
    answer = await peer.request(
        "POST", "/api/v1/qr", json={"text": "http://192.0.2.7:5080/guest/ñ"}
    )
    rows = answer.json()["rows"]
    assert answer.json()["border"] == 4
    assert {len(row) for row in rows} == {len(rows)}
    corner = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]
    assert [row[:7] for row in rows[:7]] == corner
    assert [row[-7:] for row in rows[:7]] == corner
    assert [row[:7] for row in rows[-7:]] == corner
    for text in ("", "x" * 2_049):
        refused = await peer.request("POST", "/api/v1/qr", json={"text": text})
        assert refused.status == 400
    long = await peer.request("POST", "/api/v1/qr", json={"text": "€" * 2_048})
    assert (long.status, "too long" in long.json()["detail"]) == (400, True)


async def test_a_search_that_nobody_waits_for_ends(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def search(query: SearchQuery) -> SearchPage:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    monkeypatch.setattr(peer.app.client, "search", search)
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", "/api/v1/search?q=x"))
        await begun.wait()
    await until(ended.is_set, "the search was ended")
    monkeypatch.undo()
    found = (await peer.request("GET", "/api/v1/search?q=x")).json()
    assert found == {"hits": [], "next": None, "capped": False}
