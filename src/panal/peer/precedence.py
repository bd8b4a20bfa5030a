"""Who asks for chunks and is ahead of others waits while those are sent to, where it is of use."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from panal.peer.giving_way import LEAST_OTHERS, LOOK_S, MOST_WAIT_S, GivingWay
from panal.wire.ids import ContentId


class Precedence:
    """Of one peer, over all that it sends; the event loop's own."""

    def __init__(self, acknowledged_bytes: Callable[[], int]) -> None:
        """`acknowledged_bytes` counts what receivers have got."""
        self._acknowledged_bytes = acknowledged_bytes
        self._loop = asyncio.get_running_loop()
        self._giving_way = GivingWay()
        self._first: Counter[ContentId] = Counter()
        """How many are sent each content that give no way."""

    @contextmanager
    def sending(self, content: ContentId, *, gives_way: bool) -> Iterator[None]:
        """Bytes of it are sent meanwhile."""
        if gives_way:
            yield
            return
        self._first[content] += 1
        try:
            yield
        finally:
            self._first[content] -= 1
            if not self._first[content]:
                del self._first[content]

    async def give_way(self, content: ContentId) -> None:
        """Wait for those who are sent the same; returns at once where that is of no use."""
        until_s = self._loop.time() + MOST_WAIT_S
        while self._giving_way.look(self._loop.time(), self._acknowledged_bytes()):
            if self._first[content] < LEAST_OTHERS or self._loop.time() >= until_s:
                return
            await asyncio.sleep(LOOK_S)
