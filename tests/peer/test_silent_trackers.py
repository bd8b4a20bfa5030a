"""Trackers that all hang: asked in turns, and told of once."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from panal.errors import Unreachable
from panal.peer import tracker_calls
from panal.peer.tracker_choice import TrackerChoice
from panal.peer.tracker_client import TrackerClient
from tests.support.patience import PATIENCE_S
from tests.support.replicas import Trackers


@asynccontextmanager
async def hanging(port: int = 0) -> AsyncIterator[int]:
    """A port where connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener.getsockname()[1]


def asking_first(first: str, other: str) -> TrackerClient:
    """By a name for which it is so, whatever the ports."""
    names = map("peer_{}".format, range(200))
    name = next(name for name in names if TrackerChoice([first, other], name).current == first)
    return TrackerClient([first, other], asker=name)


async def test_trackers_that_all_hang_are_not_told_of_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker_calls, "DEADLINE_S", 0.05)
    told: list[tuple[str, str]] = []
    async with hanging() as one, hanging() as two:
        addresses = [f"127.0.0.1:{port}" for port in (one, two)]
        client = asking_first(*addresses)
        client.when_moved(lambda *moved: told.append(moved))
        try:
            for _ in range(5):
                with pytest.raises(Unreachable):
                    await client.peers()
        finally:
            await client.close()
    assert told == [tuple(addresses)]


async def test_whoever_answers_after_all_hung_is_told_of_where_another_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker_calls, "DEADLINE_S", 0.05)
    told: list[tuple[str, str]] = []
    async with Trackers(1, are_replicas=False) as trackers, hanging() as two:
        first, second = *trackers.addresses, f"127.0.0.1:{two}"
        client = asking_first(first, second)
        client.when_moved(lambda *moved: told.append(moved))
        try:
            await trackers.stop(0)
            for _ in range(3):
                with pytest.raises(Unreachable):
                    await client.peers()
            assert told == [(first, second)]
            await trackers.start(0)
            async with asyncio.timeout(PATIENCE_S):
                while client.address != first or len(told) < 2:
                    with contextlib.suppress(Unreachable):
                        await client.peers()
        finally:
            await client.close()
    assert told == [(first, second), (second, first)]
