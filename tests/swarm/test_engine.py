"""The engine with a real partial file, real threads and sources that a test holds in its hand."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

import pytest

from panal.errors import NoSpace, PanalError, Unreachable
from panal.store import partial as partial_file
from panal.store.local_chunks import LocalChunks
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import SourceFailure
from panal.swarm.engine import TICK_S, Engine
from panal.swarm.messages import (
    Ban,
    ChunksAvailable,
    ChunkWritten,
    Fact,
    Failure,
    NewsHeard,
    SourceId,
    Ticked,
)
from panal.swarm.sources import STALL_S, Stage
from panal.swarm.state import DownloadState
from panal.wire import bitfield
from panal.wire.ids import NO_ZONE, Zone
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.store.makers import fail
from tests.support.clock import VirtualClock
from tests.support.fake_source import Content, FakeSource
from tests.support.patience import PATIENCE_S
from tests.swarm import A, B, C


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


def fetch_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("fetch", "disk"))]


class Run:
    """One engine and what it was given."""

    def __init__(self, folder: Path, content: Content) -> None:
        self.content = content
        self.folder = folder
        self.clock = VirtualClock()
        self.partial = PartialFile(folder, content.id, content.manifest)
        self.sources: dict[SourceId, list[FakeSource]] = {}
        """For each address the objects that are handed out, one a connection."""
        self.connected: dict[SourceId, int] = {}
        self.bans: list[Ban] = []
        self.answers: list[BaseException] = []
        """What the tracker's next answers are instead of all sources."""
        self.knows: dict[SourceId, list[SourceId]] = {}
        """Whom a source names, asked who else fetches."""
        self.asked_who_fetches: list[SourceId] = []
        self.unnamed: set[SourceId] = set()
        """Whom the tracker does not know."""
        self.serves_few: list[bool] = []
        self.suspects: list[tuple[SourceId, ...]] = []
        self.told: asyncio.Queue[NewsHeard] = asyncio.Queue()
        self._make(LocalChunks(self.partial))
        self.task: asyncio.Task[None] | None = None

    def with_own(self, descriptor: int) -> "Run":
        """Another file here has its content."""
        self._make(LocalChunks(self.partial, descriptor, bitfield.full(self.state.chunk_count)))
        return self

    def _make(self, local: LocalChunks) -> None:
        manifest = self.content.manifest
        self.state = DownloadState(
            manifest.chunk_bytes,
            manifest.chunk_count,
            self.partial.written,
            Random(0),
            unsure=local.unsure,
        )
        self.engine = Engine(self.state, self.partial, self, self.clock, local)

    def add(self, source: SourceId, has: int | None = None, connections: int = 1) -> FakeSource:
        made = [FakeSource(self.content, has) for _ in range(connections)]
        self.sources[source] = made
        return made[0]

    def start(self) -> asyncio.Task[None]:
        self.task = asyncio.create_task(self.engine.run())
        return self.task

    async def finish(self) -> None:
        """Run to the end, without virtual time passing, and compare the bytes."""
        async with asyncio.timeout(PATIENCE_S):
            await (self.task or self.start())
        assert self.partial.is_whole
        assert self.partial.path.read_bytes() == self.content.data

    # What the engine is given as others -------------------------------------------------

    def connect(self, source: SourceId) -> FakeSource:
        number = self.connected.get(source, 0)
        self.connected[source] = number + 1
        return self.sources[source][min(number, len(self.sources[source]) - 1)]

    def has_asked(self, count: int) -> bool:
        """Whether so many were asked who else fetches."""
        return len(self.asked_who_fetches) >= count

    def zone_of(self, source: SourceId) -> Zone:
        return NO_ZONE

    def ban(self, ban: Ban) -> None:
        self.bans.append(ban)

    def serve_few(self, is_so: bool) -> None:
        self.serves_few.append(is_so)

    async def news(self) -> AsyncGenerator[NewsHeard, None]:
        while True:
            yield await self.told.get()

    async def known_to(self, source: SourceId) -> list[SourceId]:
        self.asked_who_fetches.append(source)
        return self.knows.get(source, [])

    async def locate(self, suspects: Sequence[SourceId]) -> list[SourceId]:
        self.suspects.append(tuple(suspects))
        if self.answers:
            raise self.answers.pop(0)
        return [source for source in self.sources if source not in self.unnamed]


