"""One download's way: what is meant, whether it is there, then the file or the folder."""

import asyncio

from panal.clock import Clock
from panal.errors import NotFound, TargetTaken, Unreachable
from panal.peer.download import Download
from panal.peer.fetching import LONGEST_LOOK_AGAIN_S, LOOK_AGAIN_S, Fetching
from panal.peer.folder_downloads import FolderDownloads
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.sharing import Sharing
from panal.store.download_records import DownloadRecords
from panal.wire.ids import ContentId
from panal.wire.links import Link, parse_what
from panal.wire.manifest import Kind, Manifest
from panal.wire.names import SafePath, bears, printable, visible_path


class DownloadWay:
    """Takes downloads to their end, one call each; asked again, it goes on."""

    def __init__(
        self,
        fetching: Fetching,
        folders: FolderDownloads,
        sharing: Sharing,
        records: DownloadRecords,
        clock: Clock,
    ) -> None:
        self._fetching = fetching
        self._folders = folders
        self._sharing = sharing
        self._records = records
        self._clock = clock

    async def fetch(self, download: Download) -> None:
        """Do all of it; PanalError, and NoSpace where the disk has no room for it now."""
        download.begin_again()
        record = download.record
        link = await self._identify(download)
        record.content = link.content
        record.size_bytes = link.size_bytes or 0
        path = record.path = record.path or await self.place_of(link) or visible_path(_name(link))
        is_folder = await asyncio.to_thread(self._folders.is_folder, path)
        if (
            link.inside is None
            and not is_folder
            and await self._is_there(download, link.content, path)
        ):
            return
        began_s = self._clock.now_s()
        try:
            await self._fetch_all(download, link, path, is_folder=is_folder)
        finally:
            download.earlier.spent_s += self._clock.now_s() - began_s
        download.transfer_s = download.earlier.spent_s

    async def _fetch_all(
        self, download: Download, link: Link, path: SafePath, *, is_folder: bool
    ) -> None:
        record = download.record
        manifest = await self._folders.manifest(link.content)
        if manifest is None:
            manifest = await self._fetching.manifest(link.content, download.transfer)
        if manifest.kind is Kind.COLLECTION:
            await self._fetch_folder(download, link, manifest, path)
        elif is_folder:
            raise TargetTaken(f"{printable(path)} is there and is no file.")
        elif link.inside is not None:
            raise NotFound("That is a file, not a folder: there is nothing inside.")
        else:
            record.size_bytes = manifest.size_bytes
            self._records.save(record)
            await self._fetching.fetch(link.content, manifest, path, download.transfer)

    async def _fetch_folder(
        self, download: Download, link: Link, manifest: Manifest, path: SafePath
    ) -> None:
        inside = link.inside
        download.transfer.is_of_list = True
        entries = await self._folders.entries(
            link.content, manifest, path, inside, download.transfer
        )
        download.record.size_bytes = sum(entry.size_bytes for entry in entries)
        self._records.save(download.record)
        download.transfer = transfer = FolderTransfer(clock=self._clock)
        await self._folders.fetch(link.content, manifest, entries, transfer)
        await self._folders.finish(link.content, manifest, path, inside)

    async def _identify(self, download: Download) -> Link:
        """What is meant; with `wait`, as soon as it exists."""
        record = download.record
        asked = parse_what(record.what)
        if record.content is not None and record.path is not None:
            inside = asked.inside if isinstance(asked, Link) else None
            return Link(record.content, record.path, record.size_bytes, inside=inside)
        if isinstance(asked, Link) and asked.inside is None and record.path is not None:
            return asked  # no name is looked for: it has one here
        pause_s = LOOK_AGAIN_S
        async with self._fetching.news_of(asked) as news:
            while True:
                try:
                    link = await self._fetching.identify(asked)
                    if link.inside is not None:
                        record.what = str(link)  # a restart must not have to find it again
                    return link
                except (NotFound, Unreachable) as error:
                    if not record.wait:
                        raise
                    download.waiting_for = f"{error} It is waited for."
                await news.pause(pause_s)
                download.waiting_for = ""
                pause_s = min(LONGEST_LOOK_AGAIN_S, pause_s * 1.5)

    async def place_of(self, link: Link) -> SafePath | None:
        """Where a content is already: under its name in whatever folder, or under any."""
        if link.inside is not None:
            return None
        folder = self._folders.place_of(link.content)
        if folder is not None and bears(folder, link.name):
            named = visible_path(_name(link))
            return named if await asyncio.to_thread(self._folders.is_folder, named) else folder
        return await self._sharing.place_of(link.content, link.name)

    async def _is_there(self, download: Download, content: ContentId, path: SafePath) -> bool:
        there = await self._sharing.already_there(path, content)
        if there is None:
            return False
        size = download.record.size_bytes = there.fingerprint.size_bytes
        download.transfer.bytes_done = download.transfer.bytes_resumed = size
        download.transfer_s = download.earlier.spent_s
        await self._fetching.drop_unfinished(content)
        return True


def _name(link: Link) -> str:
    """Under which name a content goes into the folder, if no other is wanted."""
    if link.inside is not None:
        return link.inside.rpartition("/")[2]
    return link.name or link.content.hex()
