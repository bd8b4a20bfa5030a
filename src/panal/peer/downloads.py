"""Downloads: what is asked for becomes an id, the id a manifest, the manifest a whole file.

The way of a get: what → locate → core → source → verify → write → serve; then durable →
into place → index → announce, and the SHA-256 in the background.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from panal.clock import Clock
from panal.errors import (
    AmbiguousName,
    IntegrityError,
    NotFound,
    PanalError,
    TargetTaken,
    Unreachable,
)
from panal.peer.announcer import Announcer
from panal.peer.contents import Contents
from panal.peer.http_source import HttpSource, authority, fetch_manifest
from panal.peer.sharing import Sharing
from panal.peer.tracker_client import TrackerClient
from panal.peer.uploads import check_space
from panal.store.index import SharedFile
from panal.store.partial import PartialFile
from panal.swarm.engine import Engine
from panal.swarm.messages import Ban, Progress, SourceId
from panal.swarm.state import DownloadState
from panal.wire.catalogue import Hit, Provider, SearchQuery
from panal.wire.ids import ContentId, PeerName
from panal.wire.links import ByName, BySha256, Link, What, parse_what
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable, safe_path

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0
LONGEST_LOOK_AGAIN_S = 10.0
ENDED_KEPT = 200
"""How many ended downloads stay listed."""


@dataclass(slots=True)
class Download:
    """One download, as its owner sees it."""

    id: str
    what: str
    content: ContentId | None = None
    path: SafePath | None = None
    size_bytes: int = 0
    state: str = "queued"
    """queued, running, waiting, done or failed."""
    reason: str = ""
    bytes_done: int = 0
    bytes_resumed: int = 0
    transfer_s: float = 0.0
    """From the first request until the final name exists."""
    served_by: dict[str, int] = field(default_factory=dict)
    """Bytes that each peer sent, by name."""
    banned: dict[str, str] = field(default_factory=dict)
    """Why each banned peer was, by name."""
    error: PanalError | None = None
    progress: Progress | None = None
    task: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in {"done", "failed"}


class Downloads:
    """Runs downloads and remembers how they went."""

    def __init__(
        self,
        *,
        name: PeerName,
        client: TrackerClient,
        session: aiohttp.ClientSession,
        contents: Contents,
        sharing: Sharing,
        announcer: Announcer,
        partials: Path,
        clock: Clock,
        chance: Random,
    ) -> None:
        self._name = name
        self._client = client
        self._session = session
        self._contents = contents
        self._sharing = sharing
        self._announcer = announcer
        self._partials = partials
        self._clock = clock
        self._chance = chance
        self._downloads: dict[str, Download] = {}
        self._engines: dict[str, tuple[Engine, PartialFile]] = {}
        self._checks: set[asyncio.Task[None]] = set()

    # The list -----------------------------------------------------------------------------

    def start(self, what: str, path: SafePath | None = None) -> Download:
        """Begin a download, or give the one that runs already; UsageError for a bad `what`."""
        asked = parse_what(what)
        for running in self._downloads.values():
            if running.what == what and not running.has_ended:
                return running
        self._forget_old()
        download = Download(secrets.token_hex(8), what, path=path)
        self._downloads[download.id] = download
        download.task = asyncio.create_task(self._run(download, asked))
        return download

    def all(self) -> list[Download]:
        """Every download, the newest last."""
        return [self.get(download_id) for download_id in self._downloads]

    def get(self, download_id: str) -> Download:
        """One download, its progress brought up to now; NotFound."""
        download = self._downloads.get(download_id)
        if download is None:
            raise NotFound("There is no such download.")
        if (running := self._engines.get(download_id)) is not None:
            self._take_progress(download, *running)
        return download

    async def remove(self, download_id: str) -> None:
        """Cancel a download if it runs, and take it off the list."""
        download = self.get(download_id)
        if download.task is not None:
            download.task.cancel()
            await asyncio.gather(download.task, return_exceptions=True)
        self._downloads.pop(download_id, None)

    async def close(self) -> None:
        """Stop all, keeping what is there for the next time."""
        tasks = [d.task for d in self._downloads.values() if d.task is not None]
        tasks += self._checks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget_old(self) -> None:
        ended = [d.id for d in self._downloads.values() if d.has_ended]
        for download_id in ended[: max(0, len(ended) - ENDED_KEPT)]:
            del self._downloads[download_id]

    # One download -------------------------------------------------------------------------

    async def _run(self, download: Download, asked: What) -> None:
        try:
            await self._fetch(download, asked)
            download.state, download.reason = "done", ""
            log.info("Fetched %s (%d bytes).", printable(download.path or ""), download.size_bytes)
        except PanalError as error:
            download.state, download.reason, download.error = "failed", str(error), error
            log.warning("The download of %s failed: %s", printable(download.what), error)
        except asyncio.CancelledError:
            download.state, download.reason = "failed", "cancelled"
            download.error = PanalError("The download was cancelled.")
            raise
        except Exception as error:
            log.exception("The download of %s failed.", printable(download.what))
            download.state, download.reason = "failed", "a fault in Panal; the log says more"
            download.error = PanalError(f"A fault in Panal: {error!r}.")

    async def _fetch(self, download: Download, asked: What) -> None:
        download.state = "running"
        link = await self._identify(download, asked)
        download.content, download.size_bytes = link.content, link.size_bytes or 0
        if download.path is None:
            download.path = safe_path(link.name or link.content.hex())
        if await self._is_there(download, link.content, download.path):
            return
        began_s = self._clock.now_s()
        manifest = await self._manifest(download, link.content)
        download.size_bytes = manifest.size_bytes
        partial = await asyncio.to_thread(self._open_partial, link.content, manifest)
        try:
            await self._transfer(download, link.content, partial)
            shared = await self._place(download, link.content, partial)
            download.transfer_s = self._clock.now_s() - began_s
        finally:
            self._contents.end_partial(link.content)
            self._announcer.release(link.content)
            await asyncio.to_thread(partial.close)
        await asyncio.to_thread(partial.discard)
        self._check_in_background(download, shared)

    def _open_partial(self, content: ContentId, manifest: Manifest) -> PartialFile:
        path = self._partials / f"{content.hex()}.part"
        there_bytes = path.stat().st_blocks * 512 if path.exists() else 0
        self._partials.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_space(self._partials, max(0, manifest.size_bytes - there_bytes))
        return PartialFile(self._partials, content, manifest)

    async def _is_there(self, download: Download, content: ContentId, path: SafePath) -> bool:
        try:
            there = await self._sharing.what_is_there(path)
        except NotFound as error:
            raise TargetTaken(str(error)) from None
        if there is None:
            return False
        if there != content:
            raise TargetTaken(
                f"{printable(path)} is already there with other content; it was left as it is. "
                "Move it away, or fetch into another folder."
            )
        if (shared := self._sharing.known(path)) is not None:
            download.size_bytes = shared.fingerprint.size_bytes
        download.bytes_done = download.bytes_resumed = download.size_bytes
        return True

    async def _transfer(self, download: Download, content: ContentId, partial: PartialFile) -> None:
        manifest = partial.manifest
        state = DownloadState(
            manifest.chunk_bytes, manifest.chunk_count, partial.written, self._chance
        )
        download.bytes_resumed = partial.bytes_in(partial.resumed)
        self._contents.begin_partial(content, partial)
        self._announcer.hold(content, complete=False)
        providers: dict[SourceId, Provider] = {}

        def connect(source: SourceId) -> HttpSource:
            return HttpSource(providers[source], content, manifest, self._session)

        async def locate(suspects: Sequence[SourceId]) -> list[SourceId]:
            names = [providers[source].peer for source in suspects]
            found = await self._client.locate(content, self._name, names)
            named = {_source_id(provider): provider for provider in found}
            providers.update(named)
            return list(named)

        def banned(ban: Ban) -> None:
            download.banned[providers[ban.source].peer] = ban.reason
            log.warning("%s is not used any more: it %s.", ban.source, ban.reason)

        engine = Engine(
            state, partial, connect=connect, locate=locate, banned=banned, clock=self._clock
        )
        self._engines[download.id] = engine, partial
        try:
            await engine.run()
        finally:
            self._take_progress(download, engine, partial)
            del self._engines[download.id]

    async def _place(
        self, download: Download, content: ContentId, partial: PartialFile
    ) -> SharedFile:
        assert download.path is not None  # noqa: S101 (set before the transfer began)
        download.state, download.reason = "running", "making it durable"
        await asyncio.to_thread(partial.make_publishable)
        return await self._sharing.put_in_place(
            partial.path, download.path, content, partial.manifest, sha256_checked=False
        )

    def _take_progress(self, download: Download, engine: Engine, partial: PartialFile) -> None:
        progress = engine.progress()
        download.progress = progress
        download.bytes_done = partial.bytes_in(partial.written)
        download.state = "waiting" if progress.reason else "running"
        download.reason = progress.reason
        download.served_by = {}
        for source in progress.sources:
            if source.bytes:
                peer = source.source.partition("@")[0]
                download.served_by[peer] = download.served_by.get(peer, 0) + source.bytes

    def _check_in_background(self, download: Download, shared: SharedFile) -> None:
        async def check() -> None:
            try:
                if not await self._sharing.check_sha256(shared):
                    log.error(
                        "The manifest of %s names a wrong SHA-256; whoever shared it first "
                        "made it wrong. The bytes are those of its content id.",
                        printable(shared.path),
                    )
            except (PanalError, OSError) as error:
                log.info("The SHA-256 of %s was not checked: %s", printable(shared.path), error)

        task = asyncio.create_task(check())
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    # From what to id, from id to manifest -------------------------------------------------

    async def _identify(self, download: Download, asked: What) -> Link:
        if isinstance(asked, Link):
            return asked if asked.name else await self._with_name(asked)
        if isinstance(asked, BySha256):
            page = await self._client.search(SearchQuery(sha256=asked.sha256))
            return choose(list(page.hits), f"sha256:{asked.sha256.hex()}")
        page = await self._client.search(SearchQuery(words=asked.name))
        return choose(_named_exactly(page.hits, asked), asked.name)

    async def _with_name(self, link: Link) -> Link:
        """A bare id gets the name under which others share it, where somebody does."""
        try:
            page = await self._client.search(SearchQuery(content=link.content))
        except PanalError:
            return link  # the tracker may come back; the id is enough to begin with
        return choose(list(page.hits), "") if page.hits else link

    async def _manifest(self, download: Download, content: ContentId) -> Manifest:
        """From whoever gives the right one; waits, saying why, while nobody does."""
        pause_s = LOOK_AGAIN_S
        while True:
            try:
                providers = await self._client.locate(content, self._name)
                reason = "nobody online holds this content; the tracker is asked again"
            except Unreachable as error:
                providers, reason = [], str(error)
            for provider in sorted(providers, key=lambda provider: not provider.complete):
                try:
                    return await fetch_manifest(self._session, provider, content)
                except (Unreachable, IntegrityError) as error:
                    reason = str(error)
            download.state, download.reason = "waiting", reason
            await self._clock.sleep(pause_s)
            pause_s = min(LONGEST_LOOK_AGAIN_S, pause_s * 1.5)
            download.state = "running"


def choose(hits: list[Hit], asked: str) -> Link:
    """The one content that was meant; NotFound, or AmbiguousName listing them."""
    if not hits:
        raise NotFound(f"Nobody shares {printable(asked)}.")
    if len(hits) > 1:
        listed = "; ".join(
            f"{hit.content.hex()} {printable(hit.names[0].path)} ({hit.size_bytes} bytes)"
            for hit in hits[:10]
            if hit.names
        )
        raise AmbiguousName(f"{printable(asked)} means {len(hits)} contents, ask by id: {listed}")
    hit = hits[0]
    name = hit.names[0].path.rpartition("/")[2] if hit.names else None
    return Link(hit.content, name, hit.size_bytes)


def _named_exactly(hits: Sequence[Hit], asked: ByName) -> list[Hit]:
    """The hits that bear the name itself, so that `data` does not mean `data-old` too."""
    return [
        hit
        for hit in hits
        if any(asked.name in {n.path, n.path.rpartition("/")[2]} for n in hit.names)
    ]


def _source_id(provider: Provider) -> SourceId:
    return SourceId(f"{provider.peer}@{authority(provider.host, provider.port)}")