Begin = Callable[[int], Run]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    runs: list[Run] = []

    def make(chunk_count: int) -> Run:
        runs.append(Run(tmp_path, Content(chunk_count)))
        return runs[-1]

    yield make
    for run in runs:
        if run.task is not None:
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)
        run.partial.close()
        assert not any(source.is_stuck for made in run.sources.values() for source in made)
    assert fetch_threads() == []


async def test_it_completes_from_two_sources_with_half_each(begin: Begin) -> None:
    run = begin(8)
    low, high = run.add(A, 0b00001111), run.add(B, 0b11110000)
    await run.finish()
    fetched = [i for f, n in low.asked + high.asked for i in range(f, f + n)]
    assert sorted(fetched) == list(range(8))
    shown = run.engine.progress()
    assert (shown.chunks_written, shown.reason) == (8, "")
    by_source = {source.source: source.bytes for source in shown.sources}
    assert by_source == {A: low.bytes_received, B: high.bytes_received}
    assert sum(by_source.values()) == run.content.manifest.size_bytes


async def test_whom_a_source_names_is_a_source_too(begin: Begin) -> None:
    run = begin(8)
    run.add(A, 0b00001111)
    run.knows[A] = [B]
    run.unnamed = {B}
    run.add(B, 0b11110000)
    await run.finish()
    assert {source.source for source in run.engine.progress().sources} == {A, B}


async def test_one_is_asked_at_once_who_else_fetches_and_others_with_the_ticks(
    begin: Begin,
) -> None:
    run = begin(8)
    sources = [A, B, C]
    for source in sources:
        run.add(source, 0b00001111)
    run.start()
    known = run.state.sources
    await until(
        lambda: [known[s].stage for s in sources if s in known] == [Stage.READY] * 3,
        "all are there",
    )
    await until(lambda: run.asked_who_fetches, "one is asked")
    for asked in range(1, len(sources)):
        assert len(run.asked_who_fetches) == asked
        await run.clock.run_for(TICK_S)
        await until(partial(run.has_asked, asked + 1), "one more is asked")
    assert sorted(run.asked_who_fetches) == sources


async def test_who_is_ahead_asks_so(begin: Begin) -> None:
    run = begin(16)
    first = run.add(A, 0xFFF)
    run.add(B, 0)
    run.start()
    await until(lambda: run.partial.written == 0xFFF, "most of it is here")
    late = run.add(C)
    await run.clock.run_for(3 * TICK_S)
    run.engine.found(C)
    await until(lambda: run.partial.is_whole, "all of it is here")
    assert set(first.gave_way) == {False}
    assert set(late.gave_way) == {True}


async def test_who_is_gone_by_its_turn_takes_nobody_s(begin: Begin) -> None:
    run = begin(8)
    for source in (A, B, C):
        run.add(source, 0)  # who is gone is asked for no chunk, either
    run.start()
    await until(lambda: len(run.engine._exchange._to_ask) == 2, "two wait for their turn")
    gone, left = run.engine._exchange._to_ask
    del run.engine._sources[gone]
    await run.clock.run_for(TICK_S)
    await until(
        lambda: not run.engine._exchange._to_ask and len(run.asked_who_fetches) > 1, "one is asked"
    )
    assert run.asked_who_fetches[1:] == [left]


