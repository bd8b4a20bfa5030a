"""The peer's parts, put together: started in order, stopped in reverse."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from random import Random

from aiohttp import web

from panal.clock import Clock
from panal.errors import PanalError, PortTaken
from panal.peer.access import Route, application
from panal.peer.announcer import Announcer
from panal.peer.config import PeerSettings
from panal.peer.content_routes import ContentRoutes
from panal.peer.contents import Contents
from panal.peer.downloads import Downloads
from panal.peer.fetching import Fetching
from panal.peer.file_routes import FileRoutes
from panal.peer.http_source import authority, client_session
from panal.peer.identity import begin_epoch
from panal.peer.scanning import Scanning
from panal.peer.sending import Sender
from panal.peer.sharing import Sharing, entry_pages
from panal.peer.tracker_client import TrackerClient
from panal.peer.uploads import Uploads
from panal.store.download_records import DownloadRecords
from panal.store.index import Index, SharedFile
from panal.store.roots import Root, disk_error
from panal.wire.address import parse_address
from panal.wire.catalogue import Registration

log = logging.getLogger(__name__)

BACKLOG = 256
KEEP_ALIVE_S = 30.0
DRAIN_S = 2.0


class PeerApp:
    """One running peer."""

    def __init__(self, settings: PeerSettings, clock: Clock, chance: Random) -> None:
        settings.check()
        self.settings = settings
        self.clock = clock
        self._chance = chance
        self._cleanup = contextlib.AsyncExitStack()
        self.port = 0
        self.index: Index
        self.announcer: Announcer
        self.sharing: Sharing
        self.scanning: Scanning
        self.downloads: Downloads
        self.client: TrackerClient

    async def start(self, more_routes: Callable[["PeerApp"], Sequence[Route]]) -> None:
        """Bind, open, serve, then register; what was started is stopped on any failure."""
        try:
            await self._start(more_routes)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave the tracker, stop serving, keep what is there."""
        await self._cleanup.aclose()

    async def _start(self, more_routes: Callable[["PeerApp"], Sequence[Route]]) -> None:
        settings = self.settings
        defer = self._cleanup.callback
        sockets = bind(settings.bind_hosts(), settings.port)
        for bound in sockets:
            defer(bound.close)
        self.port = sockets[0].getsockname()[1]
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
            root = Root(settings.folder)
        except OSError as error:
            raise disk_error(error, f"use the folder {settings.folder}") from None
        defer(root.close)
        self.index = await asyncio.to_thread(Index, settings.state / "index.sqlite")
        defer(self.index.close)
        caller = begin_epoch(settings.state, settings.peer_name, self.clock.wall_s())
        self.client = TrackerClient(settings.trackers)
        self._cleanup.push_async_callback(self.client.close)
        session = client_session()
        self._cleanup.push_async_callback(session.close)

        registration = Registration(caller, self.port, settings.bind_hosts())
        index = self.index
        self.announcer = Announcer(
            self.client, registration, lambda: entry_pages(index), self.clock, self._chance
        )
        await asyncio.to_thread(self.announcer.start_with, entry_pages(index))

        def withdraw(shared: SharedFile) -> None:
            self.sharing.withdraw(shared)

        contents = Contents(root, index, withdraw)
        self.sharing = Sharing(root, index, self.announcer, contents)
        self.scanning = Scanning(root, index, self.sharing, self.clock)
        defer(self.scanning.close)
        uploads = Uploads(self.sharing, settings.partials.parent / "uploads")
        fetching = Fetching(
            name=settings.peer_name,
            client=self.client,
            session=session,
            contents=contents,
            sharing=self.sharing,
            announcer=self.announcer,
            partials=settings.partials,
            clock=self.clock,
            chance=self._chance,
        )
        self.downloads = Downloads(fetching, self.sharing, DownloadRecords(index), self.clock)
        sender = Sender()
        defer(sender.close)
        content_routes = ContentRoutes(contents, sender, caller.secret)
        file_routes = FileRoutes(
            uploads, index, contents, content_routes, self.announcer, settings.trackers[0]
        )
        routes = [*content_routes.routes(), *file_routes.routes(), *more_routes(self)]
        await self._serve(sockets, routes)
        defer(contents.close)
        self._cleanup.push_async_callback(self.downloads.close)
        defer(self.sharing.stop)
        self._cleanup.push_async_callback(self._leave)
        self._keep(self.announcer.run())
        self.downloads.restore()
        if settings.shares_folder:
            self._keep(self.scanning.run())

    async def _serve(self, sockets: list[socket.socket], routes: list[Route]) -> None:
        app = application(routes, self.settings.allowed_hosts)
        runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=DRAIN_S
        )
        await runner.setup()
        self._cleanup.push_async_callback(runner.cleanup)
        for bound in sockets:
            await web.SockSite(runner, bound, backlog=BACKLOG).start()

    async def _leave(self) -> None:
        was_known = await self.announcer.leave()
        if was_known is not None:
            log.info("Left the tracker%s.", "" if was_known else ", which did not know us")

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        def note(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("A part of the peer failed.", exc_info=error)
                if not self.announcer.fatal.done():
                    self.announcer.fatal.set_result(PanalError(f"A fault in Panal: {error!r}."))

        task.add_done_callback(note)
        self._cleanup.push_async_callback(end)

    def urls(self) -> list[str]:
        """Where this peer answers."""
        return [f"http://{authority(host, self.port)}" for host in self.settings.bind_hosts()]


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A listening-ready socket per host, all on one port; PortTaken names the port.

    Before anything else is done, so that a taken port is found before registering. Port 0
    takes what the system gives for the first host.
    """
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            family = socket.AF_INET6 if parse_address(host).version == 6 else socket.AF_INET
            bound = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((host, port))
            bound.listen(BACKLOG)  # two may bind with SO_REUSEADDR; only one may listen
            port = bound.getsockname()[1]
    except OSError as error:
        for bound in sockets:
            bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} is taken by another program; stop it or choose another port."
            ) from None
        if error.errno == errno.EACCES:
            raise PortTaken(f"Port {port} needs special rights; choose one above 1023.") from None
        raise PanalError(f"Cannot listen on {', '.join(hosts)}: {error.strerror}.") from None
    return sockets
