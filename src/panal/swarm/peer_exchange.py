"""A few sources are asked who else fetches: a swarm finds itself without its tracker."""

from collections import deque
from collections.abc import Callable, Container, Coroutine

from panal.swarm.chunk_source import Others
from panal.swarm.messages import SourceId

ASKED_FOR_PEERS = 4
"""So many sources are asked who else fetches, the first at once and one more at each tick: those
that follow us make themselves known, and at the start there is more to do."""


class PeerExchange:
    """Who is asked, and when; `found` takes each source that is named."""

    def __init__(
        self,
        others: Others,
        found: Callable[[SourceId], None],
        spawn: Callable[[Coroutine[None, None, None]], object],
    ) -> None:
        self._others = others
        self._found = found
        self._spawn = spawn
        self._chosen = 0
        self._to_ask: deque[SourceId] = deque()

    def opened(self, source: SourceId, connected: Container[SourceId]) -> None:
        """A source has told what it has."""
        if self._chosen < ASKED_FOR_PEERS:
            self._to_ask.append(source)
            if not self._chosen:
                self.ask_next(connected)
            self._chosen += 1

    def ask_next(self, connected: Container[SourceId]) -> None:
        """Ask one more of those that are still connected."""
        while self._to_ask:
            if (source := self._to_ask.popleft()) in connected:
                self._spawn(self._ask(source))
                return

    async def _ask(self, source: SourceId) -> None:
        for known in await self._others.known_to(source):
            self._found(known)
