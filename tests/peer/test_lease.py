"""How long a lease waits until it tries again."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from panal.errors import NoSpace, Unreachable
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Announcement, Caller, Entry, Registration, Welcome
from panal.wire.ids import ContentId, PeerName
from panal.wire.names import SafePath
from tests.support.clock import VirtualClock

CALLER = Caller(PeerName("many"), b"s" * 32, 1)
FILE = Entry(SafePath("a"), ContentId(bytes(32)), 1)


class Full(TrackerClient):
    """A tracker that lets a peer in, and has no room for what it shares."""

    def __init__(self) -> None:
        super().__init__(["127.0.0.1:9"])
        self.registered = 0

    async def register(self, registration: Registration) -> Welcome:
        self.registered += 1
        return Welcome("127.0.0.1", 60.0, 20.0, True, "", b"other", None)

    async def announce(self, caller: Caller, messages: AsyncIterator[Announcement]) -> bytes:
        raise NoSpace("No space is left for the tracker's records.")


async def test_whose_names_are_refused_does_not_register_without_a_pause() -> None:
    clock, client = VirtualClock(), Full()
    announcer = Announcer(client, CALLER, lambda: iter([[FILE]]), clock)
    lease = Lease(client, Registration(CALLER, 9, ("127.0.0.1",)), announcer, clock, Random(1))
    running = asyncio.create_task(lease.run())
    await clock.run_for(600.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
    assert 10 < client.registered < 60


class Away(Full):
    """No tracker."""

    async def register(self, registration: Registration) -> Welcome:
        self.registered += 1
        raise Unreachable("no answer")


async def test_no_count_of_failures_is_too_large() -> None:
    clock, client = VirtualClock(), Away()
    announcer = Announcer(client, CALLER, lambda: iter([[FILE]]), clock)
    lease = Lease(client, Registration(CALLER, 9, ("127.0.0.1",)), announcer, clock, Random(1))
    running = asyncio.create_task(lease.run())
    for _ in range(300):
        await clock.run_for(60.0)
    assert not running.done()
    assert client.registered > 1_100
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
