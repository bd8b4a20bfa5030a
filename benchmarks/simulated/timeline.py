"""Virtual time: what is to happen, in order."""

import heapq
from collections.abc import Callable
from itertools import count


class Timeline:
    """A clock that jumps from event to event."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps = 0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()

    def at(self, delay_s: float, then: Callable[[], object]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), then))

    def at_time(self, time_s: float, then: Callable[[], object]) -> None:
        """Do something at a time, to the last digit."""
        heapq.heappush(self._events, (time_s, next(self._order), then))

    def step(self, limit_s: float) -> bool:
        """Let the next thing happen; whether there was one before the limit."""
        if not self._events or self._events[0][0] >= limit_s:
            return False
        self.now_s, _, then = heapq.heappop(self._events)
        self.steps += 1
        then()
        return True
