"""Which chunks of each content this peer has sent to nobody yet.

A seed that chooses sends every chunk once before any twice: the swarm has a whole copy as
soon as its uplink allows.
"""

from collections import OrderedDict

from panal.swarm.picker import Chance, pick_run
from panal.wire import bitfield
from panal.wire.ids import ContentId

MOST_CONTENTS = 256
"""Those asked for longest ago are forgotten: then all of it counts as never sent."""


class NeverSent:
    """What is left to send once, for the contents asked for last."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._bits: OrderedDict[ContentId, int] = OrderedDict()

    def has_any(self, content: ContentId, chunk_count: int, among: int) -> bool:
        """Whether a chunk of `among` was never sent."""
        return bool(self._of(content, chunk_count) & among)

    def grant(
        self, content: ContentId, chunk_count: int, among: int, most: int
    ) -> tuple[int, int] | None:
        """First and count of the chunks to send now, which count as sent; None for nothing."""
        left = self._of(content, chunk_count)
        if not left & among:
            return None
        first, count = pick_run(left & among, most, self._chance)
        self._bits[content] = left & ~(bitfield.full(count) << first)
        return first, count

    def give_back(self, content: ContentId, first: int, count: int) -> None:
        """They did not arrive: count them as never sent again."""
        if content in self._bits:
            self._bits[content] |= bitfield.full(count) << first

    def sent(self, content: ContentId, first: int, count: int) -> None:
        """They were sent by another way."""
        if content in self._bits:
            self._bits[content] &= ~(bitfield.full(count) << first)

    def _of(self, content: ContentId, chunk_count: int) -> int:
        bits = self._bits.setdefault(content, bitfield.full(chunk_count))
        self._bits.move_to_end(content)
        while len(self._bits) > MOST_CONTENTS:
            self._bits.popitem(last=False)
        return bits
