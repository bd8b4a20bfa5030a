"""The peers of the PostgreSQL store: their records, their leases, and how they are dropped."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from panal.tracker.own_addresses import own_addresses
from panal.tracker.peer_columns import COLUMNS, record_of, values_of
from panal.tracker.postgres_database import Database
from panal.tracker.registry import PeerRecord, key_of
from panal.tracker.storage import ListedPeer, Totals
from panal.wire.address import dialling_problem, is_loopback, parse_address
from panal.wire.catalogue import DIGEST_BYTES
from panal.wire.ids import PeerName

NOWHERE = "0.0.0.0"  # noqa: S104 (nobody is called there)
"""Where a peer is that listens only on another machine's loopback."""
ABSENT_S = 15.0
"""Without a sweep, which each tracker does every 5 s: nobody could renew a lease."""

_OTHERS = "lease_until_s, joined_at_s, renewed_at_s, digest, loopback, outer_host"
_COUNT = COLUMNS.count(",") + 1
FIELDS = f"{COLUMNS}, {_OTHERS}, entries"
_SELECT = f"SELECT {FIELDS} FROM peers "
_LOCKED = f"SELECT {FIELDS}, id, generation, holdings, kept FROM peers WHERE key = %s FOR UPDATE"
_PUT = f"""
INSERT INTO peers (key, {COLUMNS}, {_OTHERS})
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (key) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash,
    epoch = excluded.epoch, sequence = excluded.sequence,
    observed_host = excluded.observed_host, port = excluded.port, bound = excluded.bound,
    reachable = excluded.reachable, reachability = excluded.reachability,
    zone = excluded.zone, lease_until_s = excluded.lease_until_s,
    joined_at_s = excluded.joined_at_s,
    renewed_at_s = excluded.renewed_at_s, gone_at_s = NULL,
    loopback = excluded.loopback, outer_host = excluded.outer_host
"""
_PUT_LEASES = (
    b"UPDATE peers SET lease_until_s = g.until_s, renewed_at_s = g.now_s, gone_at_s = NULL"
    b" FROM unnest(%b::text[], %b::float8[], %b::float8[]) AS g (key, until_s, now_s)"
    b" WHERE peers.key = g.key"
)
# Nobody renews in the time to come.
_SET_BACK = (
    b"UPDATE peers SET lease_until_s = %s + (lease_until_s - renewed_at_s), renewed_at_s = %s"
    b" WHERE gone_at_s IS NULL AND renewed_at_s > %s"
)


