"""Waiting for what comes at a time that nobody knows: a tracker tells of it, where it can.

Asking again goes on beside that, more seldom while a tracker tells: one that is older does not, one
that is busy tells nobody more, and what another replica was told comes late.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Container
from types import TracebackType

from panal.clock import Clock
from panal.errors import PanalError, Unreachable
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import News as Told
from panal.wire.catalogue import Watched

WHILE_TOLD_S = 30.0
"""How long a pause lasts at most while a tracker tells of news."""
WATCH_AGAIN_S = 5.0
"""After a tracker was silent, or ended it."""
WATCH_AGAIN_LATER_S = 60.0
"""After it refused, or does not know how."""


async def news_for_ever(
    client: TrackerClient, wanted: Watched, clock: Clock
) -> AsyncGenerator[Told | None, None]:
    """A tracker's news as they come; None whenever one that told does so no more."""
    while True:
        again_s, is_told = WATCH_AGAIN_S, False
        try:
            async with contextlib.aclosing(client.watch(wanted)) as told:
                async for news in told:
                    is_told = True
                    yield news
        except Unreachable:
            pass
        except PanalError:
            again_s = WATCH_AGAIN_LATER_S
        if is_told:
            yield None
        await clock.sleep(again_s)


def about(names: Container[str]) -> Callable[[Told], bool]:
    """Whether news are of peers among these, or of a content, or may be."""
    return lambda told: told.came or told.missed or any(name in names for name in told.joined)


class News:
    """News of one thing; an async context, which watches from the first pause on."""

    def __init__(
        self,
        client: TrackerClient,
        wanted: Watched,
        clock: Clock,
        matters: Callable[[Told], bool] = lambda _: True,
    ) -> None:
        """News that do not matter end no pause."""
        self._matters = matters
        self._client = client
        self._wanted = wanted
        self._clock = clock
        self._heard = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.is_told = False
        """Whether a tracker tells at the moment."""

    async def __aenter__(self) -> "News":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Watch no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def pause(self, most_s: float, told_s: float = WHILE_TOLD_S) -> None:
        """Return once there is news, or after so long; `told_s` counts while a tracker tells."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        pause_s = told_s if self.is_told else most_s
        timer = asyncio.ensure_future(self._clock.sleep(pause_s))
        heard = asyncio.ensure_future(self._heard.wait())
        try:
            await asyncio.wait({timer, heard}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            heard.cancel()
        self._heard.clear()

    async def _follow(self) -> None:
        telling = news_for_ever(self._client, self._wanted, self._clock)
        async with contextlib.aclosing(telling) as told:
            async for news in told:
                # Where it ends too: the pause under way was meant for one who is told.
                self.is_told = news is not None
                if news is None or self._matters(news):
                    self._heard.set()
