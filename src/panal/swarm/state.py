"""One download's decisions: facts in, orders out.

One request a source at a time, each chunk claimed by one source only. A seed is left the
choice among what nobody is asked for, until it has sent each chunk once; of everybody else,
and of a seed from then on, the rarest chunks are asked. Opens no connection, reads no clock,
draws no number of its own: time comes with each fact, chance is an argument. Each kind of
fact looks only at what it can change; what time alone changes is looked at when time is told
to have passed.
"""

from panal.swarm.asking import Asking
from panal.swarm.awaited import AT_ONCE, more_to_ask
from panal.swarm.behind import Behind
from panal.swarm.border import Border
from panal.swarm.messages import (
    AskTracker,
    Ban,
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
    ChunksAvailable,
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
from panal.swarm.picker import Chance, pick_span, share
from panal.swarm.sources import (
    REST_AFTER_STALL_S,
    REST_AFTER_YIELD_S,
    RunningFetch,
    Source,
    Stage,
)
from panal.swarm.takeover import TakeOvers, is_late
from panal.wire import bitfield
from panal.wire.ids import Zone

REQUEST_S = 0.02
"""A request should last this long at its source's rate, so that asking costs little beside it."""
LONE_REQUEST_S = 0.1
"""The same where there is one source: nobody else could bring sooner what it is asked for."""
LONGEST_REQUEST_BYTES = 64 * 1024 * 1024
FEWEST_TO_CHOOSE_FROM = 16
"""A file of fewer chunks is not worth asking a seed to choose."""
_JITTER_STEPS = 1 << 16
_LOTS = 1 << 16


class DownloadState:
    """What is known and decided about one content; driven by `apply` alone."""

    def __init__(
        self,
        chunk_bytes: int,
        chunk_count: int,
        written: int,
        chance: Chance,
        border: Border | None = None,
    ) -> None:
        """`border` where this peer has a zone."""
        self.chunk_count = chunk_count
        self.written = written
        self.missing = bitfield.full(chunk_count) & ~written
        self.free = self.missing
        """Missing, and nobody is asked for it."""
        self.neighbours = Neighbours(chunk_count, chance)
        self.asking = Asking()
        self.origins = Origins(chunk_count)
        self.finished = False
        self.quiet_since_s: float | None = None
        """When bytes last came in; before the first, when the download began."""
        self.disk_still_s = 0.0
        """How long our own disk has taken nothing by now."""
        self._all = bitfield.full(chunk_count)
        self._chunk_bytes = chunk_bytes
        self._chance = chance
        self._take_overs = TakeOvers(chunk_bytes)
        self._ticked_at_s: float | None = None
        self._behind = Behind(chunk_count)
        self._border = border or Border(chunk_count)

    @property
    def sources(self) -> dict[SourceId, Source]:
        """Every source that is known."""
        return self.neighbours.known

    def apply(self, fact: Fact, now_s: float) -> list[Order]:
        """Take one fact in; what is to be done about it."""
        if self.finished:
            return []
        if self.quiet_since_s is None:
            self.quiet_since_s = now_s
        orders = self._take(fact, now_s)
        if self.missing:
            return orders
        self.finished = True
        return [*map(Drop, self.neighbours.near), Finish()]

    # What each fact changes ---------------------------------------------------------------

    def _take(self, fact: Fact, now_s: float) -> list[Order]:
        match fact:
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
        source = self.sources.get(fact.source)
        if source is None:
            return []
        match fact:
            case BytesArrived(_, count):
                return self._bytes_arrived(source, count, now_s)
            case HeldBack(_, duration_s):
                source.held_back(duration_s, now_s)
                return []
            case SourceCalled():
                source.call_back(now_s)
                return []
            case ChunksGranted(_, first, count):
                self._granted(source, first, count)
                return []
            case ChunkWritten(_, index):
                self._chunk_written(source, index, now_s)
                return []
            case SourceOpened(_, bits):
                return self._opened(source, bits, now_s)
            case ChunksAvailable(_, bits):
                return self._more_available(source, bits, now_s)
            case SourceClosed(_, reason, misbehaved):
                return self._closed(source, reason, misbehaved, now_s)
            case FetchEnded(_, failure, reason):
                return self._fetch_ended(source, failure, reason, now_s)
            case ChunkCorrupt(_, index):
                self.origins.came_wrong(index)
                return self._ban(source, index, f"sent a wrong chunk {index}", now_s)

    def _tick(self, now_s: float) -> list[Order]:
        if self._ticked_at_s is not None:
            for source in self.sources.values():
                if source.has_sent:
                    source.tick(now_s - self._ticked_at_s)
        self._ticked_at_s = now_s
        orders: list[Order] = []
        for source in self.neighbours.near.values():
            fetch = source.fetch
            if fetch is None or fetch.ending:
                continue
            only = fetch.is_measured(now_s) and not self._others_have(source, fetch.claimed)
            if why := fetch.impatience(now_s, is_only_source=only):
                orders.append(_end(source, fetch, why, REST_AFTER_STALL_S))
        near = self.neighbours.near.values()
        self._border.look(near, self.free, now_s)
        orders += self._make_room(now_s)
        orders += self.neighbours.fill(now_s)
        orders += self._occupy_idle(now_s)
        if self.asking.begin_if_due(now_s):
            away = [source.id for source in self.sources.values() if source.stage is Stage.AWAY]
            orders.append(AskTracker(tuple(away)))
        if self.asking.look(self._is_starving(), now_s):
            orders.append(HearNews(self.asking.hears_news))
        if self._behind.look(self.written, near, now_s):
            orders.append(ServeFew(self._behind.serves_few))
        return orders

    def _tracker_answered(self, problem: str, named: frozenset[SourceId], now_s: float) -> None:
        self.asking.answered(problem, self._is_starving(), now_s)
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

    def _others_have(self, source: Source, chunks: int) -> bool:
        return any(
            other is not source and other.bits & chunks for other in self.neighbours.near.values()
        )

    def _bytes_arrived(self, source: Source, count: int, now_s: float) -> list[Order]:
        self.quiet_since_s = now_s
        if (fetch := source.fetch) is not None and fetch.first_byte_at_s is None:
            self._take_overs.first_byte_came(now_s - fetch.asked_at_s)
        source.count(count, now_s)
        return []

    def _found(self, source_id: SourceId, zone: Zone, now_s: float) -> list[Order]:
        orders = self.neighbours.found(source_id, now_s)
        if zone and (source := self.sources.get(source_id)) is not None:
            source.zone = zone
        return orders

    def _opened(self, source: Source, bits: int, now_s: float) -> list[Order]:
        if source.stage is not Stage.OPENING:
            return []
        self.neighbours.opened(source, bits & self._all, now_s)
        self._border.meet(self.neighbours.near.values())
        source.first_lead = source.bits.bit_count() - self.written.bit_count()
        return self._occupy(source, now_s)

    def _more_available(self, source: Source, bits: int, now_s: float) -> list[Order]:
        if source.stage is not Stage.READY:
            return []
        self.neighbours.has_more(source, bits & self._all, now_s)
        self._border.has_more(source, bits & self._all)
        return self._occupy(source, now_s)

    def _granted(self, source: Source, first: int, count: int) -> None:
        fetch = source.fetch
        if fetch is None or not fetch.is_choice:
            return
        # Where another is asked for it too, whoever comes first writes it: the other's fetch
        # ends there, as taken.
        chosen = bitfield.full(count) << first & self.missing
        fetch.granted |= chosen
        claimed = chosen & self.free
        fetch.claimed |= claimed
        self.free ^= claimed

    def _chunk_written(self, source: Source, index: int, now_s: float) -> None:
        fetch, bit = source.fetch, 1 << index
        if not self.missing & bit:
            return
        self.written |= bit
        self.missing ^= bit
        self.origins.came(index, source.peer)
        source.failures = source.lost = 0
        if fetch is not None and fetch.claimed & bit:
            self._take_overs.chunk_came(fetch.written(bit, now_s))
            self._border.chunk_came(source, fetch.bytes / max(now_s - fetch.asked_at_s, 1e-4))
            return
        # A seed chose what another is asked for, or what is free: the disk has the last word.
        self.free &= ~bit
        for other in self.neighbours.near.values():
            if other.fetch is not None:
                other.fetch.claimed &= ~bit

    def _closed(self, source: Source, reason: str, misbehaved: bool, now_s: float) -> list[Order]:
        if source.stage not in {Stage.OPENING, Stage.READY}:
            return []
        if misbehaved and source.misbehaved():
            return self._ban(source, None, reason, now_s)
        orders: list[Order] = []
        fetch = source.fetch
        if fetch is not None and not fetch.ending and fetch.first_byte_at_s is None:
            orders.append(_end(source, fetch, reason, 0.0))  # its queue has gone
        self._send_away(source, reason, now_s, source.back_off_s(self._jitter(), Failure.BROKEN))
        return orders

    def _fetch_ended(
        self, source: Source, failure: Failure | None, reason: str, now_s: float
    ) -> list[Order]:
        fetch = source.fetch
        if fetch is None:
            return []
        source.fetch_done(now_s)
        if fetch.taker is not None and (taker := self.sources.get(fetch.taker)) is not None:
            taker.is_taking = False
        self._let_go_of(fetch)
        orders = self._judge(source, fetch, failure, reason, now_s)
        self.neighbours.let_go(source)
        return orders + self._occupy_idle(now_s, first=fetch.taker)

    def _let_go_of(self, ended: RunningFetch) -> None:
        """What was claimed is free again, but for what a seed sends of its own choice."""
        if not ended.claimed:
            return  # as at the end of nearly every fetch
        for source in self.neighbours.near.values():
            if (fetch := source.fetch) is not None:
                passes = ended.claimed & fetch.granted & self.missing
                fetch.claimed |= passes
                ended.claimed ^= passes
        self.free |= ended.claimed

    def _judge(
        self,
        source: Source,
        fetch: RunningFetch,
        failure: Failure | None,
        reason: str,
        now_s: float,
    ) -> list[Order]:
        if failure is None or failure is Failure.TAKEN or source.stage is Stage.BANNED:
            return []
        if fetch.ending or failure is Failure.CANCELLED:
            # A cancellation may come a moment late and hit the next fetch: nobody's fault.
            source.reason = fetch.ending
            source.rests_until_s = max(source.rests_until_s, now_s + fetch.rest_s)
            if fetch.rest_s < REST_AFTER_STALL_S or source.stage is not Stage.READY:
                return []
            self._send_away(source, fetch.ending, now_s, fetch.rest_s)
            return [Drop(source.id)]
        if failure is Failure.NOTHING_UNSENT:
            source.may_choose = False
            return []
        if failure is Failure.MISBEHAVED and source.misbehaved():
            return self._ban(source, None, reason, now_s)
        if source.stage is not Stage.READY:
            return []
        rest_s = source.back_off_s(self._jitter(), failure)
        self._send_away(source, reason or failure.value, now_s, rest_s)
        return [Drop(source.id)]

    def _ban(self, source: Source, index: int | None, reason: str, now_s: float) -> list[Order]:
        if source.stage is Stage.BANNED:
            return []
        orders: list[Order] = []
        if source.fetch is not None and not source.fetch.ending:
            orders.append(_end(source, source.fetch, reason, 0.0))
        self._leave(source, Stage.BANNED, reason, now_s)
        return [*orders, Ban(source.id, index, reason), Drop(source.id)]

    def _send_away(self, source: Source, reason: str, now_s: float, rest_s: float) -> None:
        source.rests_until_s = now_s + rest_s
        self._leave(source, Stage.AWAY, reason, now_s)

    def _leave(self, source: Source, stage: Stage, reason: str, now_s: float) -> None:
        self.neighbours.leave(source, stage, reason, now_s)
        self._border.meet(self.neighbours.near.values())
        if self._is_starving():
            self.asking.hurry(now_s)

    def _jitter(self) -> float:
        return self._chance.randrange(_JITTER_STEPS) / _JITTER_STEPS

    def _is_starving(self) -> bool:
        return self.missing & self.neighbours.available != self.missing

    # What is to be done -------------------------------------------------------------------

    def _make_room(self, now_s: float) -> list[Order]:
        quiet_since_s = now_s if self.quiet_since_s is None else self.quiet_since_s
        source = self.neighbours.who_makes_room(self.missing, quiet_since_s, now_s)
        if source is None:
            return []
        why = "made room for another"
        if source.fetch is not None:
            return [_end(source, source.fetch, why, REST_AFTER_STALL_S)]
        self._send_away(source, why, now_s, REST_AFTER_STALL_S)
        return [Drop(source.id)]

    def _more_to_ask(self, now_s: float) -> int:
        near = self.neighbours.near
        if len(near) <= AT_ONCE:
            return AT_ONCE
        return more_to_ask(near.values(), self._all, self._counted_at_s(now_s))

    def _occupy_idle(self, now_s: float, first: SourceId | None = None) -> list[Order]:
        more = self._more_to_ask(now_s)
        idle = [source for source in self.neighbours.near.values() if source.is_idle(now_s)]
        if not more or not idle:
            return []
        lots: dict[SourceId, int] = {}
        if len(self.neighbours.near) > AT_ONCE:  # else nobody is left out
            lots = {source.id: self._lot(source) for source in idle}
        idle.sort(key=lambda one: (one.id != first, one.setbacks, lots.get(one.id, 0)))
        late = self._late(now_s)
        orders: list[Order] = []
        for source in idle:
            orders += self._ask(source, now_s, late)
            more -= source.fetch is not None
            if not more:
                break
        return orders

    def _lot(self, source: Source) -> int:
        """Who is asked first: a seed that chooses, then any; lower is sooner."""
        chooses = source.may_choose and source.bits == self._all
        return -1 if chooses else self._chance.randrange(_LOTS)

    def _occupy(self, source: Source, now_s: float) -> list[Order]:
        if not source.is_idle(now_s) or not self._more_to_ask(now_s):
            return []
        return self._ask(source, now_s, None)

    def _ask(self, source: Source, now_s: float, late: list[Source] | None) -> list[Order]:
        """`late` is what `_late` gave at this time, if that is known."""
        useful = self._border.askable(source, source.bits & self.free)
        if not useful:
            return self._take_over(source, now_s, late)
        longest = self._longest(source, useful)
        if source.may_choose and (among := useful & self._share_of(source)):
            source.fetch = RunningFetch(0, now_s, is_choice=True)
            return [FetchAny(source.id, among, longest)]
        first, count = pick_span(useful, self.neighbours.rarity, longest, self._chance)
        source.fetch = RunningFetch(((1 << count) - 1) << first, now_s)
        self.free ^= source.fetch.claimed
        return [Fetch(source.id, first, count)]

    def _share_of(self, source: Source) -> int:
        """Among which chunks a seed may choose; none for who is no seed."""
        if self.chunk_count < FEWEST_TO_CHOOSE_FROM or source.bits != self._all:
            return 0
        seeds = sorted(s.id for s in self.neighbours.near.values() if s.bits == self._all)
        return share(self.chunk_count, seeds.index(source.id), len(seeds))

    def _counted_at_s(self, now_s: float) -> float:
        return now_s if self._ticked_at_s is None else self._ticked_at_s

    def _late(self, now_s: float) -> list[Source]:
        """Those that some other might take chunks from."""
        counted_at_s = self._counted_at_s(now_s)
        return [
            source
            for source in self.neighbours.near.values()
            if source.fetch is not None and is_late(source.fetch, now_s, counted_at_s)
        ]

    def _take_over(self, source: Source, now_s: float, late: list[Source] | None) -> list[Order]:
        bits = source.bits & (self.missing ^ self.free)
        if not bits or source.is_taking:
            return []
        may, may_move = self._take_overs.may, self._border.may_move
        counted_at_s = self._counted_at_s(now_s)
        for other in self._late(now_s) if late is None else late:
            fetch = other.fetch
            if (
                fetch is not None
                and fetch.claimed & bits
                and may(other, source, now_s, counted_at_s)
                and may_move(other, source, now_s)
            ):
                break
        else:
            return []
        self._take_overs.taken()
        other.lost += 1
        fetch.taker, source.is_taking = source.id, True
        self._border.give_up(other, source, fetch.claimed & source.bits)
        return [_end(other, fetch, f"{source.peer} was quicker", REST_AFTER_YIELD_S)]

    def _longest(self, source: Source, useful: int) -> int:
        """How many chunks to ask for at most: a fair share, and as much as helps its rate."""
        lasts_s = LONE_REQUEST_S if len(self.neighbours.near) == 1 else REQUEST_S
        by_rate = int(source.fetch_rate_bytes_s * lasts_s) // self._chunk_bytes
        if (longest := min(by_rate, LONGEST_REQUEST_BYTES // self._chunk_bytes)) <= 1:
            return 1
        ready = sum(other.stage is Stage.READY for other in self.neighbours.near.values())
        return max(1, min(longest, useful.bit_count() // (4 * ready)))


def _end(source: Source, fetch: RunningFetch, why: str, rest_s: float) -> Order:
    fetch.ending, fetch.rest_s = why, rest_s
    return CancelFetch(source.id)
