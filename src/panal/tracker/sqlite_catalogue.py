"""The rows of one peer's catalogue in SQLite, and its digest kept in step with them.

A message is handed to SQLite in few statements, its paths as one JSON array and its facts as one
blob: each call costs more than a row does, and keeps the event loop's thread from running.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from panal.errors import TooLarge
from panal.tracker.search import searchable
from panal.tracker.sqlite_text import drop_entries, name_crc
from panal.tracker.storage import MAX_ITEMS_PER_PEER
from panal.wire.catalogue import CatalogueDigest, Entry, Holding
from panal.wire.ids import ContentId

FACTS_BYTES = 73
"""Content (32), kind (1), size (8), SHA-256 (32): what the digest counts, but for the path."""

_AT = (
    "FROM json_each(:paths) AS told {join} JOIN entries"
    " ON entries.peer = :peer AND entries.path = told.value"
)
_FACTS = f"substr(:facts, told.key * {FACTS_BYTES} + 1, {FACTS_BYTES})"
_CONFIRM = (
    "UPDATE entries SET generation = :generation WHERE id IN"  # noqa: S608 (of our own parts)
    f" (SELECT entries.id {_AT.format(join='CROSS')} WHERE entries.facts = {_FACTS})"
)
_OTHERS = (
    f"SELECT told.key, entries.id, entries.facts {_AT.format(join='LEFT')}"
    f" WHERE entries.facts IS NOT {_FACTS}"
)
_NAMED = f"SELECT entries.id, entries.facts, entries.path {_AT.format(join='CROSS')}"
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT = (
    "INSERT INTO entries"
    " (id, peer, path, searchable, name_crc, facts, size_bytes, kind, generation) VALUES "
)
_ROWS_AT_ONCE = 64
_INSERT_MANY = _INSERT + ", ".join([_ROW] * _ROWS_AT_ONCE)
_CHANGE = "UPDATE entries SET facts = ?, size_bytes = ?, kind = ?, generation = ? WHERE id = ?"


@dataclass
class CatalogueRows:
    """One peer's entries and holdings while a transaction changes them.

    `save` writes the counters and the digest back; without it nothing of them is kept.
    """

    connection: sqlite3.Connection
    ids: Iterator[int]
    """Of entries to come."""
    peer: int
    generation: int
    entries: int
    holdings: int
    digest: CatalogueDigest

    @classmethod
    def of(cls, connection: sqlite3.Connection, key: str, ids: Iterator[int]) -> "CatalogueRows":
        """The catalogue of a recorded peer; KeyError for an unknown one."""
        row = connection.execute(
            "SELECT id, generation, entries, holdings, digest FROM peers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            raise KeyError(key)
        peer, generation, entries, holdings, digest = row
        return cls(connection, ids, peer, generation, entries, holdings, CatalogueDigest(digest))

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Add entries, or give their paths new values."""
        told = {entry.path: entry for entry in entries}
        new = list(told.values())
        if self.entries and new:
            new = self._change_known(new)
        self._insert(new)
        if self.entries > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} entries.")

    def remove_paths(self, paths: Sequence[str]) -> None:
        """Drop the entries at these paths."""
        if paths:
            given = {"peer": self.peer, "paths": _json(tuple(dict.fromkeys(paths)))}
            self._drop(self.connection.execute(_NAMED, given).fetchall())

    def put_holdings(self, holdings: Iterable[Holding]) -> None:
        """Add holdings, or change whether they are complete."""
        for holding in holdings:
            known = self._holding_of(holding.content)
            if known is None:
                self.holdings += 1
            else:
                self.digest.remove(known)
            self.digest.add(holding)
            self.connection.execute(
                "INSERT INTO holdings (peer, content, complete, generation) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET complete = excluded.complete,"
                " generation = excluded.generation",
                (self.peer, holding.content, holding.complete, self.generation),
            )
        if self.holdings > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} holdings.")

    def remove_holdings(self, contents: Iterable[ContentId]) -> None:
        """Drop the holdings of these contents; entries stay."""
        for content in contents:
            known = self._holding_of(content)
            if known is not None:
                self.digest.remove(known)
                self.holdings -= 1
                self.connection.execute(
                    "DELETE FROM holdings WHERE peer = ? AND content = ?", (self.peer, content)
                )

    def drop_before(self, generation: int) -> None:
        """Drop what was last announced before a generation."""
        stale = (self.peer, generation)
        rows = self.connection.execute(
            "SELECT id, facts, path FROM entries WHERE peer = ? AND generation < ?", stale
        )
        self._drop(rows.fetchall())
        contents = self.connection.execute(
            "SELECT content FROM holdings WHERE peer = ? AND generation < ?", stale
        )
        self.remove_holdings([ContentId(content) for (content,) in contents.fetchall()])

    def recount(self) -> None:
        """Make counters and digest anew from the rows."""
        self.digest = CatalogueDigest()
        self.entries = self.holdings = 0
        rows = self.connection.execute(
            "SELECT facts, path FROM entries WHERE peer = ?", (self.peer,)
        )
        for facts, path in rows:
            self.digest.add_entry(facts, path)
            self.entries += 1
        held = "SELECT content, complete FROM holdings WHERE peer = ?"
        for content, complete in self.connection.execute(held, (self.peer,)):
            self.digest.add(Holding(ContentId(content), bool(complete)))
            self.holdings += 1

    def save(self, sequence: int | None) -> bytes:
        """Write counters, digest and sequence to the peer's row; the digest."""
        value = self.digest.value()
        self.connection.execute(
            "UPDATE peers SET generation = ?, entries = ?, holdings = ?, digest = ?,"
            " sequence = coalesce(?, sequence) WHERE id = ?",
            (self.generation, self.entries, self.holdings, value, sequence, self.peer),
        )
        return value

    def _change_known(self, entries: list[Entry]) -> list[Entry]:
        """Mark those that are as they were, change those that are not; the new ones."""
        facts = [entry.facts() for entry in entries]
        given = {
            "peer": self.peer,
            "generation": self.generation,
            "paths": _json([entry.path for entry in entries]),
            "facts": b"".join(facts),
        }
        if self.connection.execute(_CONFIRM, given).rowcount == len(entries):
            return []
        new, changed = [], []
        for place, row_id, known in self.connection.execute(_OTHERS, given).fetchall():
            entry = entries[place]
            if row_id is None:
                new.append(entry)
            else:
                self.digest.remove_entry(known, entry.path)
                self.digest.add_entry(facts[place], entry.path)
                values = (facts[place], entry.size_bytes, int(entry.kind))
                changed.append((*values, self.generation, row_id))
        # The path stays, and with it the text index.
        self.connection.executemany(_CHANGE, changed)
        return new

    def _insert(self, entries: list[Entry]) -> None:
        peer, generation, ids, add = self.peer, self.generation, self.ids, self.digest.add_entry
        rows: list[tuple[object, ...]] = []
        for entry in entries:
            path, facts = entry.path, entry.facts()
            add(facts, path)
            text = searchable(path)
            told = facts, entry.size_bytes, int(entry.kind)
            rows.append((next(ids), peer, path, text, name_crc(text), *told, generation))
        whole = len(rows) - len(rows) % _ROWS_AT_ONCE
        for first in range(0, whole, _ROWS_AT_ONCE):
            values = [value for row in rows[first : first + _ROWS_AT_ONCE] for value in row]
            self.connection.execute(_INSERT_MANY, values)
        self.connection.executemany(_INSERT + _ROW, rows[whole:])
        self.entries += len(rows)

    def _drop(self, rows: Sequence[tuple[int, bytes, str]]) -> None:
        for _, facts, path in rows:
            self.digest.remove_entry(facts, path)
        self.entries -= len(rows)
        drop_entries(self.connection, _json([row[0] for row in rows]))

    def _holding_of(self, content: ContentId) -> Holding | None:
        row = self.connection.execute(
            "SELECT complete FROM holdings WHERE peer = ? AND content = ?", (self.peer, content)
        ).fetchone()
        return None if row is None else Holding(content, bool(row[0]))


def _json(values: Sequence[object]) -> str:
    return _encode(values).decode()


_encode = msgspec.json.encode
