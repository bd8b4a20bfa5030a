"""Which chunks are asked of whom, and which are taken over from whom.

One request a source at a time, each chunk claimed by one source only. A seed is left the choice
among what nobody is asked for, until it has sent each chunk once; of everybody else, and of a seed
from then on, the rarest chunks are asked.
"""

from panal.swarm.awaited import AT_ONCE, Awaited
from panal.swarm.border import Border
from panal.swarm.chunks import Chunks
from panal.swarm.messages import CancelFetch, Fetch, FetchAny, Order, SourceId
from panal.swarm.neighbours import Neighbours
from panal.swarm.picker import Chance, pick_span, share
from panal.swarm.queued import REST_AFTER_QUEUE_S, Queued
from panal.swarm.sources import REST_AFTER_YIELD_S, RunningFetch, Source, Stage
from panal.swarm.takeover import GAIN_S, LATE_CHUNK_S, TakeOvers, late_among

REQUEST_S = 0.02
"""A request should last this long at its source's rate, so that asking costs little beside it."""
LONE_REQUEST_S = 0.1
"""The same where there is one source: nobody else could bring sooner what it is asked for."""
LONGEST_REQUEST_BYTES = 64 * 1024 * 1024
FEWEST_TO_CHOOSE_FROM = 16
"""A file of fewer chunks is not worth asking a seed to choose."""
LOOKED_AHEAD_S = LATE_CHUNK_S - 1.0
"""Bytes are counted more often than once a second."""
_LOTS = 1 << 16


