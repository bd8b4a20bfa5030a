"""What makes a peer a member of a network, on the disk: its key, certificate and credential.

All of it lies in one folder, for its user alone. The key was made there and leaves it never; the
file that names the member is written last, so a membership is there whole or not at all.
"""

import shlex
import ssl
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from panal.errors import PanalError
from panal.store.disk_errors import disk_error
from panal.trust.files import private_folder, write_private
from panal.wire.ids import PeerName, parse_peer_name
from panal.wire.membership import Revocations, revocations_of

FOLDER = "network"
_MEMBER = "member.json"
_REVOKED = "revoked.json"


class _Member(msgspec.Struct):
    name: str
    credential: str
    trackers: list[str]


class _Revoked(msgspec.Struct):
    version: int
    serials: list[str]


class Membership(msgspec.Struct, frozen=True):
    """One member's identity in one network."""

    folder: Path
    name: PeerName
    credential: bytes
    trackers: tuple[str, ...]
    """Where the join line said that the tracker is."""
    authority_pem: bytes
    pin: bytes
    """SHA-256 of the authority's certificate."""

    @property
    def rejoining(self) -> str:
        """What whoever is a member no more has to do to come in again."""
        kept = shlex.quote(str(self.folder))
        return (
            "To come in again, get a new join line from the network's owner, move the old "
            f"membership away with 'mv {kept} {kept}.old', and start again with --join @FILE."
        )

    @property
    def key_path(self) -> Path:
        """The private key, in PEM."""
        return key_path(self.folder)

    @property
    def certificate_path(self) -> Path:
        """The certificate for it, in PEM."""
        return self.folder / "member.pem"

    @property
    def authority_path(self) -> Path:
        """The authority's certificate, in PEM."""
        return self.folder / "authority.pem"

    def keep_certificate(self, pem: bytes) -> None:
        """From now on this is the member's certificate; OSError."""
        write_private(self.certificate_path, pem)

    def keep_revocations(self, revocations: Revocations) -> None:
        """Remember whose certificates count no more: the tracker may be away at the next start."""
        serials = sorted(serial.hex() for serial in revocations.serials)
        kept = msgspec.json.encode(_Revoked(revocations.version, serials))
        write_private(self.folder / _REVOKED, kept)

    def revocations(self) -> Revocations:
        """What was last remembered of them."""
        path = self.folder / _REVOKED
        if not path.exists():
            return Revocations(0, frozenset())
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_Revoked)
            return revocations_of(kept.version, map(bytes.fromhex, kept.serials))
        except (OSError, ValueError, PanalError):
            raise _damaged(path) from None


def key_path(folder: Path) -> Path:
    """Where a member's private key lies."""
    return folder / "member.key"


def is_member(folder: Path) -> bool:
    """Whether there is a membership in a folder."""
    return (folder / _MEMBER).exists()


def load(folder: Path) -> Membership | None:
    """The membership in a folder, None where there is none; PanalError where it is damaged."""
    path = folder / _MEMBER
    if not path.exists():
        return None
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Member)
        authority_pem = (folder / "authority.pem").read_bytes()
        pin = sha256(ssl.PEM_cert_to_DER_cert(authority_pem.decode("ascii"))).digest()
        name, credential = parse_peer_name(kept.name), bytes.fromhex(kept.credential)
    except (OSError, ValueError, PanalError):
        raise _damaged(path) from None
    return Membership(folder, name, credential, tuple(kept.trackers), authority_pem, pin)


def keep(membership: Membership, certificate_pem: bytes) -> None:
    """Write a new membership; PanalError where the disk does not take it."""
    member = _Member(membership.name, membership.credential.hex(), list(membership.trackers))
    try:
        private_folder(membership.folder)
        write_private(membership.authority_path, membership.authority_pem)
        membership.keep_certificate(certificate_pem)
        write_private(membership.folder / _MEMBER, msgspec.json.encode(member))
    except OSError as error:
        raise disk_error(error, f"keep the membership in {membership.folder}") from None


def serials_of(revocations: Iterable[bytes]) -> set[int]:
    """Serial numbers as certificates have them."""
    return {int.from_bytes(serial, "big") for serial in revocations}


def _damaged(path: Path) -> PanalError:
    return PanalError(
        f"{path} is damaged. Remove {path.parent}, and join again with a new join line."
    )
