"""Unfinished files: whose they are, how they are listed, and when they go.

What a download in the queue needs stays. The rest is kept for a day from when it was last
written to or let go, and then removed.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from panal.clock import Clock
from panal.errors import PanalError
from panal.peer.ageing import Aged, expired, expires_s
from panal.store.download_records import DownloadRecord
from panal.store.texts import Texts
from panal.store.unfinished import Leftover, begin_ageing, leftovers_in, remove, right_bytes
from panal.wire.collection import decode
from panal.wire.ids import ContentId
from panal.wire.names import SafePath

log = logging.getLogger(__name__)

LOOK_EVERY_S = 3600.0


class UnfinishedFile(msgspec.Struct, frozen=True):
    """One unfinished file as its owner sees it."""

    leftover: Leftover
    here_bytes: int
    name: SafePath | None
    download_id: str | None
    expires_s: float | None


class _Owner(msgspec.Struct, frozen=True):
    record: DownloadRecord
    name: SafePath | None

    @property
    def needs_it(self) -> bool:
        return self.record.state != "failed"


class Unfinished:
    """The unfinished files of one peer."""

    def __init__(
        self,
        partials: Path,
        texts: Texts,
        records: Callable[[], Sequence[DownloadRecord]],
        clock: Clock,
        *,
        has_queue: bool,
    ) -> None:
        """Without `has_queue`, a stand-alone get: files of a peer with one are left to it."""
        self._partials = partials
        self._folders = (partials, texts.folder)
        self._texts = texts
        self._records = records
        self._clock = clock
        self._has_queue = has_queue

    async def run(self) -> None:
        """Remove what is old, now and every hour; runs until cancelled.

        A stand-alone get has not said yet what it wants: it does not begin with it.
        """
        if self._has_queue:
            await self.remove_old()
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            await self.remove_old()

    async def remove_old(self) -> None:
        """Remove what no download needs and has been kept for a day."""
        records = list(self._records())
        try:
            removed = await asyncio.to_thread(self._remove_old, records)
        except (PanalError, OSError) as error:
            log.warning("Old unfinished files were not removed: %s", error)
            return
        if removed:
            log.info("Removed %d unfinished files that nobody has asked for in a day.", removed)

    def totals(self) -> tuple[int, int]:
        """How many there are, and what they take of the disk."""
        found = [leftover for folder in self._folders for leftover in leftovers_in(folder)]
        return len(found), sum(leftover.disk_bytes for leftover in found)

    async def all(self) -> list[UnfinishedFile]:
        """Every one, those that downloads need too, the oldest first."""
        return await asyncio.to_thread(self._all, list(self._records()))

    async def delete(self, record: DownloadRecord) -> None:
        """Remove at once what is left of a download off the list, unless another needs it."""
        records = list(self._records())

        def delete() -> int:
            contents = _contents(record, self._texts)
            owned = self._owned(records)
            return sum(
                remove(leftover)
                for leftover, owner in owned
                if leftover.content in contents and not (owner is not None and owner.needs_it)
            )

        removed = await asyncio.to_thread(delete)
        if removed:
            log.info("Removed %d unfinished files of a cancelled download.", removed)

    async def let_go(self, record: DownloadRecord) -> None:
        """A download has failed or was cancelled: what is left of it ages from now on."""
        wall_s = self._clock.wall_s()

        def age() -> None:
            contents = _contents(record, self._texts)
            for folder in self._folders:
                for leftover in leftovers_in(folder):
                    if leftover.content in contents:
                        begin_ageing(leftover, wall_s)

        try:
            await asyncio.to_thread(age)
        except (PanalError, OSError) as error:
            log.info("What is left of a download keeps its age: %s", error)

    def _all(self, records: Sequence[DownloadRecord]) -> list[UnfinishedFile]:
        owned = self._owned(records)
        owned.sort(key=lambda pair: pair[0].modified_s)
        return [
            UnfinishedFile(
                leftover,
                right_bytes(leftover),
                None if owner is None else owner.name,
                None if owner is None else owner.record.id,
                expires_s(_aged(leftover, owner)),
            )
            for leftover, owner in owned
        ]

    def _remove_old(self, records: Sequence[DownloadRecord]) -> int:
        if not self._has_queue and queue_mark(self._partials).exists():
            return 0
        aged = [_aged(leftover, owner) for leftover, owner in self._owned(records)]
        return sum(remove(leftover) for leftover in expired(aged, self._clock.wall_s()))

    def _owned(self, records: Sequence[DownloadRecord]) -> list[tuple[Leftover, _Owner | None]]:
        found = [leftover for folder in self._folders for leftover in leftovers_in(folder)]
        if not found:
            return []
        owners: dict[ContentId, _Owner] = {}
        # Those that need what they have after those that failed: they count where both do.
        for record in sorted(records, key=lambda record: record.state != "failed"):
            if record.state != "done":
                for content, name in _contents(record, self._texts).items():
                    owners[content] = _Owner(record, name)
        return [(leftover, owners.get(leftover.content)) for leftover in found]


def queue_mark(partials: Path) -> Path:
    """A file that says: a peer's queue may need what is in this directory; a get leaves it.

    It names the state of the peer that takes uploads there, as `peer/folder_claim.py` has it.
    """
    return partials.parent / "queue"


def remove_old_of_nobody(partials: Path, wall_s: float) -> None:
    """Remove what a get has left in a directory, unless a peer's queue may need it."""
    if queue_mark(partials).exists():
        return
    for leftover in expired((_aged(found, None) for found in leftovers_in(partials)), wall_s):
        remove(leftover)


def _aged(leftover: Leftover, owner: _Owner | None) -> Aged[Leftover]:
    return Aged(leftover, leftover.modified_s, owner is not None and owner.needs_it)


def _contents(record: DownloadRecord, texts: Texts) -> dict[ContentId, SafePath | None]:
    """What a download fetches, as far as that is known: a content, or a folder's too."""
    if record.content is None:
        return {}
    kept = texts.read(record.content)
    files = () if kept is None else decode(kept[0])
    inside = {entry.content: entry.path for entry in files if entry.content is not None}
    return {**inside, record.content: record.path}
