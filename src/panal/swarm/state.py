"""One download's decisions: facts in, orders out.

Opens no connection, reads no clock, draws no number of its own: time comes with each fact,
chance is an argument. Each kind of fact looks only at what it can change; what time alone
changes is looked at when time is told to have passed.
"""

from panal.swarm.ahead import Ahead
from panal.swarm.asking import Asking
from panal.swarm.behind import Behind
from panal.swarm.border import Border
from panal.swarm.chunks import Chunks
from panal.swarm.messages import (
    AskTracker,
    BytesArrived,
    ChunkCorrupt,
    ChunksAvailable,
    ChunksCompared,
    ChunksGranted,
    ChunkWritten,
    DiskStoodStill,
    Drop,
    Fact,
    Failure,
    FetchEnded,
    Finish,
    HearNews,
    HeldBack,
    NewsHeard,
    Order,
    ServeFew,
    SourceCalled,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.neighbours import Neighbours
from panal.swarm.origins import Origins
from panal.swarm.partings import Partings
from panal.swarm.picker import Chance
from panal.swarm.queued import Queued
from panal.swarm.requests import Requests, end_fetch
from panal.swarm.sources import RunningFetch, Source, Stage
from panal.swarm.takeover import TakeOvers
from panal.wire import bitfield
from panal.wire.ids import Zone


class DownloadState:
    """What is known and decided about one content; driven by `apply` alone."""

    def __init__(
        self,
        chunk_bytes: int,
        chunk_count: int,
        written: int,
        chance: Chance,
        border: Border | None = None,
        unsure: int = 0,
    ) -> None:
        """`border` where this peer has a zone; `unsure` are here, and not compared yet."""
        self.chunks = Chunks(chunk_bytes, chunk_count, written, unsure)
        self.neighbours = Neighbours(chunk_count, chance)
        self.asking = Asking()
        self.origins = Origins(chunk_count)
        self.finished = False
        self.quiet_since_s: float | None = None
        """When bytes last came in; before the first, when the download began."""
        self.disk_still_s = 0.0
        """How long our own disk has taken nothing by now."""
        self._take_overs = TakeOvers(chunk_bytes)
        self._ahead = Ahead(chunk_count)
        self._behind = Behind(chunk_count)
        self._border = border or Border(chunk_count)
        self._requests = Requests(
            self.chunks, self.neighbours, self._border, self._take_overs, chance
        )
        self._partings = Partings(self.chunks, self.neighbours, self._border, self.asking, chance)

    @property
    def chunk_count(self) -> int:
        """How many chunks the content has."""
        return self.chunks.count

    @property
    def written(self) -> int:
        """The chunks that are here, as bits."""
        return self.chunks.written

    @property
    def missing(self) -> int:
        """The chunks that are not, as bits."""
        return self.chunks.missing

    @property
    def sources(self) -> dict[SourceId, Source]:
        """Every source that is known."""
        return self.neighbours.known

    @property
    def awaited(self) -> set[SourceId]:
        """Those that are asked for chunks, and are not silent."""
        return self._requests.awaited.sources

    @property
    def queued(self) -> Queued:
        """Those that are asked for certain chunks, and have sent nothing since."""
        return self._requests.queued

    @property
    def counted_at_s(self) -> float | None:
        """When all bytes were last counted."""
        return self._requests.counted_at_s

    @property
    def is_crowded(self) -> bool:
        """Whether more neighbours download than are asked at once."""
        return self._requests.is_crowded

    def is_left_to_zone(self, source: Source, now_s: float) -> bool:
        """Whether it is far and idle, and those near are to bring all it could be asked for."""
        chunks = source.bits & self.chunks.free
        return source.is_idle(now_s) and bool(chunks) and not self._border.askable(source, chunks)

    def to_count(self, fact: Fact, now_s: float) -> list[SourceId]:
        """Whose bytes are to be counted before it is taken in: they may have left a queue."""
        match fact:
            case ChunksAvailable(source_id, bits) | SourceOpened(source_id, bits):
                if (teller := self.neighbours.known.get(source_id)) is None:
                    return []
                late = self._requests.may_move_to(teller, teller.bits | bits, now_s)
            case FetchEnded():
                late = self._requests.may_move(self.chunks.missing, now_s)
            case _:
                return []
        return [source.id for source in late]

    def apply(self, fact: Fact, now_s: float) -> list[Order]:
        """Take one fact in; what is to be done about it."""
        if self.finished:
            return []
        if self.quiet_since_s is None:
            self.quiet_since_s = now_s
        orders = self._take(fact, now_s)
        if self.chunks.missing:
            return orders
        self.finished = True
        return [*map(Drop, self.neighbours.near), Finish()]

    # What each fact changes ---------------------------------------------------------------

    def _take(self, fact: Fact, now_s: float) -> list[Order]:
        match fact:  # the most frequent first: each case that does not fit takes time
            case ChunksAvailable(source_id, bits):
                source = self.neighbours.known.get(source_id)
                return [] if source is None else self._more_available(source, bits, now_s)
            case Ticked():
                return self._tick(now_s)
            case TrackerAnswered(problem, named):
                self._tracker_answered(problem, named, now_s)
                return []
            case NewsHeard(joined, is_announced):
                self._news_heard(joined, now_s, is_announced=is_announced)
                return []
            case DiskStoodStill(duration_s):
                self._disk_stood_still(duration_s, now_s)
                return []
            case SourceFound(source_id, zone):
                return self._found(source_id, zone, now_s)
            case ChunksCompared(right, wrong):
                self.chunks.compared(right, wrong)
                return []  # the next tick asks for the wrong ones
        source = self.neighbours.known.get(fact.source)
        if source is None:
            return []
        match fact:
            case BytesArrived(_, count):
                return self._bytes_arrived(source, count, now_s)
            case ChunkWritten(_, index):
                return self._chunk_written(source, index, now_s)
            case FetchEnded(_, failure, reason):
                return self._fetch_ended(source, failure, reason, now_s)
            case HeldBack(_, duration_s):
                self.neighbours.senders[source.id] = source
                source.held_back(duration_s, now_s)
                return []
            case SourceCalled():
                source.call_back(now_s)
                return []
            case ChunksGranted(_, first, count):
                self._granted(source, first, count)
                return []
            case SourceOpened(_, bits):
                return self._opened(source, bits, now_s)
            case SourceClosed(_, reason, misbehaved):
                return self._partings.closed(source, reason, misbehaved, now_s)
            case ChunkCorrupt(_, index):
                self.origins.came_wrong(index)
                return self._partings.ban(source, index, f"sent a wrong chunk {index}", now_s)

    def _tick(self, now_s: float) -> list[Order]:
        if self._requests.counted_at_s is not None:
            for source in self.neighbours.senders.values():
                source.tick(now_s - self._requests.counted_at_s)
        self._requests.counted(now_s)
        orders = self._partings.lose_patience(now_s)
        near = self.neighbours.near.values()
        self._border.look(near, self.chunks.free, now_s)
        quiet_since_s = now_s if self.quiet_since_s is None else self.quiet_since_s
        orders += self._partings.make_room(quiet_since_s, now_s)
        orders += self.neighbours.fill(now_s)
        orders += self._requests.ask_idle(now_s)
        if self.asking.begin_if_due(now_s):
            away = [source.id for source in self.sources.values() if source.stage is Stage.AWAY]
            orders.append(AskTracker(tuple(away)))
        if self.asking.look(self._partings.is_starving(), now_s):
            orders.append(HearNews(self.asking.hears_news))
        is_ahead = self._ahead.look(self.chunks.written, near, now_s)
        self._requests.gives_way = is_ahead and not self.is_crowded
        if self._behind.look(self.chunks.written, near, now_s):
            orders.append(ServeFew(self._behind.serves_few))
        return orders

    def _tracker_answered(self, problem: str, named: frozenset[SourceId], now_s: float) -> None:
        self.asking.answered(problem, self._partings.is_starving(), now_s)
        if problem:
            return
        for source in self.sources.values():
            is_named = source.id in named
            if is_named and not source.is_named:
                source.call_back(now_s)
            source.is_named = is_named

    def _news_heard(self, joined: frozenset[str], now_s: float, *, is_announced: bool) -> None:
        # Those that are called back are tried at the next tick; the tracker is asked besides,
        # for they may have another address now.
        back = [s.call_back(now_s) for s in self.sources.values() if s.peer in joined]
        if is_announced or any(back):
            self.asking.at_once(now_s)

    def _disk_stood_still(self, duration_s: float, now_s: float) -> None:
        self.disk_still_s = self.disk_still_s + duration_s if duration_s else 0.0
        for source in self.neighbours.near.values():
            source.stood_still(duration_s, now_s)

    def _bytes_arrived(self, source: Source, count: int, now_s: float) -> list[Order]:
        self.quiet_since_s = now_s
        if (fetch := source.fetch) is not None and fetch.first_byte_at_s is None:
            self._take_overs.first_byte_came(now_s - fetch.asked_at_s)
        self.neighbours.senders[source.id] = source
        source.count(count, now_s)
        self._requests.awaited.hears(source)
        self._requests.queued.left(source)
        return []

    def _found(self, source_id: SourceId, zone: Zone, now_s: float) -> list[Order]:
        orders = self.neighbours.found(source_id, now_s)
        if zone and (source := self.neighbours.known.get(source_id)) is not None:
            source.zone = zone
        return orders

    def _opened(self, source: Source, bits: int, now_s: float) -> list[Order]:
        if source.stage is not Stage.OPENING:
            return []
        self.neighbours.opened(source, bits & self.chunks.all, now_s)
        self._border.meet(self.neighbours.near.values())
        source.first_lead = source.bits.bit_count() - self.chunks.written.bit_count()
        return self._requests.ask(source, now_s)

    def _more_available(self, source: Source, bits: int, now_s: float) -> list[Order]:
        if source.stage is not Stage.READY:
            return []
        bits &= self.chunks.all
        self.neighbours.has_more(source, bits, now_s)
        self._border.has_more(source, bits)
        return self._requests.ask(source, now_s)

    def _granted(self, source: Source, first: int, count: int) -> None:
        fetch = source.fetch
        if fetch is None or not fetch.is_choice:
            return
        # Where another is asked for it too, whoever comes first writes it: the other's fetch
        # ends there, as taken.
        chosen = bitfield.full(count) << first & self.chunks.lacking
        fetch.granted |= chosen
        claimed = chosen & self.chunks.free
        fetch.claimed |= claimed
        self.chunks.free ^= claimed

    def _chunk_written(self, source: Source, index: int, now_s: float) -> list[Order]:
        fetch, bit = source.fetch, 1 << index
        if not self.chunks.missing & bit:
            return []
        self.chunks.written |= bit
        self.chunks.missing ^= bit
        self.origins.came(index, source.peer)
        source.failures = source.lost = source.queues_left = 0
        if fetch is not None and fetch.claimed & bit:
            self._take_overs.chunk_came(fetch.written(bit, now_s))
            self._border.chunk_came(source, fetch.bytes / max(now_s - fetch.asked_at_s, 1e-4))
            return []
        # A seed chose what another is asked for, or what is free: the disk has the last word.
        self.chunks.free &= ~bit
        orders: list[Order] = []
        for other in self.neighbours.near.values():
            if (fetch := other.fetch) is None or not fetch.claimed & bit:
                continue
            fetch.claimed ^= bit
            # What has begun to come ends by itself, as taken; a queue may be left at once.
            is_void = not fetch.claimed and not fetch.is_choice and not fetch.ending
            if is_void and fetch.first_byte_at_s is None:
                orders.append(end_fetch(other, fetch, f"{source.peer} sent it unasked", 0.0))
        return orders

    def _fetch_ended(
        self, source: Source, failure: Failure | None, reason: str, now_s: float
    ) -> list[Order]:
        fetch = source.fetch
        if fetch is None:
            return []
        source.fetch_done(now_s)
        self._requests.awaited.ended(source)
        self._requests.queued.left(source)
        if (
            fetch.taker is not None
            and (taker := self.neighbours.known.get(fetch.taker)) is not None
        ):
            taker.is_taking = False
        self._let_go_of(fetch)
        orders = self._partings.judge(source, fetch, failure, reason, now_s)
        self.neighbours.let_go(source)
        return orders + self._requests.ask_idle(now_s, first=fetch.taker)

    def _let_go_of(self, ended: RunningFetch) -> None:
        """What was claimed is free again, but for what a seed sends of its own choice."""
        if not ended.claimed:
            return  # as at the end of nearly every fetch
        for source in self.neighbours.near.values():
            if (fetch := source.fetch) is not None:
                passes = ended.claimed & fetch.granted & self.chunks.missing
                fetch.claimed |= passes
                ended.claimed ^= passes
        self.chunks.free |= ended.claimed
