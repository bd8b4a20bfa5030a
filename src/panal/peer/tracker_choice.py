"""Which of several trackers is asked; pure.

Trackers on one database are replicas, and any of them will do: each asker prefers them in an order
of its own, drawn from its name, so that they share the load, and the askers of one that goes
spread over all others. Trackers with records of their own know only who registered with them:
there everybody prefers them in the order given, so that all meet at the same one.

Who answers is stayed with. One that is preferred and was silent is tried again after a time drawn
for each asker: so it has its share again, and is not run down the moment it comes back.
"""

from collections.abc import Sequence

from blake3 import blake3

TRY_AGAIN_S = 60.0
LONGEST_TRY_AGAIN_S = 180.0
"""A tracker that was silent is tried again after a time between these two."""


class TrackerChoice:
    """One asker's trackers, and what it knows of them."""

    def __init__(self, addresses: Sequence[str], asker: str) -> None:
        """`asker` is a name, or anything else that differs from asker to asker."""
        self._given = tuple(dict.fromkeys(addresses))
        self._spread = tuple(sorted(self._given, key=lambda address: _weight(address, asker)))
        self._preferred = self._spread
        self._try_again_s: dict[str, float] = {}
        """When each of those that were silent is to be tried again."""
        self.current = self._preferred[0]
        """Whom calls go to first."""

    @property
    def has_several(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._given) > 1

    @property
    def is_hopeful(self) -> bool:
        """Whether the current one was not silent when it was last asked."""
        return self.current not in self._try_again_s

    def learn(self, *, are_replicas: bool) -> None:
        """A tracker has said whether it shares its records with others."""
        preferred = self._spread if are_replicas else self._given
        if preferred == self._preferred:
            return
        self._preferred = preferred
        self.current = self._best()

    def order(self) -> tuple[str, ...]:
        """All of them, in the order in which a call goes through them until one answers."""
        others = [address for address in self._preferred if address != self.current]
        return (self.current, *sorted(others, key=lambda a: self._try_again_s.get(a, 0.0)))

    def order_of_renewal(self, now_s: float) -> tuple[str, ...]:
        """The same for a renewal: it looks whether one that is preferred is there again."""
        better = self._preferred[: self._preferred.index(self.current)]
        due = [address for address in better if self._try_again_s.get(address, 0.0) <= now_s]
        first = due[0] if due else self.current
        return (first, *(address for address in self.order() if address != first))

    def answered(self, address: str) -> None:
        """It is there; calls go to it from now on if it is preferred, or no other is there."""
        self._try_again_s.pop(address, None)
        rank = self._preferred.index
        if not self.is_hopeful or rank(address) < rank(self.current):
            self.current = address

    def silent(self, address: str, now_s: float, chance: float) -> None:
        """It did not answer; calls go to another. `chance` is drawn from 0 to 1 for each time."""
        pause_s = TRY_AGAIN_S + (LONGEST_TRY_AGAIN_S - TRY_AGAIN_S) * chance
        self._try_again_s[address] = now_s + pause_s
        if address == self.current:
            self.current = self._best()

    def _best(self) -> str:
        """The most preferred that is not known to be silent; of the silent, the longest so."""
        return min(self._preferred, key=lambda address: self._try_again_s.get(address, 0.0))


def _weight(address: str, asker: str) -> bytes:
    """Where a tracker stands in an asker's order: as good as drawn, and always the same."""
    return blake3(f"{asker}\0{address}".encode("utf-8", "surrogateescape")).digest()
