"""Sets of chunks as integers: chunk i is bit i, so a set operation is one machine sweep.

On the wire a bitfield has ceil(n / 8) bytes, chunk i being bit i % 8 (least significant
first) of byte i // 8; bits from n on are zero.
"""

from panal.errors import UsageError


def full(count: int) -> int:
    """The bitfield in which all of `count` chunks are set."""
    return (1 << count) - 1


def to_bytes(bits: int, count: int) -> bytes:
    """The wire form of `bits` over `count` chunks."""
    return bits.to_bytes((count + 7) // 8, "little")


def from_bytes(raw: bytes, count: int) -> int:
    """The bitfield of `count` chunks in `raw`; UsageError on a wrong length or a bit beyond."""
    if len(raw) != (count + 7) // 8:
        raise UsageError(f"A bitfield of {count} chunks has {(count + 7) // 8} bytes.")
    bits = int.from_bytes(raw, "little")
    if bits >> count:
        raise UsageError(f"A bitfield of {count} chunks has a bit beyond the last.")
    return bits


def indices(bits: int) -> list[int]:
    """The chunks that are set, in order."""
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
