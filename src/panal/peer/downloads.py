"""The downloads of a peer: a queue that survives restarts, and what its owner sees of it.

A few run at once; the others wait in order of priority, then of coming. What is
paused, or was under way when the peer stopped, goes on from the chunks that are there.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from enum import Enum

from panal.clock import Clock
from panal.errors import NotFound, PanalError, TargetTaken, Unreachable, UsageError
from panal.peer.fetching import LONGEST_LOOK_AGAIN_S, LOOK_AGAIN_S, Fetching, Transfer
from panal.peer.folder_downloads import FolderDownloads
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.sharing import Sharing
from panal.store.download_records import DownloadRecord, DownloadRecords
from panal.wire.ids import ContentId
from panal.wire.links import Link, parse_what
from panal.wire.manifest import Kind, Manifest
from panal.wire.names import SafePath, printable, visible_path

log = logging.getLogger(__name__)

ACTIVE_AT_ONCE = 4
"""How many run at once until the owner says otherwise."""
ENDED_KEPT = 200
"""How many ended downloads stay listed."""


class State(Enum):
    """Where a download stands; the values are those of the API."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


_ENDED = {State.DONE, State.FAILED}


@dataclass(slots=True)
class Download:
    """One download, as its owner sees it."""

    record: DownloadRecord
    transfer: Transfer = field(default_factory=Transfer)
    transfer_s: float = 0.0
    """From the first request until the final name exists."""
    waiting_for: str = ""
    """What it waits for before anything can be fetched, in words."""
    task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """What it is called."""
        return self.record.id

    @property
    def state(self) -> State:
        """Where it stands: a running one that gets nothing is waiting."""
        state = State(self.record.state)
        return State.WAITING if state is State.RUNNING and self.reason else state

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return State(self.record.state) in _ENDED

    @property
    def reason(self) -> str:
        """Why it does not move, or how it failed, in words."""
        if self.record.error_text:
            return self.record.error_text
        if State(self.record.state) is not State.RUNNING:
            return ""
        return self.waiting_for or self.transfer.reason


