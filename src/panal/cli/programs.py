"""The long-running programs, put together here: settings in, running until told to stop."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

import click
from platformdirs import user_state_path

from panal.api import Node
from panal.clock import SystemClock
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings, parse_tracker
from panal.web.control import ControlRoutes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_GRACE_S = 2.0
FIRST_WORDS_S = 3.0
"""How long the greeting waits for the tracker's first answer: a name may be refused."""


def log_to_stderr(level: int) -> None:
    """One line an event, for people."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    logging.getLogger("grpc").setLevel(logging.CRITICAL)


def run_tracker(listen: str, *, is_open: bool, state: Path | None) -> None:
    """Run a tracker until SIGINT or SIGTERM."""
    from panal.tracker.server import TrackerServer, TrackerSettings

    log_to_stderr(logging.INFO)
    host, port = parse_tracker(listen)
    where = state or user_state_path("panal") / f"tracker-{port}"

    async def run() -> None:
        server = TrackerServer(TrackerSettings(host, port, open=is_open, state_dir=where))
        await server.start()
        click.echo(f"The tracker listens on {host}:{server.port}. Stop it with Ctrl-C.")
        sys.stdout.flush()
        await stop_signal()
        await server.stop(STOP_GRACE_S)

    asyncio.run(run())


def run_peer(settings: PeerSettings) -> None:
    """Run a peer until SIGINT or SIGTERM, or until only the user can help."""
    log_to_stderr(logging.INFO)

    async def run() -> None:
        async with running_peer(settings) as app:
            stop = asyncio.create_task(stop_signal())
            app.announcer.fatal.add_done_callback(lambda _: stop.cancel())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WORDS_S):
                    await app.announcer.tried.wait()
            if not app.announcer.fatal.done():
                _greet(settings, app)
            try:
                await stop
            except asyncio.CancelledError:
                raise app.announcer.fatal.result() from None

    asyncio.run(run())


def _greet(settings: PeerSettings, app: PeerApp) -> None:
    url = app.urls()[0]
    click.echo(f"{settings.name} shares {settings.folder} at {url}/")
    click.echo(f"Upload with: curl -F file=@NAME {url}/upload")
    if settings.hosts:
        click.echo(
            f"OPEN: whoever reaches {', '.join(settings.hosts)} on port {app.port} "
            "may fetch everything in this folder."
        )
    sys.stdout.flush()


@asynccontextmanager
async def running_peer(settings: PeerSettings) -> "AsyncIterator[PeerApp]":
    """A peer, started and stopped."""
    app = PeerApp(settings, SystemClock(), SystemRandom())
    await app.start(owner_routes)
    try:
        yield app
    finally:
        await app.stop()


def owner_routes(app: PeerApp) -> Sequence[Route]:
    """The owner's API of a peer, for its route table."""
    return ControlRoutes(Node(app)).routes()


async def stop_signal() -> None:
    """Return at the first SIGINT, SIGTERM or SIGHUP."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, told.set)
    await told.wait()


def run_until_stopped(work: Coroutine[None, None, None]) -> None:
    """Run to the end, or cancel tidily at a stop signal and raise KeyboardInterrupt."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(work)
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    asyncio.run(run())
