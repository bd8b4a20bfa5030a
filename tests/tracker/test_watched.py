"""What a tracker says of itself, by gRPC and at its port for metrics: the truth, and no names."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from panal import request_ids
from panal.tracker.gate import ENTRANCES, TRACKER
from panal.tracker.metrics import families
from panal.tracker.readiness import COUNTS_FOR_S, DEADLINE_S
from panal.tracker.service import TrackerService
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.storage import Totals
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Announcement, Entry
from panal.wire.ids import ContentId
from tests.support.patience import PATIENCE_S
from tests.tracker.harness import TinyPeer, Tracker, running_tracker
from tests.tracker.makers import caller
from tests.tracker.members import member_tracker

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    async with running_tracker(metrics=("127.0.0.1", 0)) as made:
        yield made


async def told(tracker: Tracker, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{tracker.server.metrics_port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def samples(tracker: Tracker) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    tracker.clock.advance(COUNTS_FOR_S + 0.1)
    status, page = await told(tracker, "/metrics")
    assert status == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def health(tracker: Tracker, service: str = "") -> Any:
    stub: Any = health_pb2_grpc.HealthStub(tracker.channel)
    return (
        await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
    ).status


async def test_metrics_are_what_happened(tracker: Tracker) -> None:
    who = caller("peer_1")
    async with TinyPeer(who) as peer:
        await tracker.register(who, peer.port)
    entries = tuple(Entry(f"secret-name-{n}.txt", ContentId(bytes([n]) * 32), 5) for n in range(3))
    await tracker.announce(who, Announcement(1, entries=entries))
    await tracker.register(caller("secret-peer"), 1)
    await tracker.search("secret")
    with pytest.raises(grpc.aio.AioRpcError):
        await tracker.renew(caller("nobody"), bytes(32))
    found = await samples(tracker)
    assert found["panal_tracker_peers",] == 2
    assert found["panal_tracker_peers_reachable",] == 1
    assert found["panal_tracker_entries",] == 3
    assert found["panal_tracker_holdings",] == 0
    assert found["panal_tracker_calls_total", "OK", "Register"] == 2
    assert found["panal_tracker_calls_total", "OK", "Announce"] == 1
    assert found["panal_tracker_calls_total", "OK", "Search"] == 1
    assert found["panal_tracker_calls_total", "FAILED_PRECONDITION", "Renew"] == 1
    assert found["panal_tracker_call_seconds_count", "Register"] == 2
    assert found["panal_tracker_call_seconds_bucket", "+Inf", "Register"] == 2
    assert found["panal_tracker_calls_under_way",] == 0
    assert found["panal_tracker_store", "sqlite"] == 1
    assert found["panal_tracker_access", "loopback"] == 1
    assert found["panal_tracker_access", "open"] == 0
    assert found["panal_tracker_ready",] == 1
    page = (await told(tracker, "/metrics"))[1]
    assert "secret" not in page
    assert "peer_1" not in page


async def test_leases_that_end_are_counted(tracker: Tracker) -> None:
    await tracker.register(caller("one"), 1)
    await tracker.clock.run_for(100.0)
    await tracker.server.sweep()
    found = await samples(tracker)
    assert found["panal_tracker_leases_ended_total",] == 1
    assert found["panal_tracker_peers",] == 0


async def test_what_nobody_serves_is_counted_nowhere(tracker: Tracker) -> None:
    call: Any = tracker.channel.unary_unary(f"/{TRACKER}/Secret")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not [key for key in await samples(tracker) if "Secret" in key]


async def test_a_call_whose_caller_went_is_counted_as_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = asyncio.Event()

    async def search(service: Any, request: Any, context: Any) -> Any:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(TrackerService, "Search", search)
    async with running_tracker(metrics=("127.0.0.1", 0)) as tracker:
        call = tracker.stub.Search(pb.SearchRequest())
        await began.wait()
        assert (await samples(tracker))["panal_tracker_calls_under_way",] == 1
        call.cancel()
        while (await samples(tracker))["panal_tracker_calls_under_way",] == 1:
            pass
        assert (await samples(tracker))["panal_tracker_calls_total", "CANCELLED", "Search"] == 1


async def test_where_there_is_no_decision_nothing_is_told_over_http() -> None:
    async with running_tracker() as tracker:
        assert tracker.server.metrics_port == 0


# Health and readiness -----------------------------------------------------------------------


class Stuck:
    """Records whose next questions wait until the test lets them go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._may_go = threading.Event()
        real = SqliteStorage.totals

        def totals(storage: SqliteStorage, now_s: float) -> Totals:
            assert self._may_go.wait(30)
            return real(storage, now_s)

        monkeypatch.setattr(SqliteStorage, "totals", totals)

    def go_on(self) -> None:
        self._may_go.set()


