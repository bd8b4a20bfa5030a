"""Which of the folders shared as collections are offered: those that can be delivered whole.

A snapshot is offered while every file in it is shared here as the snapshot lists it, so that
whoever begins it can end it. One whose folder was deleted, unshared, renamed or edited, or
whose root went away, is withdrawn, and offered again once all is as it was.
"""

import asyncio
import logging
from collections.abc import Sequence

from panal.clock import Clock
from panal.peer.announcer import Announcer
from panal.peer.contents import Contents
from panal.store.collection_records import CollectionRecord, CollectionRecords
from panal.store.mounts import Mounts
from panal.store.texts import Texts
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId
from panal.wire.names import SafePath, printable

log = logging.getLogger(__name__)

PAUSE_S = 0.05
CHECK_SHARE = 10
"""Checking may use one part in so many of the time."""


class Offering:
    """Keeps what is offered equal to what can be delivered."""

    def __init__(
        self,
        root: Mounts,
        records: CollectionRecords,
        texts: Texts,
        announcer: Announcer,
        contents: Contents,
        clock: Clock,
    ) -> None:
        self._root = root
        self._records = records
        self._texts = texts
        self._announcer = announcer
        self._contents = contents
        self._clock = clock
        self.known: dict[str, CollectionRecord] = {}
        """Every snapshot, by path, offered or not."""
        self._offered: dict[str, CollectionRecord] = {}
        self.withdrawn: dict[str, str] = {}
        """By path of a snapshot that is not offered: a path in it that is not as it was."""
        self._unchecked: set[str] = set()
        self._wake = asyncio.Event()

    def entries(self) -> list[Entry]:
        """What the tracker is told of folders now; from any thread."""
        return [record.entry() for record in list(self._offered.values())]

    def offered_as(self, content: ContentId) -> CollectionRecord | None:
        """The folder that is offered as this content; None for none, or a withdrawn one."""
        offered = self._offered.values()
        return next((record for record in offered if record.content == content), None)

    async def take_in(self, record: CollectionRecord) -> None:
        """Offer a snapshot, in place of what its path had before, as soon as it is whole."""
        self.known[record.path] = record
        await self._check(record)

    def drop(self, path: str) -> None:
        """A snapshot is none any more."""
        del self.known[path]
        self.withdrawn.pop(path, None)
        self._withdraw(path)

    def needs(self, content: ContentId) -> bool:
        """Whether a snapshot has this text; the text is served no more unless one offers it."""
        self._end_serving(content)
        return any(record.content == content for record in self.known.values())

    def look_again(self) -> None:
        """Roots came or went: check every snapshot."""
        self._unchecked.update(self.known)
        self._wake.set()

    def touched(self, paths: Sequence[SafePath]) -> None:
        """These files came, changed or went: check the snapshots of their folders."""
        for record in self.known.values():
            if record.path not in self._unchecked and any(map(record.holds, paths)):
                self._unchecked.add(record.path)
                self._wake.set()

    async def run(self) -> None:
        """Offer and withdraw as files come and go, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            began_s = self._clock.now_s()
            for path in self._unchecked.copy():
                self._unchecked.discard(path)
                if (record := self.known.get(path)) is not None:
                    await self._check(record)
            spent_s = self._clock.now_s() - began_s
            await self._clock.sleep(max(PAUSE_S, CHECK_SHARE * spent_s))

    async def _check(self, record: CollectionRecord) -> None:
        missing = await asyncio.to_thread(self._records.missing, record)
        if self.known.get(record.path) is not record:
            return  # made again meanwhile
        shows = self._root.shows(record.base)
        self.withdrawn.pop(record.path, None)
        if missing is not None and shows:
            self.withdrawn[record.path] = missing
        if missing is None and shows:
            self._offer(record)
        elif self._withdraw(record.path) and missing is not None and shows:
            log.warning(
                "The folder %s is not what was shared any more (see %s): it is offered again "
                "once it is, or once it is added as it is now.",
                printable(record.path),
                printable(missing),
            )

    def _offer(self, record: CollectionRecord) -> None:
        before = self._offered.get(record.path)
        self._offered[record.path] = record
        self._contents.begin_own(record.content, self._texts.path(record.content), record.manifest)
        self._announcer.change_entry(before.entry() if before else None, record.entry())

    def _withdraw(self, path: str) -> bool:
        record = self._offered.pop(path, None)
        if record is None:
            return False
        self._announcer.change_entry(record.entry(), None)
        self._end_serving(record.content)
        return True

    def _end_serving(self, content: ContentId) -> None:
        if all(record.content != content for record in self._offered.values()):
            self._contents.end_own(content)
