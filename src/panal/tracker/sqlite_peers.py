"""The peers of the SQLite store: in memory, and in their table but for what a renewal changes.

A renewal writes nothing: a restart grants leases anew. Which peers are not here is in the table
`absent`, whose rows are few, so that a query about entries need not look at each one's peer.
"""

import heapq
import json
import math
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from panal.tracker.database import begin
from panal.tracker.peer_columns import COLUMNS, record_of, values_of
from panal.tracker.registry import PeerRecord, key_of
from panal.tracker.sqlite_replacements import forget_named
from panal.tracker.storage import ListedPeer, Totals
from panal.wire.catalogue import DIGEST_BYTES
from panal.wire.ids import PeerName

_PUT = f"""
INSERT INTO peers (key, {COLUMNS}, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash,
    epoch = excluded.epoch, sequence = excluded.sequence,
    observed_host = excluded.observed_host, port = excluded.port, bound = excluded.bound,
    reachable = excluded.reachable, reachability = excluded.reachability,
    zone = excluded.zone, is_gone = FALSE
RETURNING id, digest
"""  # noqa: S608 (of our own parts)
_FIRST_PATHS = """
SELECT value, coalesce(
    (SELECT path FROM entries WHERE peer = value AND path >= '' ORDER BY path LIMIT 1), '')
FROM json_each(?)
"""


@dataclass(slots=True)
class KnownPeer:
    """A recorded peer."""

    id: int
    record: PeerRecord
    gone_at_s: float | None
    """None while it is here."""