class Downloads:
    """Runs downloads and remembers how they went."""

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
        self._active_at_once = ACTIVE_AT_ONCE
        self._downloads: dict[str, Download] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    # What the owner does ------------------------------------------------------------------

    def restore(self) -> None:
        """Take up what was left when the peer stopped."""
        for record in self._records.all():
            if State(record.state) in {State.RUNNING, State.WAITING}:
                record.state = State.QUEUED.value
            self._downloads[record.id] = Download(record)
        self._start_queued()
        self.check_in_background()

    def start(
        self, what: str, path: SafePath | None = None, *, priority: int = 0, wait: bool = False
    ) -> Download:
        """Queue a download, or give the one that is under way; UsageError for a bad `what`.

        With `wait`, a name that nobody shares yet is waited for.
        """
        parse_what(what)
        for known in self._downloads.values():
            same_name = path is None or known.record.path == path
            if known.record.what == what and same_name and not known.has_ended:
                return known
        self._forget_old()
        record = DownloadRecord(secrets.token_hex(8), what, path, priority, wait)
        download = self._downloads[record.id] = Download(record)
        self._records.save(record)
        self._start_queued()
        return download

    def all(self) -> list[Download]:
        """Every download, the newest last."""
        return [self.get(download_id) for download_id in self._downloads]

    def get(self, download_id: str) -> Download:
        """One download, its progress brought up to now; NotFound."""
        download = self._downloads.get(download_id)
        if download is None:
            raise NotFound("There is no such download.")
        download.transfer.look()
        return download

    async def pause(self, download_id: str) -> Download:
        """Stop a download, keeping what is there; UsageError once it has ended."""
        download = self._changeable(download_id)
        self._set(download, State.PAUSED)
        await _stop(download)
        self._start_queued()
        return download

    def resume(self, download_id: str) -> Download:
        """Queue a paused download again; UsageError once it has ended."""
        download = self._changeable(download_id)
        if State(download.record.state) is State.PAUSED:
            self._set(download, State.QUEUED)
            self._start_queued()
        return download

    def set_priority(self, download_id: str, priority: int) -> Download:
        """Let a download go before those of a lower priority."""
        download = self._changeable(download_id)
        download.record.priority = priority
        self._records.save(download.record)
        return download

    def set_active_at_once(self, count: int) -> None:
        """Let so many run at once; those that run already go on."""
        self._active_at_once = count
        self._start_queued()

    async def remove(self, download_id: str) -> None:
        """Cancel a download if it runs, and take it off the list."""
        download = self.get(download_id)
        del self._downloads[download_id]
        self._records.remove(download_id)
        await _stop(download)
        self._start_queued()

    async def close(self) -> None:
        """Stop all, keeping what is there for the next start."""
        self._is_closing = True
        for download in self._downloads.values():
            await _stop(download)
        for check in list(self._checks):
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    def _changeable(self, download_id: str) -> Download:
        download = self.get(download_id)
        if download.has_ended:
            raise UsageError("That download has ended.")
        return download

    def _forget_old(self) -> None:
        ended = [d.id for d in self._downloads.values() if d.has_ended]
        for download_id in ended[: max(0, len(ended) - ENDED_KEPT)]:
            del self._downloads[download_id]
            self._records.remove(download_id)

    # The queue ----------------------------------------------------------------------------

    def _start_queued(self) -> None:
        if self._is_closing:
            return
        running = sum(d.record.state == State.RUNNING.value for d in self._downloads.values())
        queued = [d for d in self._downloads.values() if d.record.state == State.QUEUED.value]
        queued.sort(key=lambda download: -download.record.priority)
        for download in queued[: max(0, self._active_at_once - running)]:
            self._set(download, State.RUNNING)
            download.task = asyncio.create_task(self._run(download))

    def _set(self, download: Download, state: State, error: PanalError | None = None) -> None:
        record = download.record
        record.state = state.value
        record.error_slug = "" if error is None else error.slug
        record.error_text = "" if error is None else str(error)
        if record.id in self._downloads and not self._is_closing:
            self._records.save(record)

    async def _run(self, download: Download) -> None:
        what = printable(download.record.what)
        try:
            await self._fetch(download)
            self._set(download, State.DONE)
            log.info("Fetched %s.", printable(download.record.path or ""))
        except PanalError as error:
            self._set(download, State.FAILED, error)
            log.warning("The download of %s failed: %s", what, error)
        except Exception as error:
            self._set(download, State.FAILED, PanalError(f"A fault in Panal: {error!r}."))
            log.exception("The download of %s failed.", what)
        self._start_queued()

    # One download -------------------------------------------------------------------------

    async def _fetch(self, download: Download) -> None:
        record = download.record
        link = await self._identify(download)
        record.content = link.content
        record.size_bytes = link.size_bytes or 0
        path = record.path = record.path or visible_path(_name(link))
        is_folder = await asyncio.to_thread(self._folders.is_folder, path)
        wants_all = link.inside is None
        if wants_all and not is_folder and await self._is_there(download, link.content, path):
            return
        began_s = self._clock.now_s()
        manifest = await self._folders.manifest(link.content)
        if manifest is None:
            manifest = await self._fetching.manifest(link.content, download.transfer)
        if manifest.kind is Kind.COLLECTION:
            await self._fetch_folder(download, link, manifest, path)
        elif is_folder:
            raise TargetTaken(f"{printable(path)} is there and is no file.")
        elif not wants_all:
            raise NotFound("That is a file, not a folder: there is nothing inside.")
        else:
            record.size_bytes = manifest.size_bytes
            self._records.save(record)
            await self._fetching.fetch(link.content, manifest, path, download.transfer)
        download.transfer_s = self._clock.now_s() - began_s
        self.check_in_background()

    async def _fetch_folder(
        self, download: Download, link: Link, manifest: Manifest, path: SafePath
    ) -> None:
        inside = link.inside
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
        pause_s = LOOK_AGAIN_S
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
            await self._clock.sleep(pause_s)
            download.waiting_for = ""
            pause_s = min(LONGEST_LOOK_AGAIN_S, pause_s * 1.5)

    async def _is_there(self, download: Download, content: ContentId, path: SafePath) -> bool:
        there = await self._sharing.already_there(path, content)
        if there is None:
            return False
        size = download.record.size_bytes = there.fingerprint.size_bytes
        download.transfer.bytes_done = download.transfer.bytes_resumed = size
        return True

    def check_in_background(self) -> None:
        """Compute the SHA-256 of whatever was fetched and not checked yet."""
        if not any(not check.done() for check in self._checks):
            task = asyncio.create_task(self._sharing.check_unchecked())
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)


def _name(link: Link) -> str:
    """Under which name a content goes into the folder, if no other is wanted."""
    if link.inside is not None:
        return link.inside.rpartition("/")[2]
    return link.name or link.content.hex()


async def _stop(download: Download) -> None:
    if download.task is not None:
        download.task.cancel()
        await asyncio.gather(download.task, return_exceptions=True)
        download.task = None
