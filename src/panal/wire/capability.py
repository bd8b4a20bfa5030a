"""What a link for guests proves: signed, for one content under one name, until a time; pure.

A capability is 43 characters of base64url: a serial number of 12 random bytes, then the first
20 bytes of an HMAC-SHA256 over all that it gives. What it gives is kept by its peer under the
serial, so that it can be listed and revoked; who reads that list can make no capability of it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from panal.wire.ids import ContentId
from panal.wire.manifest import Kind

SERIAL_BYTES = 12
CHARACTERS = 43
_MAC_BYTES = 20
_PURPOSE = b"panal guest link 1\0"


class Grant(msgspec.Struct, frozen=True):
    """What a guest gets."""

    serial: bytes
    content: ContentId
    kind: Kind
    name: str
    """The last part of the address."""
    expires_s: int
    """Since 1970."""


def capability(key: bytes, grant: Grant) -> str:
    """The capability of a grant."""
    return urlsafe_b64encode(grant.serial + _mac(key, grant)).decode("ascii").rstrip("=")


def serial_of(text: str) -> bytes | None:
    """The serial number that a capability names; None for what is none at all."""
    parts = _parts(text)
    return None if parts is None else parts[0]


def is_signed(key: bytes, text: str, grant: Grant) -> bool:
    """Whether a capability is the one of this grant; takes the same time for every wrong one."""
    parts = _parts(text)
    return parts is not None and hmac.compare_digest(
        b"".join(parts), grant.serial + _mac(key, grant)
    )


def _parts(text: str) -> tuple[bytes, bytes] | None:
    if len(text) != CHARACTERS or not text.isascii():
        return None
    try:
        raw = urlsafe_b64decode(text + "=")
    except ValueError:
        return None
    if len(raw) != SERIAL_BYTES + _MAC_BYTES or urlsafe_b64encode(raw).decode() != text + "=":
        return None
    return raw[:SERIAL_BYTES], raw[SERIAL_BYTES:]


def _mac(key: bytes, grant: Grant) -> bytes:
    given = (
        _PURPOSE
        + grant.serial
        + grant.content
        + bytes([grant.kind.value])
        + grant.expires_s.to_bytes(8, "little")
        + grant.name.encode("utf-8")
    )
    return hmac.digest(key, given, "sha256")[:_MAC_BYTES]
