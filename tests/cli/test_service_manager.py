"""What systemd is told (sd_notify(3)), over a real socket."""

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path

import pytest

from panal.cli.programs import STOP_SIGNALS, stop_signal
from panal.cli.service_manager import READY, STOPPING, tell_service_manager


@pytest.mark.parametrize("is_abstract", [False, True])
def test_it_is_told_over_the_socket_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_abstract: bool
) -> None:
    name = f"@panal-test-{tmp_path.name}" if is_abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1))
        manager.settimeout(10)
        for state in (READY, STOPPING):
            tell_service_manager(state)
            assert manager.recv(100).decode() == state


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all"])
def test_where_there_is_none_nothing_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    tell_service_manager(READY)


async def test_the_signal_that_stops_a_program_is_in_its_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "panal")
    stopped = asyncio.create_task(stop_signal())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await stopped
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)
    assert "SIGTERM: stopping" in caplog.text
