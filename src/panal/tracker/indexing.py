"""The index of searches follows what is announced, in slices between other work."""

import asyncio
import logging
from contextlib import suppress

from panal.errors import NoSpace, StoreUnavailable
from panal.tracker.records_threads import Urgency
from panal.tracker.storage import Storage
from panal.tracker.transactions import Transactions

_log = logging.getLogger("panal.tracker")

NAMES_AT_ONCE = 4_096
"""The index is quicker in large pieces; who asks something meanwhile waits for one."""
GATHER_NAMES = 1_000
GATHER_S = 0.5
"""So many names, or for so long, wait for the index: each slice of it, however small, is one more
place for a search to look in."""
MOST_NAMES_BEHIND = 16_384
"""From here on the index goes before announcements: what is behind any further, a search does not
find, and whoever announces last would wait for what others told."""
MERGED_AT_LEISURE_PAGES = 32
"""Who asks something meanwhile waits for so many."""
LEISURE_SHARE = 0.2
"""Of the time: else each who asks while much is merged would find the store's thread taken."""
LONGEST_PAUSE_S = 1.0
MERGED_BESIDE_PAGES = 128
"""More than a slice makes, or there would be ever more pieces."""
MOST_PIECES = 256
"""Slices that wait to be merged until nobody wants anything; then they are merged beside others."""


class Indexing:
    """Of one store; on the event loop."""

    def __init__(self, storage: Storage, transactions: Transactions) -> None:
        self._storage = storage
        self._transactions = transactions
        self._told = asyncio.Event()
        self._told.set()
        self._told_much = asyncio.Event()
        self._names_told = 0
        self._pieces = 0
        """Slices of this run that are not merged, at most."""
        self._may_merge = asyncio.Event()
        self._may_merge.set()  # an earlier run may have left some

    def note_told(self, names: int = 0) -> None:
        """So many names came or went, or some may have."""
        self._told.set()
        self._names_told += names
        if self._names_told >= GATHER_NAMES:
            self._told_much.set()

    async def follow_for_ever(self) -> None:
        """Index what was told, again and again."""
        while True:
            await self._told.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._told_much.wait()
            self._told.clear()
            self._told_much.clear()
            self._names_told = 0
            try:
                await self._follow()
            except (StoreUnavailable, NoSpace):
                pass  # it is told as not ready
            except Exception:
                _log.exception("indexing names failed; it is tried again after the next sweep")

    async def merge_for_ever(self) -> None:
        """Merge what was indexed, again and again, when there is nothing else to do."""
        while True:
            await self._may_merge.wait()
            self._may_merge.clear()
            try:
                while await self._merge_a_little():
                    pass
            except (StoreUnavailable, NoSpace):
                pass  # it is told as not ready
            except Exception:
                _log.exception("merging the index failed; it is tried again after the next names")

    async def _follow(self) -> None:
        left = 1
        while left:
            # Not when nobody waits for anything: announcements may never pause.
            urgency = Urgency.CHANGE if left < MOST_NAMES_BEHIND else Urgency.QUESTION
            left = await self._transactions.run(self._index_names, urgency)
            self._pieces += 1
            self._may_merge.set()
            if self._pieces > MOST_PIECES:
                await self._merge(MERGED_BESIDE_PAGES, urgency)

    async def _merge_a_little(self) -> bool:
        """Some, and a pause, the longer the more others wanted meanwhile."""
        now_s = asyncio.get_running_loop().time
        began_s = now_s()
        is_more = await self._merge(MERGED_AT_LEISURE_PAGES, Urgency.LEISURE)
        await asyncio.sleep(min(LONGEST_PAUSE_S, (now_s() - began_s) * (1 / LEISURE_SHARE - 1)))
        return is_more

    async def _merge(self, pages: int, urgency: Urgency) -> bool:
        """Whether there may be more."""
        is_more = await self._transactions.run(lambda _: self._storage.merge_index(pages), urgency)
        if not is_more:
            self._pieces = 0
        return is_more

    def _index_names(self, _: float) -> int:
        return self._storage.index_names(NAMES_AT_ONCE)
