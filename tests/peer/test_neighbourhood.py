"""Peers name each other: what is named, what is believed, and that it joins a swarm."""

from pathlib import Path
from random import Random

import pytest

from panal.peer.calling import PLAIN
from panal.peer.neighbourhood import NamedPeer, ask_for_peers, believed
from panal.peer.own_ways import way_to
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.peer.test_http_source import saying, serving
from tests.support.network import Network
from tests.support.raw_http import connection, request
from tests.support.scripted_peer import ScriptedPeer

CONTENT = ContentId(bytes(32))


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        (b'{"peers":[{"peer":"two","host":"10.0.0.2","port":5000}]}', ["two"]),
        (b'{"peers":[{"peer":"two","host":"127.0.0.1","port":5000}]}', ["two"]),
        (b'{"peers":[{"peer":"two","host":"example.org","port":5000}]}', []),
        (b'{"peers":[{"peer":"two","host":"224.0.0.1","port":5000}]}', []),
        (b'{"peers":[{"peer":"two","host":"10.0.0.2","port":0}]}', []),
        (b'{"peers":[{"peer":"../x","host":"10.0.0.2","port":5000}]}', []),
        (b'{"peers":[{"peer":"two","host":"10.0.0.2"}]}', []),
        (b'{"peers":' + b"[" * 70_000, []),
        (b"\xff", []),
        (b"", []),
    ],
)
async def test_only_addresses_that_may_be_called_are_believed(
    said: bytes, believed: list[str]
) -> None:
    async with serving(saying(answer(said))) as provider:
        found = await ask_for_peers(PLAIN, provider, CONTENT)
    assert [known.peer for known in found] == believed


def test_a_public_peer_names_nobody_in_a_private_network() -> None:
    by = Provider(PeerName("one"), "8.8.8.8", 5000, complete=True)
    assert believed(NamedPeer("two", "10.0.0.2", 5000), by) is None
    assert believed(NamedPeer("two", "8.8.4.4", 5000), by) is not None


@pytest.mark.parametrize(
    ("named", "is_believed"),
    [
        ("192.168.1.9", True),  # the same network
        ("10.8.0.1", False),  # another network of ours
        ("172.16.0.1", False),  # none that we are in
        ("100.64.0.1", False),
        ("8.8.4.4", True),
    ],
)
def test_a_peer_names_nobody_in_another_private_network(named: str, is_believed: bool) -> None:
    ways = {"192.168.1.7": "192.168.1.5", "192.168.1.9": "192.168.1.5", "10.8.0.1": "10.8.0.2"}
    by = Provider(PeerName("one"), "192.168.1.7", 5000, complete=True)
    found = believed(NamedPeer("two", named, 5000), by, ways.get)
    assert (found is not None) is is_believed


def test_the_way_is_what_the_system_would_take() -> None:
    assert way_to("127.0.0.1") == "127.0.0.1"
    assert way_to("::ffff:127.0.0.1") == "127.0.0.1"
    assert way_to("example.org") is None


async def test_who_does_not_answer_names_nobody() -> None:
    for said in (b"", answer(b"{}", b"404 Not Found"), b"SSH-2.0\r\n\r\n"):
        async with serving(saying(said)) as provider:
            assert await ask_for_peers(PLAIN, provider, CONTENT) == []


async def test_who_follows_is_named_at_the_address_it_came_from(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", Random(4).randbytes(3 * MIN_CHUNK_BYTES)))["id"]
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", f"/content/{content}/have", "Panal-Peer: two:5001"))
        await wire.head()
        named = await peer.request("GET", f"/content/{content}/peers")
        assert named.body == b'{"peers":[{"peer":"two","host":"127.0.0.1","port":5001}]}'


@pytest.mark.parametrize(
    "claim",
    [
        "",
        "two:22",
        "two:1023",
        "two",
        "two:0",
        "two:65536",
        "two:000001999999999",
        "two:" + "9" * 5_000,
        "two:x",
        "../x:5",
        ":5",
    ],
)
async def test_who_claims_nonsense_is_served_and_not_named(network: Network, claim: str) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", Random(4).randbytes(3 * MIN_CHUNK_BYTES)))["id"]
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", f"/content/{content}/have", f"Panal-Peer: {claim}"))
        assert (await wire.head()).status == 200
        named = await peer.request("GET", f"/content/{content}/peers")
        assert named.body == b'{"peers":[]}'


async def test_a_peer_that_the_tracker_does_not_know_is_found_through_another(
    network: Network, tmp_path: Path
) -> None:
    data = Random(5).randbytes(4 * MIN_CHUNK_BYTES)
    known = ScriptedPeer("known", data)
    known.bits = 0b0011
    async with Network(tmp_path / "elsewhere") as elsewhere:
        unknown = await elsewhere.peer("unknown", shares_folder=False)
        await unknown.upload("data.bin", data)
        known.named = [{"peer": "unknown", "host": "127.0.0.1", "port": unknown.app.port}]
        getter = await network.peer("getter")
        async with known.running(network.tracker_address):
            done = await getter.fetched(known.content.hex())
    assert done.state == "done"
    assert {source.peer for source in done.sources} == {"known", "unknown"}
    assert any(source.peer == "unknown" and source.bytes for source in done.sources)
