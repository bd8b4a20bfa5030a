"""The one loop that carries out a download's orders and reports what came of them.

Receiving, hashing and writing happen in threads, one for each running fetch; decisions and
availability streams on the event loop. Threads only leave facts behind; the loop takes all
that have gathered at once.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from panal.clock import Clock
from panal.errors import PanalError
from panal.store.local_chunks import LocalChunks
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import ChunkSource, Others, SourceFailure
from panal.swarm.fact_queue import FactQueue
from panal.swarm.fetch_run import run_fetch
from panal.swarm.messages import (
    AskTracker,
    Ban,
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
    ChunksAvailable,
    ChunksCompared,
    ChunkWritten,
    DiskStoodStill,
    Drop,
    Fact,
    Failure,
    Fetch,
    FetchAny,
    FetchEnded,
    Follow,
    HearNews,
    HeldBack,
    Order,
    Progress,
    ServeFew,
    SourceCalled,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.neighbours import MAX_NEIGHBOURS
from panal.swarm.peer_exchange import PeerExchange
from panal.swarm.progress import progress_of
from panal.swarm.snapshot import SwarmFacts, facts_of
from panal.swarm.state import DownloadState
from panal.swarm.workers import Workers

TICK_S = 0.25
SYNC_EVERY_S = 2.0


class Engine:
    """Runs one download until every chunk is written."""

    def __init__(
        self,
        state: DownloadState,
        partial: PartialFile,
        others: Others,
        clock: Clock,
        local: LocalChunks | None = None,
    ) -> None:
        """`local` where more may be here than an earlier run has left."""
        self._state = state
        self._partial = partial
        self._local = local or LocalChunks(partial)
        self._others = others
        self._hearing: asyncio.Task[None] | None = None
        self._exchange = PeerExchange(others, self.found, self._spawn)
        self._clock = clock
        self._facts = FactQueue(self._take_facts, clock)
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._is_taking = False
        self._looked_at_s = clock.now_s()
        self._workers = Workers(MAX_NEIGHBOURS, "fetch")
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        """Syncs what has come, and looks at what was here."""
        self._sources: dict[SourceId, ChunkSource] = {}
        self._counted: dict[SourceId, int] = {}
        self._held_s: dict[SourceId, float] = {}
        self._followers: dict[SourceId, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._failure: PanalError | None = None
        self._had = state.written.bit_count()
        self.bytes_received = 0
        """Of chunks, right or wrong, as far as they were counted."""
        self.chunks_refused = 0

    @property
    def chunks_verified(self) -> int:
        """How many have come here and were right."""
        return self._state.written.bit_count() - self._had

    @property
    def state(self) -> DownloadState:
        """What is known and decided, to be looked at."""
        return self._state

    def progress(self) -> Progress:
        """The download at this moment."""
        return progress_of(self._state, self._clock.now_s())

    def facts(self) -> SwarmFacts:
        """What there is to say of the download at this moment."""
        return facts_of(self._state, self._clock.now_s())

    async def run(self) -> None:
        """Fetch everything; PanalError where this machine's disk gives up.

        Returns or raises only when no thread uses the partial file any more.
        """
        try:
            self._spawn(self._tick())
            self._spawn(self._sync())
            self._spawn(self._look_here())
            await self._done
        finally:
            self._others.serve_few(False)
            await self._stop()
        if self._failure is not None:
            raise self._failure

    def found(self, source: SourceId) -> None:
        """Somebody holds part of it, as was learned elsewhere than from the tracker."""
        self._note(SourceFound(source, self._others.zone_of(source)))

    def called(self, source: SourceId) -> None:
        """A source has called by itself."""
        self.found(source)
        self._note(SourceCalled(source))

    def _note(self, fact: Fact) -> None:
        """Take a fact, on the loop itself: a further turn of it would cost more than the fact."""
        self._facts.put(fact)
        if not self._is_taking:  # else it comes after what is being taken
            self._take_facts()

    def _take_facts(self) -> None:
        if self._done.done():
            return
        self._is_taking = True
        try:
            self._take_all()
        except Exception as error:
            self._fail(error)
        finally:
            self._is_taking = False
        if self._failure is not None or self._state.finished:
            self._done.set_result(None)

    def _take_all(self) -> None:
        for fact in self._facts.taken():
            if isinstance(fact, (ChunkWritten, FetchEnded)):
                # Before the fact: bytes of one fetch must not seem to be the next one's.
                self._count_bytes(fact.source)
            elif isinstance(fact, Ticked):
                self._look_at_disk()
                for source in list(self._sources):
                    self._count_bytes(source)
            elif isinstance(fact, ChunkCorrupt):
                self.chunks_refused += 1
            if self._state.is_crowded:
                # Else what has begun to come would be moved to another.
                for source in self._state.to_count(fact, self._clock.now_s()):
                    self._count_bytes(source)
            self._apply(fact)

    def _apply(self, fact: Fact) -> None:
        for order in self._state.apply(fact, self._clock.now_s()):
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Fetch() | FetchAny():
                self._workers.submit(partial(self._fetch, order, self._sources[order.source]))
            case CancelFetch(source):
                self._sources[source].cancel()
            case Follow(source):
                self._drop(source)  # its stream may have ended and its connection not
                made = self._sources[source] = self._others.connect(source)
                self._counted[source], self._held_s[source] = 0, 0.0
                self._followers[source] = self._spawn(self._follow(source, made))
            case Drop(source):
                self._drop(source)
            case AskTracker(suspects):
                self._spawn(self._ask(suspects))
            case HearNews(is_so):
                if self._hearing is not None:
                    self._hearing.cancel()
                self._hearing = self._spawn(self._hear()) if is_so else None
            case Ban():
                self._others.ban(order)
            case ServeFew(is_so):
                self._others.serve_few(is_so)
            # Finish asks for nothing: the state is finished now, and that ends the loop.

    def _drop(self, source: SourceId) -> None:
        if (dropped := self._sources.pop(source, None)) is not None:
            dropped.cancel()
        if (follower := self._followers.pop(source, None)) is not None:
            follower.cancel()

    def _fetch(self, order: Fetch | FetchAny, source: ChunkSource) -> None:
        try:
            run_fetch(order, source, self._partial, self._facts)
        except PanalError as error:
            self._fail(error)

    async def _follow(self, source_id: SourceId, source: ChunkSource) -> None:
        def tell(bits: int, opening: bool) -> None:
            self._note((SourceOpened if opening else ChunksAvailable)(source_id, bits))
            if opening:
                self._exchange.opened(source_id, self._sources)

        try:
            await source.follow(tell)
            self._facts.report(SourceClosed(source_id, "ended its list of chunks"))
        except SourceFailure as error:
            misbehaved = error.failure is Failure.MISBEHAVED
            self._facts.report(SourceClosed(source_id, str(error), misbehaved))
        except Exception as error:  # nothing that a peer sends may end the download
            self._facts.report(SourceClosed(source_id, repr(error), misbehaved=True))

    async def _hear(self) -> None:
        with contextlib.suppress(Exception):  # nothing that a tracker sends may end the download
            async with contextlib.aclosing(self._others.news()) as told:
                async for news in told:
                    self._note(news)

    async def _ask(self, suspects: tuple[SourceId, ...]) -> None:
        try:
            named = await self._others.locate(suspects)
            for source in named:
                self._facts.report(SourceFound(source, self._others.zone_of(source)))
        except PanalError as error:
            self._facts.report(TrackerAnswered(str(error)))
        else:
            self._facts.report(TrackerAnswered(named=frozenset(named)))

    async def _tick(self) -> None:
        while True:
            self._exchange.ask_next(self._sources)
            self._facts.report(Ticked())
            await self._clock.sleep(TICK_S)

    async def _sync(self) -> None:
        synced_at_s = self._clock.now_s()
        while True:
            await self._clock.sleep(TICK_S)
            if not self._partial.wants_sync and self._clock.now_s() - synced_at_s < SYNC_EVERY_S:
                continue
            synced_at_s = self._clock.now_s()
            await self._loop.run_in_executor(self._disk, self._sync_now)

    async def _look_here(self) -> None:
        """Beside the fetch, and before any of it counts, is served or is given a name."""
        while self._local.unsure:
            compared = await self._loop.run_in_executor(self._disk, self._local.look_at_some)
            if self._done.done():
                return  # the fact would not be taken
            self._had += compared[0].bit_count()
            self._note(ChunksCompared(*compared))

    def _sync_now(self) -> None:
        try:
            self._partial.sync()
        except PanalError as error:
            self._fail(error)  # here: at the end nobody waits for this thread's result

    def _look_at_disk(self) -> None:
        now_s = self._clock.now_s()
        still = self._partial.pending_writes.has_stood_still()
        if still or self._state.disk_still_s:
            self._apply(DiskStoodStill(now_s - self._looked_at_s if still else 0.0))
        self._looked_at_s = now_s

    def _count_bytes(self, source_id: SourceId) -> None:
        source = self._sources.get(source_id)
        if source is not None and (held_s := source.held_s - self._held_s[source_id]) > 0:
            self._held_s[source_id] += held_s  # before the bytes: those begin clocks anew
            self._apply(HeldBack(source_id, held_s))
        if source is not None and (arrived := source.bytes_received - self._counted[source_id]):
            self._counted[source_id] += arrived
            self.bytes_received += arrived
            self._apply(BytesArrived(source_id, arrived))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """End the download with an error, from any thread."""
        if not isinstance(error, PanalError):
            error = PanalError(f"The download failed: {error!r}.")
        self._failure = self._failure or error
        self._facts.report(Ticked())

    async def _stop(self) -> None:
        ending = self._loop.create_task(self._end_everything())
        cancelled: asyncio.CancelledError | None = None
        while not ending.done():
            try:
                await asyncio.wait({ending})
            except asyncio.CancelledError as error:
                cancelled = error  # whoever awaits us closes the file that threads still write
        ending.result()
        if cancelled is not None:
            raise cancelled

    async def _end_everything(self) -> None:
        background = list(self._background)
        for task in background:
            task.cancel()
        for source in self._sources.values():
            source.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await asyncio.to_thread(self._workers.stop)
        await asyncio.to_thread(self._disk.shutdown, cancel_futures=True)
