"""The event loop's own time, moved on by hand while sockets stay real."""

import asyncio
from concurrent.futures import Executor
from typing import Any

THREADS_TURN_S = 0.02


class LoopClock:
    """What the loop takes for the time, from now on."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real_s = loop.time
        self._ahead_s = 0.0
        self._in_threads = set[asyncio.Future[Any]]()
        self._real_run = loop.run_in_executor
        loop.time = self.now_s  # type: ignore[method-assign]
        loop.run_in_executor = self._run_in_executor  # type: ignore[assignment]

    def now_s(self) -> float:
        return self._real_s() + self._ahead_s

    async def run_for(self, duration_s: float) -> None:
        """Let the time pass second by second, so that every timer and thread has its turn."""
        while duration_s > 0:
            step_s = min(1.0, duration_s)
            self._ahead_s += step_s
            duration_s -= step_s
            for _ in range(10):
                await asyncio.sleep(0)
            if self._in_threads:
                # A thread's work may be long, or wait for what comes later: no more than a turn.
                await asyncio.wait(self._in_threads, timeout=THREADS_TURN_S)

    def _run_in_executor(
        self, executor: Executor | None, work: Any, *said: Any
    ) -> asyncio.Future[Any]:
        future = self._real_run(executor, work, *said)
        self._in_threads.add(future)
        future.add_done_callback(self._in_threads.discard)
        return future
