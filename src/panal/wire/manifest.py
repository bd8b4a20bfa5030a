"""A content's manifest: the list of its chunks, in one canonical form, and its id.

::

    offset  bytes  field (integers little-endian)
    0       6      magic "PANALM"
    6       1      version, 1
    7       1      kind: 0 file, 1 collection
    8       8      size of the content in bytes
    16      4      chunk size in bytes
    20      32     SHA-256 of the whole content
    52      32·n   BLAKE3-256 of each chunk, n = ceil(size / chunk size)

There are no options and no names, so one content has exactly one manifest; the content id
is its BLAKE3-256. Test vectors stand in docs/PROTOCOL.md.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum

import msgspec
from blake3 import blake3

from panal.errors import IntegrityError, UsageError
from panal.wire.bitfield import from_indices
from panal.wire.ids import ContentId

MIN_CHUNK_BYTES = 256 * 1024
MAX_CHUNK_BYTES = 4 * 1024 * 1024
CHUNKS_BEFORE_DOUBLING = 16_384
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
HASH_BYTES = 32

_MAGIC = b"PANALM"
_VERSION = 1
_HEADER = struct.Struct("<6sBBQI32s")
MAX_CHUNKS = (MAX_MANIFEST_BYTES - _HEADER.size) // HASH_BYTES
MAX_CONTENT_BYTES = MAX_CHUNKS * MAX_CHUNK_BYTES


class Kind(IntEnum):
    """What a content is; the numbers are those of the wire."""

    FILE = 0
    COLLECTION = 1


def chunk_size_for(size_bytes: int) -> int:
    """The chunk size in bytes that follows from a content's size alone.

    256 KiB, doubled while more than 16,384 chunks would be needed, up to 4 MiB. UsageError
    beyond `MAX_CONTENT_BYTES` (just under 2 TiB), where the manifest would not fit.
    """
    if not 0 <= size_bytes <= MAX_CONTENT_BYTES:
        raise UsageError(f"A content of {size_bytes} bytes is over {MAX_CONTENT_BYTES}.")
    chunk_bytes = MIN_CHUNK_BYTES
    while chunk_bytes < MAX_CHUNK_BYTES and size_bytes > chunk_bytes * CHUNKS_BEFORE_DOUBLING:
        chunk_bytes *= 2
    return chunk_bytes


def chunk_count_for(size_bytes: int) -> int:
    """How many chunks a content of this size has; none when it is empty."""
    return -(-size_bytes // chunk_size_for(size_bytes))


class Manifest(msgspec.Struct, frozen=True, gc=False):
    """One content's chunks; build it with `manifest_of`, read it with `decode`."""

    kind: Kind
    size_bytes: int
    chunk_bytes: int
    sha256: bytes
    chunk_hashes: bytes
    """The chunks' hashes one after the other, 32 bytes each."""

    @property
    def chunk_count(self) -> int:
        """How many chunks there are."""
        return len(self.chunk_hashes) // HASH_BYTES

    def chunk_hash(self, index: int) -> bytes:
        """The BLAKE3-256 of one chunk."""
        return self.chunk_hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def chunk_range(self, index: int) -> tuple[int, int]:
        """Offset and length in bytes of one chunk; only the last may be shorter."""
        offset = index * self.chunk_bytes
        return offset, min(self.chunk_bytes, self.size_bytes - offset)

    def differing(self, other: "Manifest") -> int:
        """The chunks whose hashes differ in another of the same size: a bitfield."""
        chunks = range(self.chunk_count)
        return from_indices(i for i in chunks if self.chunk_hash(i) != other.chunk_hash(i))

    def encode(self) -> bytes:
        """The canonical bytes."""
        header = _HEADER.pack(
            _MAGIC, _VERSION, self.kind, self.size_bytes, self.chunk_bytes, self.sha256
        )
        return header + self.chunk_hashes


def manifest_of(
    size_bytes: int, sha256: bytes, chunk_hashes: Sequence[bytes], kind: Kind = Kind.FILE
) -> Manifest:
    """The manifest of hashed bytes; UsageError where sizes and hashes do not fit together."""
    count = chunk_count_for(size_bytes)
    if len(chunk_hashes) != count or {len(sha256), *map(len, chunk_hashes)} != {HASH_BYTES}:
        raise UsageError("These hashes do not belong to a content of that size.")
    return Manifest(kind, size_bytes, chunk_size_for(size_bytes), sha256, b"".join(chunk_hashes))


def content_id(encoded: bytes) -> ContentId:
    """The id of an encoded manifest."""
    return ContentId(blake3(encoded).digest())


def decode(encoded: bytes, expected: ContentId) -> Manifest:
    """The manifest in bytes from somebody else, compared with its id before it is parsed.

    IntegrityError when the bytes are not what the id names, or when they are and break the
    format: then whoever made the id lies, not who sent it.
    """
    if len(encoded) > MAX_MANIFEST_BYTES or content_id(encoded) != expected:
        raise IntegrityError("These bytes are not the manifest of that content.")
    if len(encoded) < _HEADER.size:
        raise IntegrityError("The manifest ends before its header does.")
    magic, version, kind, size_bytes, chunk_bytes, sha256 = _HEADER.unpack_from(encoded)
    if (magic, version) != (_MAGIC, _VERSION):
        raise IntegrityError("The manifest is of a kind that this version does not know.")
    if kind not in set(Kind) or size_bytes > MAX_CONTENT_BYTES:
        raise IntegrityError("The manifest has an unknown kind or an impossible size.")
    if chunk_bytes != chunk_size_for(size_bytes):
        raise IntegrityError("The manifest's chunk size does not follow from its size.")
    if len(encoded) != _HEADER.size + chunk_count_for(size_bytes) * HASH_BYTES:
        raise IntegrityError("The manifest has not as many chunks as its size needs.")
    return Manifest(Kind(kind), size_bytes, chunk_bytes, sha256, encoded[_HEADER.size :])
