"""The shared store: the records of any number of trackers in one PostgreSQL database."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from panal.errors import Refused
from panal.tracker import postgres_queries as queries
from panal.tracker.folders import Below
from panal.tracker.handout import Holder
from panal.tracker.known_too_much import KnownTooMuch
from panal.tracker.own_addresses import own_loopback
from panal.tracker.postgres_catalogue import CatalogueRows
from panal.tracker.postgres_database import Database
from panal.tracker.postgres_feed import PostgresFeed
from panal.tracker.postgres_listing import entries_in_order
from panal.tracker.postgres_matches import matches_of
from panal.tracker.postgres_members import PostgresMembers
from panal.tracker.postgres_migrations import migrate
from panal.tracker.postgres_peers import FIELDS, PeerRows
from panal.tracker.ranking import Match, Matches
from panal.tracker.registry import PeerRecord, key_of
from panal.tracker.search import Search
from panal.tracker.storage import SAME_AUTHORITY, TRIAL_BYTES, ListedPeer, Totals
from panal.wire.catalogue import Announcement, CatalogueDigest, Entry
from panal.wire.ids import ContentId, PeerName

THREADS = 8
_HOLDERS = (
    f"SELECT holders.content, holders.complete, peers.id, {FIELDS}"
    f" FROM ({queries.HOLDERS}) AS holders JOIN peers ON peers.id = holders.peer"
).encode()
# Text would be compressed; a row of a number takes 36 bytes. Its file is made before it is dropped.
_TRIAL = (
    f"CREATE UNLOGGED TABLE trial AS SELECT generate_series(1, {TRIAL_BYTES // 36}) AS n".encode()
)
_GENERATION_BITS = 32
"""Below the peer's row in what names a replacement: each peer counts its generations from 0."""


@dataclass
class _Begun:
    """What a transaction has in hand, so that nothing is asked for twice."""

    locked: dict[str, Sequence[Any]] = field(default_factory=dict)
    """Peers' rows by their keys."""
    catalogues: dict[str, CatalogueRows] = field(default_factory=dict)
    """Changed, and saved at the end."""

    def forget(self, key: str) -> None:
        """The peer is recorded no more."""
        self.locked.pop(key, None)
        self.catalogues.pop(key, None)


