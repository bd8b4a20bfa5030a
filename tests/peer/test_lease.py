"""What a lease does where the tracker cannot, and how long it waits until it tries again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from panal.errors import NoSpace, NotRegistered, Unreachable
from panal.peer.announcer import Announcer
from panal.peer.lease import LONGEST_RETRY_S, Lease
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Announcement, Caller, Entry, Registration, Renewal, Welcome
from panal.wire.ids import ContentId, PeerName
from panal.wire.membership import Revocations
from panal.wire.names import SafePath
from tests.support.clock import VirtualClock

CALLER = Caller(PeerName("many"), b"s" * 32, 1)
FILE = Entry(SafePath("a"), ContentId(bytes(32)), 1)
REVOKED = Revocations(1, frozenset({b"7"}))


class Full(TrackerClient):
    """A tracker that lets a peer in, and has no room for what it shares."""

    def __init__(self) -> None:
        super().__init__(["127.0.0.1:9"])
        self.registered = self.renewed = self.announced = 0
        self.is_full = True
        self.no_renewal: Exception | None = None

    async def register(self, registration: Registration) -> Welcome:
        self.registered += 1
        return Welcome("127.0.0.1", 60.0, 20.0, True, "", b"other", None)

    async def announce(self, caller: Caller, messages: AsyncIterator[Announcement]) -> bytes:
        self.announced += 1
        if self.is_full:
            raise NoSpace("No space is left for the tracker's records.")
        return b""

    async def renew(self, caller: Caller, digest: bytes, revocations_version: int = 0) -> Renewal:
        self.renewed += 1
        if self.no_renewal is not None:
            raise self.no_renewal
        return Renewal(not self.is_full, True, "", REVOKED)


@asynccontextmanager
async def leased(
    client: Full,
) -> AsyncIterator[tuple[VirtualClock, Lease, "asyncio.Task[None]"]]:
    clock = VirtualClock()
    announcer = Announcer(client, CALLER, lambda: iter([[FILE]]), clock)
    lease = Lease(client, Registration(CALLER, 9, ("127.0.0.1",)), announcer, clock, Random(1))
    running = asyncio.create_task(lease.run())
    yield clock, lease, running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


async def test_whose_names_are_refused_stays_registered_and_tells_them_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "panal")
    client = Full()
    async with leased(client) as (clock, lease, _):
        await clock.run_for(600.0)
        assert client.registered == 1  # each costs the tracker a call back
        assert 40 < client.announced < 100
        assert client.renewed == client.announced - 1
        assert "No space is left" in lease.problem
        assert lease.revocations == REVOKED
        assert caplog.text.count("No space is left") == 1
        client.is_full = False
        await clock.run_for(LONGEST_RETRY_S)
        assert not lease.problem
        told = client.announced
        await clock.run_for(600.0)
    assert (client.registered, client.announced) == (1, told)


async def test_whose_renewal_finds_no_room_registers_where_it_is_not_known() -> None:
    client = Full()
    async with leased(client) as (clock, lease, _):
        client.no_renewal = NoSpace("No space is left for the tracker's records.")
        await clock.run_for(600.0)
        assert client.registered == 1
        assert 40 < client.renewed < 100
        client.no_renewal, client.is_full = NotRegistered("It does not know many."), False
        await clock.run_for(LONGEST_RETRY_S)
        assert client.registered == 2
        assert not lease.problem


class Away(Full):
    """No tracker."""

    async def register(self, registration: Registration) -> Welcome:
        self.registered += 1
        raise Unreachable("no answer")


async def test_no_count_of_failures_is_too_large() -> None:
    client = Away()
    async with leased(client) as (clock, _, running):
        for _ in range(300):
            await clock.run_for(60.0)
        assert not running.done()
    assert client.registered > 1_100
