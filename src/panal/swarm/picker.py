"""Which chunks to ask a source for next: the rarest that it has, consecutive ones together.

Decides nothing else: not whom to ask, not when. The numbers of known copies are kept as one
bitfield per binary digit, so that counting a source in or out, and finding the rarest chunk that
it has, are as many operations on large integers as the number of sources has digits, at most.
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
        self._all = (1 << chunk_count) - 1
        self._digits: list[int] = []
        """At position n, the chunks whose number of known copies has the binary digit 2**n."""

    def add(self, bits: int) -> None:
        """Count one more copy of each chunk in `bits`."""
        digits = self._digits
        for place, digit in enumerate(digits):
            digits[place] = digit ^ bits
            bits &= digit  # is carried
            if not bits:
                return
        if bits:
            digits.append(bits)

    def remove(self, bits: int) -> None:
        """Count one copy less of each chunk in `bits`; each must have been counted."""
        digits = self._digits
        for place, digit in enumerate(digits):
            digits[place] = digit ^ bits
            bits ^= bits & digit  # is borrowed
            if not bits:
                break
        while digits and not digits[-1]:
            digits.pop()

    def rarest(self, among: int) -> int:
        """Those chunks of `among` that have the fewest known copies."""
        for digit in reversed(self._digits):
            if fewer := among ^ among & digit:
                among = fewer
        return among

    def by_copies(self) -> tuple[int, ...]:
        """At position n, the chunks of which n copies are known; the last is not empty."""
        levels = [self._all]
        for digit in reversed(self._digits):
            levels = [part for level in levels for part in (level ^ level & digit, level & digit)]
        while len(levels) > 1 and not levels[-1]:
            levels.pop()
        return tuple(levels)

    def copies(self, index: int) -> int:
        """How many copies of one chunk are known."""
        return sum((digit >> index & 1) << place for place, digit in enumerate(self._digits))


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
