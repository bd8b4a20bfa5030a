"""How long a request may stand in a provider's queue: while the provider lives, within a bound.

Of chunks the provider's availability stream says that it lives. Where there is none it is asked,
now and then, whether it answers anything at all.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from panal.clock import Clock
from panal.peer.calling import Calling
from panal.peer.questions import CONNECT_S, asked
from panal.wire.catalogue import Provider

ASK_EVERY_S = 15.0
MOST_ASKED = 20
"""So often: five minutes in a queue, and others are tried."""


@contextlib.asynccontextmanager
async def queue_patience(
    calling: Calling, provider: Provider, give_up: Callable[[], None], clock: Clock
) -> AsyncIterator[asyncio.Event]:
    """Watch over a request; the event is to be set when its answer begins.

    Until then `give_up` is called, once, where the provider lives no more or lets it wait for
    longer than anything should.
    """
    answered = asyncio.Event()
    watching = asyncio.create_task(_watch(calling, provider, answered, give_up, clock))
    try:
        yield answered
    finally:
        watching.cancel()


async def _watch(
    calling: Calling,
    provider: Provider,
    answered: asyncio.Event,
    give_up: Callable[[], None],
    clock: Clock,
) -> None:
    for _ in range(MOST_ASKED):
        await clock.sleep(ASK_EVERY_S)
        if answered.is_set() or not await _lives(calling, provider):
            break
    if not answered.is_set():
        give_up()


async def _lives(calling: Calling, provider: Provider) -> bool:
    try:
        async with asyncio.timeout(2 * CONNECT_S), asked(calling, provider, "/healthz"):
            return True  # whatever it says
    except OSError:
        return False
