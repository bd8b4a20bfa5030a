"""A batch of staged files put in place, indexed and announced."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from panal.peer.sharing import Sharing
from panal.store.staging import Staging
from panal.wire.collection import CollectionEntry

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


async def place_all(sharing: Sharing, batch: Staging) -> list[CollectionEntry]:
    """Make files durable, publish and index them, and queue their news; whose names were taken.

    The batch is used up, whatever comes.
    """
    return await to_end(_place(sharing, batch))


async def _place(sharing: Sharing, batch: Staging) -> list[CollectionEntry]:
    paths = {staged.entry.path for staged in batch.files}
    sharing.busy.update(paths)
    try:
        try:
            hashed, taken = await asyncio.to_thread(batch.publish)
        finally:
            batch.close()
        await sharing.remember(hashed)
        return taken
    finally:
        sharing.busy.difference_update(paths)
