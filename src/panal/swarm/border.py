"""Which chunks are asked of sources outside this peer's zone.

What somebody near has comes from there. Of the rest each peer of a zone fetches its part across
the border and has the others' parts from them, so one copy crosses. Everybody computes the parts
alike: a chunk is for whoever scores highest for it among those who know each other (rendezvous
hashing: Thaler and Ravishankar, 1998), and for the next in line where that one does not bring it.
Without a zone nobody is far.
"""

import struct
from collections.abc import Collection, Iterable
from functools import lru_cache

from blake3 import blake3

from panal.swarm.sources import Source, Stage
from panal.wire import bitfield
from panal.wire.ids import NO_ZONE, Zone

SLOTS = 256
"""A peer has a score for each; the chunks are dealt to them in blocks, over and over."""
LONGEST_BLOCK = 64
"""Consecutive chunks in one slot: a run that one request may ask for."""
STEP_S = 1.0
"""Who has nothing left to fetch of its own part takes, after each of these, that of more others.
A far source that has kept silent for so long is not taken to bring anything."""
IN_LINE = (2, 4)
"""Of how many in line the parts are taken after one step, and after two; after three, all."""
LOST_IN_A_ROW = 3
"""After so many claims that others took from it, what a near source has does not count as near."""
LEFT_TO_COME_S = 10.0
"""A chunk that has begun to cross is moved to another far source only after so long: the border is
slow, not who sends, and its others see to it sooner."""
SLOW_AFTER_S = 1.0
"""So long those near must bring too little, while chunks that they have are asked of nobody."""
SLOW_FACTOR = 2.0
"""Too little: one far source alone brought so many times as much as all that are near."""
SLOW_FOR_S = 10.0
"""Then a peer's own part comes from afar, whoever near has it too, for so long. How quickly a far
chunk came is known for as long, and then tried anew with one."""


