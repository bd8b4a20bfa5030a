"""Any facts in any order, true or not: the rules hold, and no chunk is asked of two at once."""

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from panal.swarm import invariants
from panal.swarm.awaited import AT_ONCE
from panal.swarm.border import Border
from panal.swarm.messages import (
    Ban,
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
    ChunksAvailable,
    ChunksCompared,
    ChunksGranted,
    ChunkWritten,
    DiskStoodStill,
    Drop,
    Fact,
    Failure,
    Fetch,
    FetchAny,
    FetchEnded,
    Finish,
    Follow,
    HearNews,
    HeldBack,
    NewsHeard,
    ServeFew,
    SourceCalled,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.state import DownloadState
from panal.wire.ids import NO_ZONE, Zone
from tests.swarm import CHUNK_BYTES, PROPERTY, source_id

pytestmark = pytest.mark.p6

CHUNKS = 18
sources = st.sampled_from([source_id(f"p{number}") for number in range(5)])
chunks = st.integers(0, CHUNKS - 1)
bitfields = st.integers(0, 2 ** (CHUNKS + 2) - 1)
zones = st.sampled_from([NO_ZONE, Zone("here"), Zone("there")])
failures = st.sampled_from([None, *Failure])


class AnyFacts(RuleBasedStateMachine):
    """Beside the state: what a careful onlooker knows from the orders alone."""

    state: DownloadState

    @initialize(
        written=st.integers(0, 2**CHUNKS - 2),
        unsure=st.integers(0, 2**CHUNKS - 1),
        seed=st.integers(0, 1_000),
        zone=zones,
    )
    def begin(self, written: int, unsure: int, seed: int, zone: Zone) -> None:
        border = Border(CHUNKS, "own", zone)
        self.unsure = unsure = unsure & ~written
        self.state = DownloadState(CHUNK_BYTES, CHUNKS, written, Random(seed), border, unsure)
        self.now_s = 0.0
        self.written = {i for i in range(CHUNKS) if written >> i & 1}
        self.asked: dict[SourceId, set[int]] = {}
        self.choosing: set[SourceId] = set()
        self.followed: set[SourceId] = set()
        self.banned: set[SourceId] = set()
        self.finishes = 0
        self.serves_few = self.hears = False

    def tell(self, fact: Fact) -> None:
        match fact:
            case ChunkWritten(source, index) if source in self.state.sources:
                if not self.state.finished:
                    self.written.add(index)
                for asked in self.asked.values():
                    asked.discard(index)
            case ChunksGranted(source, first, count) if source in self.choosing:
                others = {i for asked in self.asked.values() for i in asked}
                chosen = {i for i in range(first, first + count) if i < CHUNKS}
                self.asked[source] |= chosen - others - self.written
            case ChunksCompared(right, wrong):
                self.unsure &= ~(right | wrong)
                if not self.state.finished:
                    self.written |= {i for i in range(CHUNKS) if right >> i & 1}
            case FetchEnded(source):
                self.asked.pop(source, None)
                self.choosing.discard(source)
        for order in self.state.apply(fact, self.now_s):
            self.look_at(order)

    def look_at(self, order: Any) -> None:
        match order:
            case Fetch(source, first, count):
                wanted = set(range(first, first + count))
                assert source in self.followed, "asked before it was followed"
                assert source not in self.banned, "asked after it was banned"
                assert source not in self.asked, "asked for two things at once"
                assert not wanted & self.written, "asked for what is there"
                assert not any(self.unsure >> i & 1 for i in wanted), "asked before compared"
                for other in self.asked.values():
                    assert not wanted & other, "one chunk asked of two sources"
                assert wanted <= set(range(CHUNKS)), "asked beyond the end"
                self.asked[source] = wanted
            case FetchAny(source, among, most):
                assert source in self.followed, "asked before it was followed"
                assert source not in self.banned, "asked after it was banned"
                assert source not in self.asked, "asked for two things at once"
                taken = self.written.union(*self.asked.values())
                assert among, "left a choice among nothing"
                assert not among & self.unsure, "asked before compared"
                assert most >= 1
                assert not any(among >> index & 1 for index in taken), "chooses what others send"
                assert not among >> CHUNKS, "chooses beyond the end"
                self.asked[source] = set()
                self.choosing.add(source)
            case CancelFetch(source):
                assert source in self.asked, "cancelled what does not run"
            case Follow(source):
                assert source not in self.banned, "followed after it was banned"
                assert source not in self.followed, "followed twice"
                assert source not in self.asked, "followed anew while it still fetches"
                self.followed.add(source)
            case Drop(source):
                self.followed.discard(source)
            case Ban(source):
                assert source not in self.banned, "banned twice"
                self.banned.add(source)
            case HearNews(is_so):
                assert is_so is not self.hears, "told again to listen as it does"
                self.hears = is_so
            case ServeFew(is_so):
                assert is_so is not self.serves_few, "told again to send as it does"
                self.serves_few = is_so
            case Finish():
                self.finishes += 1
                assert self.written == set(range(CHUNKS)), "finished while chunks are missing"

    # Facts, probable ones more often than others ------------------------------------------

    @rule(source=sources, zone=zones)
    def found(self, source: SourceId, zone: Zone) -> None:
        self.tell(SourceFound(source, zone))

    @rule(source=sources, bits=bitfields)
    def opened(self, source: SourceId, bits: int) -> None:
        self.tell(SourceOpened(source, bits))

    @rule(bits=bitfields, has=bitfields)
    def crowd_opened(self, bits: int, has: int) -> None:
        """More download than are asked at once: of those, some have all that any of them has."""
        for number in range(AT_ONCE + 2):
            source = source_id(f"p{number}")
            self.tell(SourceFound(source))
            self.tell(SourceOpened(source, (bits if number % 3 else has) & ~1))

    @precondition(lambda self: len(self.state.sources) > AT_ONCE)
    @rule(number=st.integers(0, AT_ONCE), bits=bitfields, after_s=st.sampled_from([0.0, 0.06]))
    def one_of_a_crowd_has_more(self, number: int, bits: int, after_s: float) -> None:
        self.now_s += after_s
        word = ChunksAvailable(source_id(f"p{number}"), bits & ~1)
        for source in self.state.to_count(word, self.now_s):
            assert source in self.asked, "counts whom nothing is asked of"
        self.tell(word)

    @rule(source=sources, bits=bitfields)
    def more(self, source: SourceId, bits: int) -> None:
        self.tell(ChunksAvailable(source, bits))

    @rule(source=sources, misbehaved=st.booleans())
    def closed(self, source: SourceId, misbehaved: bool) -> None:
        self.followed.discard(source)
        self.tell(SourceClosed(source, "closed", misbehaved))

    @rule(source=sources, count=st.integers(1, 3 * CHUNK_BYTES))
    def bytes_arrived(self, source: SourceId, count: int) -> None:
        self.tell(BytesArrived(source, count))

    @rule(source=sources, duration_s=st.floats(0.001, 100.0))
    def held_back(self, source: SourceId, duration_s: float) -> None:
        self.tell(HeldBack(source, duration_s))

    @rule(duration_s=st.sampled_from([0.0, 0.25, 100.0]))
    def disk_stood_still(self, duration_s: float) -> None:
        self.tell(DiskStoodStill(duration_s))

    @rule(source=sources, index=chunks)
    def any_chunk_written(self, source: SourceId, index: int) -> None:
        self.tell(ChunkWritten(source, index))

    @precondition(lambda self: any(self.asked.values()))
    @rule(data=st.data())
    def asked_chunk_written(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from([s for s, asked in self.asked.items() if asked]))
        self.tell(ChunkWritten(source, min(self.asked[source])))

    @rule(source=sources, first=chunks, count=st.integers(1, 3))
    def granted(self, source: SourceId, first: int, count: int) -> None:
        self.tell(ChunksGranted(source, first, min(count, CHUNKS - first)))

    @rule(right=bitfields, wrong=bitfields)
    def compared(self, right: int, wrong: int) -> None:
        self.tell(ChunksCompared(right & self.unsure, wrong & ~right & self.unsure))

    @rule(source=sources, index=chunks)
    def corrupt(self, source: SourceId, index: int) -> None:
        self.tell(ChunkCorrupt(source, index))

    @rule(source=sources, failure=failures)
    def ended(self, source: SourceId, failure: Failure | None) -> None:
        self.tell(FetchEnded(source, failure, "ended"))

    @rule(problem=st.sampled_from(["", "The tracker is away."]), named=st.frozensets(sources))
    def tracker_answered(self, problem: str, named: frozenset[SourceId]) -> None:
        self.tell(TrackerAnswered(problem, named))

    @rule(joined=st.frozensets(st.sampled_from(["p0", "p1", "other"])), announced=st.booleans())
    def news_heard(self, joined: frozenset[str], announced: bool) -> None:
        self.tell(NewsHeard(joined, announced))

    @rule(source=sources)
    def called(self, source: SourceId) -> None:
        self.tell(SourceCalled(source))

    @rule(after_s=st.sampled_from([0.0, 0.25, 2.5, 16.0, 61.0]))
    def ticked(self, after_s: float) -> None:
        self.now_s += after_s
        self.tell(Ticked())

    # What must hold -----------------------------------------------------------------------

    @invariant()
    def the_rules_hold(self) -> None:
        invariants.check(self.state)
        assert {i for i in range(CHUNKS) if self.state.written >> i & 1} == self.written
        assert self.finishes == self.state.finished
        if not self.state.finished:
            fetching = {s.id for s in self.state.sources.values() if s.fetch is not None}
            assert fetching == set(self.asked)


TestAnyFacts = pytest.mark.slow(AnyFacts.TestCase)
TestAnyFacts.settings = settings(PROPERTY, max_examples=200, stateful_step_count=60)
