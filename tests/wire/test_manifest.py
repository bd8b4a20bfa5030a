"""Manifests: the chunk rule, the canonical bytes, and a decoder that takes nothing else."""

import hashlib
import struct

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import IntegrityError, UsageError
from panal.wire.manifest import (
    MAX_CHUNK_BYTES,
    MAX_CHUNKS,
    MAX_CONTENT_BYTES,
    MAX_MANIFEST_BYTES,
    MIN_CHUNK_BYTES,
    Kind,
    Manifest,
    chunk_count_for,
    chunk_size_for,
    content_id,
    decode,
    manifest_of,
)
from tests.wire import PROPERTY

pytestmark = pytest.mark.p1

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CHUNK = 256 * KIB


def manifest_of_bytes(content: bytes) -> Manifest:
    hashes = [
        blake3(content[start : start + CHUNK]).digest() for start in range(0, len(content), CHUNK)
    ]
    return manifest_of(len(content), hashlib.sha256(content).digest(), hashes)


@pytest.mark.parametrize(
    ("size_bytes", "chunk_bytes", "chunks"),
    [
        (0, 256 * KIB, 0),
        (1, 256 * KIB, 1),
        (CHUNK - 1, 256 * KIB, 1),
        (CHUNK, 256 * KIB, 1),
        (CHUNK + 1, 256 * KIB, 2),
        (7 * CHUNK, 256 * KIB, 7),
        (7 * CHUNK + 1, 256 * KIB, 8),
        (4 * GIB - 1, 256 * KIB, 16_384),
        (4 * GIB, 256 * KIB, 16_384),
        (4 * GIB + 1, 512 * KIB, 8_193),
        (8 * GIB, 512 * KIB, 16_384),
        (8 * GIB + 1, MIB, 8_193),
        (16 * GIB, MIB, 16_384),
        (16 * GIB + 1, 2 * MIB, 8_193),
        (32 * GIB, 2 * MIB, 16_384),
        (32 * GIB + 1, 4 * MIB, 8_193),
        (64 * GIB, 4 * MIB, 16_384),
        (64 * GIB + 1, 4 * MIB, 16_385),
        (100 * 10**9, 4 * MIB, 23_842),
        (MAX_CONTENT_BYTES, 4 * MIB, MAX_CHUNKS),
    ],
)
def test_the_chunk_rule(size_bytes: int, chunk_bytes: int, chunks: int) -> None:
    assert chunk_size_for(size_bytes) == chunk_bytes
    assert chunk_count_for(size_bytes) == chunks


@pytest.mark.parametrize("size_bytes", [-1, MAX_CONTENT_BYTES + 1, 2**41, 2**63, 2**64])
def test_no_content_is_smaller_than_nothing_or_larger_than_its_manifest(size_bytes: int) -> None:
    for rule in (chunk_size_for, chunk_count_for):
        with pytest.raises(UsageError, match=str(MAX_CONTENT_BYTES)):
            rule(size_bytes)


def test_the_limits_follow_from_each_other() -> None:
    assert (MIN_CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_MANIFEST_BYTES) == (256 * KIB, 4 * MIB, 16 * MIB)
    assert 52 + 32 * MAX_CHUNKS <= MAX_MANIFEST_BYTES < 52 + 32 * (MAX_CHUNKS + 1)
    assert MAX_CONTENT_BYTES == MAX_CHUNKS * 4 * MIB == 2**41 - 2 * 4 * MIB