class PostgresStorage:
    """`panal.tracker.storage.Storage` in PostgreSQL; see there for what each method does.

    It is the clock of its leases, too: the database's, which all of its trackers share.
    """

    kind = "postgresql"
    threads = THREADS
    is_embedded = False
    indexes_behind = False

    def __init__(
        self,
        url: str,
        threads: int = THREADS,
        pause: Callable[[float], object] = time.sleep,
        loopback: str | None = None,
    ) -> None:
        """Connect and bring the tables up to date.

        StoreUnavailable while the database is away, UsageError for an address that is none,
        Refused where a newer Panal made the tables.
        """
        self.threads = threads
        self._local = threading.local()
        self._too_much = KnownTooMuch()
        self.database = Database(url, threads + 2)  # one for the feed, one for the members
        self._peers = PeerRows(self.database, own_loopback() if loopback is None else loopback)
        self.feed = PostgresFeed(self.database)
        self.members = PostgresMembers(self.database)
        try:
            migrate(self.database, pause)
            self.database.open()
            with self.database.using() as connection:
                found = connection.execute("SELECT value FROM facts WHERE name = 'id'").fetchone()
            self.shared_as: str = found[0] if found else ""
        except BaseException:
            self.close()
            raise

    def now_s(self) -> float:
        """By the database's clock; asked inside a transaction."""
        return self.database.now_s()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside; not nested."""
        with self.database.transaction():
            begun = self._local.begun = _Begun()
            try:
                yield
                for rows in begun.catalogues.values():
                    rows.save()
            finally:
                self._local.begun = None

    def peer(self, name: PeerName) -> PeerRecord | None:
        """What is recorded under a name, its lease over or not; None for nothing."""
        return self._peers.get(name)

    def peer_for_update(self, name: PeerName) -> PeerRecord | None:
        """As `peer`; until the transaction ends nobody else changes what is under that name."""
        row = self._locked_row(key_of(name))
        return None if row is None else self._peers.record_of(row)

    def peers_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port."""
        return self._peers.live_at(host, port, now_s)

    def peers_free_for_update(self, names: Sequence[PeerName]) -> list[PeerRecord]:
        """As `peer_for_update` of many; whom another transaction has in hand is left out."""
        return self._peers.free_for_update(names)

    def renew_in_memory(
        self, name: PeerName, renewed: Callable[[PeerRecord], PeerRecord]
    ) -> PeerRecord | None:
        """None: leases are in the database."""
        return None

    def put_leases(self, records: Sequence[PeerRecord]) -> None:
        """Record until when the leases of recorded peers run, and when they were renewed."""
        self._peers.put_leases(records)

    def put_peer(self, record: PeerRecord) -> None:
        """Record a peer; its catalogue and digest stay what they are, empty if it is new."""
        self._peers.put(record)

    def end_lease(self, name: PeerName, now_s: float) -> None:
        """From now on a peer is gone: named to nobody, its catalogue kept."""
        self._peers.end_lease(name, now_s)

    def forget(self, name: PeerName) -> bool:
        """Drop a peer with all its records at once; whether there was one."""
        self._begun.forget(key_of(name))
        return self._peers.drop(name)

    def apply(self, name: PeerName, announcement: Announcement) -> bytes:
        """Make one message's changes and note its sequence; the digest after it."""
        rows = self._catalogue(name)
        rows.remove_paths(announcement.removed_paths)
        rows.put_entries(announcement.entries)
        rows.remove_holdings(announcement.removed_holdings)
        rows.put_holdings(announcement.holdings)
        rows.sequence = announcement.sequence
        return rows.digest.value()

    def begin_replacement(self, name: PeerName) -> int:
        """Start a new generation of a peer's catalogue; KeyError for an unknown peer."""
        rows = self._catalogue(name)
        rows.begin_generation()
        return rows.peer << _GENERATION_BITS | rows.generation

    def end_replacement(self, name: PeerName, generation: int) -> bytes:
        """Drop what was last announced before `generation` began; the digest after it."""
        rows = self._catalogue(name)
        # Another peer has the name now, whose generations began at 0 again.
        if generation >> _GENERATION_BITS == rows.peer:
            rows.drop_before(generation & (1 << _GENERATION_BITS) - 1)
        return rows.digest.value()

    def locate(self, contents: Iterable[ContentId], now_s: float) -> dict[ContentId, list[Holder]]:
        """The live holders of each content: entries are complete holdings, too."""
        located: dict[ContentId, list[Holder]] = {content: [] for content in contents}
        known: dict[int, PeerRecord] = {}
        given = {"contents": list(located), "now_s": now_s}
        with self.database.using() as connection:
            for content, complete, peer, *fields in connection.execute(
                _HOLDERS, given, binary=True
            ):
                if peer not in known:
                    known[peer] = self._peers.record_of(fields)
                located[ContentId(content)].append(Holder(known[peer], complete))
        return located

    def match(self, search: Search, now_s: float) -> Matches:
        """The entries of live peers that meet a search's conditions, exact names first."""
        with self.database.using() as connection:
            return matches_of(connection, self._too_much, search, now_s)

    def is_quick(self, _: Search) -> bool:
        """Never: it is asked of a database."""
        return False

    def entries_in_order(self, search: Search, now_s: float) -> Generator[Match]:
        """The entries that a listing shows, from a page's beginning on, all there are."""
        with (
            self.database.using() as connection,
            closing(entries_in_order(connection, search, now_s)) as entries,
        ):
            yield from entries

    def provider_counts(self, contents: Sequence[ContentId], now_s: float) -> dict[ContentId, int]:
        """How many live peers hold each content, whole or in part."""
        with self.database.using() as connection:
            return queries.provider_counts(connection, contents, now_s)

    def entries_between(self, name: PeerName, first: str, before: str, limit: int) -> list[Entry]:
        """A peer's entries from a path on and before another, in the order of paths."""
        with self.database.using() as connection:
            return queries.entries_between(connection, name, first, before, limit)

    def files_between(self, name: PeerName, first: str, before: str, limit: int) -> Below:
        """How many files a peer has there, and their bytes; of at most `limit` of them."""
        with self.database.using() as connection:
            return queries.files_between(connection, name, first, before, limit)

    def list_peers(self, after: str, limit: int, now_s: float) -> list[ListedPeer]:
        """The live peers by name without case, those after `after`, at most `limit`."""
        return self._peers.listed(after, limit, now_s)

    def totals(self, now_s: float) -> Totals:
        """What is recorded of the live peers, from the counts that stand beside each."""
        return self._peers.totals(now_s)

    def extend_leases(self, now_s: float) -> None:
        """Let leases go on for as long as no tracker of this store could be asked.

        And not for longer than they were granted where the database's clock was set back.
        """
        self._peers.extend_leases(now_s)

    def sweep(self, now_s: float) -> list[PeerRecord]:
        """End what is left of leases that are over; whose they were, each told once.

        By one of the trackers: what another has in hand is passed over until the next time.
        """
        return self._peers.sweep(now_s)

    def drop_gone(self, before_s: float) -> None:
        """Drop the peers that have been gone since then or longer, with all their records."""
        self._peers.drop_gone(before_s)

    def clear_leftovers(self, limit: int) -> bool:
        """Remove up to `limit` rows of peers dropped before; whether more are left."""
        return self._peers.clear_leftovers(limit)

    def find_room(self) -> None:
        """NoSpace where `TRIAL_BYTES` find no room."""
        with self.transaction():
            self.database.lock("room")
            self.database.run(_TRIAL)
            self.database.run(b"DROP TABLE trial")

    def whose(self) -> str | None:
        """What `claim` noted first; None before that."""
        found = self.database.run(b"SELECT value FROM facts WHERE name = 'whose'")
        return found[0][0] if found else None

    def claim(self, whose: str) -> None:
        """Note whose records these are; Refused where they are somebody else's."""
        self.database.run(b"INSERT INTO facts VALUES ('whose', %s) ON CONFLICT DO NOTHING", whose)
        kept = self.whose()
        if kept == whose:
            return
        shown = self.database.shown
        if not kept:
            raise Refused(
                f"The records in {shown} are everybody's, this tracker's are a network's. Name "
                "another database, or have these forgotten: DROP SCHEMA panal CASCADE."
            )
        if not whose:
            raise Refused(
                f"The records in {shown} are a network's, this tracker's are everybody's. Name "
                "another database: a network's has its members, too."
            )
        raise Refused(
            f"The records in {shown} are another network's: its authority is not this tracker's. "
            f"Name another database. {SAME_AUTHORITY}"
        )

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Call `watcher`, from any thread, when the database is away and is back."""
        self.database.presence.watch(watcher)

    def merge_index(self, pages: int) -> bool:
        """Nothing: autovacuum does."""
        return False

    def index_names(self, limit: int) -> int:
        """Nothing: the index is changed with the rows."""
        return 0

    def close(self) -> None:
        """Give the store back; calling it twice does nothing."""
        self.feed.close()
        self.database.close()

    def _locked_row(self, key: str) -> Sequence[Any] | None:
        row = self._peers.locked_row(key)
        if row is not None:
            self._begun.locked[key] = row
        return row

    def _catalogue(self, name: PeerName) -> CatalogueRows:
        """A recorded peer's, saved when the transaction ends; KeyError for an unknown one."""
        key, begun = key_of(name), self._begun
        if key in begun.catalogues:
            return begun.catalogues[key]
        row = begun.locked.get(key) or self._locked_row(key)
        if row is None:
            raise KeyError(key)
        *_, digest, _, _, entries, peer, generation, holdings, kept = row
        with self.database.using() as connection:
            rows = CatalogueRows(
                connection, peer, generation, entries, holdings, kept, CatalogueDigest(digest)
            )
        begun.catalogues[key] = rows
        return rows

    @property
    def _begun(self) -> "_Begun":
        """The transaction's; outside one nothing is in hand."""
        return getattr(self._local, "begun", None) or _Begun()
