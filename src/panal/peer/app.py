"""The peer's parts, put together: started in order, stopped in reverse."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from random import Random

from aiohttp import web

from panal import request_ids
from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import NoSpace, PanalError
from panal.peer.access import Route, application
from panal.peer.adding import Adding
from panal.peer.announcer import Announcer
from panal.peer.bundle_routes import BundleRoutes
from panal.peer.calling import PLAIN, client_session
from panal.peer.chunk_server import ChunkServer
from panal.peer.collections import Collections
from panal.peer.config import ANY_HOST, LOOPBACK, PeerSettings
from panal.peer.connections import Connections
from panal.peer.content_answers import ContentAnswers
from panal.peer.content_routes import ContentRoutes
from panal.peer.contents import Contents
from panal.peer.damage import Damage
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.doors import bind, connections_at_most, http_server, listen
from panal.peer.download_way import DownloadWay
from panal.peer.downloads import Downloads
from panal.peer.fetching import Fetching
from panal.peer.file_routes import FileRoutes
from panal.peer.folder_downloads import FolderDownloads, FolderParts
from panal.peer.granting import Granting
from panal.peer.guest_links import GuestLinks
from panal.peer.guest_routes import GuestDoorkeeper, GuestRoutes
from panal.peer.http_connection import http_connections
from panal.peer.identity import begin_epoch
from panal.peer.joining import member_of, trackers_of
from panal.peer.lanes import Lanes
from panal.peer.limits import DRAIN_S, GUEST_CONNECTIONS, GUEST_CONNECTIONS_PER_ADDRESS
from panal.peer.live_settings import KeptSettings, LiveSettings
from panal.peer.member_tls import MemberTls
from panal.peer.membership import Membership
from panal.peer.never_sent import NeverSent
from panal.peer.own_ways import way_to
from panal.peer.owner_token import OwnerCredentials, owner_token
from panal.peer.presence import Presence, look_for_roots
from panal.peer.rate_limit import RateLimit
from panal.peer.received import Received
from panal.peer.repairing import Repairing
from panal.peer.resumable_uploads import ResumableUploads
from panal.peer.scanning import Scanning
from panal.peer.scrubbing import Scrubbing
from panal.peer.sending import Sender
from panal.peer.sharing import Sharing, entry_pages
from panal.peer.tracker_client import TrackerClient
from panal.peer.traffic import Traffic
from panal.peer.unfinished import Unfinished
from panal.peer.uploads import Uploads
from panal.peer.verifying import Verifying
from panal.peer.watching import Watching
from panal.store.damage_records import DamageRecords
from panal.store.download_records import DownloadRecords
from panal.store.index import Index, SharedFile
from panal.store.mounts import Mounts
from panal.store.placed_records import PlacedRecords
from panal.store.root_records import RootRecords
from panal.store.roots import disk_error
from panal.store.scrub_records import ScrubRecords
from panal.store.setting_records import SettingRecords
from panal.store.texts import FOLDER as TEXTS
from panal.store.texts import Texts
from panal.wire.address import authority
from panal.wire.catalogue import Entry, Registration
from panal.wire.manifest import MIN_CHUNK_BYTES

log = logging.getLogger(__name__)

COMPARED_FIRST_S = 2.0
"""So long a peer waits at most for its first comparison before it registers."""


ELSEWHERE = "192.0.2.1"
"""An address that is nobody's: the way to it is the way out."""


