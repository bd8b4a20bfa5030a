"""Who may connect: so many in all, so many from a place, and never nobody.

A place is an address, a member, or another user of this machine. Where there is no room an idle
connection makes some, the oldest of the place that has the most; so whoever comes and asks at once
is served, however many hold connections for nothing. Where all are busy, the place that has the
most gives up its oldest to one that has fewer: nobody fills a peer with many names. The owner is
kept some that nobody else gets.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

from panal.peer.limits import CONNECTIONS, CONNECTIONS_PER_ADDRESS, OWNER_PART

OWNER = "owner"
"""The place of this machine's user and of root, which has no limit of its own."""


class Held(Protocol):
    """A connection, as this file sees it."""

    def is_idle(self) -> bool:
        """Whether nothing is being asked or answered on it."""
        ...

    def abort(self) -> None:
        """End it at once."""
        ...


class Connections:
    """All connections of one peer, by a key of each (its transport)."""

    def __init__(self, most: int = CONNECTIONS, most_of_one: int = CONNECTIONS_PER_ADDRESS) -> None:
        self.most = most
        self._most_of_one = most_of_one
        self._held: dict[Hashable, tuple[str, Held]] = {}
        """In the order in which they came."""
        self._by_place: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def enter(self, key: Hashable, place: str, held: Held) -> bool:
        """Whether a connection from a place may stay; another may have gone for it."""
        if not self._has_room(place):
            return False
        self._held[key] = place, held
        self._by_place[place] += 1
        return True

    def pass_on(self, key: Hashable, held: Held) -> None:
        """Something else answers on a connection from now on."""
        if key in self._held:
            self._held[key] = self._held[key][0], held

    def leave(self, key: Hashable) -> None:
        """A connection has ended; nothing where it was not let in."""
        if (gone := self._held.pop(key, None)) is not None:
            self._by_place[gone[0]] -= 1
            if not self._by_place[gone[0]]:
                del self._by_place[gone[0]]

    def _has_room(self, place: str) -> bool:
        if place != OWNER and self._by_place[place] >= self._most_of_one:
            return self._end_idle(place)
        of_others = len(self._held) - self._by_place[OWNER]
        if place != OWNER and of_others >= self.most - self.most // OWNER_PART:
            return self._end_one_for(place, {OWNER})
        return len(self._held) < self.most or self._end_one_for(place, set())

    def _end_one_for(self, newcomer: str, spared: set[str]) -> bool:
        """Whether an idle one has gone, or a busy one of another's place that has two more."""
        places = [(at, count) for at, count in self._by_place.most_common() if at not in spared]
        if any(self._end_idle(at) for at, _ in places):
            return True
        least = 1 if newcomer == OWNER else self._by_place[newcomer] + 2
        for at, count in places:
            if at != OWNER:
                return count >= least and self._end_first(at, lambda _: True)
        return False

    def _end_idle(self, place: str) -> bool:
        return self._end_first(place, lambda held: held.is_idle())

    def _end_first(self, place: str, may_end: Callable[[Held], bool]) -> bool:
        for key, (at, held) in self._held.items():
            if at == place and may_end(held):
                self.leave(key)
                held.abort()
                return True
        return False
