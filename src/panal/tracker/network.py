"""A network as its tracker has it: who is a member, who becomes one, who is one no more.

Who calls is looked up in memory; changes are made in the members' store, in a thread of their own,
and count when they are on the disk. Where other trackers change that store too, it is looked at
again and again, and anew before a credential or a join line is refused that is not known here.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from panal.clock import Clock
from panal.errors import Busy, NoSpace, Refused
from panal.tracker.admissions import Admissions, Applicant, Enrolment, unknown_line
from panal.tracker.joining import Guesses, LineRecord, Repeats, check_terms
from panal.tracker.known_members import KnownMembers, NetworkState
from panal.tracker.member_store import MemberRecord, MemberStore
from panal.tracker.settled_clock import SettledClock
from panal.tracker.storage import Conflict
from panal.trust.certificates import CERTIFICATE_S, Authority
from panal.wire.dialback import hash_secret
from panal.wire.ids import PeerName
from panal.wire.join_line import JOIN_SECRET_BYTES
from panal.wire.membership import Revocations

_log = logging.getLogger("panal.tracker")
_Result = TypeVar("_Result")

LOOK_S = 1.0
"""Between two looks at what other trackers changed."""
TRIES = 5
"""Of a change that others are in the way of."""


class Network:
    """One network; `open` before use."""

    def __init__(
        self, authority: Authority, store: MemberStore, thread: Executor, clock: Clock
    ) -> None:
        self.authority = authority
        self._store = store
        self._admissions = Admissions(authority, store)
        self._thread = thread
        self._clock = clock
        self._guesses = Guesses()
        self._repeats = Repeats()
        self._settled = SettledClock(clock.now_s(), clock.wall_s())
        self.is_shared = store.is_shared
        """Whether other trackers change it too."""
        self._known = KnownMembers(is_shared=store.is_shared)
        self._looks_begun = self._looks_done = 0
        self._look_turn = asyncio.Lock()
        self.note_lack: Callable[[], None] = lambda: None
        """Called where a change of it finds no room."""

    @property
    def revocations(self) -> Revocations:
        """The certificates that count no more, as far as is known."""
        return self._known.revocations

    async def open(self) -> None:
        """Read who is a member."""
        await self.look()

    # Who calls ------------------------------------------------------------------------------

    def member_with(self, credential: bytes) -> MemberRecord:
        """Whose credential it is; NotAMember, or Removed where it was one.

        StoreUnavailable where it is too long ago that this could be looked up.
        """
        return self._known.member_with(credential, self._clock.now_s())

    async def catch_up(self, credential: bytes) -> None:
        """Before `member_with`: whom another tracker let in a moment ago is not known here yet."""
        is_known = self._known.is_believed(self._clock.now_s()) and self._known.knows(credential)
        if self.is_shared and not is_known:
            await self._look_anew()

    async def hear_of(self, version: int) -> None:
        """Another tracker may have told a member of a later list of revoked certificates."""
        if self.is_shared and version > self.revocations.version:
            await self._look_anew()

    async def look(self) -> None:
        """Take over what other trackers changed; StoreUnavailable while they cannot be asked."""
        self._looks_begun += 1
        number, began_s = self._looks_begun, self._clock.now_s()
        state = await self._run(lambda _: self._news())
        self._known.take(state)
        self._known.seen(began_s)
        self._looks_done = max(self._looks_done, number)

    def gone(self) -> list[PeerName]:
        """Whom other trackers removed since this was last asked; their records are to go."""
        return self._known.gone()

    async def _look_anew(self) -> None:
        """One look that begins from now on, for all who wait for one."""
        if not self.is_shared:
            return
        before = self._looks_begun
        async with self._look_turn:
            if self._looks_done <= before:
                await self.look()

    # Coming in ------------------------------------------------------------------------------

    async def enrol(
        self, name: PeerName, request_der: bytes, secret: bytes, host: str
    ) -> Enrolment:
        """A new member by a join line; asked again by the same key it costs no further use.

        JoinRefused for a line that lets nobody in, NameTaken where the name is a member's.
        """
        if (shown := self._known.line_with(secret)) is None:
            self._guesses.check(host, self._clock.now_s())
            await self._look_anew()
            if (shown := self._known.line_with(secret)) is None:
                self._guesses.note(host, self._clock.now_s())
                raise unknown_line()
        self._note_repeat(name, shown.id)
        applicant = Applicant(name, request_der)
        enrolment = await self._change(partial(self._admissions.by_line, shown.id, applicant))
        _log.info("%s is a member now", name)
        return enrolment

    async def enrol_further(
        self, sponsor: MemberRecord, name: PeerName, request_der: bytes
    ) -> Enrolment:
        """A further name for a member, which goes when the member goes."""
        if sponsor.sponsor is not None:
            raise Refused("A further name has no further names.")
        self._note_repeat(name, sponsor.id)
        applicant = Applicant(name, request_der)
        return await self._change(partial(self._admissions.by_member, sponsor, applicant))

    async def renew_certificate(self, member: MemberRecord, request_der: bytes) -> bytes:
        """A member's next certificate, in PEM; the last one while that is fresh."""
        return await self._change(partial(self._admissions.next_certificate, member, request_der))

    # The owner's ----------------------------------------------------------------------------

    async def mint(self, valid_s: int, uses: int) -> tuple[LineRecord, bytes]:
        """A new join line and its secret, which is kept nowhere."""
        check_terms(valid_s, uses)
        secret = secrets.token_bytes(JOIN_SECRET_BYTES)

        def work(now_s: float) -> LineRecord:
            until_s = int(now_s) + valid_s
            line = LineRecord(secrets.token_hex(4), hash_secret(secret), until_s, uses, uses)
            self._store.add_line(line)
            return line

        return await self._change(work), secret

    async def revoke_line(self, line: str) -> bool:
        """Let nobody in with a join line any more; whether it did until now."""
        return await self._change(lambda now_s: self._store.revoke_line(line))

    async def remove(self, name: str) -> list[PeerName]:
        """End a membership and its further names; whose names those were, none if nobody's."""
        names = await self._change(partial(self._admissions.end, name))
        self._known.removed_here(names)
        if names:
            _log.info("%s was removed from the network", names[0])
        return names

    async def members(self) -> list[MemberRecord]:
        """Every member."""
        everybody = await self._run(lambda now_s: self._store.everybody())
        return [member for member in everybody if member.removed_at_s is None]

    async def lines(self) -> list[LineRecord]:
        """The join lines that let somebody in."""

        def work(now_s: float) -> list[LineRecord]:
            return [
                line
                for line in self._store.lines()
                if line.uses_left and not line.revoked and now_s < line.until_s
            ]

        return await self._run(work)

    async def sweep(self) -> None:
        """Let go of what has expired, while the clock can be believed."""
        if self._settled.look(self._clock.now_s(), self._clock.wall_s()):
            await self._change(lambda now_s: self._store.forget_old(now_s, CERTIFICATE_S))
        elif self.is_shared:
            await self.look()

    # ----------------------------------------------------------------------------------------

    def _note_repeat(self, name: PeerName, who: Hashable) -> None:
        if self._known.is_named(name):
            self._repeats.note(who, self._clock.now_s())

    async def _change(self, work: Callable[[float], _Result]) -> _Result:
        """Do it durably, then know it."""

        def transact(now_s: float) -> tuple[_Result, NetworkState | None]:
            for _ in range(TRIES):
                try:
                    with self._store.transaction():
                        result = work(now_s)
                except Conflict:
                    continue
                return result, self._news()
            raise Busy("Others change the same at the moment; try again.")

        try:
            result, state = await self._run(transact)
        except NoSpace:
            self.note_lack()
            raise
        self._known.take(state)
        return result

    def _news(self) -> NetworkState | None:
        """What the store knows; None where that is known. In the store's thread."""
        with self._store.reading():
            version = self._store.version
            if version == self._known.version:
                return None
            revocations = Revocations(*self._store.revocations())
            return NetworkState(version, self._store.everybody(), self._store.lines(), revocations)

    async def _run(self, work: Callable[[float], _Result]) -> _Result:
        now_s = self._clock.wall_s()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, now_s)