class Requests:
    """Makes requests of one download's neighbours; what they change is noted at once."""

    def __init__(
        self,
        chunks: Chunks,
        neighbours: Neighbours,
        border: Border,
        take_overs: TakeOvers,
        chance: Chance,
    ) -> None:
        self._chunks = chunks
        self._neighbours = neighbours
        self._border = border
        self._take_overs = take_overs
        self._chance = chance
        self.awaited = Awaited()
        self.queued = Queued()
        self.gives_way = False
        """Whether what is asked for now may wait for those who have less."""
        self.counted_at_s: float | None = None
        """When all bytes were last counted."""
        self._may_be_late: list[Source] = []
        """While not all that is missing is asked for: nobody else is late before the next count."""

    def counted(self, now_s: float) -> None:
        """The bytes of all neighbours are counted now."""
        self.counted_at_s = now_s
        near = self._neighbours.near.values()
        self.awaited.counted(near, now_s)
        self._may_be_late = late_among(near, self._chunks.missing, now_s, now_s, LOOKED_AHEAD_S)

    def may_move(self, chunks: int, now_s: float) -> list[Source]:
        """In whose queues one of the chunks waits that another may have, in a crowd."""
        return self.queued.late(chunks, now_s) if self.is_crowded else []

    def may_move_to(self, source: Source, chunks: int, now_s: float) -> list[Source]:
        """The same where only this one may have it, which has those chunks."""
        if source.fetch is not None or not self.awaited.more_to_ask(self._neighbours.downloading):
            return []
        return self.may_move(chunks, now_s)

    @property
    def is_crowded(self) -> bool:
        """Whether more neighbours download than are asked at once."""
        return self._neighbours.downloading > AT_ONCE

    def ask_idle(self, now_s: float, first: SourceId | None = None) -> list[Order]:
        """Ask whoever is idle and has something; `first` chooses before the others."""
        more = self.awaited.more_to_ask(self._neighbours.downloading)
        if not more:
            return []
        late = self._late(self._chunks.missing, now_s)
        idle = self._idle_with_any_of(self._chunks.free | _claimed_of(late), now_s)
        if not idle:
            return []
        lots: dict[SourceId, int] = {}
        if len(self._neighbours.near) > AT_ONCE:  # else nobody is left out
            lots = {source.id: self._lot(source) for source in idle}
        idle.sort(key=lambda one: (one.id != first, one.setbacks, lots.get(one.id, 0)))
        orders: list[Order] = []
        is_all_asked = not self._chunks.free
        for source in idle:
            if not (self._chunks.free or is_all_asked):  # the last that was free is asked for now
                late, is_all_asked = self._late(self._chunks.missing, now_s), True
            orders += self._ask_now(source, now_s, late)
            more -= source.fetch is not None
            if not more:
                break
        return orders

    def ask(self, source: Source, now_s: float) -> list[Order]:
        """Ask this one, where it is idle and has something."""
        if not source.is_idle(now_s):
            return []
        if not self.awaited.more_to_ask(self._neighbours.downloading):
            return []
        return self._ask_now(source, now_s, None)

    def _idle_with_any_of(self, chunks: int, now_s: float) -> list[Source]:
        return [
            source
            for source in self._neighbours.near.values()
            if source.fetch is None and source.bits & chunks and source.is_idle(now_s)
        ]

    def _lot(self, source: Source) -> int:
        """Who is asked first: a seed that chooses, then any; lower is sooner."""
        chooses = source.may_choose and source.bits == self._chunks.all
        return -1 if chooses else self._chance.randrange(_LOTS)

    def _ask_now(self, source: Source, now_s: float, late: list[Source] | None) -> list[Order]:
        """`late` are those that are late at this time, if that is known."""
        useful = self._border.askable(source, source.bits & self._chunks.free)
        if not useful:
            return self._take_over(source, now_s, late)
        longest = self._longest(source, useful)
        if source.may_choose and (among := useful & self._share_of(source)):
            source.fetch = RunningFetch(
                0, now_s, is_choice=True, measured_over_s=source.measured_over_s
            )
            self.awaited.hears(source)
            return [FetchAny(source.id, among, longest, self.gives_way)]
        first, count = pick_span(useful, self._neighbours.rarity, longest, self._chance)
        claimed = ((1 << count) - 1) << first
        source.fetch = RunningFetch(claimed, now_s, measured_over_s=source.measured_over_s)
        self.awaited.hears(source)
        self.queued.asked(source)
        self._chunks.free ^= claimed
        return [Fetch(source.id, first, count, self.gives_way)]

    def _share_of(self, source: Source) -> int:
        """Among which chunks a seed may choose; none for who is no seed."""
        if self._chunks.count < FEWEST_TO_CHOOSE_FROM or source.bits != self._chunks.all:
            return 0
        seeds = sorted(s.id for s in self._neighbours.near.values() if s.bits == self._chunks.all)
        return share(self._chunks.count, seeds.index(source.id), len(seeds))

    def _longest(self, source: Source, useful: int) -> int:
        """How many chunks to ask for at most: a fair share, and as much as helps its rate."""
        lasts_s = LONE_REQUEST_S if len(self._neighbours.near) == 1 else REQUEST_S
        by_rate = int(source.fetch_rate_bytes_s * lasts_s) // self._chunks.chunk_bytes
        if (longest := min(by_rate, LONGEST_REQUEST_BYTES // self._chunks.chunk_bytes)) <= 1:
            return 1
        ready = sum(other.stage is Stage.READY for other in self._neighbours.near.values())
        return max(1, min(longest, useful.bit_count() // (4 * ready)))

    def _take_over(self, source: Source, now_s: float, late: list[Source] | None) -> list[Order]:
        bits = source.bits & (self._chunks.missing ^ self._chunks.free)
        if not bits or source.is_taking:
            return []
        may, may_move = self._take_overs.may, self._border.may_move
        all_asked, crowded = not self._chunks.free, self.is_crowded
        counted_at_s = self._last_counted_s(now_s)
        for other in self._late(bits, now_s) if late is None else late:
            fetch = other.fetch
            if (
                fetch is not None
                and fetch.claimed & bits
                and may(other, source, now_s, counted_at_s, all_asked=all_asked, crowded=crowded)
                and may_move(other, source, now_s)
            ):
                break
        else:
            return []
        self._take_overs.taken()
        other.lost += 1
        fetch.taker, source.is_taking = source.id, True
        self._border.give_up(other, source, fetch.claimed & source.bits)
        left_queue = crowded and fetch.first_byte_at_s is None
        rest_s = REST_AFTER_QUEUE_S if left_queue else REST_AFTER_YIELD_S
        return [end_fetch(other, fetch, f"{source.peer} was quicker", rest_s)]

    def _late(self, chunks: int, now_s: float) -> list[Source]:
        """Those that some other might take some of the chunks from."""
        if not self.is_crowded:
            return self._long_late(chunks, now_s)
        return self.queued.late(chunks, now_s) + self._long_late(chunks, now_s)

    def _long_late(self, chunks: int, now_s: float) -> list[Source]:
        counted_at_s = self._last_counted_s(now_s)
        if self._chunks.free and self.counted_at_s is not None:
            return late_among(self._may_be_late, chunks, now_s, counted_at_s, LATE_CHUNK_S)
        least_s = LATE_CHUNK_S if self._chunks.free else GAIN_S
        return late_among(self._neighbours.near.values(), chunks, now_s, counted_at_s, least_s)

    def _last_counted_s(self, now_s: float) -> float:
        return now_s if self.counted_at_s is None else self.counted_at_s


def _claimed_of(sources: list[Source]) -> int:
    claimed = 0
    for source in sources:
        if source.fetch is not None:
            claimed |= source.fetch.claimed
    return claimed


def end_fetch(source: Source, fetch: RunningFetch, why: str, rest_s: float) -> Order:
    """Cancel it; the source rests so long before it is asked again."""
    fetch.ending, fetch.rest_s = why, rest_s
    return CancelFetch(source.id)