async def test_what_the_loop_learns_is_taken_at_once_and_one_after_the_other(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(2)
    run.add(A)
    run.add(B)
    run.unnamed = {A, B}
    steps: list[tuple[str, SourceId]] = []
    connect = run.connect

    def naming_the_other(source: SourceId) -> FakeSource:
        steps.append(("begins", source))
        if source == A:
            run.engine.found(B)
        steps.append(("ends", source))
        return connect(source)

    monkeypatch.setattr(run, "connect", naming_the_other)
    run.start()
    run.engine.found(A)
    assert steps == [("begins", A), ("ends", A), ("begins", B), ("ends", B)]
    await run.finish()


async def test_the_loop_is_not_woken_for_each_chunk_of_a_fast_fetch(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(40)
    fast = run.add(A, (1 << 39) - 1)
    run.add(B, 1 << 39)
    woken_for: list[ChunkWritten] = []
    report = run.engine._facts.report

    def note(fact: Fact) -> None:
        if isinstance(fact, ChunkWritten):
            woken_for.append(fact)
        report(fact)

    monkeypatch.setattr(run.engine._facts, "report", note)
    await run.finish()
    assert max(count for _, count in fast.asked) > 2
    assert len(woken_for) <= 1  # no time passes: one look is enough until a fetch ends


async def test_who_falls_behind_serves_few_and_many_again_at_the_end(begin: Begin) -> None:
    run = begin(8)
    run.add(A, 0)
    run.start()
    near = run.state.neighbours.near
    await until(lambda: A in near and near[A].stage is Stage.READY, "it told what it has")
    run.engine._facts.report(ChunksAvailable(A, 0b1111111))
    run.engine._facts.report(Ticked())
    await until(lambda: run.serves_few == [True], "it serves few")
    assert run.task is not None
    run.task.cancel()
    await asyncio.gather(run.task, return_exceptions=True)
    assert run.serves_few == [True, False]


async def test_nothing_to_fetch_ends_at_once(begin: Begin) -> None:
    await begin(0).finish()


async def test_a_corrupt_chunk_bans_and_the_chunk_comes_from_another(begin: Begin) -> None:
    run = begin(6)
    liar, honest = run.add(A), run.add(B)
    liar.wrong = set(range(6))
    await run.finish()
    assert [ban.source for ban in run.bans] == [A]
    assert run.bans[0].index == liar.asked[0][0]
    assert len(liar.asked) == 1
    assert not liar.is_followed
    assert honest.bytes_received == run.content.manifest.size_bytes


@pytest.mark.parametrize("failure", [Failure.BROKEN, Failure.NOT_HERE_YET, Failure.MISBEHAVED])
async def test_after_a_failure_it_connects_anew_a_little_later(
    begin: Begin, failure: Failure
) -> None:
    run = begin(3)
    first = run.add(A, connections=2)
    first.failures = [SourceFailure(failure, "in words")]
    run.start()
    await until(lambda: run.state.sources and run.state.sources[A].stage is Stage.AWAY, "away")
    await until(lambda: not first.is_followed, "the old stream is closed")
    assert run.state.sources[A].reason == "in words"
    await run.clock.run_for(1.5)
    await run.finish()
    second = run.sources[A][1]
    assert len(first.asked) == 1
    assert second.bytes_received == run.content.manifest.size_bytes
    assert not run.bans


async def test_a_source_of_which_a_tracker_tells_that_it_has_come_is_tried_at_once(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.swarm.sources.FIRST_BACK_OFF_S", 3_600.0)
    run = begin(2)
    gone = run.add(A, connections=2)
    gone.stream_error = SourceFailure(Failure.BROKEN, "refused")
    run.start()
    await until(lambda: run.state.sources.get(A) and run.state.sources[A].failures, "it is away")
    await run.clock.run_for(20.0)
    assert run.connected[A] == 1
    run.told.put_nowait(NewsHeard(frozenset({"peer_a"})))
    await run.clock.run_for(0.5)
    await run.finish()


async def test_news_that_cannot_be_had_do_not_end_the_download(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(1)

    async def broken() -> AsyncGenerator[NewsHeard, None]:
        raise RuntimeError("a tracker says what it must not")
        yield NewsHeard()

    monkeypatch.setattr(run, "news", broken)
    run.start()
    await run.clock.run_for(5.0)
    run.add(A)
    await run.clock.run_for(15.0)
    await run.finish()


async def test_a_cancel_that_was_not_asked_for_is_no_failure(begin: Begin) -> None:
    run = begin(2)
    run.add(A).failures = [SourceFailure(Failure.CANCELLED, "cancelled")]
    run.start()
    await until(lambda: run.state.sources and run.state.sources[A].rests_until_s, "rests")
    await run.clock.run_for(1.5)
    await run.finish()
    assert run.connected == {A: 1}


async def test_a_fault_that_a_peer_provokes_in_a_fetch_does_not_end_the_download(
    begin: Begin,
) -> None:
    run = begin(4)
    run.add(A).failures = [ValueError("what is this")]
    run.add(B)
    await run.finish()
    assert run.state.sources[A].misbehaviours == 1


async def test_a_fault_that_a_peer_provokes_in_its_stream_does_not_end_the_download(
    begin: Begin,
) -> None:
    run = begin(4)
    run.add(A).stream_error = ValueError("what is this")
    run.add(B).hold(0)
    run.start()
    await until(lambda: A in run.state.sources and run.state.sources[A].misbehaviours, "noticed")
    run.sources[B][0].gates[0].set()
    await run.finish()


async def test_a_stream_that_ends_says_why(begin: Begin) -> None:
    run = begin(1)
    run.add(A).stream_error = SourceFailure(Failure.BROKEN, "connection refused")
    run.start()
    await until(lambda: run.state.sources and run.state.sources[A].failures, "noticed")
    assert run.state.sources[A].reason == "connection refused"


async def test_what_was_connected_is_closed_before_it_connects_anew(begin: Begin) -> None:
    run = begin(2)
    first = run.add(A, connections=2)
    first.stream_error = SourceFailure(Failure.BROKEN, "connection reset")
    run.start()
    await until(lambda: run.state.sources and run.state.sources[A].failures, "noticed")
    await run.clock.run_for(1.5)
    await run.finish()
    assert first.was_cancelled
    assert run.connected == {A: 2}


async def test_bytes_of_one_fetch_never_seem_to_be_the_next_ones(begin: Begin) -> None:
    """Else a request in a queue has begun to stall, and an honest source is sent away."""
    run = begin(2)
    source = run.add(A)
    gates = [source.hold(0), source.hold(1)]
    run.start()
    await until(source.at_gate.is_set, "the first fetch waits")
    index = source.asked[0][0]
    gates[index].set()
    await until(lambda: len(source.asked) == 2, "the second fetch is asked for")
    await run.clock.run_for(0.5)
    fetch = run.state.sources[A].fetch
    assert fetch is not None
    assert fetch.first_byte_at_s is None
    assert run.state.sources[A].bytes == source.bytes_received > 0
    assert run.engine.progress().sources[0].state == "queued"
    gates[1 - index].set()
    await run.finish()


async def test_what_has_come_from_who_seems_queued_counts_before_a_word_of_another(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(2)
    waiting = run.add(A)
    gates = [waiting.hold(0), waiting.hold(1)]
    run.add(B, 0)
    run.start()
    await until(waiting.at_gate.is_set, "the fetch waits")
    near = run.state.neighbours.near
    await until(lambda: B in near and near[B].stage is Stage.READY, "it told what it has")
    monkeypatch.setattr(DownloadState, "is_crowded", True)
    monkeypatch.setattr(DownloadState, "to_count", lambda *_: [A])
    waiting.bytes_received += 10
    run.engine._facts.report(ChunksAvailable(B, 0b1))
    await until(lambda: near[B].bits, "its word is taken in")
    assert near[A].bytes == 10
    for gate in gates:
        gate.set()
    await run.finish()


async def test_a_write_that_does_not_end_is_told_as_the_own_disk(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(3)
    run.add(A)
    takes, pwrite = threading.Event(), os.pwrite

    def slowly(descriptor: int, data: memoryview, offset: int) -> int:
        if descriptor == run.partial.descriptor:
            takes.wait(PATIENCE_S)
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", slowly)
    run.start()
    await until(lambda: run.partial.pending_writes.under_way, "a chunk is being written")
    await run.clock.run_for(2 * STALL_S)
    assert run.engine.progress().reason == "this machine's own disk takes nothing at the moment"
    takes.set()
    await run.finish()
    assert (run.bans, run.connected) == ([], {A: 1})


async def test_a_full_disk_ends_the_run_in_words(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(3)
    run.add(A)

    def full(data: memoryview, offset: int) -> None:
        raise NoSpace("The disk is full.")

    monkeypatch.setattr(run.partial, "write_at", full)
    with pytest.raises(NoSpace, match="full"):
        await run.start()


async def test_a_failed_sync_ends_the_run_in_words(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(3)
    run.add(A).hold(1)

    def broken() -> None:
        raise PanalError("The disk gave up.")

    monkeypatch.setattr(run.partial, "sync", broken)
    task = run.start()
    await run.clock.run_for(2.5)
    with pytest.raises(PanalError, match="gave up"):
        await task
    monkeypatch.undo()


async def test_a_sync_that_fails_while_the_last_chunk_is_written_is_not_lost(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(1)
    source = run.add(A)
    source.hold(0)
    syncing, may_fail = threading.Event(), threading.Event()

    def broken() -> None:
        syncing.set()
        assert may_fail.wait(PATIENCE_S)
        raise PanalError("The disk gave up.")

    monkeypatch.setattr(run.partial, "sync", broken)
    task = run.start()
    await until(source.at_gate.is_set, "the fetch waits")
    await run.clock.run_for(2.5)
    await until(syncing.is_set, "the sync runs")
    source.gates[0].set()
    await until(lambda: run.state.finished, "finished")
    assert not task.done()  # the sync is waited for
    may_fail.set()
    with pytest.raises(PanalError, match="gave up"):
        await task
    monkeypatch.undo()


async def test_cancelled_it_leaves_what_is_written_for_the_next_time(
    begin: Begin, tmp_path: Path
) -> None:
    run = begin(5)
    source = run.add(A)
    run.start()
    for index in range(5):
        source.hold(index)
    written: set[int] = set()
    for _ in range(2):
        await until(source.at_gate.is_set, "a fetch waits")
        source.at_gate.clear()
        index = source.asked[-1][0]
        written.add(index)
        source.gates.pop(index).set()
        await until(lambda: run.partial.written.bit_count() == len(written), "written")
    await until(source.at_gate.is_set, "the third fetch waits")
    assert run.task is not None
    run.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run.task
    assert fetch_threads() == []
    run.partial.close()
    again = begin(5)
    assert {i for i in range(5) if again.partial.unsure >> i & 1} == written
    rest = again.add(B)
    await again.finish()
    assert {first for first, _ in rest.asked} == set(range(5)) - written


def keep(run: Run, *indices: int) -> None:
    """An earlier run has left these, durable."""
    for index in indices:
        writer = run.partial.begin_chunk(index)
        writer.write(memoryview(run.content.chunk(index)))
        assert writer.finish()
    run.partial.close()


def rot(run: Run, index: int) -> None:
    with run.partial.path.open("r+b") as file:
        file.seek(index * MIN_CHUNK_BYTES)
        file.write(b"rot")


async def test_what_has_rotted_since_an_earlier_run_is_fetched_again(begin: Begin) -> None:
    keep(begin(5), 0, 1, 3)
    run = begin(5)
    rot(run, 1)
    told: list[int] = []
    run.partial.on_written = told.append
    source = run.add(A)
    await run.clock.run_for(TICK_S)
    run.start()
    await until(lambda: run.state.chunks.unsure == 0, "compared")
    assert run.state.written & 0b1011 == 0b1001
    await run.clock.run_for(2 * TICK_S)
    await run.finish()
    assert sorted(first for first, _ in source.asked) == [1, 2, 4]
    assert (run.engine.chunks_verified, run.engine.chunks_refused) == (3, 0)
    assert sorted(told) == list(range(5))


async def test_what_is_missing_comes_while_what_is_here_is_compared(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(begin(4), 0, 1)
    run = begin(4)
    go_on, real = threading.Event(), run.partial.compare_some

    def held() -> tuple[int, int]:
        assert go_on.wait(PATIENCE_S)
        return real()

    monkeypatch.setattr(run.partial, "compare_some", held)
    source = run.add(A)
    task = run.start()
    await until(lambda: run.partial.written == 0b1100, "what is missing came")
    await run.clock.run_for(3.0)
    assert run.engine.progress().reason == "comparing what is here already, 2 chunks left"
    assert not task.done()
    go_on.set()
    await run.finish()
    assert sorted(first for first, _ in source.asked) == [2, 3]
    assert run.engine.chunks_verified == 2


async def stopped_when_the_piece_ends(task: "asyncio.Task[None]", go_on: threading.Event) -> None:
    """A fetch that looks at what is here; its thread waits for `go_on`."""
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()  # the file is closed next
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fetch_threads() == []


async def test_stopped_while_it_compares_it_compares_again_the_next_time(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(begin(3), 0, 1, 2)
    run = begin(3)
    rot(run, 2)
    reading, go_on, real = threading.Event(), threading.Event(), run.partial.compare_some
    monkeypatch.setattr(partial_file, "LOOKED_AT_ONCE_BYTES", MIN_CHUNK_BYTES)

    def held() -> tuple[int, int]:
        reading.set()
        assert go_on.wait(PATIENCE_S)
        return real()

    monkeypatch.setattr(run.partial, "compare_some", held)
    task = run.start()
    await until(reading.is_set, "it reads")
    await stopped_when_the_piece_ends(task, go_on)
    assert run.partial.unsure == 0b110  # no further piece was begun
    run.partial.close()
    again = begin(3)
    assert again.partial.unsure == 0b111
    source = again.add(A)
    again.start()
    await until(lambda: again.state.chunks.unsure == 0, "compared")
    await again.clock.run_for(2 * TICK_S)
    await again.finish()
    assert source.asked == [(2, 1)]


async def test_stopped_while_it_copies_it_ends_with_the_piece_and_keeps_it(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = begin(3)
    (tmp_path / "own").write_bytes(run.content.data)
    monkeypatch.setattr(partial_file, "LOOKED_AT_ONCE_BYTES", MIN_CHUNK_BYTES)
    reading, go_on, real = threading.Event(), threading.Event(), os.pread
    own = os.open(tmp_path / "own", os.O_RDONLY)

    def held(descriptor: int, size_bytes: int, offset: int) -> bytes:
        if descriptor == own and offset >= MIN_CHUNK_BYTES:
            reading.set()
            assert go_on.wait(PATIENCE_S)
        return real(descriptor, size_bytes, offset)

    monkeypatch.setattr(os, "pread", held)
    task = run.with_own(own).start()
    source = run.add(A)
    await until(reading.is_set, "it reads the second piece")
    await until(lambda: run.state.written == 0b001, "the first is told")
    await run.clock.run_for(3.0)
    assert run.engine.progress().reason == "comparing what is here already, 2 chunks left"
    await stopped_when_the_piece_ends(task, go_on)
    os.close(own)
    assert run.partial.written == 0b011  # no further piece was begun
    assert source.asked == []
    run.partial.close()
    assert begin(3).partial.unsure == 0b011


async def test_what_another_file_here_has_is_asked_of_nobody(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """But where its bytes are others, or its disk does not give them."""
    keep(begin(5), 1)
    run = begin(5)
    with (tmp_path / "own").open("w+b", buffering=0) as own:
        own.write(run.content.data)
        os.pwrite(own.fileno(), b"rot", 2 * MIN_CHUNK_BYTES)
        fail(
            monkeypatch,
            "pread",
            errno.EIO,
            lambda fd, _, at: fd == own.fileno() and at == 3 * MIN_CHUNK_BYTES,
        )
        source = run.with_own(own.fileno()).add(A)
        run.start()
        await until(lambda: run.state.chunks.unsure == 0, "looked at")
        await run.clock.run_for(2 * TICK_S)
        await run.finish()
    assert sorted(first for first, _ in source.asked) == [2, 3]
    assert run.engine.chunks_verified == 2
    assert run.partial.resumed == 0b10011


async def test_stopped_just_as_a_piece_was_compared_no_count_shrinks(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(begin(5), 0, 1, 2, 3)
    run = begin(5)
    run.add(A).hold(4)
    task, loop, real = run.start(), asyncio.get_running_loop(), run.partial.compare_some

    def stopping() -> tuple[int, int]:
        found = real()
        loop.call_soon_threadsafe(task.cancel)  # before the loop hears what was found
        return found

    monkeypatch.setattr(run.partial, "compare_some", stopping)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run.engine.chunks_verified == 0


async def test_a_disk_that_is_away_while_it_compares_ends_the_run_in_words(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(begin(2), 0)
    run = begin(2)
    fail(monkeypatch, "preadv", errno.ENODEV)
    with pytest.raises(PanalError, match="Could not read what is here of the download"):
        await run.start()


async def test_cancelled_twice_it_still_waits_for_its_threads(begin: Begin) -> None:
    """Whoever awaits it closes the file next: no thread may write into it any more."""
    run = begin(1)
    source = run.add(A)
    source.is_stubborn = True
    gate = source.hold(0)
    task = run.start()
    await until(source.at_gate.is_set, "the fetch waits")
    for _ in range(3):
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fetch_threads() == []


async def test_a_tracker_that_fails_and_then_answers(begin: Begin) -> None:
    run = begin(2)
    run.add(A)
    run.answers = [Unreachable("The tracker is away."), Unreachable("The tracker is away.")]
    run.start()
    await until(lambda: run.state.asking.problem, "it failed")
    run.clock.advance(0.4)
    await asyncio.sleep(0)
    assert run.engine.progress().reason == ""
    await run.clock.run_for(2.0)
    await run.finish()
    assert len(run.suspects) == 3
    assert run.state.asking.problem == ""


async def test_a_tracker_that_stays_away_is_the_reason(begin: Begin) -> None:
    run = begin(2)
    run.answers = [Unreachable("The tracker is away.")] * 100
    run.start()
    await until(lambda: run.state.asking.problem, "it failed")
    await run.clock.run_for(3.0)
    assert run.engine.progress().reason == "The tracker is away."


async def test_a_bug_in_a_callback_ends_the_download_and_does_not_hang_it(begin: Begin) -> None:
    run = begin(2)
    run.answers = [KeyError("a bug")]
    with pytest.raises(PanalError, match="a bug"):
        await run.start()


async def test_a_stalled_source_is_cancelled_and_another_goes_on(begin: Begin) -> None:
    run = begin(2)
    stalled, other = run.add(A, 0b01), run.add(B, 0b11)
    stalled.hold(0)
    other.hold(1)
    run.start()
    await until(lambda: stalled.at_gate.is_set() and other.at_gate.is_set(), "both wait")
    stalled.bytes_received += 1
    await run.clock.run_for(15.5)
    await until(lambda: run.state.sources[A].stage is Stage.AWAY, "sent away")
    assert run.state.sources[A].reason == "sent nothing for 15 s"
    other.gates[1].set()
    await run.finish()
    assert {first for first, _ in other.asked} == {0, 1}


async def test_a_source_that_our_own_limit_holds_back_is_not_stalled(begin: Begin) -> None:
    run = begin(2)
    held, other = run.add(A, 0b01), run.add(B, 0b11)
    held.hold(0)
    other.hold(1)
    run.start()
    await until(lambda: held.at_gate.is_set() and other.at_gate.is_set(), "both wait")
    held.bytes_received += 1
    other.bytes_received += 1
    for _ in range(100):
        held.held_s += 0.25
        other.held_s += 0.25
        await run.clock.run_for(0.25)
    assert run.state.sources[A].stage is Stage.READY
    assert not held.was_cancelled
    assert run.engine.progress().held_back
    for source in (held, other):
        source.bytes_received -= 1
        for gate in source.gates.values():
            gate.set()
    await run.finish()
