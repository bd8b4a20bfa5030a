"""How many calls there were of each kind, how they ended and how long they took; pure.

A method is counted only where it was found, so that what strangers call costs no memory.
"""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Where the histogram of a call's time is divided; an announcement may take longer than any."""
RATE_OVER_S = 60.0


@dataclass(slots=True)
class Durations:
    """How long calls of one method took."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """Between two bounds each, not summed up; the last beyond all of them."""
    total_s: float = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """Each bound and how many took no longer, as Prometheus writes them."""
        reached, found = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            reached += count
            found.append((bound, float(reached)))
        return found


class CallCounts:
    """The counters of one tracker; the event loop's own."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        """By method and gRPC's name of the status."""
        self.durations: dict[str, Durations] = {}
        self.without_room = 0
        """Of these, those for which the store had no room; their status is that of limits, too."""
        self.under_way = 0
        """Whoever begins one counts it here."""
        self._marks: deque[tuple[float, int]] = deque()

    def end(self, method: str, code: str, took_s: float) -> None:
        """It has ended."""
        self.under_way -= 1
        self.ended[method, code] += 1
        if (known := self.durations.get(method)) is None:
            known = self.durations[method] = Durations()
        known.counts[bisect_left(BOUNDS_S, took_s)] += 1
        known.total_s += took_s

    def mark(self, now_s: float) -> None:
        """Remember how many there are now: a rate is told from there."""
        self._marks.append((now_s, self.ended.total()))
        while now_s - self._marks[0][0] > RATE_OVER_S:
            self._marks.popleft()

    def per_second(self, now_s: float) -> float:
        """How many ended in a second, over the last minute or since the first mark."""
        if not self._marks or now_s <= self._marks[0][0]:
            return 0.0
        since_s, before = self._marks[0]
        return (self.ended.total() - before) / (now_s - since_s)
