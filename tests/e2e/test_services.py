"""Tracker and peer as services: their log, what their manager hears, and how they are stopped."""

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from panal.wire import tracker_pb2 as pb
from panal.wire.tracker_pb2_grpc import TrackerStub
from tests.e2e.processes import Machine, Program


@pytest.fixture
def manager(tmp_path: Path, machine: Machine) -> Iterator[socket.socket]:
    """What systemd listens with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(40)
        machine.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        yield bound


def log_of(program: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in program.text.splitlines() if line.startswith("{")]


def port_of(program: Program) -> int:
    found = re.search(r"listens on 127\.0\.0\.1:(\d+)", program.text)
    assert found is not None
    return int(found[1])


def started(machine: Machine) -> tuple[Program, int]:
    tracker = machine.tracker("--listen", "127.0.0.1:0")
    return tracker, port_of(tracker)


def test_the_two_logs_can_be_joined_and_the_manager_hears_when(
    machine: Machine, manager: socket.socket
) -> None:
    tracker, port = started(machine)
    assert manager.recv(100) == b"READY=1"
    peer = machine.peer("one", 0, "files", "--tracker", f"127.0.0.1:{port}")
    assert manager.recv(100) == b"READY=1"
    assert peer.end() == 0
    assert manager.recv(100) == b"STOPPING=1"
    assert tracker.end() == 0
    assert manager.recv(100) == b"STOPPING=1"
    registered = next(e for e in log_of(peer) if "Registered as one" in e["message"])
    joined = next(e for e in log_of(tracker) if "one joined" in e["message"])
    assert registered["request_id"] == joined["request_id"] != ""
    assert joined["level"] == "info"
    assert joined["logger"] == "panal.tracker"
    assert joined["time"].endswith("Z")
    left = next(e for e in log_of(tracker) if e["message"] == "one left")
    assert left["request_id"] not in {"", joined["request_id"]}


def test_text_where_it_is_asked_for(machine: Machine) -> None:
    machine.environment["PANAL_LOG_FORMAT"] = "text"
    tracker, _ = started(machine)
    tracker.end()
    assert log_of(tracker) == []
    assert "listening on 127.0.0.1:" in tracker.text


def test_a_second_signal_ends_at_once_what_still_waits_for_a_call(
    machine: Machine, manager: socket.socket
) -> None:
    tracker, port = started(machine)
    assert manager.recv(100) == b"READY=1"
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = TrackerStub(channel)  # type: ignore[no-untyped-call]
        may_end = threading.Event()

        def messages() -> Iterator[pb.AnnounceRequest]:
            may_end.wait()
            yield from ()

        call = stub.Announce.future(messages())
        status = stub.Status(pb.StatusRequest())
        while status.details.calls_under_way < 2:  # the announcement and this question
            status = stub.Status(pb.StatusRequest())
        tracker.process.send_signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert tracker.end() == 130
        may_end.set()
        call.cancel()
