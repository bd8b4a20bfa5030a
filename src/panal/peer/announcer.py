"""What this peer shares, told to the tracker: what changed, or everything afresh.

The first change goes out at once, what comes within 200 ms of it together, many in slices; where
somebody waits for the tracker to know, nothing is held back. `lease.py` says when it is told.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from typing import TypeVar

from panal.clock import Clock
from panal.errors import PanalError
from panal.peer.tracker_client import TrackerClient
from panal.peer.untold import Changes, Untold
from panal.wire.catalogue import Announcement, Caller, CatalogueDigest, Entry, Holding
from panal.wire.ids import ContentId

log = logging.getLogger(__name__)

GATHERED_S = 0.2
"""At most so often changes are told; those that come meanwhile go together."""
SLICE_ITEMS = 1_000
"""So many changes are told at once; newer ones then have their turn."""
ANNOUNCED_WITHIN_S = 1.0
"""So long an answer waits for the tracker to know what it names."""
ENOUGH_UNTOLD = 5_000
ROOM_WITHIN_S = 2.0
"""What is shared is indexed, whatever the tracker does."""

EntryPages = Callable[[], Iterator[list[Entry]]]
_Item = TypeVar("_Item")


class Announcer:
    """Keeps the tracker's records of this peer right, while a lease has it listed."""

    def __init__(
        self,
        client: TrackerClient,
        caller: Caller,
        entry_pages: EntryPages,
        clock: Clock,
        is_told: Callable[[Entry], bool] = lambda entry: True,
    ) -> None:
        """`entry_pages` reads every entry from the index, a page at a time, in a thread.

        Of changes to entries that are not `is_told` the tracker hears nothing.
        """
        self._client = client
        self._caller = caller
        self._entry_pages = entry_pages
        self._is_told = is_told
        self._clock = clock
        self._digest = CatalogueDigest()
        self._holdings: dict[ContentId, Holding] = {}
        self._untold = Untold()
        self._changes = 0
        """How many there have been; who waits for one remembers its number."""
        self._changes_told = 0
        """All up to this number are known to the tracker."""
        self._told_at_s = -math.inf
        self._changed = asyncio.Event()
        """Set by each change; cleared when it is looked at what there is to tell."""
        self._waited_for = asyncio.Event()
        """Set by who waits; cleared when all that there is goes out."""
        self._told = asyncio.Condition()
        """Notified whenever the tracker knows more."""
        self._sequence = 0
        """Of the last message; the tracker takes none twice."""
        self._everything_told = False
        """Whether the tracker's records lack nothing but what is untold."""
        self.times_told_everything = 0
        self.is_heard = False
        """Whether the tracker takes what it is told, as far as is known."""

    @property
    def digest(self) -> bytes:
        """Of all that this peer shares."""
        return self._digest.value()

    @property
    def has_untold(self) -> bool:
        """Whether something changed that waits to be told."""
        return bool(self._untold)

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
        self._changed.set()

    async def announced(self, within_s: float, paths: Collection[str] | None = None) -> bool:
        """Whether the changes of these paths, or all made until now, reach the tracker within
        that time."""
        wanted = self._changes

        def is_told() -> bool:
            if paths is not None and self._everything_told:
                return not self._untold.includes(paths)
            return self._changes_told >= wanted

        self._waited_for.set()
        try:
            async with asyncio.timeout(within_s), self._told:
                await self._told.wait_for(is_told)
        except TimeoutError:
            return False
        return True

    async def room(self) -> None:
        """Wait while much is untold and the tracker takes it."""

        def has_room() -> bool:
            return len(self._untold) < ENOUGH_UNTOLD or not self.is_heard

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROOM_WITHIN_S), self._told:
                await self._told.wait_for(has_room)

    # Telling ------------------------------------------------------------------------------

    async def until_changed(self, at_s: float) -> None:
        """Wait until then, or until something is to be told: what comes together goes together,
        unless somebody waits for it or it fills a slice."""
        if not self._untold:
            await self._wait_for(self._changed, at_s)
        self._changed.clear()
        if 0 < len(self._untold) < SLICE_ITEMS:
            await self._wait_for(self._waited_for, self._told_at_s + GATHERED_S)

    async def _wait_for(self, event: asyncio.Event, at_s: float) -> None:
        """For that event, no longer than until then."""
        timer = asyncio.ensure_future(self._clock.sleep(max(0.0, at_s - self._clock.now_s())))
        happened = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({timer, happened}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            happened.cancel()

    async def bring_into_step(self, recorded: bytes) -> None:
        """Tell a tracker that has just let this peer in what it lacks of its records; PanalError
        where it does not take it.

        `recorded` is the digest that it has.
        """
        if self._everything_told and self._untold and any(recorded):
            # Perhaps no more than was under way when the last tracker fell silent.
            recorded = await self.tell_changes()
            if self._untold:
                return  # compared at the next renewal
        if recorded != self._digest.value():
            await self.tell_everything()
            return
        self._untold.clear()
        self._everything_told = True
        await self._changes_reached(self._changes)

    async def tell_everything(self) -> None:
        """Replace what the tracker has of this peer; PanalError where it does not take it."""
        counted = self._changes
        self._untold.clear()
        self._everything_told = False
        await self._tell(self._everything())
        self._everything_told = True
        await self._are_told(counted if self._untold else self._changes)
        self.times_told_everything += 1

    async def tell_changes(self) -> bytes:
        """Tell a slice; the digest that the tracker has afterwards. PanalError where it does not
        take it: the slice waits again."""
        counted = self._changes
        changes = self._untold.take(SLICE_ITEMS)
        is_all = not self._untold
        if is_all:  # else somebody may wait for the rest
            self._waited_for.clear()
        try:
            digest = await self._tell(self._slice(changes))
        except PanalError:
            self._untold.not_told()
            raise
        await self._are_told(counted if is_all else self._changes_told)
        return digest

    async def _tell(self, messages: AsyncIterator[Announcement]) -> bytes:
        counted = self._changes
        digest = await self._client.announce(self._caller, messages)
        if digest != self._digest.value() and counted == self._changes and not self._untold:
            log.info("The tracker counts otherwise; it is compared again at the next renewal.")
        return digest

    async def _are_told(self, counted: int) -> None:
        self._untold.told()
        self._told_at_s = self._clock.now_s()
        await self._changes_reached(counted)

    async def _changes_reached(self, counted: int) -> None:
        async with self._told:
            self._changes_told = max(self._changes_told, counted)
            self._told.notify_all()

    async def _everything(self) -> AsyncIterator[Announcement]:
        yield Announcement(self._next_sequence(), replace_all=True)
        for holdings in _in_slices(tuple(self._holdings.values())):
            yield Announcement(self._next_sequence(), holdings=holdings)
        pages = await asyncio.to_thread(self._entry_pages)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            for entries in _in_slices(tuple(page)):
                yield Announcement(self._next_sequence(), entries=entries)
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


def _in_slices(items: tuple[_Item, ...]) -> Iterator[tuple[_Item, ...]]:
    """As many at a time as a tracker is told at once; it refuses a message of very many."""
    for at in range(0, len(items), SLICE_ITEMS):
        yield items[at : at + SLICE_ITEMS]
