"""Contents of one chunk, each in one request and without a manifest.

The bytes make the manifest, and the manifest the id: what differs is a lie, of the provider
or of the folder's list. A provider that lied is not asked again for this folder.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from blake3 import blake3

from panal.clock import Clock
from panal.errors import IntegrityError, Unreachable
from panal.peer.calling import Calling
from panal.peer.fetching import LONGEST_LOOK_AGAIN_S, LOOK_AGAIN_S
from panal.peer.http_source import fetch_manifest
from panal.peer.questions import Answer, asked
from panal.peer.queue_patience import queue_patience
from panal.peer.rate_limit import RateLimit
from panal.peer.received import Received
from panal.peer.transfer import Transfer
from panal.wire.catalogue import Provider
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import MIN_CHUNK_BYTES, Kind, Manifest, content_id
from panal.wire.names import printable

REQUEST_S = 60.0
"""For a file, once its answer has begun; before that it waits in the provider's queue."""
STALL_S = 15.0

_NOBODY = "nobody online holds this content; the tracker is asked again"

Locate = Callable[[ContentId], Awaitable[list[Provider]]]


def is_small(entry: CollectionEntry) -> bool:
    """Whether a file has at most one chunk."""
    return entry.size_bytes <= MIN_CHUNK_BYTES


def manifest_of_small(data: bytes | memoryview) -> Manifest:
    """The manifest of at most one chunk."""
    hashes = blake3(data).digest() if data else b""
    return Manifest(Kind.FILE, len(data), MIN_CHUNK_BYTES, hashlib.sha256(data).digest(), hashes)


class _NotThere(Exception):
    """This provider does not have this content."""


