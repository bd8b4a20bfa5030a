"""Ends what takes too long, looking at all of it together a few times a second.

A timer of its own costs a short call a twentieth of its time, twice.
"""

import asyncio
from time import monotonic

LOOK_S = 0.2


class Deadlines:
    """Of the tasks of one event loop; each has one at a time."""

    def __init__(self) -> None:
        self.until_s: dict[asyncio.Task[object], float] = {}
        """By task; whoever began one may put it off, to infinity too."""
        self.late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, most_s: float) -> "asyncio.Task[object]":
        """The task that runs is cancelled after so long, unless it ends this before."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)  # not told which, it makes a system call
        if task is None:
            raise RuntimeError("only a task has a deadline")
        self.until_s[task] = monotonic() + most_s
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look, self._loop)
        return task

    def is_late(self, task: "asyncio.Task[object]") -> bool:
        """Whether a task that was cancelled was so for being late, and by nobody else besides.

        It is not cancelled any more then.
        """
        if task not in self.late:
            return False
        self.late.discard(task)
        return task.uncancel() == 0

    def end(self, task: "asyncio.Task[object]") -> None:
        """It has none any more."""
        self.until_s.pop(task, None)
        self.late.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now_s = monotonic()
        for task in [task for task, until_s in self.until_s.items() if until_s <= now_s]:
            del self.until_s[task]
            self.late.add(task)
            task.cancel()
        if self.until_s:
            self._timer = loop.call_later(LOOK_S, self._look, loop)