async def test_records_that_hang_are_told_and_so_is_that_they_go_on(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await health(tracker) == await health(tracker, TRACKER) == SERVING
    assert await told(tracker, "/readyz") == (200, "ready\n")
    stuck = Stuck(monkeypatch)
    try:
        await tracker.clock.run_for(2 * DEADLINE_S + 1)
        assert await health(tracker) == await health(tracker, TRACKER) == NOT_SERVING
        asking = asyncio.create_task(told(tracker, "/readyz"))
        while not asking.done():
            await tracker.clock.run_for(DEADLINE_S)
        status, words = await asking
        assert (status, "not answered" in words) == (503, True)
        assert await told(tracker, "/healthz") == (200, "ok\n")
    finally:
        stuck.go_on()
    while await health(tracker) != SERVING:
        await tracker.clock.run_for(5.0)
    assert await told(tracker, "/readyz") == (200, "ready\n")


async def test_a_tracker_that_stops_says_so_refuses_calls_and_lets_those_that_run_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()
    real = TrackerService.Search

    async def search(service: Any, request: Any, context: Any) -> Any:
        began.set()
        await may_end.wait()
        return await real(service, request, context)

    monkeypatch.setattr(TrackerService, "Search", search)
    async with running_tracker(metrics=("127.0.0.1", 0)) as tracker:
        running = asyncio.create_task(tracker.paths())
        await began.wait()
        stopping = asyncio.create_task(tracker.server.stop(grace_s=20))
        while await told(tracker, "/readyz") == (200, "ready\n"):
            pass
        status, words = await told(tracker, "/readyz")
        assert (status, "is stopping" in words) == (503, True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await tracker.stub.ListPeers(pb.ListPeersRequest(), timeout=PATIENCE_S)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "ask another" in (caught.value.details() or "")
        assert not running.done()
        may_end.set()
        assert await running == set()
        await stopping


async def test_while_it_stops_the_gate_refuses_in_words(tracker: Tracker) -> None:
    """What still comes over a connection before gRPC has told it to go."""
    assert tracker.server._guard is not None
    await tracker.server._guard.drain(1.0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await tracker.stub.ListPeers(pb.ListPeersRequest(), timeout=PATIENCE_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "ask another" in (caught.value.details() or "")
    assert await health(tracker) == SERVING  # that is told by another hand
    assert tracker.server._watched is not None
    await tracker.server._watched.stopping()
    assert await health(tracker) == NOT_SERVING


# Request ids --------------------------------------------------------------------------------


async def test_a_line_of_the_log_has_its_caller_s_id(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    ids: list[str] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "joined" in record.getMessage():
                ids.append(request_ids.current())

    logger, noting = logging.getLogger("panal.tracker"), Noting()
    logger.addHandler(noting)
    caplog.set_level(logging.INFO, "panal.tracker")
    try:
        request = pb.RegisterRequest(
            caller=pb.Caller(name="one", secret=bytes(32), epoch=1),
            http_port=1,
            bound=["127.0.0.1"],
        )
        await tracker.stub.Register(request, metadata=(("x-request-id", "mine-1"),))
    finally:
        logger.removeHandler(noting)
    assert ids == ["mine-1"]


async def test_a_failed_call_gives_the_id_back(tracker: Tracker) -> None:
    for given, expected in (("mine-1", "mine-1"), ("no id!", None)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await tracker.stub.Renew(pb.RenewRequest(), metadata=(("x-request-id", given),))
        assert dict(caught.value.trailing_metadata() or ()).get("x-request-id") == expected


# Status -------------------------------------------------------------------------------------


async def test_status_on_this_machine(tracker: Tracker) -> None:
    await tracker.register(caller("one"), 1)
    tracker.clock.advance(COUNTS_FOR_S + 0.1)
    status = await tracker.stub.Status(pb.StatusRequest())
    assert (status.ready, status.problem, status.access) == (True, "", "loopback")
    assert (status.peers, status.peers_reachable, status.entries) == (1, 0, 0)
    assert status.details.store == "sqlite"
    assert status.details.calls >= 1


async def test_a_member_is_told_counts_and_the_owner_all(tmp_path: Path) -> None:
    assert dict(ENTRANCES)[f"/{TRACKER}/Status"].value == "member"
    async with member_tracker(tmp_path) as tracker:
        member = await tracker.enrol("a")
        status = await member.tracker.Status(pb.StatusRequest())
        assert (status.access, status.HasField("details")) == ("network", False)
        owners = await tracker.owner.network.Status(pb.StatusRequest())
        assert owners.details.version
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await member.network.Status(pb.StatusRequest())
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_only_its_owner_reads_what_is_wrong(tracker: Tracker) -> None:
    assert tracker.server._watched is not None
    facts = await tracker.server._watched.facts()
    broken = replace(facts, problem="p")
    assert broken.status(for_owner=True).problem == "p"
    assert broken.status(for_owner=False).problem == "It cannot do its work now."
    assert broken.status(for_owner=False).details is None


async def test_every_family_says_what_it_means(tracker: Tracker) -> None:
    assert tracker.server._watched is not None
    made = families(await tracker.server._watched.facts())
    assert len({family.name for family in made}) == len(made)
    for family in made:
        assert family.name.startswith("panal_")
        assert family.documentation.endswith(".")
