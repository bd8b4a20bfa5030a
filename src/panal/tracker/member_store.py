"""What keeps a network's members, certificates and join lines: small, synchronous, durable.

One tracker has a file of its own (`member_file`), trackers on one database share its tables
(`postgres_members`). Secrets are kept as hashes, and no private key is kept here. Times are
seconds since 1970.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from panal.tracker.joining import LineRecord
from panal.wire.ids import PeerName


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One member, or one that was."""

    id: int
    name: PeerName
    credential_hash: bytes
    public_key: bytes
    line: str
    sponsor: int | None
    enrolled_at_s: int
    removed_at_s: int | None
    certified_until_s: int = 0


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """One certificate that was given to a member."""

    serial: bytes
    member: int
    until_s: int
    revoked: bool
    pem: bytes
    """Empty for one of an older Panal."""


@dataclass(frozen=True, slots=True)
class MembersCopy:
    """All that is kept, to be taken over by another store."""

    members: tuple[MemberRecord, ...]
    certificates: tuple[CertificateRecord, ...]
    lines: tuple[LineRecord, ...]
    revocations_version: int


class MemberStore(Protocol):
    """Members, certificates and join lines; used by one thread of each tracker."""

    is_shared: bool
    """Whether other trackers change it too."""

    @property
    def version(self) -> int:
        """Another one after every change, whoever made it."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside, durable at its end; not nested.

        Nobody else changes anything meanwhile. Conflict, with nothing changed, where another
        transaction was in the way; StoreUnavailable where the store is away.
        """
        ...

    def reading(self) -> AbstractContextManager[None]:
        """What is asked inside is all of one moment; not nested, nor in a transaction."""
        ...

    def everybody(self) -> list[MemberRecord]:
        """Every member, and those removed that are still remembered, in order of their names."""
        ...

    def member(self, name: str) -> MemberRecord | None:
        """The member of that name, its case aside."""
        ...

    def add(
        self,
        name: PeerName,
        credential_hash: bytes,
        public_key: bytes,
        line: str,
        sponsor: int | None,
        now_s: float,
    ) -> int:
        """A new member; its id, which is never used twice."""
        ...

    def change_credential(self, member: int, credential_hash: bytes) -> None:
        """From now on another credential is the member's."""
        ...

    def further_names(self, sponsor: int) -> list[MemberRecord]:
        """The further names of a member."""
        ...

    def remove(self, member: int, now_s: float) -> None:
        """It is no member any more, and its certificates count no more."""
        ...

    def note_certificate(self, serial: bytes, member: int, until_s: int, pem: bytes) -> None:
        """Remember a certificate, before it is given away."""
        ...

    def last_certificate(self, member: int) -> tuple[bytes, int] | None:
        """The one that counts longest, and until when; None where none is kept."""
        ...

    def revocations(self) -> tuple[int, frozenset[bytes]]:
        """The version, and the serials that count no more, until they are let go."""
        ...

    def lines(self) -> list[LineRecord]:
        """Every join line that is remembered."""
        ...

    def add_line(self, line: LineRecord) -> None:
        """A new join line."""
        ...

    def use_line(self, line: str) -> None:
        """It has let one in."""
        ...

    def revoke_line(self, line: str) -> bool:
        """It lets in nobody any more; whether there was one that did."""
        ...

    def forget_old(self, now_s: float, keep_s: float) -> None:
        """Let go of what can matter to nobody: expired certificates and lines, those long gone."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class SharedMembers(MemberStore, Protocol):
    """One that all trackers of a network use."""

    def take_over(self, copy: MembersCopy) -> None:
        """Keep what a tracker's own file kept; a second time it changes nothing.

        Refused where other members are here already.
        """
        ...
