"""Who asks for chunks and is ahead of others waits while those are sent to, where it is of use."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from panal.peer.giving_way import LOOK_S, MOST_WAIT_S, GivingWay
from panal.wire.address import place_of
from panal.wire.ids import ContentId

LOOKED_S = 0.05
"""No look at all connections follows another sooner."""


class Precedence:
    """Of one peer, over all that it sends; the event loop's own."""

    def __init__(self, acknowledged_bytes: Callable[[], int]) -> None:
        """`acknowledged_bytes` counts what receivers have got."""
        self._acknowledged_bytes = acknowledged_bytes
        self._now_s = asyncio.get_running_loop().time
        self._giving_way = GivingWay()
        self._looked_at_s = -LOOKED_S
        self._first: dict[ContentId, Counter[str]] = {}
        """Of each content, the places that it is sent to and that give no way."""

    @contextmanager
    def sending(self, content: ContentId, host: str, *, gives_way: bool) -> Iterator[None]:
        """Bytes of it are sent there meanwhile."""
        if gives_way:
            yield
            return
        places, place = self._first.setdefault(content, Counter()), place_of(host)
        places[place] += 1
        try:
            yield
        finally:
            places[place] -= 1
            if not places[place]:
                del places[place]
            if not places:
                self._first.pop(content, None)

    async def give_way(self, content: ContentId, before_waiting: Callable[[], None]) -> None:
        """Wait for those who are sent the same; returns at once where that is of no use.

        `before_waiting` is called before it waits.
        """
        until_s = self._now_s() + MOST_WAIT_S
        while self._waits(content, self._now_s(), until_s):
            before_waiting()
            await asyncio.sleep(LOOK_S)

    def _waits(self, content: ContentId, now_s: float, until_s: float) -> bool:
        if now_s - self._looked_at_s >= LOOKED_S:
            self._looked_at_s = now_s
            self._giving_way.look(now_s, self._acknowledged_bytes())
        others = len(self._first.get(content, ()))
        return now_s < until_s and self._giving_way.may_wait(now_s, others)
