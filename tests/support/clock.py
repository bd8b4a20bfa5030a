"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from itertools import count


class VirtualClock:
    """`panal.clock.Clock` in virtual time: `advance` jumps, `run_for` walks."""

    def __init__(self, now_s: float = 1_000.0, wall_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._wall_offset_s = wall_s - now_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now_s(self) -> float:
        return self._now_s

    def wall_s(self) -> float:
        return self._now_s + self._wall_offset_s

    async def sleep(self, duration_s: float) -> None:
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + duration_s, next(self._order), woken))
        await woken

    def sleepers(self, within_s: tuple[float, float]) -> int:
        """How many are to be woken between two times from now."""
        soonest_s, latest_s = (self._now_s + s for s in within_s)
        return sum(
            soonest_s <= at_s <= latest_s and not woken.done() for at_s, _, woken in self._sleepers
        )

    def advance(self, duration_s: float) -> None:
        """Jump; whoever's time is over wakes when the test next awaits."""
        self._now_s += duration_s
        while self._sleepers and self._sleepers[0][0] <= self._now_s:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    def set_wall(self, ahead_s: float) -> None:
        """Somebody sets the wall clock; nothing that is measured changes."""
        self._wall_offset_s += ahead_s

    async def run_for(self, duration_s: float) -> None:
        """Walk from one sleeper's end to the next, each woken at its own time."""
        end_s = self._now_s + duration_s
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self.advance(max(0.0, self._sleepers[0][0] - self._now_s))
            await _settle()
        self.advance(end_s - self._now_s)
        await _settle()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
