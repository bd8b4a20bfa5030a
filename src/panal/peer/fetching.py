"""One content from wherever it is into the folder, under its name, whole and durable.

The way of a get: what → locate → core → source → verify → write → serve; then durable →
into place → index → announce.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Container, Coroutine, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from weakref import WeakValueDictionary

from panal.clock import Clock
from panal.errors import (
    IntegrityError,
    NoSpace,
    NotFound,
    PanalError,
    Unreachable,
)
from panal.peer.announcer import Announcer
from panal.peer.calling import Calling
from panal.peer.content_swarm import ContentSwarm
from panal.peer.contents import Contents, OpenContent
from panal.peer.http_source import fetch_manifest
from panal.peer.identifying import identify, watched_for
from panal.peer.lanes import Lanes
from panal.peer.manifest_asking import ManifestAsking
from panal.peer.news import News, about
from panal.peer.placing import to_end
from panal.peer.rate_limit import RateLimit
from panal.peer.received import Received
from panal.peer.sharing import Sharing
from panal.peer.tracker_client import TrackerClient
from panal.peer.transfer import Transfer
from panal.store.local_chunks import LocalChunks, begin_as_clone
from panal.store.partial import PartialFile
from panal.store.shared_files import SharedFile
from panal.store.space import allocated_bytes, check_space
from panal.store.unfinished import leftovers_in, remove
from panal.swarm.border import Border
from panal.swarm.engine import Engine
from panal.swarm.state import DownloadState
from panal.wire.catalogue import Provider, Registration, Watched
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId, PeerName
from panal.wire.links import Link, What
from panal.wire.manifest import Manifest, decode
from panal.wire.names import SafePath

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0
LONGEST_LOOK_AGAIN_S = 10.0


class Fetching:
    """Finds, fetches and places contents, one call each."""

    def __init__(
        self,
        *,
        registration: Registration,
        client: TrackerClient,
        calling: Calling,
        contents: Contents,
        sharing: Sharing,
        announcer: Announcer,
        lanes: Lanes,
        partials: Path,
        limit: RateLimit,
        received: Received,
        clock: Clock,
        chance: Random,
    ) -> None:
        self.limit = limit
        """On what comes in."""
        self.received = received
        """What has come in."""
        self.calling = calling
        """How other peers are called."""
        self._name = registration.caller.name
        self._zone = registration.zone
        self._registration = registration
        self._client = client
        self._contents = contents
        self._sharing = sharing
        self._announcer = announcer
        self._lanes = lanes
        self._partials = partials
        self._clock = clock
        self._chance = chance
        self._contents_under_way: WeakValueDictionary[ContentId, asyncio.Lock] = (
            WeakValueDictionary()
        )
        """Two downloads of one content, under two names, go one after the other."""

    # From what to id, from id to manifest -------------------------------------------------

    async def identify(self, asked: What) -> Link:
        """The one content that was meant; NotFound, or AmbiguousName listing them."""
        return await identify(self._client, asked)

    def news_of(self, asked: What) -> News:
        """News of whether somebody shares it."""
        return News(self._client, watched_for(asked), self._clock)

    def news_of_providers(self, content: ContentId, known: Container[str]) -> News:
        """News of whether a known one has come again, or somebody shares the content."""
        wanted = Watched(peers=True, contents=(content,))
        return News(self._client, wanted, self._clock, about(known))

    async def manifest(
        self, content: ContentId, transfer: Transfer, likely: Sequence[Provider] = ()
    ) -> Manifest:
        """From whoever gives the right one, or this peer; waits, saying why, while nobody does.

        `likely` are asked first, and the tracker only if they do not have it.
        """
        with contextlib.suppress(NotFound):  # nobody names this peer to itself
            return decode(self._contents.encoded_manifest(content), content)
        pause_s = LOOK_AGAIN_S
        asked: set[str] = set()
        async with self.news_of_providers(content, asked) as news:
            while True:
                try:
                    providers = likely or await self.locate(content)
                    transfer.named, likely = () if likely else providers, ()
                    reason = "nobody online holds this content; the tracker is asked again"
                except Unreachable as error:
                    providers, reason = [], str(error)
                asked.update(provider.peer for provider in providers)
                try:
                    if providers:
                        manifest = await self._first_manifest(content, providers, transfer)
                        transfer.waiting_for = ""
                        return manifest
                except (Unreachable, IntegrityError) as error:
                    reason = str(error)
                transfer.waiting_for = reason
                await news.pause(pause_s, told_s=pause_s)
                pause_s = min(LONGEST_LOOK_AGAIN_S, pause_s * 1.5)

    async def _first_manifest(
        self, content: ContentId, providers: Sequence[Provider], transfer: Transfer
    ) -> Manifest:
        def ask(provider: Provider, begins: Callable[[], None]) -> Coroutine[Any, Any, Manifest]:
            return fetch_manifest(self.calling, provider, content, begins)

        def quiet(peer: PeerName) -> None:
            transfer.waiting_for = f"{peer} was asked for the manifest and says nothing yet"

        whole_first = sorted(providers, key=lambda provider: not provider.complete)
        return await ManifestAsking(ask, self._clock, quiet).first(whole_first)

    # From manifest to file ----------------------------------------------------------------

    async def fetch(
        self,
        content: ContentId,
        manifest: Manifest,
        path: SafePath,
        transfer: Transfer,
        listed: CollectionEntry | None = None,
    ) -> SharedFile:
        """Fetch a content and put it in place; asked again, it goes on where it was stopped.

        `listed` is what a folder says of the file: its time and executable bit are restored.
        TargetTaken where other content has come under the name meanwhile.
        """
        executable = listed is not None and listed.type is EntryType.EXECUTABLE
        mtime_ns = None if listed is None else listed.mtime_ns
        if listed is None:  # else it was looked at with its folder
            await self._sharing.refuse_unplaceable(path, self._partials)
        async with self.whole(content, manifest, self._partials, transfer) as partial:
            await asyncio.to_thread(
                partial.make_publishable, executable=executable, mtime_ns=mtime_ns
            )
            placed = await self._sharing.put_in_place(
                partial.path, path, content, manifest, sha256_checked=False
            )
            await to_end(asyncio.to_thread(partial.discard))
        return placed.file

    @contextlib.asynccontextmanager
    async def whole(
        self,
        content: ContentId,
        manifest: Manifest,
        folder: Path,
        transfer: Transfer,
        own: OpenContent | None = None,
    ) -> AsyncIterator[PartialFile]:
        """A content fetched whole into `<id>.part` in a folder; kept if it is stopped.

        What `own` has of it is copied, or what is shared here under another path.
        """
        turn = self._contents_under_way.setdefault(content, asyncio.Lock())
        if turn.locked():
            transfer.waiting_for = "another download of the same content goes first"
        async with turn:
            transfer.waiting_for = ""
            if folder == self._partials:
                await self._sharing.make_own_place(folder.parent)
            with self._own_copy(content, own) as own:
                partial = await _opened(folder, content, manifest, own)
                try:
                    with _saying_what_is_missing(partial):
                        await self._transfer(content, partial, transfer, own)
                        yield partial
                finally:
                    self._contents.end_partial(content)
                    self._announcer.release(content)
                    await to_end(asyncio.to_thread(partial.close))

    @contextlib.contextmanager
    def _own_copy(
        self, content: ContentId, own: OpenContent | None
    ) -> Iterator[OpenContent | None]:
        with contextlib.suppress(PanalError):  # what cannot be read here can be had from others
            own = own or self._contents.open(content)
        try:
            yield own
        finally:
            if own is not None:
                own.close()

    async def drop_unfinished(self, content: ContentId) -> None:
        """Remove what there is of a content in part: all of it has its name already."""
        await asyncio.to_thread(_drop_unfinished, self._partials, content)

    async def locate(self, content: ContentId) -> list[Provider]:
        """Who holds a content, this peer aside."""
        return await self._client.locate(content, self._name, zone=self._zone)

    async def _transfer(
        self,
        content: ContentId,
        partial: PartialFile,
        transfer: Transfer,
        own: OpenContent | None,
    ) -> None:
        manifest = partial.manifest
        local = LocalChunks(partial, own.descriptor, own.bits) if own else LocalChunks(partial)
        state = DownloadState(
            manifest.chunk_bytes,
            manifest.chunk_count,
            partial.written,
            self._chance,
            Border(manifest.chunk_count, self._name, self._zone),
            local.unsure,
        )
        self._announcer.hold(content, complete=False)
        others = ContentSwarm(
            content,
            manifest,
            state,
            registration=self._registration,
            client=self._client,
            calling=self.calling,
            lanes=self._lanes,
            limit=self.limit,
            clock=self._clock,
            banned=transfer.banned.__setitem__,
            named=transfer.named,
        )
        transfer.named = ()
        engine = Engine(state, partial, others, self._clock, local)

        def met(follower: Provider) -> None:
            if (source := others.met(follower)) is not None:
                engine.called(source)

        self._contents.begin_partial(content, partial, met)
        transfer.follow(engine, partial)
        self.received.begin(engine)
        try:
            await engine.run()
        finally:
            self.received.end(engine)
            transfer.unfollow()


async def _opened(
    folder: Path, content: ContentId, manifest: Manifest, own: OpenContent | None
) -> PartialFile:
    """A partial file; a cancel counts once it is closed again: it may be removed next."""
    opening = asyncio.ensure_future(
        asyncio.to_thread(_open_partial, folder, content, manifest, own)
    )
    try:
        return await to_end(opening)
    except asyncio.CancelledError:
        if opening.exception() is None:
            await to_end(asyncio.to_thread(opening.result().close))
        raise


def _open_partial(
    folder: Path, content: ContentId, manifest: Manifest, own: OpenContent | None
) -> PartialFile:
    if own is not None:
        begin_as_clone(folder, content, manifest, own.descriptor, own.bits)
    path = folder / f"{content.hex()}.part"
    missing_bytes = max(0, manifest.size_bytes - allocated_bytes(path))
    check_space(folder, missing_bytes)
    try:
        return PartialFile(folder, content, manifest)
    except NoSpace as error:
        raise NoSpace(str(error), str(folder), missing_bytes) from None


def _drop_unfinished(folder: Path, content: ContentId) -> None:
    for leftover in leftovers_in(folder):
        if leftover.content == content:
            remove(leftover)


@contextlib.contextmanager
def _saying_what_is_missing(partial: PartialFile) -> Iterator[None]:
    try:
        yield
    except NoSpace as error:
        if error.place:
            raise
        missing_bytes = max(0, partial.manifest.size_bytes - allocated_bytes(partial.path))
        raise NoSpace(str(error), str(partial.path.parent), missing_bytes) from None
