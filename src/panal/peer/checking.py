"""When what was fetched is read again for its SHA-256: once nothing is fetched or sent any more."""

import asyncio
from collections.abc import Awaitable, Callable

from panal.clock import Clock

LOOK_S = 0.5
AT_LATEST_S = 60.0
"""A queue that never ends, or who always asks for more, puts it off no longer."""


class Checking:
    """Runs the check in the background, once for all that asked for it meanwhile."""

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        is_fetching: Callable[[], bool],
        sent_bytes: Callable[[], int],
        clock: Clock,
    ) -> None:
        """`check` looks itself for what was not checked yet; `sent_bytes` is all that ever was."""
        self._check = check
        self._is_fetching = is_fetching
        self._sent_bytes = sent_bytes
        self._clock = clock
        self._is_wanted = False
        self._running: asyncio.Task[None] | None = None

    def soon(self) -> None:
        """There is more to check: it takes a core and the disk from downloads, so it waits.

        From others' too: in a swarm, who is done first serves who is not.
        """
        self._is_wanted = True
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what was not checked is found again at the next start."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while self._is_wanted:
            begins_s = self._clock.now_s() + AT_LATEST_S
            while await self._is_busy() and self._clock.now_s() < begins_s:
                pass
            self._is_wanted = False
            await self._check()

    async def _is_busy(self) -> bool:
        """Look for a moment."""
        before_bytes = self._sent_bytes()
        await self._clock.sleep(LOOK_S)
        return self._is_fetching() or self._sent_bytes() != before_bytes
