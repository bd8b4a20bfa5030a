"""A database that answers and takes no writes: away, and said to be what it is."""

import asyncio
import threading
from collections.abc import Callable
from time import monotonic

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2

pytest.importorskip("psycopg", reason="the extra panal[postgres] is not installed")

from panal.errors import StoreUnavailable
from panal.tracker.postgres import PostgresStorage
from panal.wire import tracker_pb2 as pb
from panal.wire.ids import PeerName
from panal.wire.tracker import ERROR_METADATA
from tests.support.patience import PATIENCE_S
from tests.support.postgres_server import PostgresServer
from tests.support.presence_news import PresenceNews
from tests.tracker.harness import TinyPeer, running_tracker
from tests.tracker.makers import announcement, entry, record
from tests.tracker.test_shared_trackers import until_health_is

ONE = PeerName("peer_1")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def set_read_only(server: PostgresServer) -> None:
    """As an administrator does it, who ends the sessions that still write."""
    server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on", "template1")
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'panal tracker%'",
        "template1",
    )


def set_writable(server: PostgresServer) -> None:
    """The sessions that began meanwhile go on to refuse writes."""
    server.sql("ALTER DATABASE postgres RESET default_transaction_read_only", "template1")


WAYS = pytest.mark.parametrize(
    ("begin", "end"),
    [
        pytest.param(set_read_only, set_writable, id="set to read only"),
        pytest.param(PostgresServer.demote, PostgresServer.promote, id="demoted"),
    ],
)
_Way = Callable[[PostgresServer], None]


def until_words(storage: PostgresStorage, words: str) -> None:
    """Return when callers are told so; meanwhile they are told something else."""
    until_s = monotonic() + PATIENCE_S
    told = ""
    while words not in told:
        assert monotonic() < until_s, told
        with pytest.raises(StoreUnavailable) as caught:
            storage.peer(ONE)
        told = str(caught.value)


@WAYS
def test_a_database_that_takes_no_writes_is_away_and_said_once(
    away_server: PostgresServer, caplog: pytest.LogCaptureFixture, begin: _Way, end: _Way
) -> None:
    storage = PostgresStorage(away_server.url(), threads=2)
    news = PresenceNews(storage.database.presence)
    missed = threading.Event()
    storage.feed.subscribe(lambda _: None, missed.set)
    assert storage.feed.listening.wait(PATIENCE_S)
    begin(away_server)
    for _ in range(3):
        until_words(storage, "takes no writes: is it a standby")
    assert storage.database.presence.is_away
    end(away_server)
    assert news.is_back.wait(PATIENCE_S)
    for _ in range(4):
        with storage.transaction():
            storage.put_peer(record(ONE))
    assert news.heard == [False, True]
    assert missed.wait(PATIENCE_S)
    assert caplog.text.count("takes no writes") == 1
    assert "answers again and takes writes" in caplog.text
    assert "ERROR" not in caplog.text
    storage.close()


def test_what_was_stopped_and_comes_back_as_a_standby_is_called_that(
    away_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    storage = PostgresStorage(away_server.url(), threads=2)
    away_server.stop()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        storage.peer(ONE)
    away_server.start_as_standby()
    assert "does not answer" in caplog.text
    until_words(storage, "takes no writes: is it a standby")
    storage.close()


def test_a_tracker_is_not_started_on_a_standby(
    away_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    away_server.demote()
    with pytest.raises(StoreUnavailable, match="takes no writes: is it a standby"):
        PostgresStorage(away_server.url())
    assert caplog.text == ""


@WAYS
async def test_a_tracker_whose_database_takes_no_writes_is_not_ready_and_leases_go_on_afterwards(
    away_server: PostgresServer, begin: _Way, end: _Way
) -> None:
    async with running_tracker(store=away_server.url()) as tracker, TinyPeer() as peer:
        await tracker.register(peer.who, peer.port)
        digest = await tracker.announce(peer.who, announcement(entry("a", 1), sequence=1))
        await until_health_is(tracker, SERVING)
        # As an outage that is longer than a lease.
        await asyncio.to_thread(
            away_server.sql,
            "UPDATE panal.peers SET lease_until_s = lease_until_s - 100; "
            "UPDATE panal.facts SET value = (value::float8 - 130)::text "
            "WHERE name = 'swept_at_s'",
        )
        await asyncio.to_thread(begin, away_server)
        async with asyncio.timeout(PATIENCE_S):
            words = ""
            while "takes no writes" not in words:  # one that is restarted is away before
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await tracker.renew(peer.who, digest)
                words = caught.value.details() or ""
                metadata = dict(caught.value.trailing_metadata() or ())
                assert metadata[ERROR_METADATA] == "store-unavailable"
        await until_health_is(tracker, NOT_SERVING)
        told = await tracker.stub.Status(pb.StatusRequest())
        assert (told.ready, "takes no writes" in told.problem) == (False, True)
        await asyncio.to_thread(end, away_server)
        await until_health_is(tracker, SERVING)
        told = await tracker.stub.Status(pb.StatusRequest())
        assert (told.ready, told.peers) == (True, 1)
        assert (await tracker.renew(peer.who, digest)).in_step


async def test_readiness_finds_out_where_nobody_calls(away_server: PostgresServer) -> None:
    async with running_tracker(store=away_server.url()) as tracker:
        await until_health_is(tracker, SERVING)
        await asyncio.to_thread(set_read_only, away_server)
        async with asyncio.timeout(PATIENCE_S):
            while (told := await tracker.stub.Status(pb.StatusRequest())).ready:
                tracker.clock.advance(2.0)
        assert "takes no writes" in told.problem
