"""Bitfields: the wire's order of bits, and what is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import UsageError
from panal.wire import bitfield
from panal.wire.manifest import MAX_CHUNKS
from tests.wire import PROPERTY


@pytest.mark.parametrize(
    ("chunks", "count", "raw"),
    [
        ([], 0, b""),
        ([], 1, b"\x00"),
        ([0], 1, b"\x01"),
        ([0], 8, b"\x01"),
        ([7], 8, b"\x80"),
        ([8], 9, b"\x00\x01"),
        ([0, 9], 10, b"\x01\x02"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 9, b"\xff\x01"),
        ([15], 16, b"\x00\x80"),
    ],
)
def test_the_first_chunk_is_the_lowest_bit_of_the_first_byte(
    chunks: list[int], count: int, raw: bytes
) -> None:
    bits = sum(1 << chunk for chunk in chunks)
    assert bitfield.to_bytes(bits, count) == raw
    assert bitfield.from_bytes(raw, count) == bits
    assert bitfield.indices(bits) == chunks


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"\x00", 0),
        (b"", 1),
        (b"\x00\x00", 8),
        (b"\x00", 9),
        (b"\x02", 1),
        (b"\x80", 7),
        (b"\xff\x02", 9),
        (b"\x00" * 100_000, 8),
    ],
)
def test_a_wrong_length_or_a_bit_beyond_is_refused(raw: bytes, count: int) -> None:
    with pytest.raises(UsageError, match=f"of {count} chunks"):
        bitfield.from_bytes(raw, count)


@PROPERTY
@given(st.integers(0, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**n - 1))))
def test_a_bitfield_survives_the_wire(drawn: tuple[int, int]) -> None:
    count, bits = drawn
    raw = bitfield.to_bytes(bits, count)
    assert bitfield.from_bytes(raw, count) == bits
    by_hand = [i for i in range(count) if raw[i // 8] >> (i % 8) & 1]
    assert bitfield.indices(bits) == by_hand


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16_384])
def test_full(count: int) -> None:
    assert bitfield.indices(bitfield.full(count)) == list(range(count))


def test_the_largest_bitfield_is_listed_in_linear_time() -> None:
    """With one big-integer operation a chunk this takes a quarter of a minute."""
    assert bitfield.indices(bitfield.full(MAX_CHUNKS)) == list(range(MAX_CHUNKS))


@PROPERTY
@given(st.integers(0, 2**70))
def test_runs_are_the_chunks_in_order(bits: int) -> None:
    found = list(bitfield.runs(bits))
    chunks = [chunk for first, last in found for chunk in range(first, last + 1)]
    assert chunks == bitfield.indices(bits)
    gaps = pairwise(found)
    assert all(before[1] + 1 < after[0] for before, after in gaps)


@given(st.lists(st.integers(0, MAX_CHUNKS - 1), max_size=40))
@PROPERTY
def test_few_are_set_as_many_are(chunks: list[int]) -> None:
    assert bitfield.from_few(chunks) == bitfield.from_indices(chunks)
