"""Who may connect: so many in all, so many from an address, and never nobody.

Where there is no room an idle connection makes some, the oldest of the address, or member,
that has the most; so whoever comes and asks at once is served, however many hold connections for
nothing.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Protocol

from panal.peer.limits import CONNECTIONS, CONNECTIONS_PER_ADDRESS
from panal.wire.address import is_loopback, place_of
from panal.wire.ids import PeerName


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
        self._most = most
        self._most_of_one = most_of_one
        self._held: dict[Hashable, tuple[str, Held]] = {}
        """In the order in which they came."""
        self._by_place: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def enter(self, key: Hashable, host: str, held: Held, member: PeerName | None = None) -> bool:
        """Whether a connection from an address may stay; an idle one may have gone for it.

        A member, known by its certificate, has a place of its own wherever it calls from.
        """
        place = place_of(host) if member is None else f"member {member.lower()}"
        is_limited = member is not None or (bool(host) and not is_loopback(host))
        if is_limited and self._by_place[place] >= self._most_of_one:
            if not self._end_idle(place):
                return False
        elif len(self._held) >= self._most and not self._end_any_idle():
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

    def _end_any_idle(self) -> bool:
        return any(self._end_idle(place) for place, _ in self._by_place.most_common())

    def _end_idle(self, place: str) -> bool:
        for key, (at, held) in self._held.items():
            if at == place and held.is_idle():
                self.leave(key)
                held.abort()
                return True
        return False