class Border:
    """Who is far, and what may be asked of them."""

    def __init__(self, chunk_count: int, own_name: str = "", zone: Zone = NO_ZONE) -> None:
        """Without a zone nothing is held back from anybody."""
        self._zone = zone
        self._own_name = own_name
        self._chunk_count = chunk_count
        self._whole = bitfield.full(chunk_count)
        self._held = 0
        """Chunks that somebody near has who brings what is asked."""
        self._members: tuple[str, ...] | None = None
        """Those near that fetch it too."""
        self._parts = [self._whole] * (len(IN_LINE) + 1)
        """Our own part; then with those of others that we are soon in line for."""
        self._waited = [0] * (len(IN_LINE) + 2)
        """At position n, what had to wait for another's turn for n steps."""
        self._stepped_at_s = 0.0
        self._overdue = 0
        self._given_up = 0
        """Claims on those near that far ones were quicker for, whoever has it."""
        self._far_bytes_s = 0.0
        """How quickly the last chunk came over the border."""
        self._far_came_s = -SLOW_FOR_S
        self._slow_since_s: float | None = None
        self._is_slow_until_s = 0.0
        self._now_s = 0.0

    def is_far(self, source: Source) -> bool:
        """Whether it is across the border; who names no zone is far from every zone."""
        return bool(self._zone) and source.zone != self._zone

    def askable(self, source: Source, chunks: int) -> int:
        """Those of the chunks, which a source has and nobody is asked for, that it may be asked."""
        if not self._zone or source.zone == self._zone or not chunks:
            return chunks
        own = self._parts[0]
        if self._now_s >= self._is_slow_until_s:
            own &= ~self._held
        return chunks & (own | self._overdue & ~self._held | self._given_up)

    def may_move(self, holder: Source, taker: Source, now_s: float) -> bool:
        """Whether a far source's claim may become another's: what has come of it crosses twice."""
        fetch = holder.fetch
        if fetch is None or not self._members or not (self.is_far(holder) and self.is_far(taker)):
            return True
        return fetch.first_byte_at_s is None or now_s - fetch.chunk_began_at_s > LEFT_TO_COME_S

    def give_up(self, holder: Source, taker: Source, chunks: int) -> None:
        """A source was too slow for another to watch: near ones have had their chance."""
        if self.is_far(taker) and not self.is_far(holder):
            self._given_up |= chunks

    def chunk_came(self, source: Source, rate_bytes_s: float) -> None:
        """A chunk is in; the rate since it was asked for."""
        if self.is_far(source):
            self._far_bytes_s, self._far_came_s = rate_bytes_s, self._now_s

    def has_more(self, source: Source, chunks: int) -> None:
        """A source has told of further chunks."""
        if self._zone and source.zone == self._zone and not _is_distrusted(source):
            self._held |= chunks

    def meet(self, neighbours: Iterable[Source]) -> None:
        """Somebody came or went: who is near, and whose is what."""
        if not self._zone:
            return
        held, members = 0, []
        for source in neighbours:
            if source.zone != self._zone or source.stage is not Stage.READY:
                continue
            if not _is_distrusted(source):
                held |= source.bits
            if source.bits != self._whole:
                members.append(source.peer)
        self._held = held
        if (now_members := tuple(sorted(members))) != self._members:
            self._members = now_members
            places = _places(self._own_name, now_members)
            self._parts = [
                _chunks_of(
                    {slot for slot, place in enumerate(places) if place < most}, self._chunk_count
                )
                for most in (1, *IN_LINE)
            ]

    def look(self, neighbours: Collection[Source], free: int, now_s: float) -> None:
        """Time has passed: what of the others' parts is overdue, and are those near slow?"""
        if not self._zone:
            return
        self._now_s = now_s
        self.meet(neighbours)
        idle, is_fetching = 0, False
        for source in neighbours:
            if source.zone == self._zone:
                continue
            fetch = source.fetch
            is_fetching = is_fetching or (fetch is not None and fetch.silence_s(now_s) < STEP_S)
            if source.is_idle(now_s):
                idle |= source.bits
        absent = free & ~self._held
        if not is_fetching:
            self._grow_impatient(idle & absent, now_s)
        self._waited = [chunks & absent for chunks in self._waited]
        self._overdue = self._waited[-1]
        for part, waited in zip(self._parts[1:], self._waited[1:], strict=False):
            self._overdue |= part & waited
        self._watch(neighbours, idle & free & self._held, now_s)

    def _grow_impatient(self, absent: int, now_s: float) -> None:
        """Count for how long far ones could have sent what is left to others, and nothing comes."""
        waiting = 0 if absent & self._parts[0] else absent
        self._waited = [chunks & waiting for chunks in self._waited]
        if now_s - self._stepped_at_s >= STEP_S:
            self._stepped_at_s = now_s
            self._waited = [waiting, *self._waited[:-1]]

    def _watch(self, neighbours: Iterable[Source], untaken: int, now_s: float) -> None:
        """Whether those near bring too little of what they have."""
        is_known = now_s - self._far_came_s < SLOW_FOR_S
        near_bytes_s = sum(s.rate_bytes_s for s in neighbours if s.zone == self._zone)
        is_slow = not is_known or self._far_bytes_s > SLOW_FACTOR * near_bytes_s
        if not untaken or not is_slow:
            self._slow_since_s = None
        elif self._slow_since_s is None:
            self._slow_since_s = now_s
        elif now_s - self._slow_since_s >= SLOW_AFTER_S:
            self._slow_since_s = None
            if is_known:
                self._is_slow_until_s = now_s + SLOW_FOR_S
            else:  # how fast far ones are has to be tried
                self._given_up |= untaken & -untaken


def _is_distrusted(source: Source) -> bool:
    """Whether what it has does not count: it brings nothing of what it is asked for."""
    return source.failures > 0 or source.lost >= LOST_IN_A_ROW


@lru_cache(maxsize=1024)
def _scores(name: str) -> tuple[int, ...]:
    """A peer's score for each slot."""
    return struct.unpack(f"<{SLOTS}I", blake3(name.casefold().encode()).digest(length=4 * SLOTS))


def _places(own_name: str, others: Iterable[str]) -> list[int]:
    """How many of the others are before us in line, for each slot."""
    own = _scores(own_name)
    places = [0] * SLOTS
    for name in others:
        for slot, score in enumerate(_scores(name)):
            if score > own[slot]:
                places[slot] += 1
    return places


def _chunks_of(slots: Iterable[int], chunk_count: int) -> int:
    """The chunks that are dealt to some slots."""
    block = max(1, min(LONGEST_BLOCK, chunk_count // SLOTS))
    bits, length = 0, block * SLOTS
    for slot in slots:
        bits |= bitfield.full(block) << (block * slot)
    while length < chunk_count:
        bits |= bits << length
        length *= 2
    return bits & bitfield.full(chunk_count)
