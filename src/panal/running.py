"""A peer, started and stopped around what is done with it."""

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import SystemRandom
from typing import TYPE_CHECKING

from panal.clock import SystemClock
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from panal.peer.access import Route

log = logging.getLogger(__name__)


@asynccontextmanager
async def running_peer(settings: PeerSettings) -> "AsyncIterator[PeerApp]":
    """A peer, started and stopped."""
    app = PeerApp(settings, SystemClock(), SystemRandom())
    async with AsyncExitStack() as stack:
        await app.start(_owner_routes)
        if settings.metrics is None:
            stack.push_async_callback(app.stop)
        else:
            await _tell_metrics(app, settings.metrics, stack)
        yield app


def _owner_routes(app: PeerApp) -> "Sequence[Route]":
    from panal.web.control import owner_routes  # it takes longer to load than a small get does

    return owner_routes(app)


async def _tell_metrics(app: PeerApp, where: tuple[str, int], stack: AsyncExitStack) -> None:
    """On a port of its own, which says that the peer stops until it has."""
    from panal.web.monitoring import MonitoringRoutes

    listener = MonitoringRoutes(app).listener()
    stack.push_async_callback(listener.close)
    stack.push_async_callback(app.stop)
    app.metrics_port = await listener.start(*where)
    log.info("Metrics are told at port %d.", app.metrics_port)
