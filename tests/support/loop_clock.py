"""The event loop's own time, moved on by hand while sockets stay real."""

import asyncio


class LoopClock:
    """What the loop takes for the time, from now on."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real_s = loop.time
        self._ahead_s = 0.0
        loop.time = self.now_s  # type: ignore[method-assign]

    def now_s(self) -> float:
        return self._real_s() + self._ahead_s

    async def run_for(self, duration_s: float) -> None:
        """Let the time pass second by second, so that every timer has its turn."""
        while duration_s > 0:
            step_s = min(1.0, duration_s)
            self._ahead_s += step_s
            duration_s -= step_s
            for _ in range(10):
                await asyncio.sleep(0)