class PeerRows:
    """All that is kept of peers; changes are undone by `undo` until `keep` is called."""

    def __init__(self, connection: sqlite3.Connection, now_s: float, lease_s: float) -> None:
        """The clock of the process that wrote the table is gone: leases start anew."""
        self._connection = connection
        connection.execute("CREATE TEMP TABLE absent (peer INTEGER PRIMARY KEY)")
        self._by_key: dict[str, KnownPeer] = {}
        self._by_id: dict[int, KnownPeer] = {}
        self._lapses: list[tuple[float, int]] = []
        """When to look at a peer's lease again: of each peer once, however often it renews."""
        self._looked_at: dict[int, float] = {}
        """By row id, when that is."""
        self.absent: set[int] = set()
        """What the table `absent` has."""
        self.absences = 0
        """Grows whenever that changes, or what a peer is called."""
        self._changed: dict[str, KnownPeer | None] = {}
        self._first_paths: dict[int, str] = {}
        """By row id, of those that were asked for since; empty for nothing shared."""
        self._cleared: set[int] = set()
        """Dropped peers of which a transaction under way leaves nothing."""
        for key, is_gone, row_id, digest, *values in connection.execute(
            f"SELECT key, is_gone, id, digest, {COLUMNS} FROM peers"  # noqa: S608 (of our own parts)
        ).fetchall():
            record = record_of(
                values,
                lease_until_s=now_s if is_gone else now_s + lease_s,
                joined_at_s=now_s,
                renewed_at_s=now_s,
                digest=digest,
            )
            self._set(key, KnownPeer(row_id, record, now_s if is_gone else None))
        for (row_id,) in connection.execute("SELECT peer FROM leftovers").fetchall():
            self._set_absent(row_id, is_absent=True)

    def get(self, name: str) -> KnownPeer | None:
        """What is recorded under a name."""
        return self._by_key.get(key_of(name))

    def with_id(self, row_id: int) -> KnownPeer:
        """The peer of an entry that `absent` does not leave out."""
        return self._by_id[row_id]

    def names_of(self, row_ids: Iterable[int]) -> list[PeerName]:
        """What the peers of such entries are called."""
        known = self._by_id
        return [known[row_id].record.name for row_id in row_ids]

    def live_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port."""
        keys = self._connection.execute(
            "SELECT key FROM peers WHERE observed_host = ? AND port = ? ORDER BY key", (host, port)
        ).fetchall()
        records = [self._by_key[key].record for (key,) in keys]
        return [record for record in records if record.is_live(now_s)]

    def listed(self, after: str, limit: int, now_s: float) -> list[ListedPeer]:
        """The live peers by name without case, those after `after`, at most `limit`."""
        listed: list[ListedPeer] = []
        rows = self._connection.execute(
            "SELECT key, entries FROM peers WHERE key > ? AND NOT is_gone ORDER BY key",
            (key_of(after),),
        )
        for key, entries in rows:
            record = self._by_key[key].record
            if record.is_live(now_s):
                listed.append(ListedPeer(record, entries))
            if len(listed) == limit:
                break
        rows.close()
        return listed

    def totals(self, now_s: float) -> Totals:
        """How many are live, and what stands in their table of them all together."""
        self.note_absent(now_s)
        live = [known.record for known in self._by_id.values() if known.gone_at_s is None]
        live = [record for record in live if record.is_live(now_s)]
        (entries, holdings) = self._connection.execute(
            "SELECT total(entries), total(holdings) FROM peers"
            " WHERE id NOT IN (SELECT peer FROM temp.absent)"
        ).fetchone()
        reachable = sum(record.reachable for record in live)
        return Totals(len(live), reachable, int(entries), int(holdings))

    def put(self, record: PeerRecord) -> None:
        """Record a peer; its catalogue and digest stay what they are, empty if it is new."""
        key = key_of(record.name)
        known = self._by_key.get(key)
        if (
            known is not None
            and known.gone_at_s is None
            and values_of(known.record) == values_of(record)
            and known.record.digest == record.digest
        ):
            self._change(key, KnownPeer(known.id, record, None))
            return
        values = (key, *values_of(record), bytes(DIGEST_BYTES))
        begin(self._connection)
        ((row_id, digest),) = self._connection.execute(_PUT, values).fetchall()
        self._change(key, KnownPeer(row_id, replace(record, digest=digest), None))

    def renew(self, name: str, renewed: Callable[[PeerRecord], PeerRecord]) -> PeerRecord | None:
        """Grant the lease of a peer that is here anew, outside of a transaction; None else."""
        known = self._by_key.get(key_of(name))
        if known is None or known.gone_at_s is not None or known.id in self.absent:
            return None
        known.record = renewed(known.record)
        return known.record

    def put_lease(self, record: PeerRecord) -> None:
        """As `put` of a recorded peer of which nothing but its lease has changed."""
        key = key_of(record.name)
        known = self._by_key[key]
        if known.gone_at_s is not None or known.id in self.absent:
            self.put(record)
            return
        self._changed.setdefault(key, known)
        renewed = KnownPeer(known.id, record, None)
        self._by_key[key] = self._by_id[known.id] = renewed
        self._look_at(known.id, record.lease_until_s)

    def told(self, key: str, sequence: int | None, digest: bytes) -> None:
        """What the catalogue's rows have written of a peer: in memory, too."""
        known = self._by_key[key]
        self._first_paths.pop(known.id, None)
        last = known.record.sequence if sequence is None else sequence
        record = replace(known.record, sequence=last, digest=digest)
        self._change(key, KnownPeer(known.id, record, known.gone_at_s))

    def first_paths(self) -> list[tuple[str, int]]:
        """The first path of each peer that shares something and is not absent, with its row id."""
        here = self._by_id.keys() - self.absent
        unknown = json.dumps(list(here - self._first_paths.keys()))
        self._first_paths.update(self._connection.execute(_FIRST_PATHS, (unknown,)).fetchall())
        return [(path, row_id) for row_id in here if (path := self._first_paths[row_id])]

    def end_lease(self, name: str, now_s: float) -> None:
        """From now on a peer is gone."""
        key = key_of(name)
        known = self._by_key.get(key)
        if known is not None:
            begin(self._connection)
            self._connection.execute("UPDATE peers SET is_gone = TRUE WHERE key = ?", (key,))
            record = replace(known.record, lease_until_s=now_s)
            self._change(key, KnownPeer(known.id, record, now_s))

    def lapsed(self, now_s: float) -> list[PeerRecord]:
        """Whose leases are over, and who are not gone yet, by name."""
        return [
            known.record
            for key, known in sorted(self._by_key.items())
            if known.gone_at_s is None and not known.record.is_live(now_s)
        ]

    def gone_before(self, before_s: float) -> list[PeerName]:
        """Who have been gone since then or longer."""
        return [
            known.record.name
            for known in self._by_key.values()
            if known.gone_at_s is not None and known.gone_at_s <= before_s
        ]

    def drop(self, name: str) -> bool:
        """Forget a peer; its rows are leftovers. Whether there was one."""
        key = key_of(name)
        known = self._by_key.get(key)
        if known is None:
            return False
        begin(self._connection)
        self._connection.execute("INSERT OR IGNORE INTO leftovers VALUES (?)", (known.id,))
        self._connection.execute("DELETE FROM peers WHERE id = ?", (known.id,))
        self._change(key, None)
        return True

    def cleared(self, row_id: int) -> None:
        """Nothing is left of a dropped peer."""
        self._connection.execute("DELETE FROM leftovers WHERE peer = ?", (row_id,))
        forget_named(self._connection, row_id)
        self._cleared.add(row_id)
        self._set_absent(row_id, is_absent=False)

    def note_absent(self, now_s: float) -> None:
        """Bring the table `absent` up to date; before each query that looks into it."""
        while self._lapses and self._lapses[0][0] <= now_s:
            until_s, row_id = heapq.heappop(self._lapses)
            if self._looked_at.get(row_id) != until_s:
                continue
            del self._looked_at[row_id]
            known = self._by_id.get(row_id)
            if known is None or known.gone_at_s is not None:
                continue
            if known.record.is_live(now_s):
                self._look_at(row_id, known.record.lease_until_s)
            else:
                self._set_absent(row_id, is_absent=True)

    @property
    def has_changed(self) -> bool:
        """Whether there is something to undo."""
        return bool(self._changed or self._cleared)

    def keep(self) -> None:
        """The transaction has succeeded."""
        self._changed.clear()
        self._cleared.clear()

    def undo(self) -> None:
        """It has failed: everything is as it was before."""
        self.absent |= self._cleared  # first: whose rows were cleared may be live again
        self._cleared.clear()
        for key, known in self._changed.items():
            self._set(key, known)
        self._first_paths.clear()
        self._changed.clear()
        self.absences += 1
        self._connection.execute("DELETE FROM temp.absent")
        rows = [(row_id,) for row_id in self.absent]
        self._connection.executemany("INSERT INTO temp.absent VALUES (?)", rows)

    def _change(self, key: str, known: KnownPeer | None) -> None:
        self._changed.setdefault(key, self._by_key.get(key))
        self._set(key, known)

    def _set(self, key: str, known: KnownPeer | None) -> None:
        before = self._by_key.get(key)
        if before is not None and (known is None or known.id != before.id):
            del self._by_id[before.id]
            self._first_paths.pop(before.id, None)
            self._set_absent(before.id, is_absent=True)
        if known is None:
            self._by_key.pop(key, None)
            return
        if before is not None and before.record.name != known.record.name:
            self.absences += 1
        self._by_key[key] = self._by_id[known.id] = known
        self._set_absent(known.id, is_absent=known.gone_at_s is not None)
        if known.gone_at_s is None:
            self._look_at(known.id, known.record.lease_until_s)

    def _look_at(self, row_id: int, until_s: float) -> None:
        if until_s < self._looked_at.get(row_id, math.inf):
            self._looked_at[row_id] = until_s
            heapq.heappush(self._lapses, (until_s, row_id))

    def _set_absent(self, row_id: int, *, is_absent: bool) -> None:
        if is_absent is (row_id in self.absent):
            return
        self.absences += 1
        if is_absent:
            self.absent.add(row_id)
            self._connection.execute("INSERT OR IGNORE INTO temp.absent VALUES (?)", (row_id,))
        else:
            self.absent.remove(row_id)
            self._connection.execute("DELETE FROM temp.absent WHERE peer = ?", (row_id,))
