"""Transactions on the tracker's store, which its threads do for the event loop."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from panal.errors import Busy, NoSpace
from panal.tracker.records_threads import RecordsThreads, Urgency
from panal.tracker.storage import Conflict, LeaseClock, Storage

TRIES = 5
"""Of a transaction that others are in the way of."""

_Result = TypeVar("_Result")
_Work = Callable[[float], _Result]
"""It is given the time by the leases' clock."""


class Transactions:
    """Each piece of work is one, begun anew where others are in its way."""

    def __init__(self, storage: Storage, threads: RecordsThreads, clock: LeaseClock) -> None:
        self._storage = storage
        self._threads = threads
        self._clock = clock
        self.waiting = 0
        """Pieces of work that are not done yet."""
        self.lacks_room = False
        """Whether one found no room to write, and nobody has found some since."""

    async def run(self, work: "_Work[_Result]", urgency: Urgency = Urgency.QUESTION) -> _Result:
        """Have it done by a thread of the store's."""
        self.waiting += 1
        try:
            return await self._threads.run(partial(self.here, work), urgency)
        finally:
            self.waiting -= 1

    def ask(self, work: "_Work[_Result]") -> Awaitable[_Result]:
        """Have a short one done by the event loop itself, where that may be."""
        return self._threads.ask(self.here, work)

    def here(self, work: "_Work[_Result]") -> _Result:
        """Do it in the thread that runs; Busy where others do not get out of the way."""
        for _ in range(TRIES):
            try:
                with self._storage.transaction():
                    return work(self._clock.now_s())
            except Conflict:
                continue
            except NoSpace:
                self.lacks_room = True
                raise
        raise Busy("Others change the same at the moment; try again.")
