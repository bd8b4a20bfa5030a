"""What a peer tells those who watch over it: metrics for its owner, probes for anybody.

The same pages stand on a listener of their own, where its owner has opened one.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from aiohttp import web

from panal import __version__
from panal.errors import Unreachable
from panal.monitoring.listener import MonitoringListener, Told, alive, ready_told
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.documented import METRICS, TEXT
from panal.peer.facts import DiskFacts, PeerFacts
from panal.peer.readiness import PeerStanding, problems
from panal.peer.roles import Role
from panal.store.space import Room, room_at


class MonitoringRoutes:
    """Metrics and readiness of one peer."""

    def __init__(self, app: PeerApp) -> None:
        self._app = app

    def routes(self) -> Sequence[Route]:
        """The routes; that it is alive is told beside its contents."""
        return [
            Route("GET", "/readyz", Role.PUBLIC, self.ready, gives=TEXT, also={503: TEXT}),
            Route("GET", "/metrics", Role.OWNER, self.metrics, gives=METRICS, fails=(Unreachable,)),
        ]

    async def ready(self, request: web.Request) -> web.Response:
        """Whether this peer can do its work, and else what is missing, in words."""
        return _answer(await self._ready(""))

    async def metrics(self, request: web.Request) -> web.Response:
        """Numbers for Prometheus, in its text format or as OpenMetrics; never a name."""
        return _answer(await self._metrics(request.headers.get("Accept", "")))

    def listener(self) -> MonitoringListener:
        """The same for whoever reaches a port of its own."""
        return MonitoringListener(
            {"/metrics": self._metrics, "/healthz": alive, "/readyz": self._ready}
        )

    async def _ready(self, _: str) -> Told:
        room = await asyncio.to_thread(_room, self._app)
        return ready_told("; ".join(problems(_standing(self._app, room))))

    async def _metrics(self, accept: str) -> Told:
        if self._app.stopping.is_set():
            raise Unreachable("This peer is stopping.")
        return await asyncio.to_thread(_page, await peer_facts(self._app), accept)


def _page(facts: PeerFacts, accept: str) -> Told:
    # Loaded by whoever is asked first: most peers never are.
    from panal.monitoring.exposition import exposition
    from panal.peer.metrics import families

    page = exposition(families(facts), accept)
    return Told(200, page.body, page.content_type)


async def peer_facts(app: PeerApp) -> PeerFacts:
    """How a peer stands now."""
    room, kept = await asyncio.to_thread(lambda: (_room(app), app.unfinished.totals()))
    sent = app.resumable.totals()
    files, size_bytes = app.index.totals()
    roots = app.root.places()
    return PeerFacts(
        version=__version__,
        standing=_standing(app, room),
        is_reachable=app.lease.reachable,
        lease_age_s=app.lease.age_s(),
        registrations=app.lease.registrations,
        times_told_everything=app.announcer.times_told_everything,
        sent_bytes=app.traffic.up_bytes,
        received=app.received.totals(),
        downloads=app.downloads.count(),
        lanes=app.lanes.facts(),
        connections=len(app.connections),
        connections_at_most=app.connections.most,
        files=files,
        size_bytes=size_bytes,
        to_hash=app.scanning.to_hash,
        skipped=app.scanning.skipped.counts,
        roots=len(roots),
        roots_there=len(app.presence.there() & set(roots)),
        disk=None
        if room is None
        else DiskFacts(room.total_bytes, room.free_bytes, room.usable_bytes),
        unfinished=kept[0] + sent[0],
        unfinished_bytes=kept[1] + sent[1],
    )


def _standing(app: PeerApp, room: Room | None) -> PeerStanding:
    return PeerStanding(
        is_stopping=app.stopping.is_set(),
        is_registered=app.lease.problem == "",
        is_folder_there="" in app.presence.there(),
        has_room=room is None or room.usable_bytes > 0,
    )


def _room(app: PeerApp) -> Room | None:
    with contextlib.suppress(OSError):
        return room_at(app.settings.folder.absolute())
    return None


def _answer(told: Told) -> web.Response:
    return web.Response(
        body=told.body, status=told.status, headers={"Content-Type": told.content_type}
    )
