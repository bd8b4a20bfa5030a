import asyncio
import logging
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from panal.errors import NotExposed, PanalError, PortTaken, Refused, StateInUse, UsageError
from panal.tracker.own_addresses import own_host_towards
from panal.tracker.server import SERVICE_NAME, TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.tracker.stores import DATABASE_NAME
from panal.wire import tracker_pb2 as pb
from tests.support.patience import PATIENCE_S
from tests.tracker.harness import running_tracker


async def _refusal(settings: TrackerSettings) -> PanalError:
    server = TrackerServer(settings)
    with pytest.raises(PanalError) as caught:
        await server.start()
    await server.stop(grace_s=0)
    return caught.value


async def test_a_second_tracker_on_the_port_is_refused_and_the_first_goes_on() -> None:
    async with running_tracker() as first:
        port = first.server.port
        error = await _refusal(TrackerSettings(port=port))
        assert isinstance(error, PortTaken)
        assert str(port) in str(error)
        assert "another port" in str(error)
        assert await first.paths() == set()


async def test_a_port_taken_after_the_check_is_refused_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("panal.tracker.server.check_port", lambda *_: None)
    async with running_tracker() as first:
        error = await _refusal(TrackerSettings(port=first.server.port))
        assert isinstance(error, PortTaken)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
async def test_beyond_loopback_nothing_listens_without_a_decision(host: str) -> None:
    error = await _refusal(TrackerSettings(host=host, port=0))
    assert isinstance(error, NotExposed)
    assert "--open" in str(error)


async def test_beyond_loopback_it_has_a_network(tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = TrackerServer(TrackerSettings(host="0.0.0.0", port=0, state_dir=state))
    await server.start()
    assert server.has_new_network
    line = await server.mint()
    await server.stop(grace_s=0)
    assert all(address.endswith(f":{server.port}") for address in line.addresses)
    assert not any(address.startswith("0.0.0.0") for address in line.addresses)
    error = await _refusal(TrackerSettings(port=0, open=True, state_dir=state))
    assert isinstance(error, Refused)
    assert "--state" in str(error)


async def test_open_and_a_network_exclude_each_other(tmp_path: Path) -> None:
    settings = TrackerSettings(port=0, open=True, network=True, state_dir=tmp_path)
    assert isinstance(await _refusal(settings), UsageError)
    assert list(tmp_path.iterdir()) == []


async def test_on_loopback_nothing_is_asked_for(tmp_path: Path) -> None:
    async with running_tracker(state_dir=tmp_path) as tracker:
        assert not tracker.server.has_new_network
        assert not (tmp_path / "network").exists()


async def test_an_open_tracker_listens_everywhere() -> None:
    async with running_tracker(host="0.0.0.0", open=True) as tracker:
        assert await tracker.paths() == set()


async def test_localhost_is_loopback() -> None:
    async with running_tracker(host="localhost") as tracker:
        assert tracker.server.host == "127.0.0.1"


@pytest.mark.parametrize(
    "settings",
    [
        TrackerSettings(host="192.0.2.7", port=0, open=True),
        TrackerSettings(host="tracker.example"),
        TrackerSettings(port=70_000),
        TrackerSettings(port=-1),
    ],
)
async def test_an_address_that_cannot_be_is_refused(settings: TrackerSettings) -> None:
    assert isinstance(await _refusal(settings), UsageError)


async def test_the_same_state_twice_is_refused(tmp_path: Path) -> None:
    async with running_tracker(state_dir=tmp_path):
        error = await _refusal(TrackerSettings(port=0, state_dir=tmp_path))
        assert isinstance(error, StateInUse)
        assert "--state" in str(error)


async def test_a_state_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    async with running_tracker(state_dir=tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "b" / DATABASE_NAME).exists()


async def test_a_state_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = await _refusal(TrackerSettings(port=0, state_dir=tmp_path / "file" / "state"))
    assert "cannot be made" in str(error)


async def test_a_failed_start_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_tracker() as first:
        taken = TrackerServer(TrackerSettings(port=first.server.port, state_dir=tmp_path))
        with monkeypatch.context() as later:
            later.setattr("panal.tracker.server.check_port", lambda *_: None)
            with pytest.raises(PortTaken):
                await taken.start()
    async with running_tracker(state_dir=tmp_path):
        pass


async def test_health_says_serving() -> None:
    async with running_tracker() as tracker:
        stub: Any = health_pb2_grpc.HealthStub(tracker.channel)
        for service in ("", SERVICE_NAME):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_names_the_service() -> None:
    async with running_tracker() as tracker:
        # The stubs know synchronous channels only.
        channel: Any = tracker.channel
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stub.ServerReflectionInfo(iter([request]))
        answer = await call.read()
        names = {service.name for service in answer.list_services_response.service}
    assert SERVICE_NAME == "panal.tracker.v1.Tracker"
    assert {SERVICE_NAME, "grpc.health.v1.Health"} <= names


async def test_stopping_twice_and_before_starting_is_harmless() -> None:
    server = TrackerServer(TrackerSettings(port=0))
    await server.stop()
    server = TrackerServer(TrackerSettings(port=0))
    await server.start()
    await server.stop(grace_s=0)
    await server.stop()
    await server.sweep()


async def test_a_stopped_tracker_frees_its_port() -> None:
    server = TrackerServer(TrackerSettings(port=0))
    await server.start()
    port = server.port
    waiting = asyncio.create_task(server.wait_stopped())
    await server.stop(grace_s=0)
    await waiting
    again = TrackerServer(TrackerSettings(port=port))
    await again.start()
    await again.stop(grace_s=0)


async def test_it_says_where_it_listens(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "panal.tracker"):
        async with running_tracker() as tracker:
            assert f"listening on 127.0.0.1:{tracker.server.port}" in caplog.text


async def test_a_failing_sweep_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_tracker() as tracker:
        calls = 0
        tried_again = asyncio.Event()

        async def fail(_: TrackerServer) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                tried_again.set()
            raise OSError("disk")

        monkeypatch.setattr(TrackerServer, "sweep", fail)
        await tracker.clock.run_for(11.0)
        await asyncio.wait_for(tried_again.wait(), PATIENCE_S)
    assert "sweeping failed" in caplog.text


async def test_ipv6_loopback_works() -> None:
    server = TrackerServer(TrackerSettings(host="::1", port=0))
    try:
        await server.start()
    except PanalError:
        pytest.skip("this machine has no IPv6 loopback")
    async with grpc.aio.insecure_channel(f"[::1]:{server.port}") as channel:
        call: Any = channel.unary_unary("/panal.tracker.v1.Tracker/ListPeers")
        assert pb.ListPeersResponse.FromString(await call(b"")).next_page == ""
    await server.stop(grace_s=0)


def test_the_own_address_towards_somebody() -> None:
    assert own_host_towards("127.0.0.1") == "127.0.0.1"
    assert own_host_towards("224.0.0.1") != "224.0.0.1"
