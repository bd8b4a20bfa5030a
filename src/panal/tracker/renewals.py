"""Renewals that come at about the same time go to the store together.

There a renewal asks four times, and each question costs the tracker more than what is asked: by
the batch they are shared. The first of a quiet moment waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from panal.errors import PanalError
from panal.tracker.registry import PeerRecord
from panal.wire.catalogue import Caller

GATHER_S = 0.02
"""Between two batches' beginnings; a renewal has seconds."""
MOST_TOGETHER = 500

Outcome = PeerRecord | PanalError | None
"""What became of one; None where it has to be asked for alone."""


class Renewal(msgspec.Struct, frozen=True, gc=False):
    """Who wants to go on, and where its call came from."""

    caller: Caller
    observed_host: str


class Renewals:
    """Gathers them; on the event loop."""

    def __init__(
        self,
        together: Callable[[Sequence[Renewal]], Awaitable[Sequence[Outcome]]],
        alone: Callable[[Renewal], Awaitable[PeerRecord]],
    ) -> None:
        """`together` asks the store for many, `alone` for one."""
        self._together = together
        self._alone = alone
        self._waiting: list[tuple[Renewal, asyncio.Future[Outcome]]] = []
        self._running: asyncio.Task[None] | None = None

    async def renew(self, renewal: Renewal) -> PeerRecord:
        """The renewed record, or what speaks against it."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((renewal, outcome))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="tracker renewals")
        found = await outcome
        if isinstance(found, PanalError):
            raise found
        return await self._alone(renewal) if found is None else found

    async def _run(self) -> None:
        """Batch after batch, until nobody waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                next_s = loop.time() + GATHER_S
                batch, self._waiting = (
                    self._waiting[:MOST_TOGETHER],
                    self._waiting[MOST_TOGETHER:],
                )
                await self._ask([one for one in batch if not one[1].done()])
                await asyncio.sleep(next_s - loop.time())
        finally:
            self._running = None

    async def _ask(self, batch: Sequence[tuple[Renewal, "asyncio.Future[Outcome]"]]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._together([renewal for renewal, _ in batch])
        except PanalError as error:
            outcomes = [error] * len(batch)
        except Exception:  # each by itself then: one may be what the others suffer from
            outcomes = [None] * len(batch)
        for (_, outcome), found in zip(batch, outcomes, strict=True):
            if not outcome.done():
                outcome.set_result(found)
