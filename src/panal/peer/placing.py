"""Staged files put in place, indexed and announced, many together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from panal.clock import Clock
from panal.peer.sharing import Sharing
from panal.store.staging import Staging, publish_all
from panal.wire.collection import CollectionEntry

GATHERED_FILES = 2_048
GATHERED_BYTES = 64 * 1024 * 1024
GATHERED_S = 1.0
"""What has come is put in place when it is so much, or when so long nothing was: each time costs
two syncs of the disk, and of the index every page that is changed."""
Result = TypeVar("Result")


async def to_end(work: Awaitable[Result], on_cancel: Callable[[], None] = lambda: None) -> Result:
    """Wait for what a cancel may not break off: its files may be closed or removed next.

    A cancel, however often it comes, counts when the work is done.
    """
    working = asyncio.ensure_future(work)
    is_cancelled = False
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError:
            is_cancelled = True
            on_cancel()
    if is_cancelled:
        if not working.cancelled():
            working.exception()  # looked at
        raise asyncio.CancelledError
    return working.result()


class Placing:
    """Batches that wait to be put in place: many of them together, while others are fetched."""

    def __init__(self, sharing: Sharing, clock: Clock) -> None:
        self._sharing = sharing
        self._clock = clock
        self._waiting: list[Staging] = []
        self._running: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """Of whoever ends what runs and begins the next: what runs is never forgotten."""
        self._placed_at_s = clock.now_s()
        self.taken: list[CollectionEntry] = []
        """Whose names others have taken meanwhile."""

    async def add(self, batch: Staging) -> None:
        """Put a batch in place, soon; it is used up, whatever comes.

        What goes wrong with those before it is raised here, or by `flush`.
        """
        self._waiting.append(batch)
        if not self._is_due():
            return
        async with self._turn:
            await self._end_running()
            if self._is_due():  # else another's turn took it along
                self._begin()

    def _is_due(self) -> bool:
        if self._clock.now_s() - self._placed_at_s >= GATHERED_S:
            return True
        files = sum(len(batch.files) for batch in self._waiting)
        size_bytes = sum(batch.size_bytes for batch in self._waiting)
        return files >= GATHERED_FILES or size_bytes >= GATHERED_BYTES

    async def flush(self) -> None:
        """Make all that waits durable, publish, index and announce it."""
        async with self._turn:
            try:
                await self._end_running()
            finally:
                self._begin()
                await self._end_running()

    def _begin(self) -> None:
        batches, self._waiting = self._waiting, []
        self._placed_at_s = self._clock.now_s()
        if batches:
            self._running = asyncio.create_task(self._place(batches))

    async def _end_running(self) -> None:
        if self._running is None:
            return
        try:
            await to_end(self._running)
        finally:
            self._running = None

    async def _place(self, batches: list[Staging]) -> None:
        paths = {staged.entry.path for batch in batches for staged in batch.files}
        self._sharing.busy.update(paths)
        try:
            try:
                hashed, taken = await asyncio.to_thread(publish_all, batches)
            finally:
                for batch in batches:
                    batch.close()
            await self._sharing.remember(hashed)
            self.taken += taken
        finally:
            self._sharing.busy.difference_update(paths)
