"""What a peer has begun and must end: in reverse order, whatever fails."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)


class Lifetime:
    """Ends what was begun, the last first."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        """`failed` is told of work that was to go on and did not."""
        self.stack = contextlib.AsyncExitStack()
        self.at_end = self.stack.callback
        self.at_end_await = self.stack.push_async_callback
        self._failed = failed

    def keep(self, work: Coroutine[None, None, None]) -> None:
        """Let this go on in the background until the end."""
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        def note(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("A part of the peer failed.", exc_info=error)
                self._failed(error)

        task.add_done_callback(note)
        self.at_end_await(end)

    async def end(self) -> None:
        """End all of it."""
        await self.stack.aclose()
