"""When an idle source may take over what another was asked for: only for a likely gain.

A place in a queue is worth something: it is given up for a shorter queue, as far as lengths
are known, and the less readily the more often that helped nobody. Else sources that never
bring a chunk would take it from each other, and from an honest one that is slow, for ever; so
each bears twice the silence after each claim that was taken from it, until no queue is longer.
Nor does who is known to be slow take what is likely to come sooner as it is.
What has come of a chunk is thrown away with it. That is worth a gain of moments only when all
that is missing is asked for: until then there is other work, and downlinks may be what is full.
"""

from collections.abc import Iterable
from math import inf

from panal.swarm.queued import CROWDED_PATIENCE_S
from panal.swarm.sources import RunningFetch, Source

SILENCE_PATIENCE_S = 0.5
"""How long a claim waits for bytes, in a queue or later, before another holder may have it."""
LATE_CHUNK_S = 10.0
LATE_CHUNK_FACTOR = 4.0
GAIN_S = 0.2
GAIN_FACTOR = 1.2
"""Chunks on their way are taken over where that wins so many seconds at twice the time."""
QUICKER = 2.0
"""Who is known to be so many times quicker is not kept waiting until bytes are counted again; for
who may be, a source below the least rate is given up."""
TAKEN_IN_VAIN = 16
"""After so many without a chunk all are more patient."""
SLOW_GIVES_WAY_S = 60.0
"""Who is known to be slow leaves what is silent to its holder for so long at most: what is known
may be little, and who never brings anything waits less."""
_PATIENCE_GROWTH = 4.0
_MOST_SETBACKS = 3
MOST_DOUBLINGS = 5
"""So often the silence that a taker bears is doubled after those, with each claim more that it
lost: to 17 minutes."""
_SMOOTHING = 0.3


def late_among(
    sources: Iterable[Source],
    chunks: int,
    now_s: float,
    counted_at_s: float,
    chunk_s: float,
) -> list[Source]:
    """Those that anybody at all may take some of the chunks over from.

    That is what `TakeOvers.may` needs whoever the taker is: silence, or so much time for a chunk.
    It is asked with each word of a neighbour, so with as few looks as can be.
    """
    late = []
    for source in sources:
        fetch = source.fetch
        if fetch is None or not fetch.claimed & chunks:
            continue
        if fetch.first_byte_at_s is None:
            is_late = counted_at_s - fetch.asked_at_s > SILENCE_PATIENCE_S
        else:
            is_late = (
                now_s - fetch.chunk_began_at_s >= chunk_s
                or counted_at_s - fetch.last_byte_at_s > SILENCE_PATIENCE_S
            )
        if is_late:
            late.append(source)
    return late


class TakeOvers:
    """What is usual in one download, and so what is slow in it."""

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._chunk_s = 0.0
        """How long a chunk takes from its first byte, smoothed."""
        self._wait_s = 0.0
        """How long a request waits for its first byte, smoothed."""
        self._least_wait_s = inf
        """The shortest such wait: the way there and back, and perhaps a queue."""
        self._in_vain = 0

    def first_byte_came(self, waited_s: float) -> None:
        """A request was answered."""
        self._least_wait_s = min(self._least_wait_s, waited_s)
        known_s = self._wait_s
        self._wait_s = waited_s if known_s == 0 else known_s + _SMOOTHING * (waited_s - known_s)

    def chunk_came(self, spent_s: float) -> None:
        """A chunk was written."""
        self._chunk_s += _SMOOTHING * (spent_s - self._chunk_s)
        self._in_vain = 0

    def taken(self) -> None:
        """One was ordered."""
        self._in_vain += 1

    def may(
        self,
        holder: Source,
        taker: Source,
        now_s: float,
        counted_at_s: float,
        *,
        all_asked: bool,
        crowded: bool = False,
    ) -> bool:
        """Whether `taker`, idle and in possession of the chunks, may have them.

        All bytes were last counted at `counted_at_s`: what began to come since is not silent.
        `all_asked` says whether every missing chunk is asked of somebody; `crowded` whether more
        download than are asked at once: then first bytes were counted by now.
        """
        fetch = holder.fetch
        if fetch is None or fetch.ending or self._gives_way(taker, fetch, now_s):
            return False
        by_all = self._in_vain // TAKEN_IN_VAIN
        setbacks = max(taker.setbacks, by_all)
        patience = _PATIENCE_GROWTH ** min(setbacks, _MOST_SETBACKS)
        # Many that are asked in turn have lost little each: who has lost any bears what all did.
        vain = max(taker.lost, by_all) if taker.lost else 0
        longer = 2.0 ** min(max(0, vain - _MOST_SETBACKS), MOST_DOUBLINGS)
        if crowded and fetch.first_byte_at_s is None and not fetch.is_choice:
            least_s = max(patience * longer * CROWDED_PATIENCE_S, self._surely_queued_s())
            if now_s - fetch.asked_at_s > least_s:
                return True
        queue_s = GAIN_FACTOR * (taker.wait_s if taker.bytes else self._wait_s)
        if fetch.silence_s(counted_at_s) > patience * max(longer * SILENCE_PATIENCE_S, queue_s):
            return True
        is_quicker = taker.fetch_rate_bytes_s > QUICKER * holder.fetch_rate_bytes_s
        spent_s = (now_s if is_quicker else counted_at_s) - fetch.chunk_began_at_s
        if fetch.first_byte_at_s is None or spent_s < GAIN_S:
            return False
        if spent_s > patience * max(LATE_CHUNK_S, LATE_CHUNK_FACTOR * self._chunk_s):
            return True
        if not all_asked:
            return False
        left_s = self._left_bytes(fetch) * spent_s / max(1, fetch.chunk_bytes)
        return left_s > patience * (GAIN_S + GAIN_FACTOR * self._needs_s(taker))

    def _surely_queued_s(self) -> float:
        """What no answer takes that does not wait in a queue: far sources are not left for that."""
        return 2 * self._least_wait_s if self._least_wait_s < inf else SILENCE_PATIENCE_S

    def _gives_way(self, taker: Source, fetch: RunningFetch, now_s: float) -> bool:
        """Whether who is known to be slow leaves it where it is likely to come sooner."""
        if not taker.is_slow or fetch.silence_s(now_s) > SLOW_GIVES_WAY_S:
            return False
        return self._needs_s(taker) >= self._needs_still_s(fetch, now_s)

    def _left_bytes(self, fetch: RunningFetch) -> int:
        return fetch.claimed.bit_count() * self._chunk_bytes - fetch.chunk_bytes

    def _needs_still_s(self, fetch: RunningFetch, now_s: float) -> float:
        """How long the rest would take, as it went so far; in a queue, as long again."""
        if not fetch.chunk_bytes:
            return fetch.silence_s(now_s)
        return self._left_bytes(fetch) * (now_s - fetch.chunk_began_at_s) / fetch.chunk_bytes

    def _needs_s(self, taker: Source) -> float:
        if taker.fetch_rate_bytes_s:
            return self._chunk_bytes / taker.fetch_rate_bytes_s
        return max(LATE_CHUNK_S, self._chunk_s)
