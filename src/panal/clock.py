"""Time as an argument: the one place that reads the system's clocks."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a way to wait; tests pass a virtual one."""

    def now_s(self) -> float:
        """Seconds that only ever go forward, from an arbitrary start."""
        ...

    def wall_s(self) -> float:
        """Seconds since 1970, as people read them; may jump."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` of the first clock."""
        ...


class SystemClock:
    """The machine's own clocks."""

    # Python's own functions: no call of ours around them.
    now_s = staticmethod(time.monotonic)
    wall_s = staticmethod(time.time)

    async def sleep(self, duration_s: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(duration_s)