class SmallFiles:
    """Asks the providers of one folder for its small files, whoever is least busy first."""

    def __init__(
        self,
        folder: ContentId,
        locate: Locate,
        calling: Calling,
        limit: RateLimit,
        received: Received,
        clock: Clock,
        wait: Callable[[float], Awaitable[None]],
    ) -> None:
        """`wait` is called where nobody gives a file, with how long it is worth to wait at most."""
        self._folder = folder
        self._locate = locate
        self.calling = calling
        self.limit = limit
        self.received = received
        self.clock = clock
        self._wait = wait
        self._providers: dict[PeerName, Provider] = {}
        self.known: set[str] = set()
        """Whoever was named as a provider, those that do not answer now too."""
        self._asked: dict[PeerName, int] = {}
        """How many requests each has now."""
        self.banned: dict[str, str] = {}
        """Who lied, and how, in words; by name, for people."""
        self._banned_at: set[tuple[str, int]] = set()
        """At which address: a liar may come back under another name."""

    async def get(
        self, entry: CollectionEntry, transfer: Transfer
    ) -> tuple[bytes, Manifest, PeerName]:
        """A file's bytes, verified; waits, saying why, while nobody gives them.

        IntegrityError where the folder's list is wrong about it.
        """
        assert entry.content is not None  # noqa: S101 (a file)
        pause_s = LOOK_AGAIN_S
        while True:
            reason = ""
            tried: set[PeerName] = set()
            for of in (None, self._folder, entry.content):
                reason = await self._look_for(of, reason)
                while (provider := self._next(tried)) is not None:
                    tried.add(provider.peer)
                    try:
                        await self._admitted(provider, entry, transfer)
                        data, manifest = await self._ask(provider, entry)
                    except Unreachable as error:
                        reason = str(error)
                        self.drop(provider)
                    except _NotThere:
                        self.limit.give_back(entry.size_bytes, provider.peer)
                        reason = f"{provider.peer} does not have all of the folder yet"
                    except IntegrityError as error:
                        reason = str(error)
                        if provider.peer not in self.banned:
                            raise
                    else:
                        transfer.waiting_for = ""
                        return data, manifest, provider.peer
            transfer.waiting_for = reason
            await self._wait(pause_s)
            pause_s = min(LONGEST_LOOK_AGAIN_S, pause_s * 1.5)

    async def look(self) -> list[Provider]:
        """Who has the folder, or some of it; the tracker is asked unless somebody is known."""
        if not self.usable():
            await self._look_for(self._folder, "")
        return self.usable()

    def drop(self, provider: Provider) -> None:
        """It does not answer; the tracker may name it again."""
        self._providers.pop(provider.peer, None)

    def usable(self) -> list[Provider]:
        """Who is known to have the folder and has not lied."""
        return [one for one in self._providers.values() if not self._is_banned(one)]

    def _is_banned(self, provider: Provider) -> bool:
        at = (provider.host, provider.port)
        return provider.peer in self.banned or at in self._banned_at

    def ban(self, provider: Provider, why: str) -> None:
        """It lied: not asked any more for this folder."""
        self.banned[provider.peer] = why
        self._banned_at.add((provider.host, provider.port))

    async def _look_for(self, content: ContentId | None, reason: str) -> str:
        """Ask the tracker who holds it; why that did not help, in words."""
        if content is None:
            return reason
        try:
            found = await self._locate(content)
        except Unreachable as error:
            return str(error)
        self._providers.update({provider.peer: provider for provider in found})
        self.known.update(provider.peer for provider in found)
        if reason not in {"", _NOBODY}:
            return reason
        liar = next((provider for provider in found if self._is_banned(provider)), None)
        return _NOBODY if liar is None else _lied_words(liar)

    def _next(self, tried: set[PeerName]) -> Provider | None:
        usable = [provider for provider in self.usable() if provider.peer not in tried]
        return min(usable, key=lambda provider: self._asked.get(provider.peer, 0), default=None)

    async def _admitted(
        self, provider: Provider, entry: CollectionEntry, transfer: Transfer
    ) -> None:
        """Wait for the limit before asking: while a provider sends, only its own time counts."""
        if self.limit.is_on:
            transfer.is_held = True
            try:
                await self.limit.admit(entry.size_bytes, provider.peer)
            finally:
                transfer.is_held = False

    async def _ask(self, provider: Provider, entry: CollectionEntry) -> tuple[bytes, Manifest]:
        peer = provider.peer
        self._asked[peer] = self._asked.get(peer, 0) + 1
        try:
            data = await self._receive(provider, entry)
        finally:
            self._asked[peer] -= 1
        if len(data) == entry.size_bytes:
            manifest = manifest_of_small(data)
            if content_id(manifest.encode()) == entry.content:
                self.received.add(len(data), 1)
                return data, manifest
        self.received.add(len(data), 0, 1)
        await self.blame(provider, entry)
        raise IntegrityError(_lied_words(provider))

    async def _receive(self, provider: Provider, entry: CollectionEntry) -> bytes:
        """The body, at most one byte more than the file should have."""
        assert entry.content is not None  # noqa: S101 (a file)
        path = f"/content/{entry.content.hex()}"
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(None) as patience,
                queue_patience(
                    self.calling, provider, lambda: patience.reschedule(loop.time()), self.clock
                ) as answered,
                asked(self.calling, provider, path) as answer,
            ):
                answered.set()
                if answer.status in {404, 410, 503}:
                    raise _NotThere
                if answer.status != 200:
                    raise Unreachable(f"{provider.peer} answered {answer.status}")
                async with asyncio.timeout(REQUEST_S):
                    return await _body(answer, entry.size_bytes)
        except OSError as error:
            words = str(error) or type(error).__name__
            raise Unreachable(f"{provider.peer} does not answer ({words})") from None

    async def blame(self, provider: Provider, entry: CollectionEntry) -> None:
        """Ban the provider, unless the folder's list is what is wrong: then IntegrityError."""
        assert entry.content is not None  # noqa: S101 (a file)
        try:
            manifest = await fetch_manifest(self.calling, provider, entry.content)
        except (Unreachable, IntegrityError):
            manifest = None
        if manifest is not None and not describes(manifest, entry):
            raise wrong_list(entry)
        self.ban(provider, f"sent wrong bytes for {entry.content.hex()}")


async def _body(answer: Answer, size_bytes: int) -> bytes:
    """At most one byte more than there should be; TimeoutError where it stalls."""
    data = bytearray()
    while len(data) <= size_bytes:
        async with asyncio.timeout(STALL_S):
            block = await answer.read(size_bytes + 1 - len(data))
        if not block:
            break
        data += block
    return bytes(data)


def _lied_words(provider: Provider) -> str:
    return f"{provider.peer} sent wrong bytes and is not asked any more"


def describes(manifest: Manifest, entry: CollectionEntry) -> bool:
    """Whether a content is what a folder's list says of it."""
    return manifest.kind is Kind.FILE and manifest.size_bytes == entry.size_bytes


def wrong_list(entry: CollectionEntry) -> IntegrityError:
    """The list of a folder is wrong about a file: nobody who serves it is to blame."""
    return IntegrityError(
        f"The folder's list is wrong about {printable(entry.path)}: its id means another "
        "size or kind. Whoever made the list must share the folder again."
    )
