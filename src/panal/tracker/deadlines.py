"""Ends what takes too long, looking at all of it together a few times a second.

A timer of its own costs a short call a twentieth of its time, twice.
"""

import asyncio
import math
from time import monotonic
from types import TracebackType
from typing import Self

LOOK_S = 0.2


class Deadlines:
    """Of the tasks of one event loop; each has one at a time."""

    def __init__(self) -> None:
        self.until_s: dict[asyncio.Task[object], float] = {}
        self.late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def within(self, most_s: float) -> "Within":
        """A context of the task that enters it: after so long it ends with TimeoutError."""
        return Within(self, most_s)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look from now on, while there is anything to look at."""
        if self._timer is None:
            self._timer = loop.call_later(LOOK_S, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now_s = monotonic()
        for task in [task for task, until_s in self.until_s.items() if until_s <= now_s]:
            del self.until_s[task]
            self.late.add(task)
            task.cancel()
        if self.until_s:
            self.watch(loop)


class Within:
    """See `Deadlines.within`."""

    __slots__ = ("_deadlines", "_most_s", "_task")

    def __init__(self, deadlines: Deadlines, most_s: float) -> None:
        self._deadlines = deadlines
        self._most_s = most_s

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task has a deadline")
        self._task = task
        self._deadlines.until_s[task] = monotonic() + self._most_s
        self._deadlines.watch(loop)
        return self

    def begin_anew(self, most_s: float | None) -> None:
        """From now on it may last so long again; None: for ever."""
        until_s = math.inf if most_s is None else monotonic() + most_s
        self._deadlines.until_s[self._task] = until_s

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._deadlines.until_s.pop(self._task, None)
        if self._task not in self._deadlines.late:
            return
        self._deadlines.late.discard(self._task)
        # As asyncio.timeout: somebody else may have cancelled it besides.
        if kind is asyncio.CancelledError and self._task.uncancel() == 0:
            raise TimeoutError from error