class PeerApp:
    """One running peer."""

    def __init__(self, settings: PeerSettings, clock: Clock, chance: Random) -> None:
        settings.check()
        self.settings = settings
        self.clock = clock
        self._chance = chance
        self._cleanup = contextlib.AsyncExitStack()
        self.port = 0
        self.guest_port = 0
        """0: guests come in nowhere."""
        self.metrics_port = 0
        """Where metrics are told to whoever asks; 0: nowhere."""
        self.audit = AuditLog(None if settings.asked_anew else settings.state, clock)
        self.guest_links: GuestLinks
        self.credentials: OwnerCredentials
        self.trackers: tuple[str, ...] = ()
        self.calling = PLAIN
        """How other peers are called."""
        self.membership: Membership | None = None
        """What makes it a member, where it is in a network."""
        self._tls: MemberTls | None = None
        self.index: Index
        self.announcer: Announcer
        self.sharing: Sharing
        self.scanning: Scanning
        self.root: Mounts
        self.presence: Presence
        self.watching: Watching
        self.adding: Adding
        self.downloads: Downloads
        self.contents: Contents
        self.uploads: Uploads
        self.resumable: ResumableUploads
        self.traffic = Traffic()
        self.received = Received()
        self.lanes = Lanes()
        self.connections = Connections(connections_at_most())
        self.stopping = asyncio.Event()
        """Set when it begins to stop: what goes on without end is to end."""
        self.upload_limit = RateLimit(clock)
        self.download_limit = RateLimit(clock)
        self.live_settings: KeptSettings
        self.unfinished: Unfinished
        self.collections: Collections
        self.verifying: Verifying
        self.damage: Damage
        self.scrubbing: Scrubbing
        self._sent_bytes = 0
        """What had been sent when it was last asked whether nothing else is to be done."""
        self.routes: list[Route] = []
        """What it serves, once started."""
        self.guest_routes: list[Route] = []
        """What it serves to guests, where it does."""
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
        self.stopping.set()
        await self._cleanup.aclose()

    async def _start(self, more_routes: Callable[["PeerApp"], Sequence[Route]]) -> None:
        settings = self.settings
        defer = self._cleanup.callback
        defer(self.audit.close)
        sockets = bind(settings.bind_hosts(), settings.port)
        for bound in sockets:
            defer(bound.close)
        self.port = sockets[0].getsockname()[1]
        guest_sockets: list[socket.socket] = []
        if settings.guest_port is not None:
            guest_sockets = bind(settings.guest_hosts(), settings.guest_port)
            self.guest_port = guest_sockets[0].getsockname()[1]
        for bound in guest_sockets:
            defer(bound.close)
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
            root = self.root = Mounts(settings.folder)
        except OSError as error:
            raise disk_error(error, f"use the folder {settings.folder}") from None
        self.index = await asyncio.to_thread(Index, settings.state / "index.sqlite")
        defer(self.index.close)
        placed = PlacedRecords(self.index)
        download_records = DownloadRecords(self.index)
        if settings.asked_anew:
            await asyncio.to_thread(placed.begin_run, self.clock.wall_s())
            download_records.remove_all()
        caller = begin_epoch(settings.identity, settings.peer_name, self.clock.wall_s())
        self.credentials = OwnerCredentials(owner_token(settings.state), self.clock)
        membership = await member_of(settings, self.clock.wall_s())
        self.membership = membership
        self.trackers = trackers_of(settings, membership)
        self.client = TrackerClient(
            self.trackers, membership, settings.name, self.clock, self._chance
        )
        self.client.when_moved(self._note_move)
        self._cleanup.push_async_callback(self.client.close)
        self._tls = None if membership is None else MemberTls(membership, self.clock)
        self.calling = PLAIN if self._tls is None else self._tls.calling
        session = client_session(self.calling)
        self._cleanup.push_async_callback(session.close)

        records = RootRecords(self.index)
        for further in records.roots():
            root.mount(further)
        root.leave_out(records.unshared())
        look = partial(look_for_roots, root, self.index, state_is_inside=settings.is_state_inside())
        announced = await asyncio.to_thread(look)
        registration = Registration(
            caller, self.port, settings.bind_hosts(), zone=settings.checked_zone
        )
        index = self.index

        def is_told(entry: Entry) -> bool:
            # To whom fetches the folder too, the folder says that its small files are here: for
            # a peer that is gone in a moment, the tracker's work would be greater than the get's.
            return not settings.ends_with_download or entry.size_bytes > MIN_CHUNK_BYTES

        def told_pages() -> Iterator[list[Entry]]:
            for page in entry_pages(index, root.shows):
                yield [entry for entry in page if is_told(entry)]
            yield self.collections.offering.entries()

        self.announcer = Announcer(
            self.client, registration, told_pages, self.clock, self._chance, is_told
        )
        self.announcer.noted = self._note_membership
        await asyncio.to_thread(self._count_in, all_there=all(announced.values()))

        def withdraw(shared: SharedFile) -> None:
            self.sharing.withdraw(shared)

        contents = self.contents = Contents(root, index, withdraw)
        self.sharing = Sharing(root, index, self.announcer, contents, self.clock)
        self.scanning = Scanning(root, index, self.sharing, look, self.clock)
        defer(self.scanning.close)
        self.presence = Presence(root, index, self.announcer, contents, look, announced)
        self.watching = Watching(root, self.scanning, self.presence, self.clock)
        damage = self.damage = Damage(DamageRecords(index), withdraw)
        self.scanning.is_damaged = damage.holds
        self.sharing.came = damage.end
        self.scrubbing = Scrubbing(
            root, index, self.sharing, damage, ScrubRecords(index), self._is_idle, self.clock
        )
        uploads = self.uploads = Uploads(self.sharing, settings.partials.parent / "uploads")
        self.resumable = ResumableUploads(
            settings.partials.parent / "resumable",
            self.sharing,
            uploads.slots,
            self.clock,
            lambda content: next((f.path for f in index.by_content(content)), None),
        )
        self.adding = Adding(root, records, self.watching, uploads, settings.state)
        lanes = self.lanes
        fetching = Fetching(
            registration=registration,
            client=self.client,
            session=session,
            contents=contents,
            sharing=self.sharing,
            announcer=self.announcer,
            lanes=lanes,
            partials=settings.partials,
            limit=self.download_limit,
            received=self.received,
            clock=self.clock,
            chance=self._chance,
        )
        repairing = Repairing(root, damage, fetching, self.sharing, settings.partials, self.clock)
        self.verifying = Verifying(root, index, self.sharing, damage, repairing.repair)
        texts = Texts(settings.state / TEXTS, keeps_one=settings.asked_anew)
        self.collections = Collections(
            root=root,
            index=index,
            sharing=self.sharing,
            scanning=self.scanning,
            announcer=self.announcer,
            contents=contents,
            texts=texts,
            clock=self.clock,
            whole_folder_name=settings.name,
        )
        self.guest_links = GuestLinks(
            settings.state, index, self.collections, self.clock, self.audit
        )
        if not settings.asked_anew:
            await self.collections.restore(download_records.contents_under_way())
        self.presence.changed = self.collections.offering.look_again
        folders = FolderDownloads(
            FolderParts(
                root=root,
                index=index,
                sharing=self.sharing,
                fetching=fetching,
                collections=self.collections,
                contents=contents,
                announcer=self.announcer,
                texts=texts,
                placed=placed,
                clock=self.clock,
                partials=settings.partials,
                ends_with_download=settings.ends_with_download,
            )
        )
        self.unfinished = Unfinished(
            settings.partials,
            texts,
            lambda: [download.record for download in self.downloads.all()],
            self.clock,
            has_queue=settings.shares_folder,
        )
        self.downloads = Downloads(
            DownloadWay(fetching, folders, self.sharing, download_records, self.clock),
            download_records,
            self.clock,
            state=settings.state,
            waits_for_room=settings.shares_folder,
            let_go=self.unfinished.let_go,
            check=self.sharing.check_unchecked,
        )
        self.live_settings = KeptSettings(SettingRecords(index), settings.given_limits(), self._use)
        sender = Sender(self.upload_limit, self.traffic)
        defer(sender.close)
        never_sent = NeverSent(self._chance)
        answers = ContentAnswers(sender, lanes, never_sent)
        granting = Granting(contents, lanes, never_sent)
        content_routes = ContentRoutes(contents, answers, granting, caller.secret, self._chance)
        bundle_routes = BundleRoutes(contents, sender, lanes)
        file_routes = FileRoutes(
            uploads, index, contents, answers, self.announcer, self.trackers[0], self.audit
        )
        self.routes = [
            *content_routes.routes(),
            *bundle_routes.routes(),
            *file_routes.routes(),
            *more_routes(self),
        ]
        doorkeeper = Doorkeeper(
            is_open=settings.open,
            allowed_hosts=settings.allowed_hosts,
            credentials=self.credentials,
        )
        if not settings.asked_anew:
            await self.resumable.restore()
        self._cleanup.push_async_callback(self.resumable.close)
        await self._serve_guests(guest_sockets, contents, texts, sender)
        await self._serve(
            sockets,
            application(self.routes, doorkeeper, self.audit),
            lambda others, connections: ChunkServer(
                contents,
                sender,
                lanes,
                never_sent,
                granting,
                doorkeeper,
                connections,
                others,
            ),
        )
        defer(contents.close)
        self._cleanup.push_async_callback(self.downloads.close)
        defer(self.sharing.stop)
        defer(self.verifying.stop)
        self._cleanup.push_async_callback(self._leave)
        if self._tls is not None:
            self.announcer.revoked = self._tls.revoke
            self._keep(self._tls.keep_renewed(self.client))
        self._keep(self._announce())
        self._keep(self.collections.offering.run())
        self.downloads.restore()
        self._keep(self.downloads.look_for_room())
        self._keep(self.unfinished.run())
        if not settings.asked_anew:
            self._keep(self.resumable.run())
        if settings.shares_folder:
            self._keep(self.watching.run())
            self._keep(self.scrubbing.run())

    def _count_in(self, *, all_there: bool) -> None:
        """Begin with the digest of what the index remembers of roots that are there."""
        total = self.index.total
        if all_there and (known := total.value()) is not None:
            self.announcer.start_at(known)
            return
        digest = self.announcer.start_with(entry_pages(self.index, self.root.shows))
        if all_there:
            with contextlib.suppress(NoSpace):
                total.keep(digest)

    async def _announce(self) -> None:
        """Register once the folder has been compared with the index, if that is soon.

        Telling the tracker everything would take the interpreter from the comparison.
        """
        if self.settings.shares_folder:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.scanning.compared.wait(), COMPARED_FIRST_S)
        await self.announcer.run()

    async def _serve(
        self,
        sockets: list[socket.socket],
        app: web.Application,
        chunk_server: Callable[[Callable[[], asyncio.Protocol], Connections], ChunkServer],
    ) -> None:
        others = await http_server(app, self._cleanup)
        connections = self.connections
        server = chunk_server(http_connections(others, connections), connections)
        self._cleanup.push_async_callback(server.close, DRAIN_S)
        await listen(sockets, server.connection, self._cleanup, self._tls)

    async def _serve_guests(
        self, sockets: list[socket.socket], contents: Contents, texts: Texts, sender: Sender
    ) -> None:
        if not sockets:
            return
        keeper = GuestDoorkeeper(self.guest_links, self.settings.allowed_hosts)
        self.guest_routes = GuestRoutes(
            keeper, contents, texts, sender, self._chance, self.audit
        ).routes()
        server = await http_server(
            application(self.guest_routes, keeper, self.audit), self._cleanup
        )
        connections = Connections(GUEST_CONNECTIONS, GUEST_CONNECTIONS_PER_ADDRESS)
        await listen(sockets, http_connections(server, connections, enters=True), self._cleanup)

    def _use(self, live: LiveSettings) -> None:
        self.upload_limit.change(live.upload_limit_bytes_s, live.upload_limit_per_peer_bytes_s)
        self.download_limit.change(
            live.download_limit_bytes_s, live.download_limit_per_peer_bytes_s
        )
        self.downloads.set_active_at_once(live.active_downloads)
        self.scrubbing.rate_bytes_s = live.verify_rate_bytes_s

    def _is_idle(self) -> bool:
        """Whether nothing was sent since it was last asked, and nothing is fetched or hashed."""
        sent, self._sent_bytes = self._sent_bytes, self.traffic.up_bytes
        return not (
            sent != self._sent_bytes or self.downloads.are_running() or self.scanning.to_hash
        )

    def _note_membership(self, event: str, why: str) -> None:
        tracker = f"the tracker {self.client.address}"
        self.audit.note(event, name=self.settings.name, what=tracker, why=why)

    def _note_move(self, before: str, after: str) -> None:
        log.info("The tracker %s is asked from now on, instead of %s.", after, before)

    async def _leave(self) -> None:
        request_ids.begin(request_ids.new_id())
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

    def given_url(self) -> str:
        """Where others fetch without being members, if they may; else where the owner does."""
        host = self.settings.bind_hosts()[-1] if self.settings.open else LOOPBACK
        return _url(host, self.port)

    def guest_url(self) -> str | None:
        """Where guests come in, if they do."""
        if not self.guest_port:
            return None
        return _url(self.settings.guest_hosts()[0], self.guest_port)


def _url(host: str, port: int) -> str:
    if host == ANY_HOST:
        host = way_to(ELSEWHERE) or LOOPBACK
    return f"http://{authority(host, port)}"
