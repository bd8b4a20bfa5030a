"""This peer's membership: registered, renewed, and the tracker's records kept in step.

The first change goes out at once, what comes within 200 ms of it together, many in slices. Each
renewal carries the digest of all that this peer shares; where the tracker's differs, or it has
lost this peer, everything is told afresh. So a tracker that lost anything heals by itself.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from random import Random

from msgspec.structs import replace

from panal import request_ids
from panal.clock import Clock
from panal.errors import NameTaken, NotAMember, NotRegistered, PanalError, Superseded, Unreachable
from panal.peer.tracker_client import TrackerClient
from panal.peer.untold import Changes, Untold
from panal.wire.catalogue import (
    Announcement,
    CatalogueDigest,
    Entry,
    Holding,
    Registration,
    Renewal,
    Welcome,
)
from panal.wire.ids import ContentId
from panal.wire.membership import Revocations

log = logging.getLogger(__name__)

GATHERED_S = 0.2
"""At most so often changes are told; those that come meanwhile go together."""
RENEW_JITTER = 0.1
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0
SLICE_ITEMS = 1_000
"""So many changes are told at once; newer ones then have their turn."""
LEAVE_DEADLINE_S = 2.0
ENOUGH_UNTOLD = 5_000
ROOM_WITHIN_S = 2.0
"""What is shared is indexed, whatever the tracker does."""

EntryPages = Callable[[], Iterator[list[Entry]]]


class Announcer:
    """Keeps one registration alive and its records right; `run` until cancelled."""

    def __init__(
        self,
        client: TrackerClient,
        registration: Registration,
        entry_pages: EntryPages,
        clock: Clock,
        chance: Random,
        is_told: Callable[[Entry], bool] = lambda entry: True,
    ) -> None:
        """`entry_pages` reads every entry from the index, a page at a time, in a thread.

        Of changes to entries that are not `is_told` the tracker hears nothing.
        """
        self._client = client
        self._registration = registration
        self._entry_pages = entry_pages
        self._is_told = is_told
        self._clock = clock
        self._chance = chance
        self._digest = CatalogueDigest()
        self._holdings: dict[ContentId, Holding] = {}
        self._untold = Untold()
        self._changes = 0
        self._changes_told = 0
        self._told_at_s = -math.inf
        self._wake = asyncio.Event()
        self._told = asyncio.Condition()
        self._sequence = 0
        self._welcome: Welcome | None = None
        self._everything_told = False
        self._failures = 0
        self._confirmed_at_s: float | None = None
        self.problem = "not registered yet"
        """Why the tracker does not list this peer, in words; empty while it does."""
        self.reachable = False
        self.reachability = ""
        self.registrations = 0
        self.times_told_everything = 0
        self.tried = asyncio.Event()
        """Set after the first attempt to register, whatever came of it."""
        self.revocations = Revocations(0, frozenset())
        self.revoked: Callable[[Revocations], None] = lambda _: None
        """Told, in a network, whenever other certificates count no more."""
        self.fatal: asyncio.Future[PanalError] = asyncio.get_running_loop().create_future()
        """Set once where only the user can help: the name is another's, or it is no member."""
        self.noted: Callable[[str, str], None] = lambda event, why: None
        """Told of each event of this membership, and why it came about."""

    # What is shared -----------------------------------------------------------------------

    def start_with(self, entries: Iterator[list[Entry]]) -> bytes:
        """Count in what the index remembers, which is told at registration; the digest of it."""
        for page in entries:
            for entry in page:
                self._digest.add(entry)
        return self._digest.value()

    def start_at(self, digest: bytes) -> None:
        """As `start_with`, where the digest is known."""
        self._digest = CatalogueDigest(digest)

    def change_entry(self, before: Entry | None, after: Entry | None) -> None:
        """One path is shared, shared with another content, or shared no more."""
        before = before if before is not None and self._is_told(before) else None
        after = after if after is not None and self._is_told(after) else None
        if before == after:
            return
        if before is not None:
            self._digest.remove(before)
            self._untold.change_entry(before.path, None)
        if after is not None:
            self._digest.add(after)
            self._untold.change_entry(after.path, after)
        self._note_change()

    def hold(self, content: ContentId, *, complete: bool) -> None:
        """A content without a path can be served, in part or in whole."""
        holding = Holding(content, complete)
        if self._holdings.get(content) == holding:
            return
        self._forget_holding(content)
        self._digest.add(holding)
        self._holdings[content] = holding
        self._untold.change_holding(content, holding)
        self._note_change()

    def release(self, content: ContentId) -> None:
        """It can be served no more, or has a path now."""
        if content in self._holdings:
            self._forget_holding(content)
            self._untold.change_holding(content, None)
            self._note_change()

    def _forget_holding(self, content: ContentId) -> None:
        if (holding := self._holdings.pop(content, None)) is not None:
            self._digest.remove(holding)

    def _note_change(self) -> None:
        self._changes += 1
        self._wake.set()

    async def announced(self, within_s: float, paths: Collection[str] | None = None) -> bool:
        """Whether the changes of these paths, or all made until now, reach the tracker within
        that time."""
        wanted = self._changes

        def is_told() -> bool:
            if paths is not None and self._everything_told:
                return not self._untold.includes(paths)
            return self._changes_told >= wanted

        try:
            async with asyncio.timeout(within_s), self._told:
                await self._told.wait_for(is_told)
        except TimeoutError:
            return False
        return True

    async def room(self) -> None:
        """Wait while much is untold and the tracker takes it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROOM_WITHIN_S), self._told:
                await self._told.wait_for(lambda: len(self._untold) < ENOUGH_UNTOLD or self.problem)

    # Membership ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Register, announce and renew until cancelled, whatever the tracker does."""
        while True:
            request_ids.begin(request_ids.new_id())  # one for each registration and its renewals
            try:
                await self._live()
            except (NameTaken, NotAMember, Superseded) as error:
                self.problem = str(error)
                self.tried.set()
                self.noted("refused", self.problem)
                if not self.fatal.done():
                    self.fatal.set_result(error)
                return
            except PanalError as error:
                await self._wait_after(error)

    def lease_age_s(self) -> float | None:
        """Since the tracker has confirmed the lease; None before it did."""
        at_s = self._confirmed_at_s
        return None if at_s is None else self._clock.now_s() - at_s

    async def leave(self) -> bool | None:
        """Say goodbye; whether the tracker knew us, None where it did not answer."""
        if self._welcome is None:
            return None
        self.noted("left", "")
        try:
            return await self._client.leave(self._registration.caller, LEAVE_DEADLINE_S)
        except PanalError:
            return None

    async def _live(self) -> None:
        registration = replace(self._registration, digest=self._digest.value())
        welcome = await self._client.register(registration)
        self._welcome = welcome
        self._registered(welcome)
        await self._bring_into_step(welcome.digest)
        renew_at_s = self._next_renewal(welcome)
        while True:
            await self._until_change_or(renew_at_s)
            if self._untold:
                await self._tell_changes()
            if self._clock.now_s() >= renew_at_s:
                await self._renew()
                renew_at_s = self._next_renewal(welcome)

    async def _bring_into_step(self, recorded: bytes) -> None:
        """Tell a tracker that has just let us in what it lacks of this peer's records."""
        if self._everything_told and self._untold and any(recorded):
            # Perhaps no more than was under way when the last tracker fell silent.
            recorded = await self._tell_changes()
            if self._untold:
                return  # compared at the next renewal
        if recorded != self._digest.value():
            await self._tell_everything()
            return
        self._untold.clear()
        self._everything_told = True
        await self._changes_reached(self._changes)

    def _registered(self, welcome: Welcome) -> None:
        self._failures = 0
        self._confirmed_at_s = self._clock.now_s()
        self.problem = ""
        self.registrations += 1
        self.tried.set()
        self.noted("joined", "")
        self._set_reachability(welcome.reachable, welcome.reachability)
        self._hear_of(welcome.revocations)
        log.info(
            "Registered as %s at the tracker %s.",
            self._registration.caller.name,
            self._client.address,
        )

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

    async def _until_change_or(self, at_s: float) -> None:
        if not self._untold:
            timer = asyncio.ensure_future(self._clock.sleep(max(0.0, at_s - self._clock.now_s())))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({timer, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                woken.cancel()
            if self._untold:
                gathered_at_s = self._told_at_s + GATHERED_S
                await self._clock.sleep(max(0.0, gathered_at_s - self._clock.now_s()))
        self._wake.clear()

    async def _renew(self) -> None:
        renewal = await self._answered_renewal()
        if self.problem:
            log.info("The tracker %s answers again.", self._client.address)
        self._failures = 0
        self.problem = ""
        self._confirmed_at_s = self._clock.now_s()
        self._set_reachability(renewal.reachable, renewal.reachability)
        self._hear_of(renewal.revocations)
        if not renewal.in_step and not self._untold:
            log.info("The tracker's records differ from ours: announcing everything afresh.")
            await self._tell_everything()

    async def _answered_renewal(self) -> Renewal:
        """However long that takes: to register costs a call back, and is for whom the tracker
        does not know."""
        while True:
            try:
                return await self._client.renew(
                    self._registration.caller, self._digest.value(), self.revocations.version
                )
            except Unreachable as error:
                await self._wait_after(error)

    async def _wait_after(self, error: PanalError) -> None:
        self.problem = str(error)
        self.tried.set()
        if isinstance(error, NotRegistered):
            log.info("The tracker %s does not know this peer; registering.", self._client.address)
            return
        if self._client.has_moved_on():
            log.info("%s Asking the tracker %s.", error, self._client.address)
            return
        if self._failures == 0 or not isinstance(error, Unreachable):
            log.warning("%s Trying again by itself.", error)
        longest_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0**self._failures)
        self._failures += 1
        await self._clock.sleep(longest_s * (0.5 + self._chance.random() / 2))

    # Telling ------------------------------------------------------------------------------

    async def _tell_everything(self) -> None:
        counted = self._changes
        self._untold.clear()
        self._everything_told = False
        await self._tell(self._everything())
        self._everything_told = True
        self._untold.told()
        self._told_at_s = self._clock.now_s()
        await self._changes_reached(counted if self._untold else self._changes)
        self.times_told_everything += 1

    async def _tell_changes(self) -> bytes:
        """Tell a slice; the digest that the tracker has afterwards."""
        counted = self._changes
        changes = self._untold.take(SLICE_ITEMS)
        is_all = not self._untold
        try:
            digest = await self._tell(self._slice(changes))
        except PanalError:
            self._untold.not_told()
            raise
        self._untold.told()
        await self._changes_reached(counted if is_all else self._changes_told)
        return digest

    async def _tell(self, messages: AsyncIterator[Announcement]) -> bytes:
        counted = self._changes
        digest = await self._client.announce(self._registration.caller, messages)
        if digest != self._digest.value() and counted == self._changes and not self._untold:
            log.info("The tracker counts otherwise; it is compared again at the next renewal.")
        return digest

    async def _changes_reached(self, counted: int) -> None:
        async with self._told:
            self._changes_told = max(self._changes_told, counted)
            self._told.notify_all()

    async def _everything(self) -> AsyncIterator[Announcement]:
        holdings = tuple(self._holdings.values())
        yield Announcement(self._next_sequence(), replace_all=True, holdings=holdings)
        pages = await asyncio.to_thread(self._entry_pages)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield Announcement(self._next_sequence(), entries=tuple(page))
            # After a page, never before: what it read may have changed meanwhile.
            if self._untold:
                yield self._message(self._untold.take(SLICE_ITEMS))
        yield Announcement(self._next_sequence(), all_told=True)

    async def _slice(self, changes: Changes) -> AsyncIterator[Announcement]:
        yield self._message(changes)

    def _message(self, changes: Changes) -> Announcement:
        entries, holdings = changes.entries, changes.holdings
        return Announcement(
            self._next_sequence(),
            entries=tuple(entry for entry in entries.values() if entry is not None),
            removed_paths=tuple(path for path, entry in entries.items() if entry is None),
            holdings=tuple(holding for holding in holdings.values() if holding is not None),
            removed_holdings=tuple(c for c, holding in holdings.items() if holding is None),
        )

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
