"""The embedded store: a tracker's records in one SQLite file, or in memory."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from panal.tracker.database import open_database, transaction
from panal.tracker.folders import Below
from panal.tracker.handout import Holder
from panal.tracker.registry import LEASE_S, PeerRecord, key_of
from panal.tracker.search import Match, Matches, Search
from panal.tracker.sqlite_catalogue import CatalogueRows, drop_entries
from panal.tracker.sqlite_folders import entries_between, files_between
from panal.tracker.sqlite_queries import (
    entries_in_order,
    holders_of,
    matches_of,
    provider_counts,
)
from panal.tracker.storage import ListedPeer
from panal.wire.catalogue import DIGEST_BYTES, Announcement, Entry
from panal.wire.ids import ContentId, PeerName

_SELECT = (
    "SELECT name, secret_hash, epoch, sequence, observed_host, port, bound, reachable,"
    " reachability, lease_until_s, joined_at_s, renewed_at_s, digest, entries"
    " FROM peers "
)
_PUT = """
INSERT INTO peers (key, name, secret_hash, epoch, sequence, observed_host, port, bound,
    reachable, reachability, lease_until_s, joined_at_s, renewed_at_s, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash,
    epoch = excluded.epoch, sequence = excluded.sequence,
    observed_host = excluded.observed_host, port = excluded.port, bound = excluded.bound,
    reachable = excluded.reachable, reachability = excluded.reachability,
    lease_until_s = excluded.lease_until_s, joined_at_s = excluded.joined_at_s,
    renewed_at_s = excluded.renewed_at_s, gone_at_s = NULL
"""


class SqliteStorage:
    """`panal.tracker.storage.Storage` in SQLite; see there for what each method does."""

    threads = 1
    shared_as = ""
    feed = None

    def __init__(self, path: Path | None, now_s: float, lease_s: float = LEASE_S) -> None:
        self._connection = open_database(path)
        with self.transaction():
            self._take_over(now_s, lease_s)

    def _take_over(self, now_s: float, lease_s: float) -> None:
        # The clock of the process that wrote these times is gone: leases start anew.
        self._connection.execute(
            "UPDATE peers SET lease_until_s = iif(gone_at_s IS NULL, ?, ?), joined_at_s = ?, "
            "renewed_at_s = ?, gone_at_s = iif(gone_at_s IS NULL, NULL, ?)",
            (now_s + lease_s, now_s, now_s, now_s, now_s),
        )
        for (key,) in self._connection.execute("SELECT key FROM peers").fetchall():
            rows = CatalogueRows.of(self._connection, key)
            rows.recount()
            rows.save()

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside; not nested."""
        return transaction(self._connection)

    def peer(self, name: PeerName) -> PeerRecord | None:
        """What is recorded under a name, its lease over or not; None for nothing."""
        found = self._records("WHERE key = ?", key_of(name))
        return found[0] if found else None

    def peer_for_update(self, name: PeerName) -> PeerRecord | None:
        """As `peer`: there is no other thread."""
        return self.peer(name)

    def peers_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port."""
        return self._records(
            "WHERE observed_host = ? AND port = ? AND lease_until_s > ? ORDER BY key",
            host,
            port,
            now_s,
        )

    def put_peer(self, record: PeerRecord) -> None:
        """Record a peer; its catalogue and digest stay what they are, empty if it is new."""
        self._connection.execute(
            _PUT,
            (
                key_of(record.name),
                record.name,
                record.secret_hash,
                record.epoch,
                record.sequence,
                record.observed_host,
                record.port,
                ",".join(record.bound),
                record.reachable,
                record.reachability,
                record.lease_until_s,
                record.joined_at_s,
                record.renewed_at_s,
                bytes(DIGEST_BYTES),
            ),
        )

    def end_lease(self, name: PeerName, now_s: float) -> None:
        """From now on a peer is gone: named to nobody, its catalogue kept."""
        self._connection.execute(
            "UPDATE peers SET lease_until_s = ?, gone_at_s = ? WHERE key = ?",
            (now_s, now_s, key_of(name)),
        )

    def forget(self, name: PeerName) -> bool:
        """Drop a peer with all its records at once; whether there was one."""
        dropped = self._records("WHERE key = ?", key_of(name))
        self._drop(dropped)
        return bool(dropped)

    def apply(self, name: PeerName, announcement: Announcement) -> bytes:
        """Make one message's changes and note its sequence; the digest after it."""
        rows = CatalogueRows.of(self._connection, key_of(name))
        rows.remove_paths(announcement.removed_paths)
        rows.put_entries(announcement.entries)
        rows.remove_holdings(announcement.removed_holdings)
        rows.put_holdings(announcement.holdings)
        self._connection.execute(
            "UPDATE peers SET sequence = ? WHERE id = ?", (announcement.sequence, rows.peer)
        )
        return rows.save()

    def begin_replacement(self, name: PeerName) -> int:
        """Start a new generation of a peer's catalogue; KeyError for an unknown peer."""
        rows = CatalogueRows.of(self._connection, key_of(name))
        rows.generation += 1
        rows.save()
        return rows.generation

    def end_replacement(self, name: PeerName, generation: int) -> bytes:
        """Drop what was last announced before `generation` began; the digest after it."""
        rows = CatalogueRows.of(self._connection, key_of(name))
        rows.drop_before(generation)
        return rows.save()

    def locate(self, contents: Iterable[ContentId], now_s: float) -> dict[ContentId, list[Holder]]:
        """The live holders of each content: entries are complete holdings, too."""
        known: dict[int, PeerRecord] = {}
        located: dict[ContentId, list[Holder]] = {}
        for content in contents:
            located[content] = []
            for peer, complete in holders_of(self._connection, content, now_s):
                if peer not in known:
                    (known[peer],) = self._records("WHERE id = ?", peer)
                located[content].append(Holder(known[peer], complete))
        return located

    def match(self, search: Search, now_s: float) -> Matches:
        """The entries of live peers that meet a search's conditions, exact names first."""
        return matches_of(self._connection, search, now_s)

    def entries_in_order(self, search: Search, now_s: float) -> Generator[Match]:
        """The entries that a listing shows, from a page's beginning on, all there are."""
        return entries_in_order(self._connection, search, now_s)

    def provider_counts(self, contents: Sequence[ContentId], now_s: float) -> dict[ContentId, int]:
        """How many live peers hold each content, whole or in part."""
        return provider_counts(self._connection, contents, now_s)

    def entries_between(self, name: PeerName, first: str, before: str, limit: int) -> list[Entry]:
        """A peer's entries from a path on and before another, in the order of paths."""
        return entries_between(self._connection, name, first, before, limit)

    def files_between(self, name: PeerName, first: str, before: str, limit: int) -> Below:
        """How many files a peer has there, and their bytes; of at most `limit` of them."""
        return files_between(self._connection, name, first, before, limit)

    def list_peers(self, after: str, limit: int, now_s: float) -> list[ListedPeer]:
        """The live peers by name without case, those after `after`, at most `limit`."""
        rows = self._connection.execute(
            _SELECT + "WHERE key > ? AND lease_until_s > ? ORDER BY key LIMIT ?",
            (key_of(after), now_s, limit),
        )
        return [ListedPeer(_record_of(row), row[-1]) for row in rows]

    def extend_leases(self, now_s: float) -> None:
        """Nothing: leases start anew with the one tracker."""

    def sweep(self, now_s: float) -> list[PeerRecord]:
        """End what is left of leases that are over; whose they were, each told once."""
        lapsed = self._records("WHERE lease_until_s <= ? AND gone_at_s IS NULL ORDER BY key", now_s)
        for record in lapsed:
            self.end_lease(record.name, now_s)
        return lapsed

    def drop_gone(self, before_s: float) -> None:
        """Drop the peers that have been gone since then or longer, with all their records."""
        self._drop(self._records("WHERE gone_at_s <= ?", before_s))

    def clear_leftovers(self, limit: int) -> bool:
        """Remove up to `limit` rows of peers dropped before; whether more are left."""
        row = self._connection.execute("SELECT peer FROM leftovers LIMIT 1").fetchone()
        if row is None:
            return False
        (peer,) = row
        entries = self._connection.execute(
            "SELECT id, searchable FROM entries WHERE peer = ? LIMIT ?", (peer, limit)
        ).fetchall()
        drop_entries(self._connection, entries)
        held = self._connection.execute(
            "DELETE FROM holdings WHERE peer = ? AND content IN"
            " (SELECT content FROM holdings WHERE peer = ? LIMIT ?)",
            (peer, peer, limit - len(entries)),
        ).rowcount
        if len(entries) + held < limit:
            self._connection.execute("DELETE FROM leftovers WHERE peer = ?", (peer,))
        return True

    def claim(self, whose: str) -> None:
        """Nothing: they lie beside the network."""

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Nothing: it is never away."""

    def close(self) -> None:
        """Give the store back; calling it twice does nothing."""
        self._connection.close()

    def _records(self, condition: str, *values: object) -> list[PeerRecord]:
        return [_record_of(row) for row in self._connection.execute(_SELECT + condition, values)]

    def _drop(self, records: Iterable[PeerRecord]) -> None:
        keys = [(key_of(record.name),) for record in records]
        self._connection.executemany(
            "INSERT INTO leftovers SELECT id FROM peers WHERE key = ?", keys
        )
        self._connection.executemany("DELETE FROM peers WHERE key = ?", keys)


def _record_of(row: tuple[Any, ...]) -> PeerRecord:
    name, secret_hash, epoch, sequence, host, port, bound, reachable, *rest = row
    words, lease_until_s, joined_at_s, renewed_at_s, digest, _ = rest
    return PeerRecord(
        name=PeerName(name),
        secret_hash=secret_hash,
        epoch=epoch,
        sequence=sequence,
        observed_host=host,
        port=port,
        bound=tuple(bound.split(",")),
        reachable=bool(reachable),
        reachability=words,
        lease_until_s=lease_until_s,
        joined_at_s=joined_at_s,
        renewed_at_s=renewed_at_s,
        digest=digest,
    )
