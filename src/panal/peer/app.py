"""The peer's parts, put together: started in order, stopped in reverse."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import PanalError
from panal.peer.adding import Adding
from panal.peer.announcer import Announcer
from panal.peer.calling import PLAIN
from panal.peer.collections import Collections
from panal.peer.config import PeerSettings
from panal.peer.connections import Connections
from panal.peer.contents import Contents
from panal.peer.damage import Damage
from panal.peer.doors import connections_at_most
from panal.peer.download_way import DownloadWay
from panal.peer.downloads import Downloads
from panal.peer.fetching import Fetching
from panal.peer.folder_claim import claim, release
from panal.peer.folder_downloads import FolderDownloads, FolderParts
from panal.peer.folder_telling import FolderTelling
from panal.peer.guest_links import GuestLinks
from panal.peer.identity import begin_epoch
from panal.peer.joining import member_of, trackers_of
from panal.peer.lanes import Lanes
from panal.peer.lease import Lease
from panal.peer.lifetime import Lifetime
from panal.peer.live_settings import KeptSettings, LiveSettings
from panal.peer.member_tls import MemberTls
from panal.peer.membership import Membership
from panal.peer.opened_folder import OpenedFolder, open_folder
from panal.peer.owner_token import OwnerCredentials, owner_token
from panal.peer.placing import to_end
from panal.peer.ports import Ports
from panal.peer.presence import Presence
from panal.peer.rate_limit import RateLimit
from panal.peer.received import Received
from panal.peer.repairing import Repairing
from panal.peer.resumable_uploads import ResumableUploads
from panal.peer.scanning import Scanning
from panal.peer.scrubbing import Scrubbing
from panal.peer.serving import open_doors
from panal.peer.sharing import Sharing
from panal.peer.tracker_client import TrackerClient
from panal.peer.traffic import Traffic
from panal.peer.unfinished import Unfinished, queue_mark
from panal.peer.uploads import Uploads
from panal.peer.verifying import Verifying
from panal.peer.vouching import Vouching
from panal.peer.watching import Watching
from panal.store.damage_records import DamageRecords
from panal.store.index import Index
from panal.store.mounts import Mounts
from panal.store.scrub_records import ScrubRecords
from panal.store.setting_records import SettingRecords
from panal.store.shared_files import SharedFile
from panal.store.texts import Texts
from panal.wire.catalogue import Registration

if TYPE_CHECKING:
    from panal.peer.access import Route

log = logging.getLogger(__name__)


class PeerApp:
    """One running peer."""

    def __init__(self, settings: PeerSettings, clock: Clock, chance: Random) -> None:
        settings.check()
        self.settings = settings
        self.clock = clock
        self.chance = chance
        self._lifetime = Lifetime(self._part_failed)
        self.stopping = asyncio.Event()
        """Set when it begins to stop: what goes on without end is to end."""
        self.audit = AuditLog(None if settings.asked_anew else settings.state, clock)
        self.metrics_port = 0
        """Where metrics are told to whoever asks; 0: nowhere."""
        self.ports: Ports
        self.routes: list[Route] = []
        """What it serves, once started."""
        self.guest_routes: list[Route] = []
        """What it serves to guests, where it does."""
        self.credentials: OwnerCredentials
        self.guest_links: GuestLinks
        self.connections = Connections(connections_at_most())
        self.lanes = Lanes()
        self.traffic = Traffic()
        self.received = Received()
        self.upload_limit = RateLimit(clock)
        self.download_limit = RateLimit(clock)
        self.live_settings: KeptSettings
        self._sent_bytes = 0
        """What had been sent when it was last asked whether nothing else is to be done."""

        self.membership: Membership | None = None
        """What makes it a member, where it is in a network."""
        self._tls: MemberTls | None = None
        self.calling = PLAIN
        """How other peers are called."""
        self.trackers: tuple[str, ...] = ()
        self.client: TrackerClient
        self.announcer: Announcer
        self.lease: Lease

        self._opened: OpenedFolder
        self.root: Mounts
        self.index: Index
        self.texts: Texts
        self.contents: Contents
        self.sharing: Sharing
        self.scanning: Scanning
        self.presence: Presence
        self.watching: Watching
        self.adding: Adding
        self._may_clear = False
        """Whether what uploads have left in the folder is this peer's."""
        self.uploads: Uploads
        self.resumable: ResumableUploads
        self.collections: Collections
        self.damage: Damage
        self.verifying: Verifying
        self.scrubbing: Scrubbing
        self.downloads: Downloads
        self.unfinished: Unfinished

    @property
    def port(self) -> int:
        """Where it answers."""
        return self.ports.port

    async def start(self, more_routes: Callable[["PeerApp"], "Sequence[Route]"]) -> None:
        """Bind, open, serve, then register; what was started is stopped on any failure."""
        try:
            await self._start(more_routes)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave the tracker, stop serving, keep what is there."""
        self.stopping.set()
        await self._lifetime.end()

    async def _start(self, more_routes: Callable[["PeerApp"], "Sequence[Route]"]) -> None:
        self._lifetime.at_end(self.audit.close)
        self.ports = Ports(self.settings, self._lifetime)
        await self._open_folder()
        registration = await self._meet_trackers()
        there = await asyncio.to_thread(self._opened.mount_further)
        await self._begin_to_announce(registration, all_there=all(there.values()))
        self._share(there)
        await self._take_uploads()
        await self._share_folders()
        fetching = self._fetch(registration)
        self._look_after_files(fetching)
        self._download(fetching)
        if self._may_clear:
            await self.resumable.restore()
        self._lifetime.at_end_await(self.resumable.close)
        await open_doors(self, registration.caller.secret, more_routes, self._lifetime, self._tls)
        self._go_on()

    async def _open_folder(self) -> None:
        opening = asyncio.to_thread(
            open_folder, self.settings, self.clock.wall_s(), self._lifetime.at_end
        )
        opened = self._opened = await to_end(opening)  # else what it opens would stay open
        self.root, self.index, self.texts = opened.root, opened.index, opened.texts

    async def _meet_trackers(self) -> Registration:
        """Who it is to them, and how they and other peers are called; nobody is asked yet."""
        settings, now_s = self.settings, self.clock.wall_s()
        caller = begin_epoch(settings.identity, settings.peer_name, now_s)
        self.credentials = OwnerCredentials(owner_token(settings.state), self.clock)
        member = self.membership = await member_of(settings, now_s)
        self.trackers = trackers_of(settings, member)
        self.client = TrackerClient(self.trackers, member, settings.name, self.clock, self.chance)
        self.client.when_moved(self._note_move)
        self._lifetime.at_end_await(self.client.close)
        if member is not None:
            self._tls = MemberTls(member, self.clock)
            self.calling = self._tls.calling
        return Registration(caller, self.port, settings.bind_hosts(), zone=settings.checked_zone)

    async def _begin_to_announce(self, registration: Registration, *, all_there: bool) -> None:
        self._telling = FolderTelling(
            settings=self.settings,
            root=self.root,
            index=self.index,
            offered=lambda: self.collections.offering.entries(),
            client=self.client,
            registration=registration,
            audit=self.audit,
            clock=self.clock,
            chance=self.chance,
        )
        self.announcer, self.lease = self._telling.announcer, self._telling.lease
        await asyncio.to_thread(self._telling.begin, all_there=all_there)

    def _withdraw(self, shared: SharedFile) -> None:
        self.sharing.withdraw(shared)

    def _share(self, there: dict[str, bool]) -> None:
        """The folder's files: found, hashed, watched."""
        root, index, clock = self.root, self.index, self.clock
        look = self._opened.look_for_roots
        self.contents = Contents(root, index, self._withdraw)
        self.sharing = Sharing(root, index, self.announcer, self.contents, clock)
        self._vouching = Vouching(root, index, self.announcer)
        self.scanning = Scanning(root, index, self.sharing, look, clock)
        self._lifetime.at_end(self.scanning.close)
        self.presence = Presence(root, index, self.announcer, self.contents, look, there)
        self.watching = Watching(root, self.scanning, self.presence, clock)

    async def _take_uploads(self) -> None:
        """A get clears no peer's files away: one that runs may share the folder."""
        settings, index = self.settings, self.index
        aside = settings.partials.parent
        self.uploads = Uploads(self.sharing, aside / "uploads")
        if settings.shares_folder:
            mine = settings.partials, settings.state
            self._may_clear = await to_end(asyncio.to_thread(claim, *mine))
            if self._may_clear:
                self._lifetime.at_end(lambda: release(*mine))
        else:
            self._may_clear = not settings.asked_anew
        if not settings.asked_anew:
            await asyncio.to_thread(self.uploads.make_ready, clears=self._may_clear)
        if self._may_clear or (
            settings.asked_anew  # then it is what an earlier get has left
            and not await asyncio.to_thread(queue_mark(settings.partials).exists)
        ):
            await asyncio.to_thread(self._opened.clear_away)
        self.resumable = ResumableUploads(
            aside / "resumable",
            self.sharing,
            self.uploads.slots,
            self.clock,
            lambda content: next((f.path for f in index.by_content(content)), None),
        )
        self.adding = Adding(
            self.root, self._opened.further_roots, self.watching, self.uploads, settings.state
        )

    async def _share_folders(self) -> None:
        """Whole folders as contents, and links for guests to one content."""
        self.collections = Collections(
            root=self.root,
            index=self.index,
            sharing=self.sharing,
            scanning=self.scanning,
            announcer=self.announcer,
            contents=self.contents,
            texts=self.texts,
            clock=self.clock,
            whole_folder_name=self.settings.name,
        )
        self.guest_links = GuestLinks(
            self.settings.state, self.index, self.collections, self.clock, self.audit
        )
        if not self.settings.asked_anew:
            await self.collections.restore(self._opened.downloads.contents_under_way())
        self.presence.changed = self.collections.offering.look_again

    def _fetch(self, registration: Registration) -> Fetching:
        return Fetching(
            registration=registration,
            client=self.client,
            calling=self.calling,
            contents=self.contents,
            sharing=self.sharing,
            announcer=self.announcer,
            lanes=self.lanes,
            partials=self.settings.partials,
            limit=self.download_limit,
            received=self.received,
            clock=self.clock,
            chance=self.chance,
        )

    def _look_after_files(self, fetching: Fetching) -> None:
        """Rot: found, withdrawn, mended."""
        root, index, sharing = self.root, self.index, self.sharing
        damage = self.damage = Damage(DamageRecords(index), self._withdraw, root)
        self.scanning.is_damaged = self.contents.is_damaged = damage.holds
        damage.restore(index.by_path)
        sharing.came = damage.end
        partials = self.settings.partials
        repairing = Repairing(root, damage, fetching, sharing, self._vouching, partials, self.clock)
        self.verifying = Verifying(root, index, sharing, damage, repairing.repair)
        self.scrubbing = Scrubbing(
            root, index, sharing, damage, ScrubRecords(index), self._is_idle, self.clock
        )

    def _download(self, fetching: Fetching) -> None:
        """The queue of downloads, and what unfinished ones leave."""
        settings, records = self.settings, self._opened.downloads
        self.unfinished = Unfinished(
            settings.partials,
            self.texts,
            lambda: [download.record for download in self.downloads.all()],
            self.clock,
            has_queue=settings.shares_folder,
        )
        folders = self._folder_downloads(fetching)
        self.downloads = Downloads(
            DownloadWay(fetching, folders, self.sharing, records, self.clock),
            records,
            self.clock,
            state=settings.state,
            waits_for_room=settings.shares_folder,
            let_go=self.unfinished.let_go,
            check=self._vouching.check_unchecked,
            sent_bytes=lambda: self.traffic.up_bytes,
            refuse_offline=self.sharing.refuse_offline,
            rotted=self.damage.words_below,
        )
        kept = SettingRecords(self.index)
        self.live_settings = KeptSettings(kept, settings.given_limits(), self._use)

    def _folder_downloads(self, fetching: Fetching) -> FolderDownloads:
        parts = FolderParts(
            root=self.root,
            index=self.index,
            sharing=self.sharing,
            fetching=fetching,
            collections=self.collections,
            contents=self.contents,
            announcer=self.announcer,
            texts=self.texts,
            placed=self._opened.placed,
            clock=self.clock,
            partials=self.settings.partials,
            ends_with_download=self.settings.ends_with_download,
        )
        return FolderDownloads(parts)

    def _go_on(self) -> None:
        """Begin what goes on until the end, which comes in reverse: it leaves the tracker first."""
        settings, lifetime = self.settings, self._lifetime
        lifetime.at_end(self.contents.close)
        lifetime.at_end_await(self.downloads.close)
        lifetime.at_end(self._vouching.stop)
        lifetime.at_end(self.sharing.stop)
        lifetime.at_end(self.verifying.stop)
        lifetime.at_end_await(self._telling.leave)
        if self._tls is not None:
            self.lease.revoked = self._tls.revoke
            lifetime.keep(self._tls.keep_renewed(self.client))
        lifetime.keep(self._telling.run(self.scanning.compared))
        lifetime.keep(self.collections.offering.run())
        self.downloads.restore()
        lifetime.keep(self.downloads.look_for_room())
        lifetime.keep(self.unfinished.run())
        if not settings.asked_anew:
            lifetime.keep(self.resumable.run())
        if settings.shares_folder:
            lifetime.keep(self.watching.run())
            lifetime.keep(self.scrubbing.run())

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

    def _part_failed(self, error: BaseException) -> None:
        fatal = self.lease.fatal
        self.lease.tried.set()
        if not fatal.done():
            fatal.set_result(PanalError(f"A fault in Panal: {error!r}."))

    def _note_move(self, before: str, after: str) -> None:
        log.info("The tracker %s is asked from now on, instead of %s.", after, before)
