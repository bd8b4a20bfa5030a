"""The rows of one peer's catalogue in SQLite, and its digest kept in step with them.

A message is handed to SQLite in few statements, its paths as one JSON array and its facts as one
blob: each call costs more than a row does, and keeps the event loop's thread from running.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import msgspec

from panal.errors import TooLarge
from panal.tracker import sqlite_replacements as replacements
from panal.tracker.searchable import common_kind, searchable_all
from panal.tracker.sqlite_keys import add_keys, add_keys_again, remove_keys
from panal.tracker.sqlite_text import drop_entries, name_crc
from panal.tracker.storage import MAX_ITEMS_PER_PEER
from panal.wire.catalogue import FACTS, CatalogueDigest, Entry, Holding
from panal.wire.ids import CONTENT_ID_BYTES, ContentId

_AT = (
    "FROM json_each(:paths) AS told {join} JOIN entries"
    " ON entries.peer = :peer AND entries.path = told.value"
)
_FACTS = f"substr(:facts, told.key * {FACTS.size} + 1, {FACTS.size})"
_SAME = f"{_AT.format(join='CROSS')} WHERE entries.facts = {_FACTS}"
_COUNT_SAME = f"SELECT count(*) {_SAME}"
_NAME_SAME = (
    "INSERT OR REPLACE INTO temp.named_entries (peer, entry, generation)"
    f" SELECT :peer, entries.id, :generation {_SAME}"
)
_OTHERS = (
    f"SELECT told.key, entries.id, entries.facts {_AT.format(join='LEFT')}"
    f" WHERE entries.facts IS NOT {_FACTS}"
)
_NAMED = f"SELECT entries.id, entries.facts, entries.path {_AT.format(join='CROSS')}"
_INSERT = (
    "INSERT INTO entries"
    " (id, peer, path, searchable, name_crc, facts, size_bytes, kind, common_kind) VALUES "
)
_COLUMNS = 7  # of a row, beside its id and its peer
_INSERTS = [  # a thousand rows, which is what peers tell at once, in four steps
    (rows, _INSERT + ", ".join(f"(?1 + {row}, ?2, ?, ?, ?, ?, ?, ?, ?)" for row in range(rows)))
    for rows in (250, 25, 1)
]
_CHANGE = "UPDATE entries SET facts = ?, size_bytes = ?, kind = ? WHERE id = ?"


@dataclass
class CatalogueRows:
    """One peer's entries and holdings while a transaction changes them.

    `save` writes the counters and the digest back; without it nothing of them is kept.
    """

    connection: sqlite3.Connection
    ids: Iterator[int]
    """Of entries to come."""
    peer: int
    entries: int
    holdings: int
    digest: CatalogueDigest
    generation: int | None
    """Of the replacement that was begun last; None where none is under way."""
    changed: list[int] = field(default_factory=list)
    """Ids of entries that are gone or other now."""
    contents_before: list[ContentId] = field(default_factory=list)
    """What these were."""
    let_go: list[ContentId] = field(default_factory=list)
    """What is not held any more."""

    @classmethod
    def of(cls, connection: sqlite3.Connection, key: str, ids: Iterator[int]) -> "CatalogueRows":
        """The catalogue of a recorded peer; KeyError for an unknown one."""
        row = connection.execute(
            "SELECT id, entries, holdings, digest FROM peers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            raise KeyError(key)
        peer, entries, holdings, digest = row
        generation = replacements.latest(connection, peer)
        return cls(connection, ids, peer, entries, holdings, CatalogueDigest(digest), generation)

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Add entries, or give their paths new values."""
        if not entries:
            return
        new = list({entry.path: entry for entry in entries}.values())
        facts = [entry.facts() for entry in new]
        if self.entries:
            places = self._change_known(new, facts)
            new, facts = [new[place] for place in places], [facts[place] for place in places]
        if new:
            self._insert(new, facts)
        if self.entries > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} entries.")

    def remove_paths(self, paths: Sequence[str]) -> None:
        """Drop the entries at these paths."""
        if paths:
            given = {"peer": self.peer, "paths": _json(tuple(dict.fromkeys(paths)))}
            self._drop(self.connection.execute(_NAMED, given).fetchall())

    def put_holdings(self, holdings: Sequence[Holding]) -> None:
        """Add holdings, or change whether they are complete."""
        for holding in holdings:
            known = self._holding_of(holding.content)
            if known is None:
                self.holdings += 1
            else:
                self.digest.remove(known)
            self.digest.add(holding)
            self.connection.execute(
                "INSERT INTO holdings (peer, content, complete) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET complete = excluded.complete",
                (self.peer, holding.content, holding.complete),
            )
        if self.generation is not None:
            contents = [holding.content for holding in holdings]
            replacements.name_holdings(self.connection, self.peer, self.generation, contents)
        if self.holdings > MAX_ITEMS_PER_PEER:
            raise TooLarge(f"A peer has at most {MAX_ITEMS_PER_PEER} holdings.")

    def remove_holdings(self, contents: Iterable[ContentId]) -> None:
        """Drop the holdings of these contents; entries stay."""
        for content in contents:
            known = self._holding_of(content)
            if known is not None:
                self.digest.remove(known)
                self.holdings -= 1
                self.let_go.append(content)
                self.connection.execute(
                    "DELETE FROM holdings WHERE peer = ? AND content = ?", (self.peer, content)
                )

    def begin_replacement(self, generation: int) -> None:
        """From now on what is told is noted."""
        self.generation = generation
        replacements.begun(self.connection, self.peer, generation)

    def end_replacement(self, generation: int) -> None:
        """Drop what was not told since it began; nothing where it is not under way any more."""
        if not replacements.is_under_way(self.connection, self.peer, generation):
            return
        since = (self.peer, generation)
        self._drop(replacements.unnamed_entries(self.connection, *since, self.entries))
        self.remove_holdings(replacements.unnamed_holdings(self.connection, *since))
        replacements.ended(self.connection, *since)

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
            "UPDATE peers SET entries = ?, holdings = ?, digest = ?,"
            " sequence = coalesce(?, sequence) WHERE id = ?",
            (self.entries, self.holdings, value, sequence, self.peer),
        )
        return value

    def _change_known(self, entries: list[Entry], facts: list[bytes]) -> list[int]:
        """Note those that are as they were, change those that are not; the places of new ones."""
        given = {
            "peer": self.peer,
            "generation": self.generation,
            "paths": _json([entry.path for entry in entries]),
            "facts": b"".join(facts),
        }
        if self._count_same(given) == len(entries):
            return []
        new, changed, before = [], [], []
        for place, row_id, known in self.connection.execute(_OTHERS, given).fetchall():
            if row_id is None:
                new.append(place)
                continue
            entry = entries[place]
            self.digest.remove_entry(known, entry.path)
            self.digest.add_entry(facts[place], entry.path)
            changed.append((facts[place], entry.size_bytes, int(entry.kind), row_id))
            before.append(known)
        if changed:
            self._note_changed([row_id for *_, row_id in changed], before)
            self._change(changed)
        return new

    def _count_same(self, given: Mapping[str, object]) -> int:
        if self.generation is None:
            (count,) = self.connection.execute(_COUNT_SAME, given).fetchone()
            return int(count)
        return self.connection.execute(_NAME_SAME, given).rowcount

    def _change(self, changed: Sequence[tuple[bytes, int, int, int]]) -> None:
        """The path stays, and with it the text index."""
        ids = _json([row_id for *_, row_id in changed])
        remove_keys(self.connection, ids)
        self.connection.executemany(_CHANGE, changed)
        add_keys_again(self.connection, ids)
        if self.generation is not None:
            replacements.name_again(self.connection, self.peer, self.generation, ids)

    def _insert(self, entries: Sequence[Entry], facts: Sequence[bytes]) -> None:
        paths = [entry.path for entry in entries]
        self.digest.add_entries(facts, paths)
        texts = searchable_all(paths)
        sizes = [entry.size_bytes for entry in entries]
        kinds = [int(entry.kind) for entry in entries]
        found_by = map(name_crc, texts)
        columns = (paths, texts, found_by, facts, sizes, kinds, map(common_kind, texts))
        first = self._insert_rows(list(chain.from_iterable(zip(*columns, strict=True))))
        self.entries += len(entries)
        ids = first, first + len(entries) - 1
        add_keys(self.connection, *ids)
        if self.generation is not None:
            replacements.name_new(self.connection, self.peer, self.generation, *ids)

    def _insert_rows(self, values: Sequence[object]) -> int:
        """Rows behind each other, in few steps; the first one's id, which the others follow."""
        count = len(values) // _COLUMNS
        first, *_ = islice(self.ids, count)
        done = 0
        for rows, statement in _INSERTS:
            while count - done >= rows:
                some = values[done * _COLUMNS : (done + rows) * _COLUMNS]
                self.connection.execute(statement, (first + done, self.peer, *some))
                done += rows
        return first

    def _drop(self, rows: Sequence[tuple[int, bytes, str]]) -> None:
        if not rows:
            return
        for _, facts, path in rows:
            self.digest.remove_entry(facts, path)
        self.entries -= len(rows)
        row_ids = [row[0] for row in rows]
        self._note_changed(row_ids, [facts for _, facts, _ in rows])
        ids = _json(row_ids)
        if self.generation is not None:
            replacements.unname(self.connection, self.peer, ids)
        drop_entries(self.connection, ids)

    def _note_changed(self, ids: Sequence[int], facts: Iterable[bytes]) -> None:
        self.changed += ids
        self.contents_before += [ContentId(about[:CONTENT_ID_BYTES]) for about in facts]

    def _holding_of(self, content: ContentId) -> Holding | None:
        row = self.connection.execute(
            "SELECT complete FROM holdings WHERE peer = ? AND content = ?", (self.peer, content)
        ).fetchone()
        return None if row is None else Holding(content, bool(row[0]))


def _json(values: Sequence[object]) -> str:
    return _encode(values).decode()


_encode = msgspec.json.encode