@PROPERTY
@given(st.integers(0, MAX_CONTENT_BYTES))
def test_the_chunk_rule_is_that_of_the_words(size_bytes: int) -> None:
    chunk = 256 * KIB
    while -(-size_bytes // chunk) > 16_384 and chunk < 4 * MIB:
        chunk += chunk
    assert chunk_size_for(size_bytes) == chunk
    assert chunk_count_for(size_bytes) == -(-size_bytes // chunk)


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 1, 4 * CHUNK - 1]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_the_chunks_tile_the_content_and_their_hashes_are_theirs(size_bytes: int) -> None:
    content = bytes(i % 251 for i in range(1_000)) * (size_bytes // 1_000 + 1)
    content = content[:size_bytes]
    manifest = manifest_of_bytes(content)
    end = 0
    for index in range(manifest.chunk_count):
        offset, length = manifest.chunk_range(index)
        assert offset == end
        assert 1 <= length <= CHUNK
        assert manifest.chunk_hash(index) == blake3(content[offset : offset + length]).digest()
        end = offset + length
    assert end == size_bytes == manifest.size_bytes


@pytest.mark.parametrize("size_bytes", SIZES)
@pytest.mark.parametrize("kind", Kind)
def test_a_manifest_survives_the_wire(size_bytes: int, kind: Kind) -> None:
    hashes = [bytes([i]) * 32 for i in range(chunk_count_for(size_bytes))]
    manifest = manifest_of(size_bytes, b"s" * 32, hashes, kind)
    encoded = manifest.encode()
    assert len(encoded) == 52 + 32 * len(hashes)
    assert decode(encoded, content_id(encoded)) == manifest
    assert decode(encoded, content_id(encoded)).kind is kind


def test_the_canonical_bytes() -> None:
    manifest = manifest_of(CHUNK + 5, b"S" * 32, [b"a" * 32, b"b" * 32], Kind.COLLECTION)
    assert manifest.encode() == (
        b"PANALM"
        b"\x01"
        b"\x01"
        b"\x05\x00\x04\x00\x00\x00\x00\x00"
        b"\x00\x00\x04\x00" + b"S" * 32 + b"a" * 32 + b"b" * 32
    )
    assert content_id(manifest.encode()) == blake3(manifest.encode()).digest()


def test_a_content_of_4_mib_chunks_survives_the_wire() -> None:
    size_bytes = 64 * GIB + 1
    manifest = manifest_of(size_bytes, bytes(32), [bytes(32)] * 16_385)
    encoded = manifest.encode()
    assert decode(encoded, content_id(encoded)) == manifest
    assert manifest.chunk_range(16_384) == (64 * GIB, 1)


def test_the_largest_content_survives_the_wire() -> None:
    encoded = manifest_of(MAX_CONTENT_BYTES, bytes(32), [bytes(32)] * MAX_CHUNKS).encode()
    assert decode(encoded, content_id(encoded)).chunk_count == MAX_CHUNKS


@pytest.mark.parametrize("changed", [[], [0], [2], [0, 1, 2]])
def test_the_chunks_that_differ_are_named(changed: list[int]) -> None:
    hashes = [bytes([index]) * 32 for index in range(3)]
    others = [b"x" * 32 if index in changed else one for index, one in enumerate(hashes)]
    one, other = (manifest_of(3 * CHUNK, bytes(32), each) for each in (hashes, others))
    assert one.differing(other) == other.differing(one) == sum(1 << index for index in changed)


@PROPERTY
@given(st.integers(0, 9 * CHUNK), st.sampled_from(Kind), st.binary(min_size=32, max_size=32))
def test_every_manifest_survives_the_wire(size_bytes: int, kind: Kind, sha256: bytes) -> None:
    hashes = [blake3(sha256 + bytes([i])).digest() for i in range(chunk_count_for(size_bytes))]
    encoded = manifest_of(size_bytes, sha256, hashes, kind).encode()
    again = decode(encoded, content_id(encoded))
    assert again.encode() == encoded
    assert (again.size_bytes, again.kind, again.sha256) == (size_bytes, kind, sha256)
    assert [again.chunk_hash(i) for i in range(again.chunk_count)] == hashes


MISFITS: dict[str, tuple[int, bytes, list[bytes]]] = {
    "SHA-256 of 31 bytes": (1, bytes(31), [bytes(32)]),
    "SHA-256 of 33 bytes": (1, bytes(33), [bytes(32)]),
    "no SHA-256": (1, b"", [bytes(32)]),
    "a chunk of nothing": (0, bytes(32), [bytes(32)]),
    "no chunk": (1, bytes(32), []),
    "one chunk more": (1, bytes(32), [bytes(32)] * 2),
    "one chunk less": (CHUNK + 1, bytes(32), [bytes(32)]),
    "a hash of 31 bytes": (1, bytes(32), [bytes(31)]),
    "a hash of 37 bytes": (1, bytes(32), [bytes(37)]),
    "a hash of 31 and one of 33": (CHUNK + 1, bytes(32), [bytes(31), bytes(33)]),
    "two hashes in one": (CHUNK + 1, bytes(32), [bytes(64)]),
    "a byte for no chunk": (0, bytes(32), [b"x"]),
    "less than nothing": (-1, bytes(32), []),
    "more than a manifest holds": (MAX_CONTENT_BYTES + 1, bytes(32), []),
}


@pytest.mark.parametrize(("size_bytes", "sha256", "hashes"), MISFITS.values(), ids=MISFITS.keys())
def test_hashes_that_do_not_fit_the_size_make_no_manifest(
    size_bytes: int, sha256: bytes, hashes: list[bytes]
) -> None:
    with pytest.raises(UsageError, match="content of"):
        manifest_of(size_bytes, sha256, hashes)


GOOD = manifest_of(CHUNK + 5, bytes(range(32)), [b"a" * 32, b"b" * 32]).encode()


def refused_though_the_id_is_right(encoded: bytes) -> bool:
    try:
        manifest = decode(encoded, content_id(encoded))
    except IntegrityError as error:
        return "manifest" in str(error)  # fsck tells it
    assert manifest.encode() == encoded
    assert manifest.chunk_bytes == chunk_size_for(manifest.size_bytes)
    assert manifest.chunk_count == chunk_count_for(manifest.size_bytes)
    return False


@pytest.mark.parametrize("offset", range(len(GOOD)))
def test_every_flip_of_a_byte_breaks_the_id(offset: int) -> None:
    for flip in (0x01, 0x80, 0xFF):
        broken = bytearray(GOOD)
        broken[offset] ^= flip
        with pytest.raises(IntegrityError, match="not the manifest of that content"):
            decode(bytes(broken), content_id(GOOD))


@pytest.mark.parametrize("offset", range(20))
def test_every_flip_of_the_structure_is_refused_under_its_own_id(offset: int) -> None:
    """But for what is another right manifest: another kind, another size of two chunks."""
    for value in range(256):
        broken = bytearray(GOOD)
        broken[offset] = value
        size_bytes = int.from_bytes(broken[8:16], "little")
        right = (
            broken[:7] == b"PANALM\x01"
            and broken[7] in {0, 1}
            and CHUNK < size_bytes <= 2 * CHUNK
            and broken[16:20] == b"\x00\x00\x04\x00"
        )
        assert refused_though_the_id_is_right(bytes(broken)) != right


def test_every_truncation_is_refused_under_its_own_id() -> None:
    for length in range(len(GOOD)):
        assert refused_though_the_id_is_right(GOOD[:length])


@pytest.mark.parametrize("more", [b"\0", b"\n", bytes(31), bytes(32), GOOD, bytes(17 * MIB)])
def test_more_bytes_are_refused_under_their_own_id(more: bytes) -> None:
    assert refused_though_the_id_is_right(GOOD + more)


def test_more_than_16_mib_is_refused_before_it_is_hashed_or_read() -> None:
    endless = GOOD + bytes(MAX_MANIFEST_BYTES)
    with pytest.raises(IntegrityError, match="not the manifest of that content"):
        decode(endless, content_id(endless))


HEADER = "<6sBBQI32s"
LIES = {
    "no chunks for a byte": (b"PANALM", 1, 0, 1, CHUNK, 0),
    "a chunk for nothing": (b"PANALM", 1, 0, 0, CHUNK, 1),
    "2^63 bytes": (b"PANALM", 1, 0, 2**63, 4 * MIB, 1),
    "2^64 - 1 bytes": (b"PANALM", 1, 0, 2**64 - 1, 4 * MIB, 1),
    "one byte too many": (b"PANALM", 1, 0, MAX_CONTENT_BYTES + 1, 4 * MIB, 1),
    "chunks of nothing": (b"PANALM", 1, 0, CHUNK, 0, 1),
    "chunks of a byte": (b"PANALM", 1, 0, 2, 1, 2),
    "chunks of 512 KiB": (b"PANALM", 1, 0, 2 * CHUNK, 2 * CHUNK, 1),
    "one large chunk": (b"PANALM", 1, 0, 2 * CHUNK, 2**32 - 1, 1),
    "version 0": (b"PANALM", 0, 0, 1, CHUNK, 1),
    "version 2": (b"PANALM", 2, 0, 1, CHUNK, 1),
    "kind 2": (b"PANALM", 1, 2, 1, CHUNK, 1),
    "kind 255": (b"PANALM", 1, 255, 1, CHUNK, 1),
    "another magic": (b"PANALX", 1, 0, 1, CHUNK, 1),
    "magic in small letters": (b"panalm", 1, 0, 1, CHUNK, 1),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_under_its_own_id_is_an_integrity_error(
    lie: tuple[bytes, int, int, int, int, int],
) -> None:
    *head, chunks = lie
    assert refused_though_the_id_is_right(
        struct.pack(HEADER, *head, bytes(32)) + bytes(32 * chunks)
    )


def test_the_truth_told_in_the_same_way_is_taken() -> None:
    """So that the lies above are refused for what they say, not for how they are made."""
    truth = struct.pack(HEADER, b"PANALM", 1, 0, 1, CHUNK, bytes(32)) + bytes(32)
    assert not refused_though_the_id_is_right(truth)


def test_an_empty_answer_is_no_manifest() -> None:
    with pytest.raises(IntegrityError):
        decode(b"", content_id(GOOD))
    assert refused_though_the_id_is_right(b"")


@PROPERTY
@given(st.binary(max_size=200))
def test_bytes_at_random_are_refused_or_canonical(raw: bytes) -> None:
    refused_though_the_id_is_right(raw)
    assert refused_though_the_id_is_right(b"PANALM" + raw) or raw[:1] == b"\x01"
