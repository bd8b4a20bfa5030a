"""The store and the decisions about it, behind its threads: each method is one transaction.

The decisions are those of `registry`, `handout`, `search` and `ranking`; the rows are the store's.
The event loop never waits for a disk, and no two changes of one peer overlap.
"""

from collections.abc import Awaitable, Iterable, Sequence
from contextlib import closing
from functools import partial

from panal.errors import NotFound
from panal.tracker import ranking, registry, search
from panal.tracker.folders import folder_page
from panal.tracker.handout import Handout
from panal.tracker.indexing import Indexing
from panal.tracker.kept_answers import Found
from panal.tracker.lease_renewals import LeaseRenewals
from panal.tracker.ranking import RankedPage
from panal.tracker.records_threads import RecordsThreads, Urgency
from panal.tracker.registry import Admission, PeerRecord, Reach
from panal.tracker.search import Search
from panal.tracker.storage import LeaseClock, ListedPeer, Storage, Totals
from panal.tracker.transactions import Transactions
from panal.wire.catalogue import (
    Announcement,
    Caller,
    FolderPage,
    FolderQuery,
    Provider,
    Registration,
    SearchQuery,
)
from panal.wire.ids import ContentId, PeerName

FEW_CONTENTS = 8
"""So many are located by the event loop itself, where the store allows it."""
FEW_HOLDERS = 500
"""So many of one content are read in a millisecond."""
MOST_WIDELY_HELD = 10_000
LEFTOVERS_AT_ONCE = 1_000
LEFTOVER_SLICES = 50
"""In one sweep, which ends leases only when it is done."""
_Located = list[tuple[ContentId, tuple[Provider, ...]]]


