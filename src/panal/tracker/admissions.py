"""What lets somebody into a network, or keeps one there: changes of its store.

Each runs in the store's thread and in a transaction of the caller's, so what it finds stays so.
"""

import secrets
from dataclasses import dataclass

from panal.errors import JoinRefused, NameTaken, Refused
from panal.tracker.joining import check_line
from panal.tracker.known_members import removed
from panal.tracker.member_store import MemberRecord, MemberStore
from panal.trust.certificates import CERTIFICATE_S, Authority, public_key_in
from panal.wire.dialback import hash_secret
from panal.wire.ids import PeerName
from panal.wire.membership import CREDENTIAL_BYTES, serial_bytes

MAX_FURTHER_NAMES = 100
"""Of one member: its gets that run side by side."""
FRESH_PART = 0.5
"""A certificate that counts for more than this part of its life is given again, not another: so
nobody has many, and the list of those revoked stays short."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a new member is given."""

    credential: bytes
    certificate_pem: bytes
    is_new: bool
    """Not one that was given before."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who wants to be a member, and the signing request of its key."""

    name: PeerName
    request_der: bytes


class Admissions:
    """Members admitted to the store of an authority, and given certificates."""

    def __init__(self, authority: Authority, store: MemberStore) -> None:
        self._authority = authority
        self._store = store

    def by_line(self, line_id: str, applicant: Applicant, now_s: float) -> Enrolment:
        """A member by a join line; asked again by the same key it costs no further use."""
        key = public_key_in(applicant.request_der)
        line = next((one for one in self._store.lines() if one.id == line_id), None)
        if line is None:
            raise unknown_line()
        known = self._store.member(applicant.name)
        is_repeated = known is not None and (known.public_key, known.line) == (key, line.id)
        check_line(line, now_s, is_repeated=is_repeated)
        if known is None:
            self._store.use_line(line.id)
        elif not is_repeated:
            raise _taken(known)
        return self._admit(applicant, key, known, line.id, None, now_s)

    def by_member(self, sponsor: MemberRecord, applicant: Applicant, now_s: float) -> Enrolment:
        """A further name of a member."""
        self._check_still(sponsor)
        key = public_key_in(applicant.request_der)
        known = self._store.member(applicant.name)
        if known is not None and (known.public_key, known.sponsor) != (key, sponsor.id):
            raise _taken(known)
        if known is None and len(self._store.further_names(sponsor.id)) >= MAX_FURTHER_NAMES:
            raise Refused(f"A member has at most {MAX_FURTHER_NAMES} further names.")
        return self._admit(applicant, key, known, "", sponsor.id, now_s)

    def next_certificate(self, member: MemberRecord, request_der: bytes, now_s: float) -> bytes:
        """A member's next certificate, in PEM; the last one while that is fresh."""
        self._check_still(member)
        if public_key_in(request_der) != member.public_key:
            raise Refused("A member's certificate is for the key that it joined with.")
        return self._certificate(member.id, Applicant(member.name, request_der), now_s)

    def end(self, name: str, now_s: float) -> list[PeerName]:
        """End a membership and its further names; whose names those were, none if nobody's."""
        member = self._store.member(name)
        if member is None:
            return []
        gone = [member, *self._store.further_names(member.id)]
        for one in gone:
            self._store.remove(one.id, now_s)
        return [one.name for one in gone]

    def _admit(
        self,
        applicant: Applicant,
        key: bytes,
        known: MemberRecord | None,
        line: str,
        sponsor: int | None,
        now_s: float,
    ) -> Enrolment:
        credential = secrets.token_bytes(CREDENTIAL_BYTES)
        hashed = hash_secret(credential)
        if known is None:
            member = self._store.add(applicant.name, hashed, key, line, sponsor, now_s)
        else:
            member = known.id
            self._store.change_credential(member, hashed)
        pem = self._certificate(member, applicant, now_s)
        return Enrolment(credential, pem, is_new=known is None)

    def _certificate(self, member: int, applicant: Applicant, now_s: float) -> bytes:
        last = self._store.last_certificate(member)
        if last is not None and FRESH_PART < (last[1] - now_s) / CERTIFICATE_S <= 1:
            return last[0]
        issued = self._authority.issue_member(applicant.name, applicant.request_der, now_s)
        serial = serial_bytes(issued.serial)
        self._store.note_certificate(serial, member, issued.until_s, issued.pem)
        return issued.pem

    def _check_still(self, member: MemberRecord) -> None:
        """Removed where whoever calls was removed while its call waited for its turn."""
        now = self._store.member(member.name)
        if now is None or now.id != member.id:
            raise removed(member.name)


def unknown_line() -> JoinRefused:
    """Of a join line that lets nobody in."""
    return JoinRefused("The tracker knows no such join line.")


def _taken(known: MemberRecord) -> NameTaken:
    return NameTaken(
        f"The name {known.name} is a member's. Choose another, or remove that member first: "
        f"panal network remove {known.name}"
    )
