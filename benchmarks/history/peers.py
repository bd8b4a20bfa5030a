"""Peers without files: they register, renew, announce and leave as real ones do, and note it all.

The membership is the real one (`panal.peer.lease`, `announcer`, `tracker_client`); of the rest
there is only the answer to a tracker's call.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from random import Random
from typing import Any

from aiohttp import web
from blake3 import blake3

from benchmarks.history.events import (
    Changed,
    Confirmed,
    Ended,
    History,
    Seen,
    Started,
    Told,
    Unknown,
)
from panal.clock import Clock
from panal.errors import NotRegistered, PanalError
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import (
    Caller,
    Entry,
    Registration,
    Renewal,
    SearchQuery,
    Welcome,
)
from panal.wire.dialback import hash_secret, proof_of
from panal.wire.ids import ContentId, PeerName
from panal.wire.tracker_fields import MAX_PAGE

_epochs = count(1)
TOLD_WITHIN_S = 600.0


class DialbackHost:
    """Answers the trackers' calls for any number of peers, each on a port of its own."""

    def __init__(self) -> None:
        self._secrets: dict[int, bytes] = {}
        app = web.Application()
        app.router.add_get("/dialback/{nonce}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)

    async def __aenter__(self) -> "DialbackHost":
        await self._runner.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def port_for(self, secret: bytes) -> int:
        """A port that a peer with this secret has from now on."""
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[-1][1]
        self._secrets[port] = secret
        return port

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        secret = self._secrets[request.transport.get_extra_info("sockname")[1]]
        nonce = bytes.fromhex(request.match_info["nonce"])
        return web.Response(text=proof_of(nonce, hash_secret(secret)))


class _RecordedClient(TrackerClient):
    """Notes what trackers say to whether the peer is there."""

    def __init__(self, history: History, trackers: Sequence[str], **more: Any) -> None:
        super().__init__(trackers, **more)
        self._history = history

    async def register(self, registration: Registration) -> Welcome:
        """Join or come back under a name."""
        asked_s = self._history.now_s()
        welcome = await super().register(registration)
        self._note(Confirmed, registration.caller, asked_s)
        return welcome

    async def renew(self, caller: Caller, digest: bytes, revocations_version: int = 0) -> Renewal:
        """Keep the lease."""
        asked_s = self._history.now_s()
        try:
            renewal = await super().renew(caller, digest, revocations_version)
        except NotRegistered:
            self._note(Unknown, caller, asked_s)
            raise
        self._note(Confirmed, caller, asked_s)
        return renewal

    def _note(self, kind: type[Confirmed | Unknown], caller: Caller, asked_s: float) -> None:
        self._history.note(kind(str(caller.name), asked_s, self._history.now_s()))


class RecordedPeer:
    """One peer, whose owner starts and ends it and changes what it shares."""

    def __init__(
        self,
        name: str,
        trackers: Sequence[str],
        history: History,
        clock: Clock,
        chance: Random,
    ) -> None:
        self.name = name
        self.shared: dict[str, Entry] = {}
        self.announcer: Announcer | None = None
        self._lease: Lease | None = None
        self.client: TrackerClient | None = None
        self.moves: list[tuple[float, str]] = []
        """When it went to another tracker, and from which."""
        self._trackers = trackers
        self._history = history
        self._clock = clock
        self._chance = chance
        self._secret = blake3(name.encode()).digest()
        self._port = 0
        self._versions = count(1)
        self._running: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def is_running(self) -> bool:
        """Whether it is started."""
        return self._running is not None

    async def start(self, host: DialbackHost) -> None:
        """Begin to run with what is shared."""
        self._port = self._port or await host.port_for(self._secret)
        caller = Caller(PeerName(self.name), self._secret, next(_epochs))
        self.client = _RecordedClient(
            self._history,
            self._trackers,
            asker=self.name,
            clock=self._clock,
            chance=self._chance,
        )
        self.client.when_moved(
            lambda before, after: self.moves.append((self._history.now_s(), before))
        )
        self.announcer = Announcer(self.client, caller, self._pages, self._clock)
        registration = Registration(caller, self._port, ("127.0.0.1",))
        self._lease = Lease(self.client, registration, self.announcer, self._clock, self._chance)
        self.announcer.start_with(self._pages())
        self._history.note(Started(self.name, self._history.now_s()))
        self._running = asyncio.create_task(self._lease.run())

    def _pages(self) -> Iterator[list[Entry]]:
        paths = list(self.shared)
        for first in range(0, len(paths), 100):
            # As an index answers: what has changed since the page before is in it.
            page = [self.shared.get(path) for path in paths[first : first + 100]]
            yield [entry for entry in page if entry is not None]

    def change(self, path: str, *, is_shared: bool) -> None:
        """Share other content under a path, or none; noted as told once a tracker has said so."""
        before = self.shared.pop(path, None)
        after = None
        if is_shared:
            content = blake3(f"{self.name} {path} {next(self._versions)}".encode()).digest()
            after = self.shared[path] = Entry(path, ContentId(content), 1)
        told = None if after is None else bytes(after.content)
        self._history.note(Changed(self.name, path, told, self._history.now_s()))
        if self.announcer is not None:
            self.announcer.change_entry(before, after)
            waiting = asyncio.create_task(self._note_told(self.announcer, path, after))
            self._waiting.add(waiting)
            waiting.add_done_callback(self._waiting.discard)

    async def _note_told(self, announcer: Announcer, path: str, entry: Entry | None) -> None:
        is_told = await announcer.announced(TOLD_WITHIN_S, [path])
        if is_told and announcer is self.announcer and self.shared.get(path) == entry:
            content = None if entry is None else bytes(entry.content)
            self._history.note(Told(self.name, path, content, self._history.now_s()))

    async def end(self, *, politely: bool) -> None:
        """Run no more: leave, or just go."""
        running, lease, client = self._running, self._lease, self.client
        if running is None or lease is None or client is None:
            return
        began_s = self._history.now_s()
        self._running = self._lease = self.announcer = self.client = None
        for task in (running, *self._waiting):
            task.cancel()
        await asyncio.gather(running, *self._waiting, return_exceptions=True)
        was_told = politely and await lease.leave() is True
        await client.close()
        self._history.note(Ended(self.name, began_s, self._history.now_s(), was_told))


async def look(tracker: str, history: History) -> bool:
    """List everything at one tracker and note it; False where it does not answer."""
    client = TrackerClient([tracker])
    began_s = history.now_s()
    try:
        records, page = set(), ""
        while True:
            found = await client.search(SearchQuery(page=page, page_size=MAX_PAGE))
            records |= {
                (named.peer, named.path, bytes(hit.content))
                for hit in found.hits
                for named in hit.names
            }
            if not (page := found.next_page):
                break
        peers, page = set(), ""
        while True:
            infos, page = await client.peers(page)
            peers |= {info.name for info in infos}
            if not page:
                break
    except PanalError:
        return False
    finally:
        await client.close()
    seen = Seen(tracker, began_s, history.now_s(), frozenset(records), frozenset(peers))
    history.note(seen)
    return True