class Records:
    """What the tracker knows, asked and changed from the event loop."""

    def __init__(
        self,
        storage: Storage,
        threads: RecordsThreads,
        clock: LeaseClock,
        lease_s: float = registry.LEASE_S,
    ) -> None:
        self._storage = storage
        self._threads = threads
        self._clock = clock
        self._lease_s = lease_s
        self.shared_as = storage.shared_as
        """See `Storage`."""
        self._transactions = transactions = Transactions(storage, threads, clock)
        self._run = transactions.run
        self._leases = LeaseRenewals(storage, threads, transactions, clock, lease_s)
        self.index = Indexing(storage, transactions)
        """Of searches; it follows what is told."""
        self._widely_held: set[ContentId] = set()
        """Of more than `FEW_HOLDERS`, when they were last asked for."""

    @property
    def kind(self) -> str:
        """What the store is called."""
        return self._storage.kind

    @property
    def waiting(self) -> int:
        """Questions that are not answered yet."""
        return self._transactions.waiting

    @property
    def lacks_room(self) -> bool:
        """Whether a write found no room, and `find_room` has found none since."""
        return self._transactions.lacks_room

    def note_lack(self) -> None:
        """What is kept beside the records found no room."""
        self._transactions.lacks_room = True

    async def find_room(self) -> None:
        """Where a write found no room: whether there is some again; NoSpace where not."""
        if self.lacks_room:
            await self._threads.run(self._storage.find_room)
            self._transactions.lacks_room = False

    async def totals(self) -> Totals:
        """What is recorded of live peers, all together."""
        return await self._run(self._storage.totals)

    async def check_claim(self, caller: Caller) -> None:
        """Whether the caller may register under its name; NameTaken or Superseded if not."""

        def work(now_s: float) -> None:
            registry.check_claim(self._storage.peer(caller.name), caller, now_s)

        await self._run(work)

    async def admit(
        self, registration: Registration, observed_host: str, reach: Reach
    ) -> tuple[Admission, bytes]:
        """Record a peer that joins or comes back, as `registry.admit` says; its digest."""

        def work(now_s: float) -> tuple[Admission, bytes]:
            name = registration.caller.name
            rivals = self._storage.peers_at(observed_host, registration.port, now_s)
            existing = self._storage.peer_for_update(name)
            admission = registry.admit(
                existing, rivals, registration, observed_host, reach, now_s, self._lease_s
            )
            if admission.afresh:
                self._storage.forget(name)
            for rival in admission.displaced:
                words = f"{name} answers at its address."
                self._storage.put_peer(rival.reached(Reach(False, words)))
            self._storage.put_peer(admission.record)
            stored = self._storage.peer(name)
            return admission, admission.record.digest if stored is None else stored.digest

        return await self._run(work)

    def renew(self, caller: Caller, observed_host: str) -> Awaitable[PeerRecord]:
        """Extend the caller's lease; its record, as `registry.renewed` allows."""
        return self._leases.renew(caller, observed_host)

    async def leave(self, caller: Caller) -> PeerRecord | None:
        """End the caller's lease; None where it had none."""

        def work(now_s: float) -> PeerRecord | None:
            record = self._storage.peer_for_update(caller.name)
            if record is None or not record.is_live(now_s):
                return None
            registry.check_caller(record, caller, now_s)
            self._storage.end_lease(caller.name, now_s)
            return record

        return await self._run(work)

    async def drop(self, name: PeerName) -> None:
        """Forget a peer and all that it told, at once."""
        await self._run(lambda _: self._storage.forget(name))

    async def announce(
        self, caller: Caller, announcement: Announcement, replacement: int | None = None
    ) -> tuple[bytes, int | None]:
        """Apply one message unless it is a replay; the digest after it.

        Where it begins a replacement, its generation too. Given that again with the message that
        says all is told, what the replacement did not name is dropped.
        """

        def work(now_s: float) -> tuple[bytes, int | None]:
            record = registry.check_caller(
                self._storage.peer_for_update(caller.name), caller, now_s
            )
            digest, begun = record.digest, None
            if registry.is_fresh(record, announcement.sequence):
                if announcement.replace_all:
                    begun = self._storage.begin_replacement(caller.name)
                digest = self._storage.apply(caller.name, announcement)
            ended = begun if replacement is None else replacement
            if announcement.all_told and ended is not None:
                digest = self._storage.end_replacement(caller.name, ended)
            return digest, begun

        answer = await self._run(work, Urgency.CHANGE)
        self.index.note_told(len(announcement.entries) + len(announcement.removed_paths))
        return answer

    async def live_peers(self, names: Iterable[PeerName]) -> list[PeerRecord]:
        """The records of those named peers that are here."""

        def work(now_s: float) -> list[PeerRecord]:
            found = [self._storage.peer(name) for name in names]
            return [record for record in found if record is not None and record.is_live(now_s)]

        return await self._run(work)

    async def note_reach(self, dialled: PeerRecord, reach: Reach) -> bool:
        """Record what a dial has shown; whether that is news about the same start."""

        def work(now_s: float) -> bool:
            record = self._storage.peer_for_update(dialled.name)
            if record is None or not record.is_live(now_s) or not record.same_start(dialled):
                return False
            self._storage.put_peer(record.reached(reach))
            return record.reachable != reach.reachable

        return await self._run(work)

    def locate(self, contents: Sequence[ContentId], handout: Handout) -> Awaitable[_Located]:
        """The providers chosen for each content, in the order asked for."""
        is_short = len(contents) <= FEW_CONTENTS and self._widely_held.isdisjoint(contents)
        if is_short and self._storage.is_embedded:
            # It only reads: there is no transaction.
            return self._threads.ask(self._located, contents, handout)
        return self._run(lambda _: self._located(contents, handout))

    def _located(self, contents: Sequence[ContentId], handout: Handout) -> _Located:
        located = []
        for content, holders in self._storage.locate(contents, self._clock.now_s()).items():
            if len(holders) > FEW_HOLDERS or self._widely_held:
                self._note_holders(content, len(holders))
            located.append((content, handout.choose(holders)))
        if len(located) == len(contents):
            return located
        chosen = dict(located)  # one was asked for twice
        return [(content, chosen[content]) for content in contents]

    def _note_holders(self, content: ContentId, holders: int) -> None:
        """What very many hold takes milliseconds: a thread reads it the next time."""
        if holders <= FEW_HOLDERS:
            self._widely_held.discard(content)
            return
        if len(self._widely_held) >= MOST_WIDELY_HELD:
            self._widely_held.pop()
        self._widely_held.add(content)

    async def search(self, query: SearchQuery) -> Found:
        """One page of hits, with the counts of their providers."""
        wanted = search.understand(query)
        if wanted.is_impossible:
            return Found(RankedPage((), ""), {}, capped=False, is_kept=False)

        def work(now_s: float) -> Found:
            page, capped, is_kept = self._page(wanted, now_s)
            counts = self._storage.provider_counts([hit.content for hit in page.hits], now_s)
            return Found(page, counts, capped, is_kept)

        return await (self._transactions.ask if self._storage.is_quick(wanted) else self._run)(work)

    def _page(self, wanted: Search, now_s: float) -> tuple[RankedPage, bool, bool]:
        if wanted.is_listing:
            with closing(self._storage.entries_in_order(wanted, now_s)) as entries:
                return ranking.listed(wanted, entries), False, False
        matches = self._storage.match(wanted, now_s)
        return ranking.rank(wanted, matches), matches.capped, matches.page is not None

    async def list_folder(self, query: FolderQuery) -> FolderPage:
        """One page of a live peer's folder; NotFound where either is not there."""

        def work(now_s: float) -> FolderPage:
            record = self._storage.peer(query.peer)
            if record is None or not record.is_live(now_s):
                raise NotFound(f"No peer {query.peer} is here.")
            page = folder_page(
                query,
                partial(self._storage.entries_between, query.peer),
                partial(self._storage.files_between, query.peer),
            )
            if page is None:
                raise NotFound(f"{query.peer} shares no such folder.")
            return page

        return await self._run(work)

    async def list_peers(self, after: str, limit: int) -> tuple[list[ListedPeer], float]:
        """The live peers by name after `after`, and the time their ages count from."""

        def work(now_s: float) -> tuple[list[ListedPeer], float]:
            return self._storage.list_peers(after, limit, now_s), now_s

        return await self._run(work)

    async def sweep(self) -> list[PeerRecord]:
        """Say whose lease is over since the last time, and drop who has long been gone."""

        def work(now_s: float) -> list[PeerRecord]:
            self._storage.extend_leases(now_s)
            self._storage.drop_gone(now_s - registry.KEEP_S)
            return self._storage.sweep(now_s)

        lapsed = await self._run(work)
        self.index.note_told()
        return lapsed

    async def clear_leftovers(self) -> None:
        """Remove rows of dropped peers, in slices that take turns with announcements.

        The sweep waits for it: behind announcements that never pause, leases would not end. So
        what very many files left goes in several sweeps.
        """
        for _ in range(LEFTOVER_SLICES):
            if not await self._run(
                lambda _: self._storage.clear_leftovers(LEFTOVERS_AT_ONCE), Urgency.CHANGE
            ):
                return
            self.index.note_told()
