"""What things are called between machines: content ids, SHA-256 digests, peer names."""

import re
from functools import lru_cache
from typing import NewType

from panal.errors import UsageError
from panal.wire.names import brief

ContentId = NewType("ContentId", bytes)
"""BLAKE3-256 of a manifest: 32 bytes; 64 lower-case hex digits for people."""

PeerName = NewType("PeerName", str)
"""A peer's name as its owner wrote it; two names that differ only in case are one."""

Zone = NewType("Zone", str)
"""A label for what is near to each other, a rack or a site, in small letters; empty: not said."""

NO_ZONE = Zone("")

CONTENT_ID_BYTES = 32

_HEX64 = re.compile(r"[0-9a-f]{64}")
_PEER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def is_content_id(text: str) -> bool:
    """Whether `text` is 64 lower-case hex digits."""
    return _HEX64.fullmatch(text) is not None


def parse_content_id(text: str) -> ContentId:
    """The id that 64 lower-case hex digits mean; UsageError for anything else."""
    if not is_content_id(text):
        raise UsageError("A content id is 64 lower-case hex digits.")
    return ContentId(bytes.fromhex(text))


def content_id_from_bytes(raw: bytes) -> ContentId:
    """The id that came as raw bytes; UsageError unless there are 32."""
    if len(raw) != CONTENT_ID_BYTES:
        raise UsageError(f"A content id has {CONTENT_ID_BYTES} bytes, not {len(raw)}.")
    return ContentId(raw)


@lru_cache(maxsize=16_384)
def parse_peer_name(text: str) -> PeerName:
    """A checked peer name; UsageError names the rule."""
    if _PEER_NAME.fullmatch(text) is None:
        raise UsageError(
            f"{brief(text)} is no peer name: 1 to 63 letters, digits, '.', '_' or '-', "
            "the first a letter or a digit."
        )
    return PeerName(text)


@lru_cache(maxsize=1_024)
def parse_zone(text: str) -> Zone:
    """A checked zone, in small letters since case does not count; empty for none. UsageError."""
    if text and _PEER_NAME.fullmatch(text) is None:
        raise UsageError(
            f"{brief(text)} is no zone: 1 to 63 letters, digits, '.', '_' or '-', "
            "the first a letter or a digit."
        )
    return Zone(text.lower())
