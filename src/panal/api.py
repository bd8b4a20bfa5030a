"""The façade: what the commands, the web routes and Python users call; it only delegates."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from urllib.parse import quote

from msgspec.structs import asdict

from panal.answers import (
    AddedAnswer,
    BrowseAnswer,
    DiskAnswer,
    DownloadAnswer,
    FilesAnswer,
    FolderAnswer,
    GuestLinkAnswer,
    GuestLinksAnswer,
    LinkAnswer,
    LogAnswer,
    PeerAnswer,
    PlanAnswer,
    RootAnswer,
    SearchAnswer,
    SettingsAnswer,
    StatusAnswer,
    UnfinishedAnswer,
    VerifyAnswer,
    VerifyProgress,
    WhyAnswer,
)
from panal.asking import Only, all_peers, search_query
from panal.errors import Refused
from panal.peer.announcer import ANNOUNCED_WITHIN_S
from panal.peer.app import PeerApp
from panal.peer.guest_links import DEFAULT_S, Named
from panal.peer.planning import Target, plan
from panal.peer.why import facts_of_download
from panal.store.space import room_at
from panal.views.catalogue import browse_answer, file_answer, folder_answer, search_answer
from panal.views.downloads import download_answer, plan_answer, unfinished_answer, why_answer
from panal.views.standing import (
    disk_answer,
    guest_link_answer,
    link_answer,
    network_answer,
    verify_progress,
)
from panal.wire.catalogue import FolderQuery
from panal.wire.ids import is_content_id, parse_peer_name
from panal.wire.links import Link
from panal.wire.manifest import Kind
from panal.wire.names import safe_path


class Node:
    """A running peer, as its owner uses it."""

    def __init__(self, app: PeerApp) -> None:
        self._app = app

    async def search(
        self, words: str, page: str = "", page_size: int = 100, only: Only | None = None
    ) -> SearchAnswer:
        """One page of what has such names, over everybody's files."""
        query = search_query(words, page, page_size, only)
        return search_answer(await self._app.client.search(query), self._app.trackers[0])

    @property
    def tracker(self) -> str:
        """Which of its trackers it asks now."""
        return self._app.client.address

    async def peers(self) -> list[PeerAnswer]:
        """Every live peer."""
        return await all_peers(self._app.client)

    async def browse(
        self, peer: str, under: str = "", page: str = "", page_size: int = 100
    ) -> BrowseAnswer:
        """One page of what a peer shares in a folder, as the tracker knows; NotFound."""
        folder = safe_path(under) if under else ""
        query = FolderQuery(parse_peer_name(peer), folder, page, page_size)
        client = self._app.client
        return browse_answer(query, await client.list_folder(query), self._app.trackers[0])

    def get(
        self, what: str, name: str | None = None, *, priority: int = 0, wait: bool = False
    ) -> DownloadAnswer:
        """Queue a download, into the folder, under another name if one is given.

        With `wait`, a name that nobody shares yet is waited for.
        """
        path = None if name is None else safe_path(name)
        downloads = self._app.downloads
        return download_answer(downloads.start(what, path, priority=priority, wait=wait))

    async def plan(self, what: str) -> PlanAnswer:
        """What a download would do; nothing is written."""
        settings = self._app.settings
        place_of = self._app.downloads.place_of
        target = Target(settings.folder.absolute(), settings.partials, settings.name, place_of)
        return plan_answer(await plan(self._app.client, self._app.calling, what, target))

    def downloads(self) -> list[DownloadAnswer]:
        """Every download, the newest last."""
        return [download_answer(download) for download in self._app.downloads.all()]

    def download(self, download_id: str) -> DownloadAnswer:
        """One download."""
        return download_answer(self._app.downloads.get(download_id))

    async def wait(self, download_id: str, most_s: float) -> None:
        """Until a running download has come to its end, and so long at most."""
        await self._app.downloads.wait(download_id, most_s)

    def why(self, download_id: str) -> WhyAnswer:
        """What a download waits for, or what limits it."""
        app, downloads = self._app, self._app.downloads
        download, turn = downloads.get(download_id), downloads.turn(download_id)
        return why_answer(facts_of_download(download, turn, app.live_settings.now, app.clock))

    async def make_orders_durable(self) -> None:
        """Put on the disk what was ordered until now; PanalError."""
        await asyncio.to_thread(self._app.index.make_durable)

    async def pause_download(self, download_id: str) -> DownloadAnswer:
        """Stop a download, keeping what is there."""
        return download_answer(await self._app.downloads.pause(download_id))

    def resume_download(self, download_id: str) -> DownloadAnswer:
        """Let a paused download go on."""
        return download_answer(self._app.downloads.resume(download_id))

    def prioritise_download(self, download_id: str, priority: int) -> DownloadAnswer:
        """Let a download go before those of a lower priority."""
        return download_answer(self._app.downloads.set_priority(download_id, priority))

    async def remove_download(self, download_id: str, *, delete: bool = False) -> None:
        """Cancel a download if it runs, and take it off the list.

        What is there of it ages out; with `delete` it goes at once, unless another download
        needs it. A file that is whole and in its place stays in any case.
        """
        download = await self._app.downloads.remove(download_id)
        if delete:
            await self._app.unfinished.delete(download.record)

    async def unfinished(self) -> list[UnfinishedAnswer]:
        """Every unfinished file, the oldest first."""
        return [unfinished_answer(file) for file in await self._app.unfinished.all()]

    async def verify(self, paths: Sequence[str] = (), *, repair: bool = False) -> VerifyAnswer:
        """Re-read shared files and folders, all where none is named; withdraw what differs.

        With `repair` the wrong chunks of damaged files are fetched from others.
        """
        steps = self.verifying(paths, repair=repair)
        answers = [step.answer async for step in steps if step.answer is not None]
        return answers[0]

    async def verifying(
        self, paths: Sequence[str] = (), *, repair: bool = False
    ) -> AsyncGenerator[VerifyProgress, None]:
        """`verify`, telling how far it has come; the last step has the answer.

        Closed before, it ends reading soon.
        """
        wanted = [safe_path(path) for path in paths]
        async with aclosing(self._app.verifying.verify(wanted, repair=repair)) as steps:
            async for found in steps:
                yield verify_progress(found)

    def settings(self) -> SettingsAnswer:
        """What can be changed while the peer runs, as it stands."""
        return SettingsAnswer(**asdict(self._app.live_settings.now))

    def change_settings(
        self,
        *,
        active_downloads: int | None = None,
        upload_limit_bytes_s: int | None = None,
        download_limit_bytes_s: int | None = None,
        upload_limit_per_peer_bytes_s: int | None = None,
        download_limit_per_peer_bytes_s: int | None = None,
        verify_rate_bytes_s: int | None = None,
    ) -> SettingsAnswer:
        """Change what is given, at once and for the next start too; a limit of 0 is none."""
        wanted = {
            "active_downloads": active_downloads,
            "upload_limit_bytes_s": upload_limit_bytes_s,
            "download_limit_bytes_s": download_limit_bytes_s,
            "upload_limit_per_peer_bytes_s": upload_limit_per_peer_bytes_s,
            "download_limit_per_peer_bytes_s": download_limit_per_peer_bytes_s,
            "verify_rate_bytes_s": verify_rate_bytes_s,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        self._app.live_settings.change(given)
        return self.settings()

    async def add(self, paths: Sequence[str], *, copy: bool = False) -> AddedAnswer:
        """Share files and folders of this machine in place, or copy them into the folder."""
        added = await self._app.adding.add(paths, copy=copy)
        return AddedAnswer(
            [RootAnswer(further.name, str(further.place)) for further in added.in_place],
            added.again,
            [file_answer(shared, self._app.trackers[0]) for shared in added.copied],
        )

    async def unshare(self, paths: Sequence[str]) -> list[str]:
        """Share these no more, until they are added again; their files stay as they are."""
        return await self._app.adding.unshare(paths)

    async def add_folder(self, path: str = "") -> FolderAnswer:
        """Share a folder as it is now, as one content; no path: the shared folder itself.

        Made again it takes the place of what it was, and unshared before it is shared again. The
        tracker knows of it then, unless it is slow or away.
        NotFound where there is no folder, Refused where it is left out for another reason.
        """
        folder = safe_path(path) if path else None
        if folder is not None:
            self._app.adding.take_back(folder)
        added = await self._app.collections.add(folder)
        if self._app.announcer.is_heard:
            await self._app.announcer.announced(ANNOUNCED_WITHIN_S, [added.record.path])
        return folder_answer(added, self._app.trackers[0])

    async def link(self, what: str) -> LinkAnswer:
        """The link of a shared file or folder, by its path or content id; NotFound.

        A folder is taken as it is now.
        """
        named = await self._named(what)
        link = Link(named.content, named.name, named.size_bytes, self._app.trackers[0])
        url = None
        if named.kind is Kind.FILE:
            name = quote(named.name, safe="")
            url = f"{self._app.ports.given_url()}/content/{named.content.hex()}/{name}"
        return link_answer(named, str(link), url)

    async def make_guest_link(self, what: str, duration_s: int = DEFAULT_S) -> GuestLinkAnswer:
        """A link that opens one content in any browser; NotFound, Refused without a listener."""
        url = self._app.ports.guest_url()
        if url is None:
            raise Refused(
                "Guests come in nowhere: start the peer with --guest-port, which lets whoever has "
                "such a link in over plain HTTP."
            )
        grant, made = self._app.guest_links.make(await self._named(what), duration_s)
        slash = "/" if grant.kind is Kind.COLLECTION else ""
        return guest_link_answer(grant, f"{url}/guest/{made}/{quote(grant.name, safe='')}{slash}")

    def guest_links(self) -> GuestLinksAnswer:
        """Every link for guests that counts."""
        links = [guest_link_answer(grant, None) for grant in self._app.guest_links.all()]
        return GuestLinksAnswer(links, self._app.ports.guest_url())

    def revoke_guest_link(self, link_id: str) -> None:
        """A link for guests counts no more; NotFound."""
        self._app.guest_links.revoke(link_id)

    async def _named(self, what: str) -> Named:
        if not is_content_id(what) and self._app.index.by_path(what) is None:
            self._app.adding.take_back(safe_path(what))
        return await self._app.guest_links.named(what)

    def files(self, after: str = "", limit: int = 1_000) -> FilesAnswer:
        """One page of this peer's shared files, in path order."""
        files = self._app.index.files_after(after, limit)
        address, shows = self._app.trackers[0], self._app.root.shows
        answers = [file_answer(f, address, offline=not shows(f.path)) for f in files]
        return FilesAnswer(answers, files[-1].path if len(files) == limit else None)

    async def log(self, most: int = 100) -> LogAnswer:
        """The last of what happened at this peer's doors, the newest last."""
        return LogAnswer(await asyncio.to_thread(self._app.audit.last, most))

    async def disk(self) -> DiskAnswer:
        """The room on the shared folder's disk."""
        folder = self._app.settings.folder.absolute()
        return disk_answer(folder, await asyncio.to_thread(room_at, folder))

    def status(self) -> StatusAnswer:
        """This peer's own state."""
        app, lease = self._app, self._app.lease
        files, size_bytes = app.index.totals()
        counts = zip(app.unfinished.totals(), app.resumable.totals(), strict=True)
        unfinished, unfinished_bytes = map(sum, counts)
        return StatusAnswer(
            name=app.settings.name,
            urls=app.ports.urls(),
            folder=str(app.settings.folder.absolute()),
            trackers=list(app.trackers),
            registered=lease.problem == "",
            reachable=lease.reachable,
            problem=lease.problem or ("" if lease.reachable else lease.reachability),
            reachability=lease.reachability,
            tracker=app.client.address,
            network=None if app.membership is None else network_answer(app.membership),
            open=app.settings.open,
            hosts=list(app.settings.bind_hosts()),
            port=app.port,
            guests=app.ports.guest_url(),
            settings=self.settings(),
            files=files,
            bytes=size_bytes,
            to_hash=app.scanning.to_hash,
            skipped=app.scanning.skipped.counts,
            skipped_folders=app.scanning.skipped.folders,
            skipped_examples=app.scanning.skipped.examples,
            roots=[
                RootAnswer(name, str(place)) for name, place in app.root.places().items() if name
            ],
            offline=app.presence.offline(),
            watching=app.watching.problems,
            unshared=sorted(app.root.ignoring.unshared),
            unfinished=unfinished,
            unfinished_bytes=unfinished_bytes,
            withdrawn=dict(app.collections.offering.withdrawn),
            damaged={file.path: app.damage.words(file) for file in app.damage.all()},
            unsettled=app.watching.unsettled,
        )
