"""A manifest from whichever provider gives it first: who is silent keeps nobody waiting."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from panal.clock import Clock
from panal.errors import IntegrityError, Unreachable
from panal.swarm.progress import QUIET_S
from panal.wire.catalogue import Provider
from panal.wire.ids import PeerName
from panal.wire.manifest import Manifest

BEGUN_S = 30.0
"""So long whoever has begun to answer is waited for: several at once would share a slow link."""
ASKED_AT_ONCE = 4
"""Each may send as much as the longest manifest has, and be a liar."""
Ask = Callable[[Provider, Callable[[], None]], Coroutine[Any, Any, Manifest]]
"""Asks one, and calls back once it begins to answer."""


class ManifestAsking:
    """Asks one provider after the other: the next where one fails, or says nothing for a while."""

    def __init__(self, ask: Ask, clock: Clock, quiet: Callable[[PeerName], None]) -> None:
        """`quiet` is told of whoever says nothing."""
        self._ask = ask
        self._clock = clock
        self._quiet = quiet
        self._asked: list[asyncio.Task[Manifest]] = []
        """The longest asked first."""
        self._has_begun = False
        self._failure: Unreachable | IntegrityError = Unreachable("Nobody was asked.")

    async def first(self, providers: Sequence[Provider]) -> Manifest:
        """The first right answer; the last Unreachable or IntegrityError where nobody gives it."""
        try:
            for provider in providers:
                if len(self._asked) == ASKED_AT_ONCE:
                    await self._give_up(self._asked[:1])
                self._has_begun = False
                asking = asyncio.create_task(self._ask(provider, self._begins))
                self._asked.append(asking)
                found = await self._answer(QUIET_S)
                if found is None and asking in self._asked:
                    if self._has_begun:
                        found = await self._answer(BEGUN_S)
                    else:
                        self._quiet(provider.peer)
                if found is not None:
                    return found
            while self._asked:
                if (found := await self._answer(BEGUN_S)) is not None:
                    return found
            raise self._failure
        finally:
            await self._give_up(self._asked)

    async def _give_up(self, asked: Sequence[asyncio.Task[Manifest]]) -> None:
        self._asked = [task for task in self._asked if task not in asked]
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    def _begins(self) -> None:
        self._has_begun = True

    async def _answer(self, within_s: float) -> Manifest | None:
        """The first right answer that comes until then; None where none does, or one fails."""
        timer = asyncio.ensure_future(self._clock.sleep(within_s))
        try:
            await asyncio.wait({timer, *self._asked}, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._asked if task.done()]:
                self._asked.remove(task)
                try:
                    return task.result()
                except (Unreachable, IntegrityError) as error:
                    self._failure = error
            return None
        finally:
            timer.cancel()
