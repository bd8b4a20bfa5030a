"""The rows of one peer's catalogue in PostgreSQL, and its digest kept in step with them.

A message's rows go in few statements, whatever their number: on a network each costs a round
trip. Its peer's row is locked meanwhile, so nobody else changes the same catalogue.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from panal.errors import TooLarge
from panal.tracker.postgres_blocks import NAMES_A_BLOCK, blocks_of
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_steps import HEAD_CHARACTERS
from panal.tracker.postgres_told import BLOCKS, ENTRIES, PATHS, joined, values_of
from panal.tracker.searchable import searchable_all
from panal.tracker.storage import MAX_ITEMS_PER_PEER
from panal.wire.catalogue import CatalogueDigest, Entry, Holding
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind

_COLUMNS = "e.path, e.content, e.size_bytes, e.kind, e.sha256"
_DROPPED = f"RETURNING {_COLUMNS}, e.block"
_SAME_PATH = (
    f"e.peer = %(peer)s AND left(e.path, {HEAD_CHARACTERS}) = left(told.path, {HEAD_CHARACTERS})"
    " AND e.path = told.path"
)
# What is as it was stays in the database: only what is new or other comes back.
_COMPARED = (
    "SELECT told.place, told.path, e.path IS NOT NULL AS is_known, e.content, e.size_bytes, e.kind,"
    " e.sha256, e.generation, (e.content, e.size_bytes, e.kind, e.sha256)"
    " IS NOT DISTINCT FROM (told.content, told.size_bytes, told.kind, told.sha256) AS is_same"
    f" FROM {ENTRIES} LEFT JOIN entries e ON {_SAME_PATH}"
)
_OTHERS = (
    "SELECT place, is_known, content, size_bytes, kind, sha256 FROM compared WHERE NOT is_same"
)
_COMPARE = f"WITH compared AS ({_COMPARED}) {_OTHERS}".encode()
# A new version of each row would be a new place in every index, the text's too.
_COMPARE_AND_KEEP = (
    f"WITH compared AS MATERIALIZED ({_COMPARED}), named AS ("
    "INSERT INTO kept (peer, generation, hashes)"
    " SELECT %(peer)s, %(generation)s, array_agg(hashtextextended(path, 0)) FROM compared"
    " WHERE is_same AND generation <> %(generation)s HAVING count(*) > 0"
    " RETURNING cardinality(hashes) AS count)"
    f" {_OTHERS} UNION ALL SELECT -count, true, NULL, NULL, NULL, NULL FROM named"
).encode()
_DROP = f"DELETE FROM entries e USING {PATHS} WHERE {_SAME_PATH} {_DROPPED}".encode()
_DROP_STALE = (
    "WITH named AS MATERIALIZED"
    " (SELECT unnest(hashes) AS hash FROM kept WHERE peer = %(peer)s AND generation >= %(least)s)"
    " DELETE FROM entries e WHERE peer = %(peer)s AND generation < %(least)s AND NOT EXISTS"
    " (SELECT FROM named WHERE named.hash = hashtextextended(e.path, 0))"
    f" {_DROPPED}"
).encode()
# Counted for each: to look whether there is one may be planned as a look through all entries.
_DROP_EMPTY = (
    b"DELETE FROM blocks b WHERE peer = %s AND id = ANY(%b::bigint[])"
    b" AND (SELECT count(*) FROM entries e WHERE e.block = b.id) = 0"
)
# Nothing is known of how much a replacement named: a nested loop would be its square.
_PATIENTLY = b"SET LOCAL statement_timeout = '60s'; SET LOCAL enable_nestloop = off"
_INSERT = (
    "WITH made AS MATERIALIZED (SELECT nextval('block_ids') AS id, texts, number"
    f" FROM {BLOCKS}), put AS (INSERT INTO blocks (peer, id, texts)"
    " SELECT %(peer)s, id, texts FROM made),"
    " numbered AS MATERIALIZED (SELECT array_agg(id ORDER BY number) AS ids FROM made)"
    " INSERT INTO entries"
    " (peer, path, searchable, content, size_bytes, kind, sha256, generation, block)"
    " SELECT %(peer)s, path, searchable, content, size_bytes, kind, sha256, %(generation)s,"
    f" (SELECT ids FROM numbered)[(place - 1) / {NAMES_A_BLOCK} + 1] FROM {ENTRIES}"
).encode()
_FEW_NAMES = 32
"""So many are told by who adds a file now and then."""
# What waits to be put into the index of texts is read by each search, at 4 MB for milliseconds.
# Very many names are put there by large lists sooner, few take what waits with them.
_INSERT_FEW = _INSERT.replace(
    b"texts, number FROM",
    b"texts, number, set_config('gin_pending_list_limit', '512kB', true) FROM",
    1,
)
_CHANGE = (
    "UPDATE entries e SET content = told.content, size_bytes = told.size_bytes, kind = told.kind,"
    f" sha256 = told.sha256, generation = %(generation)s FROM {ENTRIES} WHERE {_SAME_PATH}"
).encode()
_HOLD = (
    b"INSERT INTO holdings (peer, content, complete, generation)"
    b" SELECT %s, g.*, %s FROM unnest(%b::bytea[], %b::boolean[]) AS g"
    b" ON CONFLICT (peer, content) DO UPDATE SET complete = excluded.complete,"
    b" generation = excluded.generation"
)


@dataclass
class CatalogueRows:
    """One peer's entries and holdings while a transaction changes them.

    `save` writes the counters and the digest back; without it nothing of them is kept. Its
    peer's row is locked.
    """

    connection: Connection
    peer: int
    generation: int
    entries: int
    holdings: int
    kept: int | None
    """Entries that a replacement under way named and that were there; None outside one."""
    digest: CatalogueDigest
    sequence: int | None = None
    """Of the announcement that is being made; None: as it was."""

    def put_entries(self, entries: Iterable[Entry]) -> None:
        """Add entries, or give their paths new values; of one path the last counts."""
        wanted = {entry.path: entry for entry in entries}
        if not wanted:
            return
        new, known, changed = self._compared(list(wanted.values()))
        self._change(known, changed)
        self._insert(new)
        if max(self.entries, self.kept or 0) > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} entries.")

    def remove_paths(self, paths: Iterable[str]) -> None:
        """Drop the entries at these paths."""
        if paths := list(paths):
            given = {"paths": joined(paths), "peer": self.peer}
            self._count_out(self._ask(_DROP, given))

    def put_holdings(self, holdings: Iterable[Holding]) -> None:
        """Add holdings, or change whether they are complete; of one content the last counts."""
        wanted = {holding.content: holding for holding in holdings}
        if not wanted:
            return
        held = self.connection.execute(
            "SELECT content, complete FROM holdings WHERE peer = %s AND content = ANY(%b::bytea[])",
            (self.peer, list(wanted)),
        )
        known = [Holding(ContentId(content), complete) for content, complete in held]
        complete = [holding.complete for holding in wanted.values()]
        self.connection.execute(_HOLD, (self.peer, self.generation, list(wanted), complete))
        for holding in known:
            self.digest.remove(holding)
        for holding in wanted.values():
            self.digest.add(holding)
        self.holdings += len(wanted) - len(known)
        if self.holdings > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} holdings.")

    def remove_holdings(self, contents: Iterable[ContentId]) -> None:
        """Drop the holdings of these contents; entries stay."""
        if contents := list(contents):
            self._drop_holdings("content = ANY(%b::bytea[])", contents)

    def begin_generation(self) -> None:
        """What is announced from now on belongs to a new generation."""
        self.generation += 1
        self.kept = 0
        # Of the one before a late end may still come.
        if self.generation > 2:
            self._forget_kept(self.generation - 2)

    def drop_before(self, generation: int) -> None:
        """Drop what was last announced before a generation; a million may go."""
        self.connection.execute(_PATIENTLY)
        given = {"peer": self.peer, "least": generation}
        self._count_out(self._ask(_DROP_STALE, given))
        if self.holdings:
            self._drop_holdings("generation < %s", generation)
        self._forget_kept(generation)
        if generation == self.generation:
            self.kept = None

    def save(self) -> None:
        """Write counters, digest and sequence to the peer's row."""
        self.connection.execute(
            "UPDATE peers SET generation = %s, entries = %s, holdings = %s, kept = %s,"
            " digest = %s, sequence = coalesce(%s, sequence) WHERE id = %s",
            (
                self.generation,
                self.entries,
                self.holdings,
                self.kept,
                self.digest.value(),
                self.sequence,
                self.peer,
            ),
        )

    def _compared(self, wanted: list[Entry]) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """Which of these are new, and of those that have changed what was and what is to be.

        That a replacement under way named what is as it was is noted.
        """
        if not self.entries:
            return wanted, [], []
        statement = _COMPARE if self.kept is None else _COMPARE_AND_KEEP
        new, known, changed = [], [], []
        for place, is_known, *values in self._ask(statement, self._given(wanted)):
            if place < 0:
                self.kept = (self.kept or 0) - place
            elif is_known:
                known.append(_entry_of((wanted[place - 1].path, *values)))
                changed.append(wanted[place - 1])
            else:
                new.append(wanted[place - 1])
        return new, known, changed

    def _given(self, entries: Sequence[Entry], texts: Sequence[str] = ()) -> dict[str, object]:
        more = {"peer": self.peer, "generation": self.generation}
        return values_of(entries, texts) | more

    def _forget_kept(self, last_generation: int) -> None:
        self.connection.execute(
            "DELETE FROM kept WHERE peer = %s AND generation <= %s", (self.peer, last_generation)
        )

    def _ask(self, statement: bytes, values: Any) -> Iterable[tuple[Any, ...]]:
        """The rows that a statement gives, in binary."""
        return self.connection.execute(statement, values, binary=True)

    def _insert(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        paths = [entry.path for entry in entries]
        texts = searchable_all(paths)
        given = self._given(entries, texts) | {"blocks": joined(blocks_of(texts))}
        self.connection.execute(_INSERT_FEW if len(entries) <= _FEW_NAMES else _INSERT, given)
        self.digest.add_entries([entry.facts() for entry in entries], paths)
        self.entries += len(entries)

    def _change(self, known: Sequence[Entry], entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self.connection.execute(_CHANGE, self._given(entries))
        for entry in known:
            self.digest.remove(entry)
        for entry in entries:
            self.digest.add(entry)

    def _count_out(self, dropped: Iterable[Sequence[Any]]) -> None:
        blocks: set[int] = set()
        for *values, block in dropped:
            self.digest.remove(_entry_of(values))
            self.entries -= 1
            if block is not None:
                blocks.add(block)
        if blocks:
            self.connection.execute(_DROP_EMPTY, (self.peer, list(blocks)))

    def _drop_holdings(self, condition: str, value: object) -> None:
        dropped = self.connection.execute(
            f"DELETE FROM holdings WHERE peer = %s AND {condition}"
            " RETURNING content, complete".encode(),
            (self.peer, value),
        )
        for content, complete in dropped:
            self.digest.remove(Holding(ContentId(content), complete))
            self.holdings -= 1


def _entry_of(row: Sequence[Any]) -> Entry:
    """The entry that `_COLUMNS` give."""
    path, content, size_bytes, kind, sha256 = row
    return Entry(path, ContentId(content), size_bytes, Kind(kind), sha256)
