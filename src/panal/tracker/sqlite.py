"""The embedded store: a tracker's records in one SQLite file, or in memory."""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType

from panal.tracker.database import begin, errors_in_words, open_database, roll_back
from panal.tracker.folders import Below
from panal.tracker.handout import Holder
from panal.tracker.ranking import Match, Matches
from panal.tracker.registry import LEASE_S, PeerRecord, key_of
from panal.tracker.search import Search
from panal.tracker.sqlite_catalogue import CatalogueRows
from panal.tracker.sqlite_folders import entries_between, files_between
from panal.tracker.sqlite_holders import Holders, ProviderCounts
from panal.tracker.sqlite_keys import merge_keys
from panal.tracker.sqlite_listing import entries_in_order
from panal.tracker.sqlite_matches import KeptSearches, matches_of
from panal.tracker.sqlite_peers import PeerRows
from panal.tracker.sqlite_queries import FEW_ROWS
from panal.tracker.sqlite_ranking import make_ranking
from panal.tracker.sqlite_text import (
    drop_entries,
    first_free_id,
    index_slice,
    merge_pieces,
    unindexed,
)
from panal.tracker.storage import TRIAL_BYTES, ListedPeer, Totals
from panal.wire.catalogue import Announcement, Entry
from panal.wire.ids import ContentId, PeerName


class _Transaction(AbstractContextManager[None]):
    """Begun by the first change; one at a time, so it needs nothing of its own."""

    def __init__(self, connection: sqlite3.Connection, peers: PeerRows, holders: Holders) -> None:
        self._connection = connection
        self._peers = peers
        self._holders = holders
        self._rows_before = 0

    def __enter__(self) -> None:
        self._rows_before = self._connection.total_changes

    def __exit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        __: TracebackType | None,
    ) -> None:
        if not self._connection.in_transaction:
            if error is None:
                self._peers.keep()  # as most questions end: nothing was written
                return
            is_written = self._connection.total_changes != self._rows_before
            if not is_written and not self._peers.has_changed:
                return  # as what is refused ends; a disk that fails has ended what was written
        self._holders.forget()
        try:
            with errors_in_words():
                if error is not None:
                    raise error
                self._connection.execute("COMMIT")
        except BaseException:
            try:
                roll_back(self._connection)
            finally:
                self._peers.undo()
            raise
        self._peers.keep()


