"""The threads that use the store: what somebody waits for goes first, work is taken in turn.

Results go back to the event loop together, as many as there are: waking it costs more than most
of what is asked.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

_Result = TypeVar("_Result")


class Urgency(IntEnum):
    """Which work goes before which; within each, in the order in which it came."""

    QUESTION = 0
    """Short, and somebody waits."""
    CHANGE = 1
    """A message of an announcement: one of each stream at a time, so all get their turn."""
    LEISURE = 2
    """Nobody waits for it: only where there is nothing else to do."""


_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class RecordsThreads:
    """Runs pieces of work by urgency, `count` at a time; made on the event loop."""

    def __init__(self, count: int = 1, *, may_answer_here: bool = False) -> None:
        """`may_answer_here` where a short question waits for nobody but these threads: to wake
        one of them, and to be woken, costs many times what it does."""
        self._loop = asyncio.get_running_loop()
        self._waiting: tuple[deque[_Job], ...] = tuple(deque() for _ in Urgency)
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_delivering = False
        # Whoever asks here takes the place of the one thread.
        self._place = threading.Lock() if may_answer_here and count == 1 else None
        self._threads = [
            threading.Thread(target=self._work, name=f"tracker-records-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self, work: Callable[[], _Result], urgency: Urgency = Urgency.QUESTION
    ) -> "asyncio.Future[_Result]":
        """Have it done; the future of its result. Work that was begun is not cancelled."""
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._waiting[urgency].append((work, future))
        self._tokens.put(True)
        return future

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def ask(self, work: Callable[..., _Result], *given: Any) -> "asyncio.Future[_Result]":
        """Have a short question answered: here where that may be and the threads do nothing else.

        The event loop waits for it, so it should take a millisecond at most.
        """
        if self._place is None or not self._place.acquire(blocking=False):
            return self.run(partial(work, *given))
        answered: asyncio.Future[_Result] = self._loop.create_future()
        try:
            answered.set_result(work(*given))
        except Exception as error:
            answered.set_exception(error)
        finally:
            self._place.release()
        return answered

    async def close(self) -> None:
        """Return when all that was asked for is done."""
        for _ in self._threads:
            self._tokens.put(False)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._deliver()

    def _work(self) -> None:
        while self._tokens.get():
            work, future = self._next()
            if future.cancelled():
                continue
            try:
                with self._place or contextlib.nullcontext():
                    result = work()
                self._done.append((future, result, None))
            except BaseException as error:
                self._done.append((future, None, error))
            if not self._is_delivering:
                self._is_delivering = True
                self._loop.call_soon_threadsafe(self._deliver)

    def _next(self) -> _Job:
        # There is a job for each token; another thread may just have taken the one looked at.
        while True:
            for jobs in self._waiting:
                with contextlib.suppress(IndexError):
                    return jobs.popleft()

    def _deliver(self) -> None:
        self._is_delivering = False
        while self._done:
            future, result, error = self._done.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
