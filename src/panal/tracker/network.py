"""A network as its tracker has it: who is a member, who becomes one, who is one no more.

Who calls is looked up in memory; changes are made in the members' file, in a thread of their own,
and count when they are on the disk.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from panal.clock import Clock
from panal.errors import JoinRefused, NameTaken, NotAMember, Refused, Removed
from panal.tracker.joining import Guesses, LineRecord, check_line, check_terms, line_of
from panal.tracker.member_file import MemberFile, MemberRecord
from panal.trust.certificates import CERTIFICATE_S, Authority, Issued, public_key_in
from panal.wire.dialback import hash_secret
from panal.wire.ids import PeerName
from panal.wire.join_line import JOIN_SECRET_BYTES
from panal.wire.membership import CREDENTIAL_BYTES, Revocations, serial_bytes

_log = logging.getLogger("panal.tracker")
_Result = TypeVar("_Result")

MAX_FURTHER_NAMES = 100
"""Of one member: its gets that run side by side."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a new member is given."""

    credential: bytes
    certificate_pem: bytes


class Network:
    """One network; `open` before use."""

    def __init__(
        self, authority: Authority, file: MemberFile, thread: Executor, clock: Clock
    ) -> None:
        self.authority = authority
        self._file = file
        self._thread = thread
        self._clock = clock
        self._guesses = Guesses()
        self._by_credential: dict[bytes, MemberRecord] = {}
        self.revocations = Revocations(0, frozenset())

    async def open(self) -> None:
        """Read who is a member."""
        await self._change(lambda now_s: None)

    # Who calls ------------------------------------------------------------------------------

    def member_with(self, credential: bytes) -> MemberRecord:
        """Whose credential it is; NotAMember, or Removed where it was one."""
        found = self._by_credential.get(hash_secret(credential))
        if found is None:
            raise NotAMember("This is no member's credential. Join with a join line: --join @FILE")
        if found.removed_at_s is not None:
            raise Removed(f"{found.name} was removed from the network.")
        return found

    # Coming in ------------------------------------------------------------------------------

    async def enrol(
        self, name: PeerName, request_der: bytes, secret: bytes, host: str
    ) -> Enrolment:
        """A new member by a join line; asked again by the same key it costs no further use.

        JoinRefused for a line that lets nobody in, NameTaken where the name is a member's.
        """
        self._guesses.check(host, self._clock.now_s())
        hashed = hash_secret(secret)
        if await self._run(lambda now_s: line_of(self._file.lines(), hashed)) is None:
            self._guesses.note(host, self._clock.now_s())
            raise _unknown_line()

        def work(now_s: float) -> Enrolment:
            key = public_key_in(request_der)
            line = line_of(self._file.lines(), hashed)
            if line is None:
                raise _unknown_line()
            known = self._file.member(name)
            is_repeated = known is not None and (known.public_key, known.line) == (key, line.id)
            check_line(line, now_s, is_repeated=is_repeated)
            if known is None:
                self._file.use_line(line.id)
            elif not is_repeated:
                raise _taken(known)
            return self._admit(name, request_der, key, known, line.id, None, now_s)

        enrolment = await self._change(work)
        _log.info("%s is a member now", name)
        return enrolment

    async def enrol_further(
        self, sponsor: MemberRecord, name: PeerName, request_der: bytes
    ) -> Enrolment:
        """A further name for a member, which goes when the member goes."""
        if sponsor.sponsor is not None:
            raise Refused("A further name has no further names.")

        def work(now_s: float) -> Enrolment:
            key = public_key_in(request_der)
            known = self._file.member(name)
            if known is not None and (known.public_key, known.sponsor) != (key, sponsor.id):
                raise _taken(known)
            if known is None and len(self._file.further_names(sponsor.id)) >= MAX_FURTHER_NAMES:
                raise Refused(f"A member has at most {MAX_FURTHER_NAMES} further names.")
            return self._admit(name, request_der, key, known, "", sponsor.id, now_s)

        return await self._change(work)

    async def renew_certificate(self, member: MemberRecord, request_der: bytes) -> bytes:
        """A member's next certificate, in PEM."""

        def work(now_s: float) -> bytes:
            if self._file.member(member.name) is None:
                raise Removed(f"{member.name} was removed from the network.")
            issued = self.authority.issue_member(member.name, request_der, now_s)
            return self._noted(issued, member.id)

        return await self._change(work)

    # The owner's ----------------------------------------------------------------------------

    async def mint(self, valid_s: int, uses: int) -> tuple[LineRecord, bytes]:
        """A new join line and its secret, which is kept nowhere."""
        check_terms(valid_s, uses)
        secret = secrets.token_bytes(JOIN_SECRET_BYTES)

        def work(now_s: float) -> LineRecord:
            until_s = int(now_s) + valid_s
            line = LineRecord(secrets.token_hex(4), hash_secret(secret), until_s, uses, uses)
            self._file.add_line(line)
            return line

        return await self._change(work), secret

    async def revoke_line(self, line: str) -> bool:
        """Let nobody in with a join line any more; whether it did until now."""
        return await self._change(lambda now_s: self._file.revoke_line(line))

    async def remove(self, name: str) -> list[PeerName]:
        """End a membership and its further names; whose names those were, none if nobody's."""

        def work(now_s: float) -> list[PeerName]:
            member = self._file.member(name)
            if member is None:
                return []
            gone = [member, *self._file.further_names(member.id)]
            for one in gone:
                self._file.remove(one.id, now_s)
            return [one.name for one in gone]

        removed = await self._change(work)
        if removed:
            _log.info("%s was removed from the network", removed[0])
        return removed

    async def members(self) -> list[MemberRecord]:
        """Every member."""
        everybody = await self._run(lambda now_s: self._file.everybody())
        return [member for member in everybody if member.removed_at_s is None]

    async def lines(self) -> list[LineRecord]:
        """The join lines that let somebody in."""

        def work(now_s: float) -> list[LineRecord]:
            return [
                line
                for line in self._file.lines()
                if line.uses_left and not line.revoked and now_s < line.until_s
            ]

        return await self._run(work)

    async def sweep(self) -> None:
        """Let go of what has expired."""
        await self._change(lambda now_s: self._file.forget_old(now_s, CERTIFICATE_S))

    # ----------------------------------------------------------------------------------------

    def _admit(
        self,
        name: PeerName,
        request_der: bytes,
        key: bytes,
        known: MemberRecord | None,
        line: str,
        sponsor: int | None,
        now_s: float,
    ) -> Enrolment:
        credential = secrets.token_bytes(CREDENTIAL_BYTES)
        hashed = hash_secret(credential)
        if known is None:
            member = self._file.add(name, hashed, key, line, sponsor, now_s)
        else:
            member = known.id
            self._file.change_credential(member, hashed)
        issued = self.authority.issue_member(name, request_der, now_s)
        return Enrolment(credential, self._noted(issued, member))

    def _noted(self, issued: Issued, member: int) -> bytes:
        self._file.note_certificate(serial_bytes(issued.serial), member, issued.until_s)
        return issued.pem

    async def _change(self, work: Callable[[float], _Result]) -> _Result:
        """Do it durably, then know it."""

        def transact(now_s: float) -> tuple[_Result, list[MemberRecord], Revocations]:
            with self._file.transaction():
                result = work(now_s)
            version, serials = self._file.revocations(now_s)
            return result, self._file.everybody(), Revocations(version, serials)

        result, everybody, self.revocations = await self._run(transact)
        self._by_credential = {member.credential_hash: member for member in everybody}
        return result

    async def _run(self, work: Callable[[float], _Result]) -> _Result:
        now_s = self._clock.wall_s()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, now_s)


def _unknown_line() -> JoinRefused:
    return JoinRefused("The tracker knows no such join line.")


def _taken(known: MemberRecord) -> NameTaken:
    return NameTaken(
        f"The name {known.name} is a member's. Choose another, or remove that member first: "
        f"panal network remove {known.name}"
    )
