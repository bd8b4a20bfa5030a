"""What a peer tells trackers of its folder, from its start to its leave."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from random import Random

from panal import request_ids
from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import PanalError
from panal.peer.announcer import Announcer
from panal.peer.config import PeerSettings
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.store.index import Index
from panal.store.mounts import Mounts
from panal.wire.catalogue import Entry, Registration
from panal.wire.manifest import MIN_CHUNK_BYTES

log = logging.getLogger(__name__)

COMPARED_FIRST_S = 2.0
"""So long a peer waits at most for its first comparison before it registers."""


class FolderTelling:
    """Tells an announcer what the index holds of roots that are there."""

    def __init__(
        self,
        *,
        settings: PeerSettings,
        root: Mounts,
        index: Index,
        offered: Callable[[], list[Entry]],
        client: TrackerClient,
        registration: Registration,
        audit: AuditLog,
        clock: Clock,
        chance: Random,
    ) -> None:
        """`offered` are whole folders as contents."""
        self._settings = settings
        self._root = root
        self._index = index
        self._offered = offered
        self._client = client
        self._audit = audit
        self.announcer = Announcer(
            client, registration.caller, self._told_pages, clock, self._is_told
        )
        self.lease = Lease(client, registration, self.announcer, clock, chance)
        self.lease.noted = self._note

    def begin(self, *, all_there: bool) -> None:
        """Begin with the digest of what the index remembers; `all_there`: no root is away."""
        total = self._index.total
        if all_there and (known := total.value()) is not None:
            self.announcer.start_at(known)
            return
        digest = self.announcer.start_with(self._index.entry_pages(self._root.shows))
        if all_there and not self._settings.asked_anew:  # that forgets what it shares
            with contextlib.suppress(PanalError):
                total.keep(digest)

    async def run(self, compared: asyncio.Event) -> None:
        """Register once the folder has been compared with the index, if that is soon.

        Telling the tracker everything would take the interpreter from the comparison.
        """
        if self._settings.shares_folder:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(compared.wait(), COMPARED_FIRST_S)
        await self.lease.run()

    async def leave(self) -> None:
        """Say that this peer goes."""
        request_ids.begin(request_ids.new_id())
        was_known = await self.lease.leave()
        if was_known is not None:
            log.info("Left the tracker%s.", "" if was_known else ", which did not know us")

    def _is_told(self, entry: Entry) -> bool:
        # To whom fetches the folder too, the folder says that its small files are here: for
        # a peer that is gone in a moment, the tracker's work would be greater than the get's.
        return not self._settings.ends_with_download or entry.size_bytes > MIN_CHUNK_BYTES

    def _told_pages(self) -> Iterator[list[Entry]]:
        for page in self._index.entry_pages(self._root.shows):
            yield [entry for entry in page if self._is_told(entry)]
        yield self._offered()

    def _note(self, event: str, why: str) -> None:
        tracker = f"the tracker {self._client.address}"
        self._audit.note(event, name=self._settings.name, what=tracker, why=why)
