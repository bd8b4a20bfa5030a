"""The have stream: the same result however its bytes are cut, and a refusal of all else."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import IntegrityError
from panal.wire import bitfield, have
from panal.wire.have import HEARTBEAT, HaveReader, index_frame, opening
from panal.wire.manifest import MAX_CHUNKS
from tests.wire import PROPERTY


def test_the_bytes_of_a_stream() -> None:
    assert opening(0b1_0000_0001, 9) == b"Panal-Have 1\n\x02\x00\x00\x00\x01\x01"
    assert index_frame(5) == b"\x05\x00\x00\x00"
    assert index_frame(0x0102) == b"\x02\x01\x00\x00"
    assert index_frame(HEARTBEAT) == b"\xff\xff\xff\xff"
    assert have.SILENCE_S == 3 * have.HEARTBEAT_S == 15.0


def read(count: int, pieces: list[bytes]) -> tuple[list[int], list[int]]:
    reader = HaveReader(count)
    bitfields, indices = [], []
    for piece in pieces:
        bits, further = reader.feed(piece)
        if bits is not None:
            bitfields.append(bits)
        indices.extend(further)
    return bitfields, indices


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:stop] for start, stop in pairwise(edges)]


@PROPERTY
@given(st.data())
def test_any_slicing_gives_the_same(data: st.DataObject) -> None:
    count = data.draw(st.just(0) | st.integers(4, 70))  # so that none is named too often
    bits = data.draw(st.integers(0, (1 << count) - 1))
    frame = st.just(HEARTBEAT) if count == 0 else st.integers(0, count - 1) | st.just(HEARTBEAT)
    frames = data.draw(st.lists(frame, max_size=8))
    raw = opening(bits, count) + b"".join(index_frame(value) for value in frames)
    wanted = ([bits], [value for value in frames if value != HEARTBEAT])
    assert read(count, cut(raw, data.draw(st.lists(st.integers(0, 200), max_size=9)))) == wanted
    assert read(count, [bytes([byte]) for byte in raw]) == wanted


def test_nothing_is_told_before_the_bitfield_is_whole() -> None:
    reader = HaveReader(9)
    raw = opening(0b1_1111_1111, 9)
    for byte in raw[:-1]:
        assert reader.feed(bytes([byte])) == (None, [])
    assert reader.feed(raw[-1:]) == (0b1_1111_1111, [])
    assert reader.feed(b"") == (None, [])


def test_the_largest_content() -> None:
    raw = opening(bitfield.full(MAX_CHUNKS), MAX_CHUNKS) + index_frame(MAX_CHUNKS - 1)
    assert read(MAX_CHUNKS, [raw]) == ([bitfield.full(MAX_CHUNKS)], [MAX_CHUNKS - 1])


GOOD = opening(0b1, 9)
WRONG = {
    "another greeting": b"Panal-Have 2\n" + GOOD[13:],
    "a page": b"<html><body>404</body></html>",
    "a first wrong letter": b"X",
    "a greeting in capitals": GOOD.upper(),
    "a length of one less": have.GREETING + struct.pack("<I", 1) + b"\x01",
    "a length of one more": have.GREETING + struct.pack("<I", 3) + bytes(3),
    "a length of 4 GiB": have.GREETING + b"\xff\xff\xff\xff",
    "a big-endian length": have.GREETING + struct.pack(">I", 2) + b"\x01\x00",
    "a bit beyond the last": have.GREETING + struct.pack("<I", 2) + b"\x01\x02",
    "an index beyond the last": GOOD + index_frame(9),
    "an index just below the heartbeat": GOOD + index_frame(HEARTBEAT - 1),
    "a good index and then one beyond": GOOD + index_frame(8) + index_frame(2**31),
}


@pytest.mark.parametrize("raw", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_what_does_not_belong_there_is_an_integrity_error(raw: bytes, step: int) -> None:
    with pytest.raises(IntegrityError):
        read(9, [raw[start : start + step] for start in range(0, len(raw), step)])


def test_a_wrong_length_is_noticed_before_its_bytes_are_waited_for() -> None:
    with pytest.raises(IntegrityError, match="length"):
        HaveReader(9).feed(have.GREETING + struct.pack("<I", 2**32 - 1))


def test_an_empty_content_has_an_empty_bitfield() -> None:
    assert read(0, [opening(0, 0)]) == ([0], [])
    with pytest.raises(IntegrityError):
        read(0, [opening(0, 0) + index_frame(0)])


def test_a_chunk_named_twice_is_no_fault() -> None:
    assert read(9, [GOOD + index_frame(0) * 3]) == ([0b1], [0, 0, 0])


def test_chunks_named_again_and_again_are_a_fault() -> None:
    reader = HaveReader(9)
    reader.feed(opening(0, 9))
    every = b"".join(map(index_frame, range(9)))
    reader.feed(every + every)
    with pytest.raises(IntegrityError, match="again and again"):
        reader.feed(index_frame(3))


def test_heartbeats_are_counted_and_name_nothing() -> None:
    reader = HaveReader(9)
    assert reader.feed(opening(0, 9) + index_frame(HEARTBEAT) * 3) == (0, [])
    reader.feed(index_frame(HEARTBEAT) + index_frame(1))
    assert reader.heartbeats == 4
