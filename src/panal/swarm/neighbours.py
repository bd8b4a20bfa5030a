"""Which sources a download keeps in touch with, and which chunks those have.

A neighbour is a source whose availability is followed or being asked for, or whose fetch
still runs; there are at most MAX_NEIGHBOURS. Decides nothing of chunks.
"""

import heapq
from collections.abc import Iterator

from panal.back_off import doubled
from panal.swarm.messages import Drop, Follow, Order, SourceId
from panal.swarm.picker import Chance, Rarity
from panal.swarm.sources import RunningFetch, Source, Stage

MAX_NEIGHBOURS = 40
MAX_SOURCES_KNOWN = 1_000
QUIET_BEFORE_SWAP_S = 15.0
"""Nothing came from anybody for so long: neighbours make room for those who wait."""
SWAP_EVERY_S = 1.0
USELESS_SWAP_EVERY_S = 0.25
"""Who has nothing that is missing makes room so often for one who might: else those who came
first would only ever know each other."""
USELESS_AFTER_S = 2.0
"""But not before it was a neighbour for so long."""
HELPFUL_FOR_S = 60.0
"""Who sent bytes within this time makes room for nobody."""
PLACE_KEPT_S = 30.0
"""Nor who has been asked for chunks no longer ago: a place in its queue is worth something."""
MOST_DOUBLINGS = 5
"""So often that time is doubled, once for each queue of its that was left for others: to 16 min."""
OPENING_S = 5.0
"""So long, while others wait, for a source to say what it has."""

_LOTS = 1 << 30


