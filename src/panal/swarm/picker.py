"""Which chunks to ask a source for next: the rarest that it has, consecutive ones together.

Decides nothing else: not whom to ask, not when. Availability is kept as one bitfield per
number of known copies, so that counting a whole source in or out, and finding the rarest
chunk that it has, are a few operations on large integers whatever the number of chunks.
"""

from functools import lru_cache
from typing import Protocol


class Chance(Protocol):
    """What of `random.Random` a decision may use."""

    def randrange(self, stop: int, /) -> int:
        """A number from 0 to `stop` - 1."""
        ...


class Rarity:
    """How many sources have each chunk."""

    def __init__(self, chunk_count: int) -> None:
        self._chunk_count = chunk_count
        self._by_copies = [(1 << chunk_count) - 1]
        """At position n, the chunks of which n copies are known."""

    def add(self, bits: int) -> None:
        """Count one more copy of each chunk in `bits`."""
        levels, risen = self._by_copies, 0
        levels.append(0)
        for copies, level in enumerate(levels):
            rising = level & bits
            if rising or risen:
                levels[copies] = level ^ rising | risen
                bits, risen = bits ^ rising, rising
            if not bits and not risen:
                break
        self._trim()

    def remove(self, bits: int) -> None:
        """Count one copy less of each chunk in `bits`; each must have been counted."""
        levels = self._by_copies
        for copies in range(1, len(levels)):
            moved = levels[copies] & bits
            levels[copies] ^= moved
            levels[copies - 1] |= moved
        self._trim()

    def _trim(self) -> None:
        while len(self._by_copies) > 1 and self._by_copies[-1] == 0:
            self._by_copies.pop()

    def rarest(self, among: int) -> int:
        """Those chunks of `among` that have the fewest known copies."""
        for level in self._by_copies:
            if found := level & among:
                return found
        return 0

    def by_copies(self) -> tuple[int, ...]:
        """At position n, the chunks of which n copies are known."""
        return tuple(self._by_copies)

    def copies(self, index: int) -> int:
        """How many copies of one chunk are known."""
        return next(n for n, level in enumerate(self._by_copies) if level >> index & 1)


def pick_span(useful: int, rarity: Rarity, longest: int, chance: Chance) -> tuple[int, int]:
    """First chunk and number of consecutive chunks to ask for; `useful` must not be empty.

    Starts at a rarest chunk, ties broken by chance, and goes on while the next chunk is
    useful and as rare.
    """
    return pick_run(rarity.rarest(useful), longest, chance)


def pick_run(bits: int, longest: int, chance: Chance) -> tuple[int, int]:
    """First and number of consecutive chunks of `bits`, beginning anywhere; not empty."""
    first = _some_bit(bits, chance)
    run = bits >> first
    count = 1
    while count < longest and run >> count & 1:
        count += 1
    return first, count


LONGEST_BLOCK = 64


@lru_cache(maxsize=64)
def share(chunk_count: int, number: int, seeds: int) -> int:
    """The chunks that seed `number` of `seeds` is to send first; together they are all chunks.

    Each downloader comes to the same shares, so that several seeds do not send the same
    chunks. They lie in blocks, so that a fast seed can send many chunks in a row.
    """
    block = max(1, min(LONGEST_BLOCK, chunk_count // (4 * seeds)))
    period = ((1 << block) - 1) << (block * number)
    bits, length = period, block * seeds
    while length < chunk_count:
        bits |= bits << length
        length *= 2
    return bits & ((1 << chunk_count) - 1)


def _some_bit(bits: int, chance: Chance) -> int:
    # The first bit at or after a random place: bits behind gaps are favoured a little,
    # which costs nothing that matters and saves listing them all.
    place = chance.randrange(bits.bit_length())
    upper = bits >> place
    return place + (upper & -upper).bit_length() - 1
