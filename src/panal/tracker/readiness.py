"""Whether the tracker can do its work now: its records are asked, and given a deadline.

Records that answer and have found no room to write are not ready until a sweep finds some.

One question is under way at a time, however many want to know: records that do not answer are not
asked more and more. An answer counts for a second. Peers are counted by their leases: where nobody
could renew those for a while, there is no answer before a sweep has let them go on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from panal.clock import Clock
from panal.errors import PanalError
from panal.tracker.storage import Totals

_log = logging.getLogger("panal.tracker")

DEADLINE_S = 5.0
COUNTS_FOR_S = 1.0
NOT_ASKED = "The records were not asked yet."
BEHIND = "Its records answer again, and leases that nobody could renew are to go on first."
NO_ROOM = (
    "No space is left for the tracker's records: it answers, and takes nothing new. Free some on "
    "the disk of its state directory, or its database's; it goes on by itself within seconds."
)
STOPPING = "This tracker is stopping; ask another, or this one again in a moment."


@dataclass(frozen=True, slots=True)
class Look:
    """What there was to see."""

    problem: str = NOT_ASKED
    """Why it cannot do its work, in words; empty where it can."""
    totals: Totals | None = None
    """What is recorded, where the records answered."""
    answer_s: float = 0.0
    """How long they took."""


class Readiness:
    """Asks the records when somebody wants to know."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Totals]],
        lacks_room: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._ask = ask
        self._lacks_room = lacks_room
        self._clock = clock
        self._last = Look()
        self._last_at_s = float("-inf")
        self._asking: asyncio.Task[Look] | None = None
        self._is_behind = False
        self._times_overtaken = 0
        self.is_stopping = False

    async def look(self) -> Look:
        """How it stands; within `DEADLINE_S`, whatever the records do."""
        if self.is_stopping:
            return Look(STOPPING, self._last.totals)
        if self._clock.now_s() - self._last_at_s <= COUNTS_FOR_S:
            return self._last
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._look())
        asking = self._asking
        timer = asyncio.ensure_future(self._clock.sleep(DEADLINE_S))
        try:
            await asyncio.wait({asking, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if asking.done():
            return self._last
        return Look(f"The records have not answered for {DEADLINE_S:g} s.")

    def fall_behind(self) -> None:
        """The records are away, or back: what they would count is not so until `catch_up`."""
        self._is_behind = True
        self._forget()

    def catch_up(self) -> None:
        """A sweep has seen to the leases."""
        if self._is_behind:
            self._is_behind = False
            self._forget()

    def _forget(self) -> None:
        """What was answered counts no more, nor what is being asked."""
        self._last_at_s = float("-inf")
        self._times_overtaken += 1

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _look(self) -> Look:
        while True:
            overtaken = self._times_overtaken
            look = await self._question()
            if overtaken == self._times_overtaken:
                break
        if look.problem and look.problem != self._last.problem:
            _log.warning("not ready: %s", look.problem)
        elif self._last.problem and self._last.problem != NOT_ASKED and not look.problem:
            _log.info("ready again")
        self._last, self._last_at_s, self._asking = look, self._clock.now_s(), None
        return look

    async def _question(self) -> Look:
        began_s = self._clock.now_s()
        try:
            totals = await self._ask()
        except PanalError as error:
            return Look(str(error))
        except Exception:  # whatever a store fails with, it is not ready
            _log.exception("the records cannot be read")
            return Look("The records cannot be read; the tracker's log says why.")
        if self._is_behind:
            return Look(BEHIND)
        problem = NO_ROOM if self._lacks_room() else ""
        return Look(problem, totals, self._clock.now_s() - began_s)
