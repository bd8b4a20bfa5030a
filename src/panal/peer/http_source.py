"""One provider over HTTP: its manifest, its availability, and its chunks."""

import asyncio
import threading
from collections.abc import Callable

from panal.errors import IntegrityError, Unreachable
from panal.peer.calling import PLAIN, Calling
from panal.peer.chunk_connection import ChunkConnection, words_of
from panal.peer.have_stream import follow
from panal.peer.questions import asked
from panal.peer.rate_limit import RateLimit
from panal.store.partial import PartialFile
from panal.store.texts import manifest_of_text
from panal.swarm.chunk_source import SourceFailure
from panal.swarm.messages import Failure
from panal.wire import bitfield
from panal.wire.catalogue import Provider
from panal.wire.ids import NO_ZONE, ContentId, Zone
from panal.wire.manifest import MAX_MANIFEST_BYTES, Manifest, content_id, decode

MANIFEST_S = 60.0
SHARED_FROM = 16
"""A request for so many chunks or more goes by two connections at once: its provider is fast."""


async def fetch_manifest(
    calling: Calling,
    provider: Provider,
    content: ContentId,
    begins: Callable[[], None] = lambda: None,
) -> Manifest:
    """A content's manifest from one provider, compared with the id before it is parsed.

    `begins` is called once it begins to come. Unreachable where it does not come, IntegrityError
    where it is another.
    """
    address = f"{content.hex()}/manifest"
    encoded = await _body(calling, provider, address, MAX_MANIFEST_BYTES, begins)
    return await asyncio.to_thread(decode, encoded, content)


async def fetch_text(
    calling: Calling, provider: Provider, content: ContentId, size_bytes: int
) -> bytes:
    """A folder's list from one provider, compared with the id.

    Unreachable where it does not come, IntegrityError where it is another.
    """
    text = await _body(calling, provider, content.hex(), size_bytes)
    manifest = await asyncio.to_thread(manifest_of_text, text)
    if content_id(manifest.encode()) != content:
        raise IntegrityError(f"{provider.peer} sends another list than was asked for.")
    return text


async def _body(
    calling: Calling,
    provider: Provider,
    address: str,
    most_bytes: int,
    begins: Callable[[], None] = lambda: None,
) -> bytes:
    path = f"/content/{address}"
    try:
        async with asyncio.timeout(MANIFEST_S), asked(calling, provider, path) as answer:
            if answer.status != 200:
                raise Unreachable(f"{provider.peer} does not have it (status {answer.status}).")
            begins()
            return await answer.body(most_bytes)
    except OSError as error:
        raise Unreachable(f"{provider.peer} does not answer ({words_of(error)}).") from None
    except IntegrityError as error:
        raise IntegrityError(f"{provider.peer} sends {error}.") from None


class HttpSource:
    """One provider of one content; made for the engine."""

    def __init__(
        self,
        provider: Provider,
        content: ContentId,
        manifest: Manifest,
        limit: RateLimit,
        own: str = "",
        calling: Calling = PLAIN,
        zone: Zone = NO_ZONE,
    ) -> None:
        """`own` is what a provider is told of us: where it may fetch in turn; `zone` too."""
        self._own = own
        self._zone = zone
        self._provider = provider
        self._content = content
        self._manifest = manifest
        self._calling = calling
        self._first = ChunkConnection(provider, content, manifest, limit, calling)
        self._second = ChunkConnection(provider, content, manifest, limit, calling)

    @property
    def bytes_received(self) -> int:
        """Bytes of chunks since it was made."""
        return self._first.bytes_received + self._second.bytes_received

    @property
    def held_s(self) -> float:
        """How long our own limit kept bytes from coming."""
        return self._first.held_s + self._second.held_s

    # Availability -------------------------------------------------------------------------

    async def follow(self, tell: Callable[[int, bool], None]) -> None:
        """Tell what the provider has until its stream ends; SourceFailure says why."""

        def told(bits: int | None, indices: list[int]) -> None:
            if bits is not None:
                tell(bits, True)
            if indices:
                tell(bitfield.from_few(indices), False)

        path = f"/content/{self._content.hex()}/have"
        provider, chunk_count = self._provider, self._manifest.chunk_count
        try:
            await follow(provider, path, chunk_count, told, self._own, self._calling, self._zone)
        except IntegrityError as error:
            raise SourceFailure(Failure.MISBEHAVED, str(error)) from None
        except (TimeoutError, OSError) as error:
            raise SourceFailure(Failure.BROKEN, words_of(error)) from None

    # Chunks -------------------------------------------------------------------------------

    def fetch(
        self,
        first: int,
        count: int,
        into: PartialFile,
        wrote: Callable[[int], None],
        *,
        gives_way: bool = False,
    ) -> None:
        """Fetch chunks `first` to `first + count - 1`; `wrote` follows each right one."""
        if count < SHARED_FROM:
            self._first.fetch(first, count, into, wrote, gives_way=gives_way)
            return
        half = count // 2
        self._both(
            lambda: self._first.fetch(first, half, into, wrote, gives_way=gives_way),
            lambda: self._second.fetch(
                first + half, count - half, into, wrote, gives_way=gives_way
            ),
        )

    def fetch_any(
        self,
        among: int,
        most: int,
        into: PartialFile,
        granted: Callable[[int, int], None],
        wrote: Callable[[int], None],
        *,
        gives_way: bool = False,
    ) -> None:
        """Fetch up to `most` chunks of the provider's choice; `granted` says which, before any."""
        if most < SHARED_FROM:
            self._first.fetch_any(among, most, into, granted, wrote, gives_way=gives_way)
            return
        half = most // 2
        self._both(
            lambda: self._first.fetch_any(among, half, into, granted, wrote, gives_way=gives_way),
            lambda: self._second.fetch_any(among, half, into, granted, wrote, gives_way=gives_way),
        )

    def _both(self, one: Callable[[], None], other: Callable[[], None]) -> None:
        """Receive over two connections at once: one thread alone is slower than the wire."""
        failures: list[BaseException] = []

        def keep(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
                if not _is_harmless(error):
                    self.cancel()

        # A cancellation of what the first did alone; one of this request the first has too.
        self._second.forget_cancel()
        thread = threading.Thread(target=keep, args=(other,), name="fetch-second")
        thread.start()
        try:
            keep(one)
        finally:
            thread.join()
            self._first.forget_cancel()
            self._second.forget_cancel()
        if failures:
            # A lie or a full disk weighs more than a connection that we ended ourselves.
            raise next((e for e in failures if not isinstance(e, SourceFailure)), failures[0])

    def cancel(self) -> None:
        """Make a running fetch end at once, from any thread."""
        self._first.cancel()
        self._second.cancel()


def _is_harmless(error: BaseException) -> bool:
    """Whether the other connection may go on."""
    return isinstance(error, SourceFailure) and error.failure is Failure.NOTHING_UNSENT
