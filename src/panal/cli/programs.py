"""The long-running programs, put together here: settings in, running until told to stop."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import click
from platformdirs import user_state_path

from panal.cli.log_lines import log_to_stderr
from panal.cli.service_manager import READY, STOPPING, tell_service_manager
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings, parse_tracker
from panal.running import running_peer
from panal.wire.address import authority
from panal.wire.join_line import JoinLine

_log = logging.getLogger("panal")

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""The exit code after a second signal."""
USUAL_COLLECTIONS = (700, 10, 10)
"""Python's own thresholds, which `panal.cli.main` raises while it loads."""
SELDOM_COLLECTIONS = (20_000, 20, 10)
"""A tracker's call and a get's file make many objects and leave hardly any behind: to look through
them after every fifteenth call is a tenth of what a renewal takes."""
FIRST_WORDS_S = 3.0
"""How long the greeting waits for the tracker's first answer: a name may be refused."""


def raise_descriptor_limit() -> int:
    """Let this process open as many files and sockets as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft


def collect_after(thresholds: tuple[int, int, int]) -> None:
    """Once all is loaded: that stays, and of what comes from now on garbage is looked for again."""
    gc.freeze()
    gc.set_threshold(*thresholds)


def collect_as_usual() -> None:
    """As `collect_after`, by Python's own thresholds."""
    collect_after(USUAL_COLLECTIONS)


def run_tracker(
    listen: str,
    *,
    is_open: bool,
    has_network: bool,
    state: Path | None,
    store: str | None = None,
    metrics: tuple[str, int] | None = None,
    log_format: str = "auto",
) -> None:
    """Run a tracker until SIGINT or SIGTERM; a second one ends it at once."""
    import uvloop

    from panal.tracker.server import TrackerServer
    from panal.tracker.settings import TrackerSettings

    collect_after(SELDOM_COLLECTIONS)
    log_to_stderr(logging.INFO, log_format)
    raise_descriptor_limit()
    host, port = parse_tracker(listen)
    where = state or user_state_path("panal") / f"tracker-{port}"
    settings = TrackerSettings(
        host,
        port,
        open=is_open,
        network=has_network,
        state_dir=where,
        store=store,
        metrics=metrics,
    )

    async def run() -> None:
        server = TrackerServer(settings)
        await server.start()
        click.echo(f"The tracker listens on {authority(host, server.port)}. Stop it with Ctrl-C.")
        if server.has_new_network:
            await _tell_join_line(server.mint, where)
        sys.stdout.flush()
        tell_service_manager(READY)
        await stop_signal()
        await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def _tell_join_line(mint: Callable[[], Awaitable[JoinLine]], state: Path) -> None:
    """On a terminal; elsewhere how to get one: a service's journal shall keep no secret."""
    from panal.cli.network import default_state, print_join_line, typed

    listed = typed("panal network", None if state == default_state() else state)

    if not sys.stdout.isatty():
        click.echo(
            "This is a new network. A line that lets members in is printed by: "
            f"{typed('panal network join-line', state)}"
        )
        return
    click.echo("This is a new network. Whoever has this line becomes a member of it:")
    print_join_line(await mint())
    click.echo(
        "Put it into a file on another machine, as you would a password, and there: "
        "panal peer NAME PORT FOLDER --host ADDRESS --join @FILE"
    )
    click.echo(f"It lets in ten within a day. '{listed}' shows members and makes new lines.")


def run_peer(settings: PeerSettings, log_format: str = "auto") -> None:
    """Run a peer until SIGINT or SIGTERM, or until only the user can help.

    A second signal ends it at once.
    """
    collect_as_usual()
    log_to_stderr(logging.INFO, log_format)
    raise_descriptor_limit()

    async def run() -> None:
        async with running_peer(settings) as app:
            stop = asyncio.create_task(stop_signal())
            app.lease.fatal.add_done_callback(lambda _: stop.cancel())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WORDS_S):
                    await app.lease.tried.wait()
            if not app.lease.fatal.done():
                _greet(settings, app)
                tell_service_manager(READY)
            try:
                await stop
            except asyncio.CancelledError:
                raise app.lease.fatal.result() from None

    with asyncio.Runner(loop_factory=peer_loop(settings)) as runner:
        runner.run(run())


def peer_loop(settings: PeerSettings) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes a peer's event loop."""
    if settings.has_network():
        # Of a connection over TLS uvloop does not tell what waits below the encryption, which the
        # patience with slow receivers goes by.
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def _greet(settings: PeerSettings, app: PeerApp) -> None:
    url = app.ports.urls()[0]
    click.echo(f"{settings.name} shares {settings.folder} at {url}/")
    click.echo(f"Upload with: curl -F file=@NAME {url}/upload")
    if settings.hosts and settings.open:
        click.echo(
            f"OPEN: whoever reaches {', '.join(settings.hosts)} on port {app.port} "
            "may fetch everything in this folder."
        )
    if (guests := app.ports.guest_url()) is not None:
        click.echo(
            f"GUESTS: whoever has a link that 'panal link --guest' printed may fetch what it names "
            f"at {guests}, from wherever that can be reached. It is plain HTTP: whoever listens on "
            "the way can read the link and what it gives."
        )
    sys.stdout.flush()


async def stop_signal() -> None:
    """Return at the first SIGINT, SIGTERM or SIGHUP; from then on the next ends the process.

    Nothing is lost by that: what is not durable is done again at the next start.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[str] = loop.create_future()

    def tell(name: str) -> None:
        if not told.done():
            told.set_result(name)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, tell, number.name)
    _log.info("%s: stopping", await told)
    tell_service_manager(STOPPING)
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, os._exit, INTERRUPTED)


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
