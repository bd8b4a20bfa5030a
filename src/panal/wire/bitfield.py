"""Sets of chunks as integers: chunk i is bit i, so a set operation is one machine sweep.

On the wire a bitfield has ceil(n / 8) bytes, chunk i being bit i % 8 (least significant
first) of byte i // 8; bits from n on are zero.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from panal.errors import UsageError

_FEW = 16
_RUN = re.compile("1+")
_SET_BITS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


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


def from_few(chunks: Sequence[int]) -> int:
    """As `from_indices`, sooner for a few; each further one would make the integer anew."""
    if len(chunks) > _FEW:
        return from_indices(chunks)
    bits = 0
    for index in chunks:
        bits |= 1 << index
    return bits


def from_indices(chunks: Iterable[int]) -> int:
    """The bitfield in which those chunks are set, in one pass whatever their number."""
    raw = bytearray()
    for index in chunks:
        if index >> 3 >= len(raw):
            raw.extend(bytes((index >> 3) + 1 - len(raw)))
        raw[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(raw, "little")


def indices(bits: int) -> list[int]:
    """The chunks that are set, in order."""
    raw = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return [8 * place + bit for place, byte in enumerate(raw) for bit in _SET_BITS[byte]]


def next_of(bits: int, count: int) -> int:
    """Those that are set among `count` chunks, from the first that is."""
    first = max(0, (bits & -bits).bit_length() - 1)
    return bits & full(count) << first


def runs(bits: int) -> Iterator[tuple[int, int]]:
    """First and last of each run of chunks that are set, in order."""
    for run in _RUN.finditer(format(bits, "b")[::-1] if bits else ""):
        yield run.start(), run.end() - 1
