"""A peer's metrics and probes: what happened, to whom they are for, and never a name."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from panal.peer import announcer
from panal.peer.config import PeerSettings
from panal.peer.metrics import families
from panal.running import running_peer
from panal.store.space import Room
from panal.tracker import callers, calls
from panal.web import monitoring
from panal.web.monitoring import peer_facts
from panal.wire.links import Link, parse_what
from tests.support.network import Network, RunningPeer, until


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path) as made:
        yield made


def samples(page: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def metrics(peer: RunningPeer) -> dict[tuple[str, ...], float]:
    answer = await peer.request("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return samples(answer.body.decode())


async def test_metrics_are_what_happened(network: Network) -> None:
    one, two = await network.peer("secret-one"), await network.peer("secret-two")
    big = await one.upload("secret-big.bin", bytes(range(256)) * 4_096)  # 4 chunks
    got = await two.fetched(big["link"])
    assert got.state == "done", got.reason
    of_one, of_two = await metrics(one), await metrics(two)
    assert of_two["panal_peer_received_bytes_total",] == 1_048_576
    assert of_two["panal_peer_chunks_verified_total",] == 4
    assert of_two["panal_peer_chunks_refused_total",] == 0
    assert of_one["panal_peer_sent_bytes_total",] == 1_048_576
    assert of_one["panal_peer_received_bytes_total",] == 0
    assert of_two["panal_peer_downloads", "done"] == 1
    assert of_two["panal_peer_downloads", "running"] == 0
    assert of_one["panal_peer_shared_files",] == of_two["panal_peer_shared_files",] == 1
    assert of_one["panal_peer_shared_bytes",] == 1_048_576
    assert of_one["panal_peer_registered",] == of_one["panal_peer_ready",] == 1
    assert of_one["panal_peer_registrations_total",] == 1
    assert of_one["panal_peer_lease_age_seconds",] >= 0
    assert of_one["panal_peer_upload_slots", "peers"] > 0
    assert of_one["panal_peer_upload_slots_used", "peers"] == 0
    assert of_one["panal_peer_upload_waiting", "others"] == 0
    assert of_one["panal_peer_connections",] >= 1
    assert of_one["panal_peer_roots",] == of_one["panal_peer_roots_there",] == 1
    assert of_one["panal_peer_disk_free_bytes",] > 0
    assert b"secret" not in (await one.request("GET", "/metrics")).body


async def test_a_folder_s_small_files_count_too(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    for number in range(5):
        await one.upload(f"folder/{number}.txt", b"x" * (100 + number))
    added = await one.node.add_folder("folder")
    got = await two.fetched(added.link)
    assert got.state == "done", got.reason
    found = await metrics(two)
    of_files = sum(100 + number for number in range(5))
    listed = parse_what(added.link)  # the folder's list is a content too
    assert isinstance(listed, Link)
    assert found["panal_peer_received_bytes_total",] == of_files + (listed.size_bytes or 0)
    assert found["panal_peer_chunks_verified_total",] == 6


async def test_open_metrics_where_they_are_asked_for(network: Network) -> None:
    peer = await network.peer("one")
    answer = await peer.request(
        "GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


async def test_every_family_says_what_it_means(network: Network) -> None:
    made = families(await peer_facts((await network.peer("one")).app))
    assert len({family.name for family in made}) == len(made)
    for family in made:
        assert family.name.startswith("panal_")
        assert family.documentation.endswith(".")


# Probes -------------------------------------------------------------------------------------


async def ready(peer: RunningPeer) -> tuple[int, str]:
    answer = await peer.request("GET", "/readyz")
    return answer.status, answer.body.decode()


async def test_readiness_says_what_is_missing(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    assert await ready(peer) == (200, "ready\n")
    with monkeypatch.context() as full:
        full.setattr(monitoring, "room_at", lambda _: Room(1 << 40, 1 << 20))
        assert await ready(peer) == (503, "the folder's disk is full\n")
        assert (await metrics(peer))["panal_peer_disk_usable_bytes",] == 0
    away = peer.folder.rename(peer.folder.with_name("away"))
    await peer.app.presence.check()
    assert await ready(peer) == (503, "the folder is not there\n")
    assert (await metrics(peer))["panal_peer_roots_there",] == 0
    away.rename(peer.folder)
    await peer.app.presence.check()
    assert await ready(peer) == (200, "ready\n")
    peer.app.lease.problem = "the tracker at secret:50051 does not answer"
    assert await ready(peer) == (503, "not registered\n")
    peer.app.stopping.set()
    assert await ready(peer) == (503, "stopping; not registered\n")
    assert (await peer.request("GET", "/metrics")).status == 503


# The port of its own --------------------------------------------------------------------------


async def test_a_port_of_its_own_tells_the_same_to_whoever_asks(
    network: Network, tmp_path: Path
) -> None:
    where = ("127.0.0.1", 0)
    settings = PeerSettings("one", 0, tmp_path / "one", (network.tracker_address,), metrics=where)
    async with running_peer(settings) as app, aiohttp.ClientSession() as session:
        await until(lambda: app.lease.problem == "", "registered")
        url = f"http://127.0.0.1:{app.metrics_port}"

        async def told(path: str, **options: Any) -> tuple[int, str]:
            async with session.get(url + path, **options) as answer:
                return answer.status, await answer.text()

        status, page = await told("/metrics")
        assert status == 200
        assert samples(page)["panal_peer_ready",] == 1
        assert await told("/readyz") == (200, "ready\n")
        assert await told("/healthz") == (200, "ok\n")
        assert (await told("/api/v1/status"))[0] == 404
        assert (await told("/files/"))[0] == 404


async def test_a_taken_port_ends_the_start_in_words(network: Network, tmp_path: Path) -> None:
    peer = await network.peer("one")
    settings = PeerSettings(
        "two",
        0,
        tmp_path / "two",
        (network.tracker_address,),
        metrics=("127.0.0.1", peer.app.port),
    )
    with pytest.raises(Exception, match=r"--metrics"):
        async with running_peer(settings):
            pass
    async with running_peer(PeerSettings("two", 0, tmp_path / "two")):
        pass  # nothing of the first start holds its state


# Request ids ----------------------------------------------------------------------------------


async def test_an_answer_has_the_id_of_its_request(network: Network) -> None:
    peer = await network.peer("one")
    for given in ("mine-1", "x" * 65):
        answer = await peer.request("GET", "/api/v1/status", headers={"X-Request-Id": given})
        if given == "mine-1":
            assert answer.headers["x-request-id"] == given
        else:
            assert len(answer.headers["x-request-id"]) == 16
    refused = await peer.request("GET", "/nowhere", headers={"X-Request-Id": "mine-2"})
    assert (refused.status, refused.headers["x-request-id"]) == (404, "mine-2")


async def test_a_tracker_hears_which_download_asks(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:

    heard: list[tuple[str, str]] = []
    real = callers.Call

    def noting(method: str, request_id: str, *more: Any) -> Any:
        made = real(method, request_id, *more)
        heard.append((method, request_id))
        return made

    monkeypatch.setattr(calls, "Call", noting)
    one, two = await network.peer("one"), await network.peer("two")
    link = (await one.upload("a.bin", bytes(600_000)))["link"]
    got = await two.fetched(link)
    assert ("Locate", got.id) in heard
    registrations = [request_id for method, request_id in heard if method == "Register"]
    assert len(registrations) == len(set(registrations)) == 2
    assert all(registrations)
