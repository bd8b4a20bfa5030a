"""Whole trackers on one PostgreSQL, called over gRPC as peers call them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

pytest.importorskip("psycopg", reason="the extra panal[postgres] is not installed")

from panal.errors import Refused
from panal.tracker.records import Records
from panal.tracker.registry import PeerRecord
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.wire import tracker_pb2 as pb
from panal.wire.tracker import ERROR_METADATA
from tests.support.patience import PATIENCE_S
from tests.support.postgres_server import PostgresServer
from tests.tracker.harness import TinyPeer, Tracker, running_tracker
from tests.tracker.makers import announcement, caller, content, digest_of, entry


@pytest.fixture
async def trackers(database: str) -> AsyncIterator[list[Tracker]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_tracker(store=database)) for _ in range(2)]


async def test_a_peer_goes_on_at_another_tracker(trackers: list[Tracker]) -> None:
    one, other = trackers
    async with TinyPeer() as peer:
        await one.register(peer.who, peer.port)
        digest = await one.announce(peer.who, announcement(entry("Año.txt", 1), sequence=1))
        assert digest == digest_of(entry("Año.txt", 1))
        assert (await other.renew(peer.who, digest)).in_step
        more = announcement(entry("b.txt", 2), sequence=2)
        assert await other.announce(peer.who, more) == digest_of(
            entry("Año.txt", 1), entry("b.txt", 2)
        )
        for tracker in trackers:
            assert await tracker.paths() == {"Año.txt", "b.txt"}
            assert await tracker.paths("ano") == {"Año.txt"}
            assert set(await tracker.providers(content(2))) == {"peer_1"}
        assert await other.leave(peer.who)
        assert await one.paths() == set()


async def test_of_a_name_there_is_one_owner_at_all_trackers(trackers: list[Tracker]) -> None:
    one, other = trackers
    async with TinyPeer() as peer, TinyPeer(caller(secret=b"x" * 32)) as thief:
        await one.register(peer.who, peer.port)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await other.register(thief.who, thief.port)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_an_open_tracker_does_not_show_a_networks_records(
    trackers: list[Tracker], database: str, tmp_path
) -> None:
    server = TrackerServer(
        TrackerSettings(port=0, state_dir=tmp_path, network=True, store=database)
    )
    with pytest.raises(Refused, match="everybody's"):
        await server.start()


async def until_health_is(tracker: Tracker, status: object) -> None:
    stub: Any = health_pb2_grpc.HealthStub(tracker.channel)
    async with asyncio.timeout(PATIENCE_S):
        while (await stub.Check(health_pb2.HealthCheckRequest())).status != status:
            pass


async def test_while_the_database_is_away_a_tracker_says_so_and_then_goes_on(
    away_server: PostgresServer,
) -> None:
    status = health_pb2.HealthCheckResponse
    async with running_tracker(store=away_server.url()) as tracker, TinyPeer() as peer:
        await tracker.register(peer.who, peer.port)
        digest = await tracker.announce(peer.who, announcement(entry("a", 1), sequence=1))
        await until_health_is(tracker, status.SERVING)
        await asyncio.to_thread(away_server.stop)
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await tracker.search("a")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "not your fault" in (caught.value.details() or "")
            assert dict(caught.value.trailing_metadata() or ())[ERROR_METADATA] == (
                "store-unavailable"
            )
        await until_health_is(tracker, status.NOT_SERVING)
        await asyncio.to_thread(away_server.start)
        await until_health_is(tracker, status.SERVING)
        assert await tracker.paths("a") == {"a"}
        assert (await tracker.renew(peer.who, digest)).in_step


async def test_a_tracker_counts_its_peers_after_an_outage_once_their_leases_go_on(
    away_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = health_pb2.HealthCheckResponse
    async with running_tracker(store=away_server.url()) as tracker, TinyPeer() as peer:
        await tracker.register(peer.who, peer.port)
        # As after an outage that was longer than a lease.
        await asyncio.to_thread(
            away_server.sql,
            "UPDATE panal.peers SET lease_until_s = lease_until_s - 100; "
            "UPDATE panal.facts SET value = (value::float8 - 130)::text "
            "WHERE name = 'swept_at_s'",
        )
        sweeping, may_sweep, real = asyncio.Event(), asyncio.Event(), Records.sweep

        async def sweep(records: Records) -> list[PeerRecord]:
            sweeping.set()
            await may_sweep.wait()
            return await real(records)

        monkeypatch.setattr(Records, "sweep", sweep)
        await asyncio.to_thread(away_server.stop)
        with pytest.raises(grpc.aio.AioRpcError):
            await tracker.search("a")
        await until_health_is(tracker, status.NOT_SERVING)
        await asyncio.to_thread(away_server.start)
        await sweeping.wait()
        assert not (await tracker.stub.Status(pb.StatusRequest())).ready
        await until_health_is(tracker, status.NOT_SERVING)
        may_sweep.set()
        await until_health_is(tracker, status.SERVING)
        told = await tracker.stub.Status(pb.StatusRequest())
        assert (told.ready, told.peers) == (True, 1)


async def test_a_tracker_that_waits_for_its_database_is_alive_and_not_ready(
    away_server: PostgresServer,
) -> None:
    await asyncio.to_thread(away_server.stop)
    settings = TrackerSettings(port=0, store=away_server.url(), metrics=("127.0.0.1", 0))
    server = TrackerServer(settings)
    starting = asyncio.create_task(server.start())
    while not server.metrics_port:
        await asyncio.sleep(0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.metrics_port}") as session:

        async def told(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        assert (await told("/healthz"))[0] == 200
        status, words = await told("/readyz")
        assert (status, "waits for its records" in words) == (503, True)
        await asyncio.to_thread(away_server.start)
        await starting
        assert (await told("/readyz"))[0] == 200
        assert (await told("/metrics"))[0] == 200
    await server.stop(grace_s=0)
