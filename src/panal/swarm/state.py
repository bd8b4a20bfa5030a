"""One download's decisions: facts in, orders out.

First policy: rarest first, one request a source at a time, each chunk claimed by one source
only. Opens no connection, reads no clock, draws no number of its own: time comes with each
fact, chance is an argument.
"""

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
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.picker import Chance, Rarity, pick_span
from panal.swarm.sources import (
    MISBEHAVIOURS_BEFORE_BAN,
    REST_AFTER_STALL_S,
    REST_AFTER_YIELD_S,
    RunningFetch,
    Source,
    Stage,
)
from panal.wire import bitfield

MAX_NEIGHBOURS = 40
MAX_SOURCES_KNOWN = 1_000
ASK_AGAIN_S = 30.0
"""How often the tracker is asked while all goes well."""
FIRST_ASK_AGAIN_S = 0.5
"""How soon while chunks are missing everywhere; doubled up to ASK_AGAIN_S / 2."""
REQUEST_S = 0.02
"""A request should last this long at its source's rate, so that asking costs little beside it."""
LONGEST_REQUEST_BYTES = 16 * 1024 * 1024
_JITTER_STEPS = 1 << 16
_SMOOTHING = 0.3


class DownloadState:
    """What is known and decided about one content; driven by `apply` alone."""

    def __init__(self, chunk_bytes: int, chunk_count: int, written: int, chance: Chance) -> None:
        self.chunk_count = chunk_count
        self.written = written
        self.sources: dict[SourceId, Source] = {}
        self.rarity = Rarity(chunk_count)
        self.finished = False
        self.tracker_problem = ""
        self.last_arrival_s: float | None = None
        self._all = bitfield.full(chunk_count)
        self._chunk_bytes = chunk_bytes
        self._chance = chance
        self._claimed = 0
        self._usual_chunk_s = 0.0
        self._ticked_at_s: float | None = None
        self._asking = False
        self._ask_at_s = 0.0
        self._asks_in_vain = 0

    @property
    def missing(self) -> int:
        """Chunks that are not written."""
        return self._all & ~self.written

    @property
    def available(self) -> int:
        """Chunks that some ready source has."""
        bits = 0
        for source in self.sources.values():
            if source.stage is Stage.READY:
                bits |= source.bits
        return bits

    def apply(self, fact: Fact, now_s: float) -> list[Order]:
        """Take one fact in; what is to be done about it."""
        if self.finished:
            return []
        return self._take(fact, now_s) + self._plan(now_s)

    # What each fact changes ---------------------------------------------------------------

    def _take(self, fact: Fact, now_s: float) -> list[Order]:
        match fact:
            case Ticked():
                return self._tick(now_s)
            case TrackerAnswered(problem):
                self._tracker_answered(problem, now_s)
                return []
            case SourceFound(source_id):
                if source_id not in self.sources and len(self.sources) < MAX_SOURCES_KNOWN:
                    self.sources[source_id] = Source(source_id)
                return []
        source = self.sources.get(fact.source)
        if source is None:
            return []
        match fact:
            case SourceOpened(_, bits):
                self._opened(source, bits, now_s)
            case ChunksAvailable(_, bits):
                self._more_available(source, bits, now_s)
            case BytesArrived(_, count):
                self.last_arrival_s = now_s
                source.count(count, now_s)
            case ChunkWritten(_, index):
                self._chunk_written(source, index, now_s)
            case SourceClosed(_, reason, misbehaved):
                return self._closed(source, reason, misbehaved, now_s)
            case FetchEnded(_, failure, reason):
                return self._fetch_ended(source, failure, reason, now_s)
            case ChunkCorrupt(_, index):
                return self._ban(source, index, f"sent a wrong chunk {index}")
        return []

    def _tick(self, now_s: float) -> list[Order]:
        if self._ticked_at_s is not None:
            for source in self.sources.values():
                source.tick(now_s - self._ticked_at_s)
        self._ticked_at_s = now_s
        orders: list[Order] = []
        for source in self.sources.values():
            fetch = source.fetch
            if fetch is not None and not fetch.ending and (why := fetch.impatience(now_s)):
                orders.append(_end(source, fetch, why, REST_AFTER_STALL_S))
        return orders

    def _tracker_answered(self, problem: str, now_s: float) -> None:
        self._asking = False
        self.tracker_problem = problem
        if self._is_starving():
            pause_s = min(ASK_AGAIN_S / 2, FIRST_ASK_AGAIN_S * 2.0**self._asks_in_vain)
            self._asks_in_vain += 1
        else:
            pause_s, self._asks_in_vain = ASK_AGAIN_S, 0
        self._ask_at_s = now_s + pause_s

    def _opened(self, source: Source, bits: int, now_s: float) -> None:
        if source.stage is Stage.OPENING:
            source.stage, source.reason, source.last_seen_s = Stage.READY, "", now_s
            source.bits = bits & self._all
            self.rarity.add(source.bits)

    def _more_available(self, source: Source, bits: int, now_s: float) -> None:
        if source.stage is Stage.READY:
            source.last_seen_s = now_s
            fresh = bits & self._all & ~source.bits
            source.bits |= fresh
            self.rarity.add(fresh)

    def _chunk_written(self, source: Source, index: int, now_s: float) -> None:
        self.written |= 1 << index
        self._claimed &= ~(1 << index)
        source.failures = 0
        if (fetch := source.fetch) is not None:
            fetch.claimed &= ~(1 << index)
            spent_s = now_s - fetch.chunk_began_at_s if fetch.first_byte_at_s is not None else 0.0
            self._usual_chunk_s += _SMOOTHING * (spent_s - self._usual_chunk_s)
            fetch.chunk_began_at_s = now_s

    def _closed(self, source: Source, reason: str, misbehaved: bool, now_s: float) -> list[Order]:
        if source.stage is Stage.BANNED:
            return []
        if misbehaved and self._is_one_too_many(source):
            return self._ban(source, None, reason)
        orders: list[Order] = []
        fetch = source.fetch
        if fetch is not None and not fetch.ending and fetch.first_byte_at_s is None:
            orders.append(_end(source, fetch, reason, 0.0))  # its queue has gone
        self._send_away(source, reason, now_s, source.back_off_s(self._jitter()))
        return orders

    def _fetch_ended(
        self, source: Source, failure: Failure | None, reason: str, now_s: float
    ) -> list[Order]:
        fetch = source.fetch
        if fetch is None:
            return []
        self._claimed &= ~fetch.claimed
        source.fetch_done(now_s)
        if failure is None or source.stage is not Stage.READY:
            return []
        if fetch.ending:
            source.reason, source.rests_until_s = fetch.ending, now_s + fetch.rest_s
            if fetch.rest_s < REST_AFTER_STALL_S:
                return []
            self._send_away(source, fetch.ending, now_s, fetch.rest_s)
            return [Drop(source.id)]
        if failure is Failure.MISBEHAVED and self._is_one_too_many(source):
            return self._ban(source, None, reason)
        self._send_away(source, reason or failure.value, now_s, source.back_off_s(self._jitter()))
        return [Drop(source.id)]

    def _is_one_too_many(self, source: Source) -> bool:
        source.misbehaviours += 1
        return source.misbehaviours >= MISBEHAVIOURS_BEFORE_BAN

    def _ban(self, source: Source, index: int | None, reason: str) -> list[Order]:
        if source.stage is Stage.BANNED:
            return []
        orders: list[Order] = []
        if source.fetch is not None and not source.fetch.ending:
            orders.append(_end(source, source.fetch, reason, 0.0))
        self._forget_bits(source)
        source.stage, source.reason = Stage.BANNED, reason
        return [*orders, Ban(source.id, index, reason), Drop(source.id)]

    def _send_away(self, source: Source, reason: str, now_s: float, rest_s: float) -> None:
        self._forget_bits(source)
        source.stage, source.reason, source.rests_until_s = Stage.AWAY, reason, now_s + rest_s
        self._ask_at_s = min(self._ask_at_s, now_s + FIRST_ASK_AGAIN_S)

    def _forget_bits(self, source: Source) -> None:
        if source.stage is Stage.READY:
            self.rarity.remove(source.bits)
        source.bits = 0

    def _jitter(self) -> float:
        return self._chance.randrange(_JITTER_STEPS) / _JITTER_STEPS

    # What is to be done -------------------------------------------------------------------

    def _plan(self, now_s: float) -> list[Order]:
        if not self.missing:
            self.finished = True
            drops: list[Order] = [Drop(source_id) for source_id in self.sources]
            return [*drops, Finish()]
        orders = self._follow(now_s)
        for source in self._idle(now_s):
            orders += self._occupy(source, now_s)
        return orders + self._ask(now_s)

    def _follow(self, now_s: float) -> list[Order]:
        open_count = sum(s.stage in {Stage.OPENING, Stage.READY} for s in self.sources.values())
        orders: list[Order] = []
        for source in self.sources.values():
            if open_count >= MAX_NEIGHBOURS:
                break
            rested = source.stage is Stage.AWAY and source.rests_until_s <= now_s
            if source.fetch is None and (rested or source.stage is Stage.FOUND):
                source.stage = Stage.OPENING
                open_count += 1
                orders.append(Follow(source.id))
        return orders

    def _idle(self, now_s: float) -> list[Source]:
        return [
            source
            for source in self.sources.values()
            if source.stage is Stage.READY
            and source.fetch is None
            and source.rests_until_s <= now_s
        ]

    def _occupy(self, source: Source, now_s: float) -> list[Order]:
        useful = source.bits & self.missing & ~self._claimed
        if useful:
            first, count = pick_span(
                useful, self.rarity, self._longest(source, useful), self._chance
            )
            source.fetch = RunningFetch(((1 << count) - 1) << first, now_s)
            self._claimed |= source.fetch.claimed
            return [Fetch(source.id, first, count)]
        for other in self.sources.values():
            fetch = other.fetch
            if fetch is None or fetch.ending or not fetch.claimed & source.bits:
                continue
            if fetch.yields(now_s, self._usual_chunk_s):
                return [_end(other, fetch, f"{source.peer} was quicker", REST_AFTER_YIELD_S)]
        return []

    def _longest(self, source: Source, useful: int) -> int:
        """How many chunks to ask for at most: a fair share, and as much as helps its rate."""
        ready = sum(other.stage is Stage.READY for other in self.sources.values())
        share = useful.bit_count() // (4 * ready)
        by_rate = int(source.fetch_rate_bytes_s * REQUEST_S) // self._chunk_bytes
        return max(1, min(share, by_rate, LONGEST_REQUEST_BYTES // self._chunk_bytes))

    def _is_starving(self) -> bool:
        return bool(self.missing & ~self.available)

    def _ask(self, now_s: float) -> list[Order]:
        if self._asking or now_s < self._ask_at_s:
            return []
        self._asking = True
        away = [source.id for source in self.sources.values() if source.stage is Stage.AWAY]
        return [AskTracker(tuple(away))]


def _end(source: Source, fetch: RunningFetch, why: str, rest_s: float) -> Order:
    fetch.ending, fetch.rest_s = why, rest_s
    return CancelFetch(source.id)
