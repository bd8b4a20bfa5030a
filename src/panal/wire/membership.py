"""What passes between a network's tracker and its members; pure."""

from collections.abc import Iterable

import msgspec

from panal.errors import NotAMember, UsageError

CREDENTIAL_BYTES = 32
CREDENTIAL_METADATA = "authorization"
_SCHEME = "Bearer "
MAX_SERIAL_BYTES = 20
MAX_REVOKED = 100_000


class Revocations(msgspec.Struct, frozen=True):
    """The certificates that count no more though they have not expired."""

    version: int
    """Grows with every change; 0 before anything is known."""
    serials: frozenset[bytes]


def serial_bytes(serial: int) -> bytes:
    """A serial number, big-endian and as short as it goes."""
    return serial.to_bytes((serial.bit_length() + 7) // 8 or 1, "big")


def revocations_of(version: int, serials: Iterable[bytes]) -> Revocations:
    """What a tracker tells; UsageError for what is no serial number."""
    known = frozenset(serials)
    if len(known) > MAX_REVOKED or any(not 1 <= len(s) <= MAX_SERIAL_BYTES for s in known):
        raise UsageError("The list of revoked certificates is none.")
    return Revocations(version, known)


def credential_metadata(credential: bytes) -> tuple[str, str]:
    """What shows a call's credential."""
    return CREDENTIAL_METADATA, _SCHEME + credential.hex()


def credential_in(metadata: Iterable[tuple[str, str | bytes]] | None) -> bytes | None:
    """The credential that a call shows, None where it shows none; NotAMember for another thing."""
    shown = [value for key, value in metadata or () if key == CREDENTIAL_METADATA]
    if not shown:
        return None
    value = shown[0]
    if len(shown) == 1 and isinstance(value, str) and value.startswith(_SCHEME):
        try:
            credential = bytes.fromhex(value.removeprefix(_SCHEME))
        except ValueError:
            credential = b""
        if len(credential) == CREDENTIAL_BYTES:
            return credential
    raise NotAMember("A credential is 'Bearer' and 64 hex digits.")
