"""A peer that ends takes back what it may have told, however far its registration had come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from panal.clock import SystemClock
from panal.errors import Unreachable
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Caller, Registration, Welcome
from panal.wire.ids import PeerName
from tests.support.replicas import Trackers

CALLER = Caller(PeerName("short"), b"s" * 32, 1)


class SlowToHear(TrackerClient):
    """The tracker's answer to a registration does not come through."""

    def __init__(self, tracker: str) -> None:
        super().__init__([tracker])
        self.answered = asyncio.Event()

    async def register(self, registration: Registration) -> Welcome:
        await super().register(registration)
        self.answered.set()
        await asyncio.Event().wait()
        raise AssertionError


@asynccontextmanager
async def client_of(tracker: str) -> AsyncIterator[SlowToHear]:
    client = SlowToHear(tracker)
    try:
        yield client
    finally:
        await client.close()


def lease_with(client: TrackerClient) -> Lease:
    clock = SystemClock()
    announcer = Announcer(client, CALLER, lambda: iter(()), clock)
    return Lease(client, Registration(CALLER, 9, ("127.0.0.1",)), announcer, clock, Random(1))


async def listed(client: TrackerClient) -> list[str]:
    peers, _ = await client.peers()
    return [peer.name for peer in peers]


async def test_who_ends_while_it_registers_is_listed_no_more() -> None:
    async with (
        Trackers(1, are_replicas=False) as trackers,
        client_of(trackers.addresses[0]) as client,
    ):
        lease = lease_with(client)
        task = asyncio.create_task(lease.run())
        await client.answered.wait()
        assert await listed(client) == ["short"]
        task.cancel()
        assert await lease.leave()
        assert await listed(client) == []


async def test_whom_no_tracker_has_heard_says_no_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        Trackers(1, are_replicas=False) as trackers,
        client_of(trackers.addresses[0]) as client,
    ):

        async def refused(registration: Registration) -> Welcome:
            raise Unreachable("Nobody is there.")

        monkeypatch.setattr(client, "register", refused)
        lease = lease_with(client)
        task = asyncio.create_task(lease.run())
        await lease.tried.wait()
        task.cancel()
        assert await lease.leave() is None
