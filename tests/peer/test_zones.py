"""A zone on its way: from the option to the tracker, to other peers, to what a download decides."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import pytest

from panal.errors import UsageError
from panal.peer import fetching
from panal.peer.config import PeerSettings
from panal.peer.tracker_client import TrackerClient
from panal.swarm.border import Border
from panal.swarm.sources import Source
from panal.wire.catalogue import Provider
from panal.wire.ids import NO_ZONE, ContentId, Zone
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.cli.running import said
from tests.support.network import Network
from tests.support.raw_http import connection, request
from tests.support.scripted_peer import ScriptedPeer

DATA = Random(8).randbytes(4 * MIN_CHUNK_BYTES)


class Watched(Border):
    """Notes which zones it hears of."""

    own: set[str] = set()
    heard: set[str] = set()

    def meet(self, neighbours: Iterable[Source]) -> None:
        met = list(neighbours)
        self.own.add(self._zone)
        self.heard |= {source.zone for source in met}
        super().meet(met)


async def test_a_download_hears_of_each_sources_zone_and_tells_its_own(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "Border", Watched)
    asked: list[Zone] = []
    locate = TrackerClient.locate

    async def noted(
        self: TrackerClient,
        content: ContentId,
        asker: str,
        suspects: Sequence[str] = (),
        zone: Zone = NO_ZONE,
    ) -> list[Provider]:
        asked.append(zone)
        return await locate(self, content, asker, suspects, zone)

    monkeypatch.setattr(TrackerClient, "locate", noted)
    near, far = ScriptedPeer("near", DATA), ScriptedPeer("far", DATA)
    near.zone, far.zone = Zone("rack1"), Zone("rack2")
    near.bits, far.bits = 0b0011, 0b1100  # both are needed
    getter = await network.peer("getter", zone="Rack1")
    async with near.running(network.tracker_address), far.running(network.tracker_address):
        done = await getter.fetched(near.content.hex())
    assert done.state == "done"
    assert Watched.own == {"rack1"}
    assert len(asked) >= 2  # for the manifest, and for the chunks
    assert set(asked) == {"rack1"}
    assert Watched.heard == {"rack1", "rack2"}
    assert {*near.followed_from, *far.followed_from} == {"rack1"}


async def test_the_tracker_names_those_of_the_askers_zone_first(network: Network) -> None:
    zones = [Zone(f"rack{number}") for number in range(4)]
    peers = [await network.peer(f"in-{zone}", zone=zone) for zone in zones]
    ids = {(await peer.upload("data.bin", DATA))["id"] for peer in peers}
    content = ContentId(bytes.fromhex(ids.pop()))
    for zone in zones:
        found = await peers[0].app.client.locate(content, "asker", zone=zone)
        assert found[0].zone == zone
        assert {provider.zone for provider in found} == set(zones)


async def test_who_follows_is_named_with_its_zone(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", DATA))["id"]
    async with connection(peer.app.port) as wire:
        told = ("Panal-Peer: two:5001", "Panal-Zone: Rack7")
        await wire.send(request("GET", f"/content/{content}/have", *told))
        await wire.head()
        named = await peer.request("GET", f"/content/{content}/peers")
        assert named.json()["peers"] == [
            {"peer": "two", "host": "127.0.0.1", "port": 5001, "zone": "rack7"}
        ]


async def test_who_claims_a_zone_that_is_none_is_served_and_not_named(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", DATA))["id"]
    async with connection(peer.app.port) as wire:
        told = ("Panal-Peer: two:5001", "Panal-Zone: ../rack")
        await wire.send(request("GET", f"/content/{content}/have", *told))
        assert (await wire.head()).status == 200
        assert (await peer.request("GET", f"/content/{content}/peers")).json()["peers"] == []


def test_a_zone_against_the_rules_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no zone"):
        PeerSettings("one", 0, tmp_path, zone="a b").check()
    answer = said("peer", "one", "0", str(tmp_path), "--zone", "site/rack")
    assert answer.code == 2
    assert "no zone" in answer.err
