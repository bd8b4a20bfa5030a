"""How long a lease waits until it tries again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def leased(client: Full) -> AsyncIterator[tuple[VirtualClock, "asyncio.Task[None]"]]:
    clock = VirtualClock()
    announcer = Announcer(client, CALLER, lambda: iter([[FILE]]), clock)
    lease = Lease(client, Registration(CALLER, 9, ("127.0.0.1",)), announcer, clock, Random(1))
    running = asyncio.create_task(lease.run())
    yield clock, running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


async def test_whose_names_are_refused_does_not_register_without_a_pause() -> None:
    client = Full()
    async with leased(client) as (clock, _):
        await clock.run_for(600.0)
    assert 10 < client.registered < 60


class Away(Full):
    """No tracker."""

    async def register(self, registration: Registration) -> Welcome:
        self.registered += 1
        raise Unreachable("no answer")


async def test_no_count_of_failures_is_too_large() -> None:
    client = Away()
    async with leased(client) as (clock, running):
        for _ in range(300):
            await clock.run_for(60.0)
        assert not running.done()
    assert client.registered > 1_100