class SqliteStorage:
    """`panal.tracker.storage.Storage` in SQLite; see there for what each method does."""

    kind = "sqlite"
    threads = 1
    shared_as = ""
    feed = None
    members = None
    is_embedded = True
    indexes_behind = True

    def __init__(self, path: Path | None, now_s: float, lease_s: float = LEASE_S) -> None:
        self._connection = open_database(path)
        make_ranking(self._connection)
        self._ids = count(first_free_id(self._connection))
        self._generations = count(1)
        self._peers = PeerRows(self._connection, now_s, lease_s)
        self._holders = Holders(self._connection, self._peers)
        self._kept = KeptSearches()
        self._provider_counts = ProviderCounts(self._connection, self._peers)
        self._behind = unindexed(self._connection)
        """At most so many names are not in the index yet."""
        self._transaction = _Transaction(self._connection, self._peers, self._holders)
        with self.transaction():
            for (key,) in self._connection.execute("SELECT key FROM peers").fetchall():
                rows = self._catalogue(key)
                rows.recount()
                self._save(key, rows)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside; not nested."""
        return self._transaction

    def peer(self, name: PeerName) -> PeerRecord | None:
        """What is recorded under a name, its lease over or not; None for nothing."""
        known = self._peers.get(name)
        return None if known is None else known.record

    def peer_for_update(self, name: PeerName) -> PeerRecord | None:
        """As `peer`: there is no other thread."""
        return self.peer(name)

    def peers_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port."""
        return self._peers.live_at(host, port, now_s)

    def peers_free_for_update(self, names: Sequence[PeerName]) -> list[PeerRecord]:
        """What is recorded under these names: nobody else has any in hand."""
        found = map(self.peer, dict.fromkeys(names))
        return [record for record in found if record is not None]

    def renew_in_memory(
        self, name: PeerName, renewed: Callable[[PeerRecord], PeerRecord]
    ) -> PeerRecord | None:
        """Grant a lease anew that is nowhere else than here; None for a peer that is not here."""
        return self._peers.renew(name, renewed)

    def put_leases(self, records: Sequence[PeerRecord]) -> None:
        """Record until when the leases of recorded peers run, and when they were renewed."""
        for record in records:
            self._peers.put_lease(record)

    def put_peer(self, record: PeerRecord) -> None:
        """Record a peer; its catalogue and digest stay what they are, empty if it is new."""
        self._peers.put(record)

    def end_lease(self, name: PeerName, now_s: float) -> None:
        """From now on a peer is gone: named to nobody, its catalogue kept."""
        self._peers.end_lease(name, now_s)

    def forget(self, name: PeerName) -> bool:
        """Drop a peer with all its records at once; whether there was one."""
        return self._peers.drop(name)

    def apply(self, name: PeerName, announcement: Announcement) -> bytes:
        """Make one message's changes and note its sequence; the digest after it."""
        key = key_of(name)
        rows = self._catalogue(key)
        self._behind += len(announcement.entries)
        rows.remove_paths(announcement.removed_paths)
        rows.put_entries(announcement.entries)
        rows.remove_holdings(announcement.removed_holdings)
        rows.put_holdings(announcement.holdings)
        self._provider_counts.note_changed([entry.content for entry in announcement.entries])
        self._provider_counts.note_changed([one.content for one in announcement.holdings])
        self._kept.orders.note_told(len(announcement.entries))
        merge_keys(self._connection)  # here, so that what gathers is bounded, however much is told
        return self._save(key, rows, announcement.sequence)

    def begin_replacement(self, name: PeerName) -> int:
        """Start a new generation of a peer's catalogue; KeyError for an unknown peer."""
        key = key_of(name)
        rows = self._catalogue(key)
        generation = next(self._generations)
        rows.begin_replacement(generation)
        return generation

    def end_replacement(self, name: PeerName, generation: int) -> bytes:
        """Drop what was last announced before `generation` began; the digest after it."""
        key = key_of(name)
        rows = self._catalogue(key)
        rows.end_replacement(generation)
        return self._save(key, rows)

    def locate(self, contents: Iterable[ContentId], now_s: float) -> dict[ContentId, list[Holder]]:
        """The live holders of each content: entries are complete holdings, too."""
        try:
            return self._holders.of(contents, now_s)
        except sqlite3.OperationalError:  # it may be asked outside a transaction
            with errors_in_words():
                raise

    def match(self, search: Search, now_s: float) -> Matches:
        """The entries of live peers that meet a search's conditions, exact names first."""
        self._peers.note_absent(now_s)
        return matches_of(self._connection, self._peers, self._kept, search)

    def is_quick(self, search: Search) -> bool:
        """Whether `match` is known to take a millisecond or so."""
        return self._behind <= FEW_ROWS and self._kept.is_quick(search)

    def entries_in_order(self, search: Search, now_s: float) -> Generator[Match]:
        """The entries that a listing shows, from a page's beginning on, all there are."""
        self._peers.note_absent(now_s)
        return entries_in_order(self._connection, self._peers, search)

    def provider_counts(self, contents: Sequence[ContentId], now_s: float) -> dict[ContentId, int]:
        """How many live peers hold each content, whole or in part."""
        return self._provider_counts.of(contents, now_s)

    def entries_between(self, name: PeerName, first: str, before: str, limit: int) -> list[Entry]:
        """A peer's entries from a path on and before another, in the order of paths."""
        return entries_between(self._connection, name, first, before, limit)

    def files_between(self, name: PeerName, first: str, before: str, limit: int) -> Below:
        """How many files a peer has there, and their bytes; of at most `limit` of them."""
        return files_between(self._connection, name, first, before, limit)

    def list_peers(self, after: str, limit: int, now_s: float) -> list[ListedPeer]:
        """The live peers by name without case, those after `after`, at most `limit`."""
        return self._peers.listed(after, limit, now_s)

    def extend_leases(self, now_s: float) -> None:
        """Nothing: leases start anew with the one tracker."""

    def totals(self, now_s: float) -> Totals:
        """What is recorded of the live peers, from the counts that stand beside each."""
        return replace(self._peers.totals(now_s), unsearchable=unindexed(self._connection))

    def sweep(self, now_s: float) -> list[PeerRecord]:
        """End what is left of leases that are over; whose they were, each told once."""
        lapsed = self._peers.lapsed(now_s)
        for record in lapsed:
            self._peers.end_lease(record.name, now_s)
        self._peers.note_absent(now_s)
        return lapsed

    def drop_gone(self, before_s: float) -> None:
        """Drop the peers that have been gone since then or longer, with all their records."""
        for name in self._peers.gone_before(before_s):
            self._peers.drop(name)

    def clear_leftovers(self, limit: int) -> bool:
        """Remove up to `limit` rows of peers dropped before; whether more are left."""
        begin(self._connection)
        row = self._connection.execute("SELECT peer FROM leftovers LIMIT 1").fetchone()
        if row is None:
            return False
        (peer,) = row
        (entries,) = self._connection.execute(
            "SELECT json_group_array(id) FROM (SELECT id FROM entries WHERE peer = ? LIMIT ?)",
            (peer, limit),
        ).fetchone()
        dropped = drop_entries(self._connection, entries)
        held = self._connection.execute(
            "DELETE FROM holdings WHERE peer = ? AND content IN"
            " (SELECT content FROM holdings WHERE peer = ? LIMIT ?)",
            (peer, peer, limit - dropped),
        ).rowcount
        if dropped + held < limit:
            self._peers.cleared(peer)
        return True

    def find_room(self) -> None:
        """NoSpace where `TRIAL_BYTES` find no room; they become room in the file."""
        with self.transaction():
            begin(self._connection)
            self._connection.execute("DROP TABLE IF EXISTS trial")  # of who was killed here
            self._connection.execute(f"CREATE TABLE trial AS SELECT zeroblob({TRIAL_BYTES})")
        with self.transaction():
            begin(self._connection)
            self._connection.execute("DROP TABLE trial")

    def whose(self) -> None:
        """Nobody else's."""

    def claim(self, whose: str) -> None:
        """Nothing: they lie beside the network."""

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Nothing: it is never away."""

    def index_names(self, limit: int) -> int:
        """Let the index of searches catch up by up to `limit` names; how many are left, about."""
        begin(self._connection)
        left, came, gone = index_slice(self._connection, limit)
        self._kept.counts.note_indexed(came, gone)
        self._behind = left
        return left

    def merge_index(self, pages: int) -> bool:
        """Merge pieces of the index, up to so many pages; whether there was anything to merge."""
        begin(self._connection)
        return merge_pieces(self._connection, pages)

    def close(self) -> None:
        """Give the store back; calling it twice does nothing."""
        self._connection.close()

    def _catalogue(self, key: str) -> CatalogueRows:
        begin(self._connection)
        return CatalogueRows.of(self._connection, key, self._ids)

    def _save(self, key: str, rows: CatalogueRows, sequence: int | None = None) -> bytes:
        digest = rows.save(sequence)
        self._kept.note_changed(rows.changed, rows.contents_before)
        self._provider_counts.note_changed([*rows.contents_before, *rows.let_go])
        self._peers.told(key, sequence, digest)
        return digest
