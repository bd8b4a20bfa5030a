"""This peer's lease at the tracker: registered, renewed, and given up at its end.

Each renewal carries the digest of all that this peer shares; where the tracker's differs, or it
has lost this peer, everything is told afresh. So a tracker that lost anything heals by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from panal import request_ids
from panal.back_off import doubled
from panal.clock import Clock
from panal.errors import (
    NameTaken,
    NoSpace,
    NotAMember,
    NotRegistered,
    PanalError,
    Superseded,
    Unreachable,
)
from panal.peer.announcer import Announcer
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Registration, Renewal, Welcome
from panal.wire.membership import Revocations

log = logging.getLogger(__name__)

RENEW_JITTER = 0.1
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0
LEAVE_DEADLINE_S = 2.0


class Lease:
    """Keeps one registration alive and the announcer told when to tell; `run` until cancelled."""

    def __init__(
        self,
        client: TrackerClient,
        registration: Registration,
        announcer: Announcer,
        clock: Clock,
        chance: Random,
    ) -> None:
        self._client = client
        self._registration = registration
        self._announcer = announcer
        self._clock = clock
        self._chance = chance
        self._may_be_listed = False
        self._failures = 0
        self._warned_of = ""
        """What was said last of the failures that are counted."""
        self._confirmed_at_s: float | None = None
        self.problem = "not registered yet"
        """Why the tracker does not list this peer, in words; empty while it does."""
        self.reachable = False
        self.reachability = ""
        self.registrations = 0
        self.tried = asyncio.Event()
        """Set after the first attempt to register, whatever came of it."""
        self.revocations = Revocations(0, frozenset())
        self.revoked: Callable[[Revocations], None] = lambda _: None
        """Told, in a network, whenever other certificates count no more."""
        self.fatal: asyncio.Future[PanalError] = asyncio.get_running_loop().create_future()
        """Set once where only the user can help: the name is another's, or it is no member."""
        self.noted: Callable[[str, str], None] = lambda event, why: None
        """Told of each event of this lease, and why it came about."""

    async def run(self) -> None:
        """Register, announce and renew until cancelled, whatever the tracker does."""
        while True:
            request_ids.begin(request_ids.new_id())  # one for each registration and its renewals
            try:
                await self._live()
            except (NameTaken, NotAMember, Superseded) as error:
                self._is_not_listed(str(error))
                self.noted("refused", self.problem)
                if not self.fatal.done():
                    self.fatal.set_result(error)
                return
            except PanalError as error:
                await self._wait_after(error)

    def age_s(self) -> float | None:
        """Since the tracker has confirmed it; None before it did."""
        at_s = self._confirmed_at_s
        return None if at_s is None else self._clock.now_s() - at_s

    async def leave(self) -> bool | None:
        """Say goodbye; whether the tracker knew us, None where it did not answer."""
        if not self._may_be_listed:
            return None
        if self.registrations:
            self.noted("left", "")
        try:
            return await self._client.leave(self._registration.caller, LEAVE_DEADLINE_S)
        except PanalError:
            return None

    async def _live(self) -> None:
        announcer = self._announcer
        welcome = await self._register()
        self._registered(welcome)
        await self._bring_into_step(welcome.digest)
        renew_at_s = self._next_renewal(welcome)
        while True:
            await announcer.until_changed(renew_at_s)
            if announcer.has_untold:
                await announcer.tell_changes()
            if self._clock.now_s() >= renew_at_s:
                await self._renew()
                renew_at_s = self._next_renewal(welcome)

    async def _bring_into_step(self, recorded: bytes) -> None:
        """However long the tracker has no room for what this peer shares: it is known there."""
        while True:
            try:
                await self._announcer.bring_into_step(recorded)
            except NoSpace as error:
                await self._wait_after(error)
                await self._answered_renewal()
            else:
                break
        self._failures = 0  # not before: who is refused would ask again at once
        self._is_listed()

    async def _register(self) -> Welcome:
        was_listed, self._may_be_listed = self._may_be_listed, True
        try:
            return await self._client.register(
                replace(self._registration, digest=self._announcer.digest)
            )
        except PanalError:
            self._may_be_listed = was_listed
            raise

    def _registered(self, welcome: Welcome) -> None:
        self.registrations += 1
        self._is_listed()
        self.noted("joined", "")
        self._set_reachability(welcome.reachable, welcome.reachability)
        self._hear_of(welcome.revocations)
        log.info(
            "Registered as %s at the tracker %s.",
            self._registration.caller.name,
            self._client.address,
        )

    def _is_listed(self) -> None:
        self._confirmed_at_s = self._clock.now_s()
        self.problem = ""
        self._announcer.is_heard = True
        self.tried.set()

    def _is_not_listed(self, problem: str) -> None:
        self.problem = problem
        self._announcer.is_heard = False
        self.tried.set()

    def _hear_of(self, revocations: Revocations | None) -> None:
        if revocations is not None and revocations != self.revocations:
            self.revocations = revocations
            self.revoked(revocations)

    def _set_reachability(self, reachable: bool, words: str) -> None:
        if words and words != self.reachability:
            log.log(logging.INFO if reachable else logging.WARNING, "%s", words)
        self.reachable, self.reachability = reachable, words

    def _next_renewal(self, welcome: Welcome) -> float:
        jitter = 1.0 + RENEW_JITTER * (2.0 * self._chance.random() - 1.0)
        return self._clock.now_s() + welcome.renew_s * jitter

    async def _renew(self) -> None:
        renewal = await self._answered_renewal()
        if self.problem:
            log.info("The tracker %s answers again.", self._client.address)
        self._failures = 0
        self._is_listed()
        if not renewal.in_step and not self._announcer.has_untold:
            log.info("The tracker's records differ from ours: announcing everything afresh.")
            await self._announcer.tell_everything()

    async def _answered_renewal(self) -> Renewal:
        """However long that takes: to register costs a call back, and is for whom the tracker
        does not know."""
        while True:
            try:
                renewal = await self._client.renew(
                    self._registration.caller, self._announcer.digest, self.revocations.version
                )
            except (NoSpace, Unreachable) as error:
                await self._wait_after(error)
                continue
            self._confirmed_at_s = self._clock.now_s()
            self._set_reachability(renewal.reachable, renewal.reachability)
            self._hear_of(renewal.revocations)
            return renewal

    async def _wait_after(self, error: PanalError) -> None:
        self._is_not_listed(str(error))
        if isinstance(error, NotRegistered):
            log.info("The tracker %s does not know this peer; registering.", self._client.address)
            return
        if self._client.has_moved_on():
            log.info("%s Asking the tracker %s.", error, self._client.address)
            return
        is_said = isinstance(error, Unreachable) or str(error) == self._warned_of
        if self._failures == 0 or not is_said:
            log.warning("%s Trying again by itself.", error)
            self._warned_of = str(error)
        longest_s = min(LONGEST_RETRY_S, doubled(FIRST_RETRY_S, self._failures))
        self._failures += 1
        await self._clock.sleep(longest_s * (0.5 + self._chance.random() / 2))
