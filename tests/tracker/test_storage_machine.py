"""Any order of joins, announces, replays, leaves, ends and restarts, against a dict."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from panal.tracker import sqlite_keys
from panal.tracker.registry import is_fresh
from panal.tracker.search import understand
from panal.tracker.searchable import searchable
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.storage import Storage
from panal.wire.catalogue import Entry, Holding, SearchQuery
from panal.wire.ids import ContentId, PeerName
from tests.tracker.makers import announcement, content, digest_of, record

pytestmark = pytest.mark.p8

LEASE_S = 60.0
NAMES = [PeerName("peer_1"), PeerName("peer_2"), PeerName("peer_3")]
PATHS = ["año/uno.txt", "ano/dos.txt", "dos", "UNO", "100%", "x_y", "una copia de uno"]
WORDS = ["", "uno", "ano", "an", "o", "un", "%", "x_", "dos", "txt uno", "copia de"]
CONTENTS = [content(number) for number in range(4)]

names = st.sampled_from(NAMES)
entries = st.builds(Entry, st.sampled_from(PATHS), st.sampled_from(CONTENTS), st.integers(0, 2))
holdings = st.builds(Holding, st.sampled_from(CONTENTS), st.booleans())
messages = st.builds(
    lambda added, removed, held, dropped: {
        "entries": added,
        "removed": tuple(removed),
        "holdings": tuple(held),
        "removed_holdings": tuple(dropped),
    },
    st.lists(entries, max_size=4),
    st.lists(st.sampled_from(PATHS), max_size=3),
    st.lists(holdings, max_size=3),
    st.lists(st.sampled_from(CONTENTS), max_size=2),
)


@dataclass
class ModelPeer:
    lease_until_s: float
    gone_at_s: float | None = None
    sequence: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    holdings: dict[ContentId, Holding] = field(default_factory=dict)
    named: set[str | ContentId] | None = None
    """What the running replacement has named; None while none runs."""
    generation: int = 0

    def holds(self, wanted: ContentId) -> bool | None:
        if any(entry.content == wanted for entry in self.entries.values()):
            return True
        held = self.holdings.get(wanted)
        return None if held is None else held.complete


class TrackerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[PeerName, ModelPeer] = {}
        self.now_s = 1_000.0

    def opened(self) -> Storage:
        return SqliteStorage(self.folder / "tracker.db", self.now_s, LEASE_S)

    @initialize()
    def open(self) -> None:
        self.storage = self.opened()

    def teardown(self) -> None:
        self.storage.close()
        shutil.rmtree(self.folder)

    def live(self) -> dict[PeerName, ModelPeer]:
        return {name: peer for name, peer in self.model.items() if self.now_s < peer.lease_until_s}

    @rule(name=names, is_owner=st.booleans())
    def join(self, name: PeerName, is_owner: bool) -> None:
        with self.storage.transaction():
            known = self.storage.peer(name)
            assert (known is None) == (name not in self.model)
            if known is None or not (is_owner or known.is_live(self.now_s)):
                self.storage.forget(name)
                self.model[name] = ModelPeer(self.now_s + LEASE_S)
                self.storage.put_peer(record(name, now_s=self.now_s, lease_s=LEASE_S))
            else:
                self.storage.put_peer(known.renewed(self.now_s, LEASE_S))
                self.model[name].lease_until_s = self.now_s + LEASE_S
                self.model[name].gone_at_s = None

    @precondition(lambda self: self.live())
    @rule(data=st.data(), message=messages, gap=st.integers(-3, 3))
    def announce(self, data: st.DataObject, message: dict[str, Any], gap: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.live())))
        peer = self.model[name]
        sequence = max(1, peer.sequence + gap)
        with self.storage.transaction():
            known = self.storage.peer(name)
            assert known is not None
            assert known.sequence == peer.sequence
            fresh = is_fresh(known, sequence)
            assert fresh == (sequence > peer.sequence)
            if not fresh:
                return
            added = message["entries"]
            more = {key: value for key, value in message.items() if key != "entries"}
            self.storage.apply(name, announcement(*added, sequence=sequence, **more))
        peer.sequence = sequence
        for path in message["removed"]:
            peer.entries.pop(path, None)
        peer.entries |= {entry.path: entry for entry in added}
        for gone in message["removed_holdings"]:
            peer.holdings.pop(gone, None)
        peer.holdings |= {held.content: held for held in message["holdings"]}
        if peer.named is not None:
            peer.named |= {entry.path for entry in added}
            peer.named |= {held.content for held in message["holdings"]}

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def begin_replacement(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.live())))
        with self.storage.transaction():
            self.model[name].generation = self.storage.begin_replacement(name)
        self.model[name].named = set()

    @precondition(lambda self: any(peer.named is not None for peer in self.live().values()))
    @rule(data=st.data())
    def end_replacement(self, data: st.DataObject) -> None:
        running = sorted(name for name, peer in self.live().items() if peer.named is not None)
        name = data.draw(st.sampled_from(running))
        peer = self.model[name]
        named = peer.named or set()
        peer.entries = {path: one for path, one in peer.entries.items() if path in named}
        peer.holdings = {held: one for held, one in peer.holdings.items() if held in named}
        peer.named = None
        with self.storage.transaction():
            self.storage.end_replacement(name, peer.generation)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.live())))
        with self.storage.transaction():
            self.storage.end_lease(name, self.now_s)
        self.model[name].lease_until_s = self.model[name].gone_at_s = self.now_s

    @rule(name=names)
    def forget(self, name: PeerName) -> None:
        with self.storage.transaction():
            assert self.storage.forget(name) == (name in self.model)
        self.model.pop(name, None)

    @rule(duration_s=st.sampled_from([1.0, 25.0, 60.0]))
    def wait(self, duration_s: float) -> None:
        self.now_s += duration_s

    @rule()
    def sweep(self) -> None:
        absent = set(self.model) - set(self.live())
        lapsed = sorted(name for name in absent if self.model[name].gone_at_s is None)
        with self.storage.transaction():
            assert [gone.name for gone in self.storage.sweep(self.now_s)] == lapsed
        for name in lapsed:
            self.model[name].gone_at_s = self.now_s

    @rule(kept_s=st.sampled_from([0.0, 30.0]))
    def drop_gone(self, kept_s: float) -> None:
        before_s = self.now_s - kept_s
        with self.storage.transaction():
            self.storage.drop_gone(before_s)
        for name, peer in list(self.model.items()):
            if peer.gone_at_s is not None and peer.gone_at_s <= before_s:
                del self.model[name]

    @rule(limit=st.integers(1, 5))
    def clear_leftovers(self, limit: int) -> None:
        with self.storage.transaction():
            self.storage.clear_leftovers(limit)

    @rule(limit=st.integers(1, 5))
    def index(self, limit: int) -> None:
        with self.storage.transaction():
            self.storage.index_names(limit)

    @rule()
    def restart(self) -> None:
        self.storage.close()
        self.now_s = 10.0
        self.storage = self.opened()
        for peer in self.model.values():
            peer.named = None  # its stream has ended with the tracker
            if peer.gone_at_s is None:
                peer.lease_until_s = self.now_s + LEASE_S
            else:
                peer.lease_until_s = peer.gone_at_s = self.now_s

    @invariant()
    def digests_agree(self) -> None:
        for name, peer in self.model.items():
            known = self.storage.peer(name)
            assert known is not None
            assert known.digest == digest_of(*peer.entries.values(), *peer.holdings.values())
            assert known.is_live(self.now_s) == (name in self.live())
        listed = {
            one.record.name: one.entries for one in self.storage.list_peers("", 9, self.now_s)
        }
        assert listed == {name: len(peer.entries) for name, peer in self.live().items()}

    @invariant()
    def locate_agrees(self) -> None:
        located = self.storage.locate(CONTENTS, self.now_s)
        counts = self.storage.provider_counts(CONTENTS, self.now_s)
        for wanted in CONTENTS:
            expected = {
                name: held
                for name, peer in self.live().items()
                if (held := peer.holds(wanted)) is not None
            }
            assert {one.peer.name: one.complete for one in located[wanted]} == expected
            assert counts[wanted] == len(expected)
            found = self.storage.match(understand(SearchQuery(content=wanted)), self.now_s).rows
            assert {(row.peer, row.path) for row in found} == {
                (name, path)
                for name, peer in self.live().items()
                for path, entry in peer.entries.items()
                if entry.content == wanted
            }

    @invariant()
    def search_agrees(self) -> None:
        for words in WORDS:
            search = understand(SearchQuery(words))
            if search.is_listing:
                rows = list(self.storage.entries_in_order(search, self.now_s))
                assert rows == sorted(rows, key=lambda row: (row.path, row.content, row.peer))
            else:
                rows = list(self.storage.match(search, self.now_s).rows)
            found = [(row.peer, row.path, row.content, row.size_bytes) for row in rows]
            expected = {
                (name, path, entry.content, entry.size_bytes)
                for name, peer in self.live().items()
                for path, entry in peer.entries.items()
                if all(needle in searchable(path) for needle in search.needles)
            }
            assert len(found) == len(set(found))
            assert set(found) == expected


class SharedMachine(TrackerMachine):
    """The same in PostgreSQL, where times go on when a tracker is started again."""

    database = ""

    @initialize()
    def open(self) -> None:
        import psycopg

        with psycopg.connect(self.database) as connection:
            connection.execute("DROP SCHEMA IF EXISTS panal CASCADE")
        self.storage = self.opened()

    def opened(self) -> Storage:
        from panal.tracker.postgres import PostgresStorage

        return PostgresStorage(self.database, threads=2)

    @rule()
    def restart(self) -> None:
        self.storage.close()
        self.storage = self.opened()


@pytest.mark.slow
def test_in_postgresql(database: str) -> None:
    SharedMachine.database = database
    run_state_machine_as_test(
        SharedMachine, settings=settings(max_examples=6, stateful_step_count=15, deadline=None)
    )


@pytest.mark.slow
def test_in_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_keys, "RECENT_ENTRIES", 2)
    run_state_machine_as_test(
        TrackerMachine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
    )
