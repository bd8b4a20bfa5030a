"""Whose turn it is to be sent bytes: places take turns, within one the first to come; pure.

A place is where requests come from, such as one address. One alone may have every slot. What a
place has beyond its share counts for nothing while others wait: they are let in beside it, so
that no place, however slowly it receives, shuts others out. So at most twice the slots are held.
"""

from collections import deque
from typing import Generic, TypeVar

import msgspec

Who = TypeVar("Who")

SHARES = 4
"""A place's share is this part of the slots, and one at least."""


class LaneFacts(msgspec.Struct, frozen=True):
    """One queue and its slots at a moment."""

    slots: int
    used: int
    waiting: int


class Turns(Generic[Who]):
    """The slots, who holds them by place, and the lines in front of them."""

    def __init__(self, slots: int, most_waiting: int) -> None:
        self._slots = slots
        self._share = max(1, slots // SHARES)
        self._most_waiting = most_waiting
        self._held: dict[str, int] = {}
        """Slots by place."""
        self._used = self._counted = 0
        """Slots that are held, and how many of them count while others wait."""
        self._lines: dict[str, deque[Who]] = {}
        """Of each place where somebody waits; the place whose turn is next comes first."""
        self.waiting = 0
        """How many stand in line."""

    def facts(self) -> LaneFacts:
        """How they stand."""
        return LaneFacts(self._slots, self._used, self.waiting)

    def resize(self, slots: int) -> None:
        """So many slots from now on; who holds one keeps it."""
        self._slots = slots
        self._share = max(1, slots // SHARES)
        self._counted = sum(min(held, self._share) for held in self._held.values())

    def enter(self, place: str) -> bool:
        """Take a slot at once, where one is free and nobody waits."""
        held = self._held.get(place, 0)
        if self.waiting or not (
            self._used < self._slots or (held < self._share and self._has_room())
        ):
            return False
        self._hold(place)
        return True

    def arrive(self, place: str, who: Who) -> Who | None:
        """Stand in line; who has to go for it where too many wait: perhaps the same.

        The last of the longest line goes, so that no place fills the room that all wait in.
        """
        line = self._lines.setdefault(place, deque())
        line.append(who)
        self.waiting += 1
        if self.waiting <= self._most_waiting:
            return None
        longest = max(self._lines, key=lambda at: (len(self._lines[at]), at == place))
        last = self._lines[longest][-1]
        self.leave(longest, last)
        return last

    def leave(self, place: str, who: Who) -> None:
        """Out of the line; nothing where it does not stand in it."""
        line = self._lines.get(place)
        if line is not None and who in line:
            line.remove(who)
            self._shortened(place)

    def call(self) -> tuple[str, Who] | None:
        """The next who gets a slot, and its place; None while nobody does."""
        place = self._next()
        if place is None:
            return None
        who = self._lines[place].popleft()
        self._hold(place)
        self._shortened(place)
        if (line := self._lines.pop(place, None)) is not None:
            self._lines[place] = line  # behind the others now
        return place, who

    def end(self, place: str) -> None:
        """A slot that was held from there is free."""
        held = self._held[place] - 1
        self._used -= 1
        self._counted -= held < self._share
        if held:
            self._held[place] = held
        else:
            del self._held[place]

    def _hold(self, place: str) -> None:
        held = self._held.get(place, 0)
        self._used += 1
        self._counted += held < self._share
        self._held[place] = held + 1

    def _next(self) -> str | None:
        if self._has_room():
            for place in self._lines:
                if self._held.get(place, 0) < self._share:
                    return place
        return next(iter(self._lines), None) if self._used < self._slots else None

    def _has_room(self) -> bool:
        return self._counted < self._slots

    def _shortened(self, place: str) -> None:
        self.waiting -= 1
        if not self._lines[place]:
            del self._lines[place]
