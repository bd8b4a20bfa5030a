"""Many small contents in one answer: what is asked, and the tar that comes.

Every member is a plain ustar header with the content's id as its name, the bytes, and zeros
up to the next 512; two blocks of zeros end it. All other fields are fixed, so a content has
exactly one form, and a receiver compares the header instead of understanding it.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from zlib import adler32

import msgspec

from panal.errors import IntegrityError, UsageError
from panal.wire.ids import CONTENT_ID_BYTES, ContentId, parse_content_id
from panal.wire.manifest import MIN_CHUNK_BYTES

MAX_IDS = 4096
MAX_BUNDLE_BYTES = 4 * 1024 * 1024
"""Of the whole tar: either end may hold it in memory."""
MAX_REQUEST_BYTES = 512 * 1024
MAX_FILE_BYTES = MIN_CHUNK_BYTES
"""Contents of one chunk and no more."""
BLOCK_BYTES = 512
END = bytes(2 * BLOCK_BYTES)

_NAME = slice(0, 2 * CONTENT_ID_BYTES)
# name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link 100, magic 6,
# version 2, owner 32, group 32, device 8 + 8, prefix 155; zeros up to 512.
_BEFORE_SIZE = bytes(36) + b"0000644\x000000000\x000000000\x00"
_AFTER_SIZE = b"\x0000000000000\x00"
_TYPE_ON = (b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00").ljust(
    BLOCK_BYTES - 156, b"\0"
)
_FIXED_SUM = sum(_BEFORE_SIZE + _AFTER_SIZE + b" " * 8 + _TYPE_ON)


class BundleRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a bundle is asked with."""

    ids: list[str]
    """Content ids, at most 4,096."""


def encode_request(contents: Iterable[ContentId]) -> bytes:
    """The body of a request."""
    return msgspec.json.encode(BundleRequest([content.hex() for content in contents]))


def parse_request(body: bytes) -> list[ContentId]:
    """The ids that a body asks for, each once; UsageError."""
    try:
        ids = msgspec.json.decode(body, type=BundleRequest).ids
    except ValueError:  # what is no UTF-8 too
        raise UsageError('A bundle is asked for with {"ids": [...]}.') from None
    if len(ids) > MAX_IDS:
        raise UsageError(f"A bundle has at most {MAX_IDS} contents, not {len(ids)}.")
    return list(dict.fromkeys(map(parse_content_id, ids)))


def header(content: ContentId, size_bytes: int) -> bytes:
    """The one header that a content of this size has."""
    name = content.hex().encode("ascii")
    behind_name, rest_sum = _behind_name(size_bytes)
    # Adler-32 has the sum of a few bytes, and one, as its lower half: a fifth of the time of `sum`.
    checksum = b"%06o\0 " % (rest_sum + (adler32(name) & 0xFFFF) - 1)
    return b"".join((name, behind_name, checksum, _TYPE_ON))


@lru_cache(maxsize=1024)
def _behind_name(size_bytes: int) -> tuple[bytes, int]:
    """A header from its name to its checksum, and the sum of all of it but these two."""
    size = b"%011o" % size_bytes
    return _BEFORE_SIZE + size + _AFTER_SIZE, _FIXED_SUM + sum(size)


def padding(size_bytes: int) -> bytes:
    """The zeros behind a member's bytes."""
    return bytes(-size_bytes % BLOCK_BYTES)


def member_bytes(size_bytes: int) -> int:
    """What a content of this size takes of a bundle."""
    return BLOCK_BYTES + size_bytes + -size_bytes % BLOCK_BYTES


def bundle_bytes(sizes_bytes: Iterable[int]) -> int:
    """The length of a bundle of contents of these sizes."""
    return sum(map(member_bytes, sizes_bytes)) + len(END)


class Member(msgspec.Struct, frozen=True, gc=False):
    """One content of a bundle; whether the bytes are right is not said yet."""

    content: ContentId
    data: memoryview
    """A part of the tar's buffer: it lives as long as that."""


class WrongMember(Exception):
    """A member that was asked for, and is not what was: a lie, or the list of them is wrong."""

    def __init__(self, content: ContentId, what: str) -> None:
        super().__init__(f"{what} for {content.hex()}")
        self.content = content


def members(tar: memoryview, sizes_bytes: Mapping[ContentId, int]) -> Iterator[Member]:
    """The members of a bundle, of which each id was asked for with its size.

    IntegrityError or WrongMember at the first byte that is not as it must be; what came before
    it stands.
    Members may be missing; they may come in any order, each once.
    """
    left = {content.hex().encode(): content for content in sizes_bytes}
    start = 0
    while (head := bytes(tar[start : start + BLOCK_BYTES])) != END[:BLOCK_BYTES]:
        if len(head) < BLOCK_BYTES:
            raise IntegrityError("The bundle ends before its end mark.")
        content = left.pop(head[_NAME], None)
        if content is None:
            raise IntegrityError("The bundle has a member that was not asked for, or has it twice.")
        size_bytes = sizes_bytes[content]
        if head != header(content, size_bytes):
            raise WrongMember(content, "a header that does not follow from id and size")
        begin, end = start + BLOCK_BYTES, start + BLOCK_BYTES + size_bytes
        start += member_bytes(size_bytes)
        if start > len(tar):
            raise IntegrityError("The bundle ends in the middle of a member.")
        if end < start and any(bytes(tar[end:start])):
            raise IntegrityError("The bundle has something between its members.")
        yield Member(content, tar[begin:end])
    if bytes(tar[start:]) != END:
        raise IntegrityError("The bundle does not end with its end mark.")
