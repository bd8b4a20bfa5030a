"""Virtual time: what is to happen, in order."""

import heapq
from bisect import insort
from collections.abc import Callable
from itertools import count

SPAN_S = 0.0005
"""What happens within such a span is sorted at once, when its time has come. That costs less than
keeping all in one heap, most of which is looked at from far apart in memory."""

Event = tuple[float, int, Callable[[], object]]
"""When; in which order of those at the same time; what."""


class Timeline:
    """A clock that jumps from event to event."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps = 0
        self._order = count()
        self._spans: dict[int, list[Event]] = {}
        """Those to come, by the number of their span."""
        self._numbers: list[int] = []
        """Of those spans, as a heap."""
        self._current = -1
        self._events: list[Event] = []
        """Those of the current span, in order."""
        self._next = 0
        """Of them, the first that has not happened."""

    def at(self, delay_s: float, then: Callable[[], object]) -> None:
        """Do something later."""
        self.at_time(self.now_s + delay_s, then)

    def at_time(self, time_s: float, then: Callable[[], object]) -> None:
        """Do something at a time, to the last digit."""
        number = int(time_s / SPAN_S)
        if number <= self._current:
            insort(self._events, (time_s, next(self._order), then), self._next)
        elif (span := self._spans.get(number)) is not None:
            span.append((time_s, next(self._order), then))
        else:
            self._spans[number] = [(time_s, next(self._order), then)]
            heapq.heappush(self._numbers, number)

    def step(self, limit_s: float) -> bool:
        """Let the next thing happen; whether there was one before the limit."""
        if self._next == len(self._events):
            if not self._numbers:
                return False
            self._current, self._next = heapq.heappop(self._numbers), 0
            self._events = self._spans.pop(self._current)
            self._events.sort()
        time_s, _, then = self._events[self._next]
        if time_s >= limit_s:
            return False
        self._next += 1
        self.now_s = time_s
        self.steps += 1
        then()
        return True