class Neighbours:
    """All sources that are known, and the few of them that are in touch."""

    def __init__(self, chunk_count: int, chance: Chance) -> None:
        self._chance = chance
        self._all = (1 << chunk_count) - 1
        self.known: dict[SourceId, Source] = {}
        self.near: dict[SourceId, Source] = {}
        self.senders: dict[SourceId, Source] = {}
        """Whose bytes ever came, or were held back: of all that are known, often few."""
        self.rarity = Rarity(chunk_count)
        self.downloading = 0
        """How many of those that are ready have not all of it."""
        self._swapped_at_s = 0.0

    @property
    def available(self) -> int:
        """Chunks that some ready source has."""
        bits = 0
        for source in self.near.values():
            bits |= source.bits
        return bits

    def found(self, source_id: SourceId, now_s: float) -> list[Order]:
        """Take in a source that may be new, in the place of a failed one if need be."""
        if source_id in self.known:
            return []
        orders: list[Order] = []
        if len(self.known) >= MAX_SOURCES_KNOWN:
            away = [s for s in self.known.values() if s.stage is Stage.AWAY and s.fetch is None]
            if not away:
                return []
            forgotten = max(away, key=lambda source: source.failures)
            del self.known[forgotten.id]
            self.senders.pop(forgotten.id, None)
            orders.append(Drop(forgotten.id))
        source = self.known[source_id] = Source(source_id)
        if len(self.near) >= MAX_NEIGHBOURS:
            orders += self._make_lot(now_s)
        if len(self.near) < MAX_NEIGHBOURS:
            orders.append(self._follow(source, now_s))
        return orders

    def _make_lot(self, now_s: float) -> list[Order]:
        """Let one go by chance, so that all who are known are neighbours alike.

        Else those who came first would be everybody's neighbours, and those who came last
        nobody's: half of the uplinks would idle while the others have queues.
        """
        if self._chance.randrange(len(self.known)) >= MAX_NEIGHBOURS:
            return []
        idle = [s for s in self.near.values() if s.fetch is None and s.bits != self._all]
        if not idle:
            return []
        source = idle[self._chance.randrange(len(idle))]
        self.leave(source, Stage.AWAY, "made room for another", now_s)
        return [Drop(source.id)]

    def fill(self, now_s: float) -> list[Order]:
        """Follow as many of those that wait as there is room for."""
        room = MAX_NEIGHBOURS - len(self.near)
        if room <= 0:
            return []
        # Those that failed least come first: else many that never help could keep them out.
        # Then those never tried; by chance, lest all choose the same.
        waiting = [
            (source.failures, source.near_since_s, self._chance.randrange(_LOTS), source.id)
            for source in self._waiting(now_s)
        ]
        return [self._follow(self.known[lot[-1]], now_s) for lot in heapq.nsmallest(room, waiting)]

    def who_makes_room(self, missing: int, quiet_since_s: float, now_s: float) -> Source | None:
        """Who is missed least, if others wait: it is to be sent away."""
        if len(self.near) < MAX_NEIGHBOURS or now_s - self._swapped_at_s < USELESS_SWAP_EVERY_S:
            return None
        if next(self._waiting(now_s), None) is None:
            return None
        removable = [s for s in self.near.values() if self._has_nothing(s, now_s, missing)]
        if not removable and now_s - self._swapped_at_s >= SWAP_EVERY_S:
            # Even while others send: one that trickles must not keep all places taken.
            removable = [s for s in self.near.values() if self._was_asked_in_vain(s, now_s)]
            if not removable and now_s - quiet_since_s > QUIET_BEFORE_SWAP_S:
                removable = [s for s in self.near.values() if self._helps_not(s, now_s, missing)]
        if not removable:
            return None
        self._swapped_at_s = now_s
        return min(removable, key=lambda source: source.helped_at_s)

    def _has_nothing(self, source: Source, now_s: float, missing: int) -> bool:
        is_new = now_s - source.near_since_s < USELESS_AFTER_S
        is_ready = source.stage is Stage.READY and source.fetch is None
        return is_ready and not is_new and not source.bits & missing

    def _was_asked_in_vain(self, source: Source, now_s: float) -> bool:
        if source.stage is Stage.OPENING and source.fetch is None:
            return now_s - source.near_since_s > OPENING_S
        if now_s - source.helped_at_s <= (HELPFUL_FOR_S if source.bytes else PLACE_KEPT_S):
            return False
        if source.fetch is not None:
            return _waited_in_vain(source.fetch, source.queues_left, now_s)
        return source.setbacks > 0

    def _helps_not(self, source: Source, now_s: float, missing: int) -> bool:
        if now_s - source.helped_at_s <= (HELPFUL_FOR_S if source.bytes else QUIET_BEFORE_SWAP_S):
            return False
        if source.fetch is not None:
            return _waited_in_vain(source.fetch, source.queues_left, now_s)
        return source.setbacks > 0 or not source.bits & missing

    def opened(self, source: Source, bits: int, now_s: float) -> None:
        """It told what it has."""
        source.stage, source.reason, source.last_seen_s = Stage.READY, "", now_s
        source.bits, source.grew_at_s = bits, now_s
        self.downloading += bits != self._all
        self.rarity.add(bits)

    def has_more(self, source: Source, bits: int, now_s: float) -> None:
        """It has further chunks, some of which may be told a second time."""
        source.last_seen_s = now_s
        fresh = bits ^ bits & source.bits
        source.bits |= fresh
        if fresh:
            source.grew_at_s = now_s
            self.downloading -= source.bits == self._all
        self.rarity.add(fresh)

    def leave(self, source: Source, stage: Stage, reason: str, now_s: float) -> None:
        """It is away or banned: nothing that it has counts."""
        if source.stage is Stage.READY:
            source.last_seen_s = now_s
            self.downloading -= source.bits != self._all
            self.rarity.remove(source.bits)
        source.had = source.bits or source.had
        source.bits, source.stage, source.reason = 0, stage, reason
        self.let_go(source)

    def let_go(self, source: Source) -> None:
        """Count it out if nothing goes on with it any more."""
        if source.fetch is None and source.stage not in {Stage.OPENING, Stage.READY}:
            self.near.pop(source.id, None)

    def _follow(self, source: Source, now_s: float) -> Order:
        source.stage, source.helped_at_s, source.near_since_s = Stage.OPENING, now_s, now_s
        self.near[source.id] = source
        return Follow(source.id)

    def _waiting(self, now_s: float) -> Iterator[Source]:
        for source in self.known.values():
            rested = source.stage is Stage.AWAY and source.rests_until_s <= now_s
            if source.fetch is None and (rested or source.stage is Stage.FOUND):
                yield source


def _waited_in_vain(fetch: RunningFetch, queues_left: int, now_s: float) -> bool:
    """Whether its place in a queue has been kept long enough: longer after each that was left."""
    kept_s = doubled(PLACE_KEPT_S, min(queues_left, MOST_DOUBLINGS))
    return not fetch.ending and fetch.silence_s(now_s) > kept_s