class PeerRows:
    """All that is kept of peers but what they share; each method is a part of a transaction."""

    def __init__(self, database: Database, loopback: str) -> None:
        """`loopback` says whose is that of this machine."""
        self._run = database.run
        self._lock = database.lock
        self._loopback = loopback

    def get(self, name: PeerName) -> PeerRecord | None:
        """What is recorded under a name, its lease over or not; None for nothing."""
        found = self._records("WHERE key = %s", key_of(name))
        return found[0] if found else None

    def locked_row(self, key: str) -> Sequence[Any] | None:
        """What `record_of` reads, then id, generation, holdings and what is kept; nobody else
        changes what is under the key until the transaction ends."""
        found = self._row_for_update(key)
        if found is None:
            # There is no row to lock; and whoever had the name locked may just have made one.
            self._lock(f"name {key}")
            found = self._row_for_update(key)
        return found

    def live_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port."""
        loopback = self._loopback_of(host)
        self._lock(f"address {host} {port} {loopback}")
        return self._records(
            "WHERE observed_host = %s AND port = %s AND loopback = %s AND lease_until_s > %s"
            " ORDER BY key FOR UPDATE",
            host,
            port,
            loopback,
            now_s,
        )

    def free_for_update(self, names: Sequence[PeerName]) -> list[PeerRecord]:
        """These names' records, locked; whom another transaction has in hand is left out."""
        condition = "WHERE key = ANY(%b::text[]) FOR UPDATE SKIP LOCKED"
        return self._records(condition, list({key_of(name) for name in names}))

    def put_leases(self, records: Sequence[PeerRecord]) -> None:
        """Record until when the leases of recorded peers run, and when they were renewed."""
        self._run(
            _PUT_LEASES,
            [key_of(record.name) for record in records],
            [record.lease_until_s for record in records],
            [record.renewed_at_s for record in records],
        )

    def put(self, record: PeerRecord) -> None:
        """Record a peer; its catalogue and digest stay what they are, empty if it is new."""
        self._run(
            _PUT.encode(),
            key_of(record.name),
            *values_of(record),
            record.lease_until_s,
            record.joined_at_s,
            record.renewed_at_s,
            bytes(DIGEST_BYTES),
            self._loopback_of(record.observed_host),
            outer_host(record.bound) if is_loopback(record.observed_host) else None,
        )

    def end_lease(self, name: PeerName, now_s: float) -> None:
        """From now on a peer is gone: named to nobody, its catalogue kept."""
        self._run(
            b"UPDATE peers SET lease_until_s = %s, gone_at_s = %s WHERE key = %s",
            now_s,
            now_s,
            key_of(name),
        )

    def drop(self, name: PeerName) -> bool:
        """Drop a peer with all its records at once; whether there was one."""
        return bool(self._drop("key = %s", key_of(name)))

    def listed(self, after: str, limit: int, now_s: float) -> list[ListedPeer]:
        """The live peers by name without case, those after `after`, at most `limit`."""
        condition = b"WHERE key > %s AND lease_until_s > %s ORDER BY key LIMIT %s"
        rows = self._run(_SELECT.encode() + condition, key_of(after), now_s, limit)
        return [ListedPeer(self.record_of(row), row[-1]) for row in rows]

    def totals(self, now_s: float) -> Totals:
        """What is recorded of the live peers, from the counts that stand beside each."""
        (row,) = self._run(
            b"SELECT count(*), count(*) FILTER (WHERE reachable), coalesce(sum(entries), 0),"
            b" coalesce(sum(holdings), 0) FROM peers WHERE lease_until_s > %s",
            now_s,
        )
        return Totals(*map(int, row))

    def extend_leases(self, now_s: float) -> None:
        """Let leases go on for as long as no tracker of this store could be asked.

        And not for longer than they were granted where the database's clock was set back.
        """
        found = self._run(b"SELECT value::float8 FROM facts WHERE name = 'swept_at_s' FOR UPDATE")
        last_s = found[0][0] if found else now_s
        self._run(_SET_BACK, now_s, now_s, now_s)
        if now_s - last_s > ABSENT_S:
            self._run(
                b"UPDATE peers SET lease_until_s = lease_until_s + %s"
                b" WHERE gone_at_s IS NULL AND lease_until_s > %s",
                now_s - last_s,
                last_s,
            )
        if now_s > last_s or last_s - now_s > ABSENT_S or not found:
            self._run(
                b"INSERT INTO facts VALUES ('swept_at_s', %s)"
                b" ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                repr(now_s),
            )

    def sweep(self, now_s: float) -> list[PeerRecord]:
        """End what is left of leases that are over; whose they were, each told once.

        By one of the trackers: what another has in hand is passed over until the next time.
        """
        rows = self._run(
            b"UPDATE peers SET lease_until_s = %s, gone_at_s = %s WHERE id IN"
            b" (SELECT id FROM peers WHERE lease_until_s <= %s AND gone_at_s IS NULL"
            b" FOR UPDATE SKIP LOCKED) RETURNING " + FIELDS.encode(),
            now_s,
            now_s,
            now_s,
        )
        return sorted(map(self.record_of, rows), key=lambda record: key_of(record.name))

    def drop_gone(self, before_s: float) -> None:
        """Drop the peers that have been gone since then or longer, with all their records."""
        self._drop(
            "id IN (SELECT id FROM peers WHERE gone_at_s <= %s FOR UPDATE SKIP LOCKED)", before_s
        )

    def clear_leftovers(self, limit: int) -> bool:
        """Remove up to `limit` rows of peers dropped before; whether more are left."""
        found = self._run(b"SELECT peer FROM leftovers LIMIT 1 FOR UPDATE SKIP LOCKED")
        if not found:
            return False
        ((peer,),) = found
        slice_of = (
            b"WITH dropped AS (DELETE FROM %s WHERE ctid = ANY(ARRAY("
            b"SELECT ctid FROM %s WHERE peer = %%s LIMIT %%s)) RETURNING 1)"
            b" SELECT count(*) FROM dropped"
        )
        ((entries,),) = self._run(slice_of % (b"entries", b"entries"), peer, limit)
        left = limit - entries
        ((held,),) = self._run(slice_of % (b"holdings", b"holdings"), peer, left)
        left -= held
        ((blocks,),) = self._run(slice_of % (b"blocks", b"blocks"), peer, left)
        if blocks < left:
            self._run(b"DELETE FROM leftovers WHERE peer = %s", peer)
        return True

    def record_of(self, row: Sequence[Any]) -> PeerRecord:
        """A record as this tracker is to see it: another machine's loopback is not ours."""
        lease_until_s, joined_at_s, renewed_at_s, digest, loopback, outer = row[_COUNT : _COUNT + 6]
        record = record_of(
            row[:_COUNT],
            lease_until_s=lease_until_s,
            joined_at_s=joined_at_s,
            renewed_at_s=renewed_at_s,
            digest=digest,
        )
        if loopback in {"", self._loopback}:
            return record
        reachable = record.reachable and outer is not None
        return replace(record, observed_host=outer or NOWHERE, reachable=reachable)

    def _row_for_update(self, key: str) -> Sequence[Any] | None:
        found = self._run(_LOCKED.encode(), key)
        return found[0] if found else None

    def _records(self, condition: str, *values: object) -> list[PeerRecord]:
        return [self.record_of(row) for row in self._run((_SELECT + condition).encode(), *values)]

    def _drop(self, condition: str, value: object) -> list[tuple[Any, ...]]:
        return self._run(
            b"WITH dropped AS (DELETE FROM peers WHERE "
            + condition.encode()
            + b" RETURNING id) INSERT INTO leftovers SELECT id FROM dropped RETURNING peer",
            value,
        )

    def _loopback_of(self, host: str) -> str:
        return self._loopback if is_loopback(host) else ""


def outer_host(bound: Iterable[str]) -> str | None:
    """Where whoever listens on these addresses of this machine is to be called from elsewhere."""
    listening = [parse_address(literal) for literal in bound]
    for address in listening:
        if dialling_problem(str(address), 1, over_loopback=False) is None:
            return str(address)
    for address in listening:
        if address.is_unspecified and (own := own_addresses(address.version)):
            return own[0]
    return None
