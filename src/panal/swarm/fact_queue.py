"""Facts left by any thread for the loop, which takes all that have gathered at once."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator

from panal.clock import Clock
from panal.swarm.messages import ChunkWritten, Fact

WAKE_EVERY_S = 0.01
"""So often the loop is woken for the chunks of a running fetch: for each would cost a fast source
more than the chunk."""


class FactQueue:
    """Made on the loop that takes them; `take` is called there once something waits."""

    def __init__(self, take: Callable[[], None], clock: Clock) -> None:
        self._take = take
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._facts: deque[Fact] = deque()
        self._wakes = False
        self._woken_at_s = clock.now_s() - WAKE_EVERY_S

    def put(self, fact: Fact) -> None:
        """Leave a fact that is taken with the next for which the loop is woken."""
        self._facts.append(fact)

    def report(self, fact: Fact) -> None:
        """Leave a fact and wake the loop, from any thread."""
        self._facts.append(fact)
        if not self._wakes:  # else the loop has still to look, and will find this one too
            self._wakes = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to care
                self._loop.call_soon_threadsafe(self._wake)

    def report_written(self, fact: ChunkWritten, *, is_last: bool) -> None:
        """Leave a chunk of a running fetch; after its last, the end follows at once."""
        now_s = self._clock.now_s()
        if is_last or now_s < self._woken_at_s + WAKE_EVERY_S:
            self._facts.append(fact)
        else:
            self._woken_at_s = now_s
            self.report(fact)

    def taken(self) -> Iterator[Fact]:
        """Each that is there, in order, those that come meanwhile too."""
        while self._facts:
            yield self._facts.popleft()

    def _wake(self) -> None:
        self._wakes = False
        self._take()
