"""The rows of one peer's catalogue in SQLite, and its digest kept in step with them."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from panal.errors import TooLarge
from panal.tracker.search import searchable
from panal.tracker.storage import MAX_ITEMS_PER_PEER
from panal.wire.catalogue import CatalogueDigest, Entry, Holding
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind

Row = tuple[int, str, str, bytes, int, int, bytes | None]
"""id, path, searchable form, content, size in bytes, kind, SHA-256 of one entry."""

_ENTRY = "SELECT id, path, searchable, content, size_bytes, kind, sha256 FROM entries"


@dataclass
class CatalogueRows:
    """One peer's entries and holdings while a transaction changes them.

    `save` writes the counters and the digest back; without it nothing of them is kept.
    """

    connection: sqlite3.Connection
    peer: int
    generation: int
    entries: int
    holdings: int
    digest: CatalogueDigest

    @classmethod
    def of(cls, connection: sqlite3.Connection, key: str) -> "CatalogueRows":
        """The catalogue of a recorded peer; KeyError for an unknown one."""
        row = connection.execute(
            "SELECT id, generation, entries, holdings, digest FROM peers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            raise KeyError(key)
        peer, generation, entries, holdings, digest = row
        return cls(connection, peer, generation, entries, holdings, CatalogueDigest(digest))

    def put_entries(self, entries: Iterable[Entry]) -> None:
        """Add entries, or give their paths new values."""
        for entry in entries:
            row = self._entry_at(entry.path)
            if row is None:
                self._insert(entry)
            elif (known := _entry_of(row)) == entry:
                self.connection.execute(
                    "UPDATE entries SET generation = ? WHERE id = ?", (self.generation, row[0])
                )
            else:
                self._change(row[0], known, entry)
        if self.entries > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} entries.")

    def remove_paths(self, paths: Iterable[str]) -> None:
        """Drop the entries at these paths."""
        rows = [row for row in map(self._entry_at, paths) if row is not None]
        self._drop({row[0]: row for row in rows}.values())

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
        rows = self.connection.execute(f"{_ENTRY} WHERE peer = ? AND generation < ?", stale)
        self._drop(rows.fetchall())
        contents = self.connection.execute(
            "SELECT content FROM holdings WHERE peer = ? AND generation < ?", stale
        )
        self.remove_holdings([ContentId(content) for (content,) in contents.fetchall()])

    def recount(self) -> None:
        """Make counters and digest anew from the rows."""
        self.digest = CatalogueDigest()
        self.entries = self.holdings = 0
        for row in self.connection.execute(f"{_ENTRY} WHERE peer = ?", (self.peer,)):
            self.digest.add(_entry_of(row))
            self.entries += 1
        held = "SELECT content, complete FROM holdings WHERE peer = ?"
        for content, complete in self.connection.execute(held, (self.peer,)):
            self.digest.add(Holding(ContentId(content), bool(complete)))
            self.holdings += 1

    def save(self) -> bytes:
        """Write counters and digest to the peer's row; the digest."""
        value = self.digest.value()
        self.connection.execute(
            "UPDATE peers SET generation = ?, entries = ?, holdings = ?, digest = ? WHERE id = ?",
            (self.generation, self.entries, self.holdings, value, self.peer),
        )
        return value

    def _entry_at(self, path: str) -> Row | None:
        found: Row | None = self.connection.execute(
            f"{_ENTRY} WHERE peer = ? AND path = ?", (self.peer, path)
        ).fetchone()
        return found

    def _holding_of(self, content: ContentId) -> Holding | None:
        row = self.connection.execute(
            "SELECT complete FROM holdings WHERE peer = ? AND content = ?", (self.peer, content)
        ).fetchone()
        return None if row is None else Holding(content, bool(row[0]))

    def _insert(self, entry: Entry) -> None:
        text = searchable(entry.path)
        values = (entry.path, text, entry.content, entry.size_bytes, entry.kind, entry.sha256)
        cursor = self.connection.execute(
            "INSERT INTO entries"
            " (peer, path, searchable, content, size_bytes, kind, sha256, generation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self.peer, *values, self.generation),
        )
        self.connection.execute(
            "INSERT INTO entry_text (rowid, searchable) VALUES (?, ?)", (cursor.lastrowid, text)
        )
        self.digest.add(entry)
        self.entries += 1

    def _change(self, row_id: int, known: Entry, entry: Entry) -> None:
        # The path stays, and with it the text index.
        self.connection.execute(
            "UPDATE entries SET content = ?, size_bytes = ?, kind = ?, sha256 = ?,"
            " generation = ? WHERE id = ?",
            (
                entry.content,
                entry.size_bytes,
                entry.kind,
                entry.sha256,
                self.generation,
                row_id,
            ),
        )
        self.digest.remove(known)
        self.digest.add(entry)

    def _drop(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        for row in rows:
            self.digest.remove(_entry_of(row))
        self.entries -= len(rows)
        drop_entries(self.connection, [(row[0], row[2]) for row in rows])


def drop_entries(connection: sqlite3.Connection, rows: list[tuple[int, str]]) -> None:
    """Delete entries, given as id and searchable form, from the table and the text index."""
    # An index over another table's text must be told what to forget.
    connection.executemany(
        "INSERT INTO entry_text (entry_text, rowid, searchable) VALUES ('delete', ?, ?)", rows
    )
    connection.executemany("DELETE FROM entries WHERE id = ?", [(row[0],) for row in rows])


def _entry_of(row: Row) -> Entry:
    _, path, _, content, size_bytes, kind, sha256 = row
    return Entry(path, ContentId(content), size_bytes, Kind(kind), sha256)
