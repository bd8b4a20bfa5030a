"""The one loop that carries out a download's orders and reports what came of them.

Receiving, hashing and writing happen in threads, one for each running fetch; decisions and
availability streams on the event loop. Threads only leave facts behind; the loop takes all
that have gathered at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from panal.clock import Clock
from panal.errors import PanalError
from panal.store.partial import PartialFile
from panal.swarm.messages import (
    AskTracker,
    Ban,
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
    ChunksAvailable,
    ChunkWritten,
    Drop,
    Fact,
    Failure,
    Fetch,
    FetchEnded,
    Finish,
    Follow,
    Order,
    Progress,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.progress import progress_of
from panal.swarm.state import MAX_NEIGHBOURS, DownloadState

TICK_S = 0.25
SYNC_EVERY_S = 2.0


class SourceFailure(Exception):
    """A fetch or stream failed by its source's fault, or was cancelled."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


class CorruptChunk(Exception):
    """A source sent a chunk that is not what its hash says."""

    def __init__(self, index: int) -> None:
        super().__init__(f"wrong chunk {index}")
        self.index = index


class ChunkSource(Protocol):
    """One provider of one content."""

    @property
    def bytes_received(self) -> int:
        """Bytes of chunks since it was made; read from another thread."""
        ...

    async def follow(self, tell: Callable[[int, bool], None]) -> None:
        """Tell which chunks it has, first all (True), then further ones, until it ends.

        SourceFailure says why it ended.
        """
        ...

    def fetch(
        self, first: int, count: int, into: PartialFile, wrote: Callable[[int], None]
    ) -> None:
        """Fetch consecutive chunks in the calling thread; `wrote` follows each right one.

        SourceFailure, CorruptChunk, or the disk's PanalError.
        """
        ...

    def cancel(self) -> None:
        """Make a running fetch end soon, from any thread."""
        ...


class Engine:
    """Runs one download until every chunk is written."""

    def __init__(
        self,
        state: DownloadState,
        partial: PartialFile,
        *,
        connect: Callable[[SourceId], ChunkSource],
        locate: Callable[[Sequence[SourceId]], Awaitable[list[SourceId]]],
        banned: Callable[[Ban], None],
        clock: Clock,
    ) -> None:
        self._state = state
        self._partial = partial
        self._connect = connect
        self._locate = locate
        self._banned = banned
        self._clock = clock
        self._facts: deque[Fact] = deque()
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(MAX_NEIGHBOURS, thread_name_prefix="fetch")
        self._sources: dict[SourceId, ChunkSource] = {}
        self._counted: dict[SourceId, int] = {}
        self._followers: dict[SourceId, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._failure: PanalError | None = None

    def progress(self) -> Progress:
        """The download at this moment."""
        return progress_of(self._state, self._clock.now_s())

    async def run(self) -> None:
        """Fetch everything; PanalError where this machine's disk gives up."""
        try:
            self._spawn(self._tick())
            self._spawn(self._sync())
            while not self._state.finished:
                await self._woken.wait()
                self._woken.clear()
                self._take_facts()
                if self._failure is not None:
                    raise self._failure
            self._take_facts()
        finally:
            await self._stop()

    def report(self, fact: Fact) -> None:
        """Leave a fact for the loop, from any thread."""
        self._facts.append(fact)
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to care
            self._loop.call_soon_threadsafe(self._woken.set)

    def _take_facts(self) -> None:
        self._count_bytes()
        while self._facts:
            self._apply(self._facts.popleft())

    def _apply(self, fact: Fact) -> None:
        for order in self._state.apply(fact, self._clock.now_s()):
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Fetch(source, first, count):
                running = self._threads.submit(self._fetch, source, first, count)
                del running  # it reports by facts
            case CancelFetch(source):
                self._sources[source].cancel()
            case Follow(source):
                self._sources[source] = self._connect(source)
                self._counted[source] = 0
                self._followers[source] = self._spawn(self._follow(source))
            case Drop(source):
                if source in self._sources:
                    self._sources[source].cancel()
                if follower := self._followers.pop(source, None):
                    follower.cancel()
            case AskTracker(suspects):
                self._spawn(self._ask(suspects))
            case Ban():
                self._banned(order)
            case Finish():
                self._woken.set()

    def _fetch(self, source: SourceId, first: int, count: int) -> None:
        try:
            self._sources[source].fetch(
                first, count, self._partial, lambda index: self.report(ChunkWritten(source, index))
            )
            self.report(FetchEnded(source))
        except CorruptChunk as error:
            self.report(ChunkCorrupt(source, error.index))
            self.report(FetchEnded(source, Failure.MISBEHAVED, str(error)))
        except SourceFailure as error:
            self.report(FetchEnded(source, error.failure, str(error)))
        except PanalError as error:
            self._failure = error
            self.report(Ticked())
        except BaseException as error:  # a bug must end the download, not hang it
            self._failure = PanalError(f"The download failed: {error!r}.")
            self.report(Ticked())
            raise

    async def _follow(self, source: SourceId) -> None:
        def tell(bits: int, opening: bool) -> None:
            fact = SourceOpened(source, bits) if opening else ChunksAvailable(source, bits)
            self.report(fact)

        try:
            await self._sources[source].follow(tell)
            self.report(SourceClosed(source, "ended its list of chunks"))
        except SourceFailure as error:
            misbehaved = error.failure is Failure.MISBEHAVED
            self.report(SourceClosed(source, str(error), misbehaved))

    async def _ask(self, suspects: tuple[SourceId, ...]) -> None:
        try:
            found = await self._locate(suspects)
        except PanalError as error:
            self.report(TrackerAnswered(str(error)))
            return
        for source in found:
            self.report(SourceFound(source))
        self.report(TrackerAnswered())

    async def _tick(self) -> None:
        while True:
            self.report(Ticked())
            await self._clock.sleep(TICK_S)

    async def _sync(self) -> None:
        synced_at_s = self._clock.now_s()
        while True:
            await self._clock.sleep(TICK_S)
            if not self._partial.wants_sync and self._clock.now_s() - synced_at_s < SYNC_EVERY_S:
                continue
            synced_at_s = self._clock.now_s()
            try:
                await asyncio.to_thread(self._partial.sync)
            except PanalError as error:
                self._failure = error

    def _count_bytes(self) -> None:
        for source_id, source in self._sources.items():
            received = source.bytes_received
            if received != self._counted[source_id]:
                arrived = received - self._counted[source_id]
                self._counted[source_id] = received
                self._apply(BytesArrived(source_id, arrived))

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _stop(self) -> None:
        for task in list(self._background):
            task.cancel()
        for source in self._sources.values():
            source.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
