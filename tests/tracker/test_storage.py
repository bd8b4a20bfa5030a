"""The contract of `panal.tracker.storage.Storage`, run by every store.

Another store joins by one more entry in `STORES`.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from msgspec import structs

from panal.errors import TooLarge, UsageError
from panal.tracker import sqlite, sqlite_matches, sqlite_queries, sqlite_ranking, sqlite_rows
from panal.tracker.folders import Below
from panal.tracker.handout import Asker, Handout
from panal.tracker.ranking import RANK_LIMIT, RANKED_OF_MORE, Match, Matches, rank
from panal.tracker.ranking import listed as listed_page
from panal.tracker.search import Search, understand
from panal.tracker.searchable import searchable
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.sqlite_matches import QUICK_ROWS
from panal.tracker.storage import Storage, Totals
from panal.wire.catalogue import Entry, Holding, SearchQuery
from panal.wire.ids import ContentId, PeerName, Zone
from panal.wire.manifest import MAX_CONTENT_BYTES, Kind
from tests.tracker.makers import announcement, content, digest_of, entry, parts_of, record
from tests.tracker.search_cases import FINDS, RANKED, RANKINGS, SHARED


def _in_postgresql(request: pytest.FixtureRequest) -> Storage:
    database = request.getfixturevalue("database")
    from panal.tracker.postgres import PostgresStorage

    return PostgresStorage(database, threads=2)


STORES: dict[str, Callable[[pytest.FixtureRequest], Storage]] = {
    "sqlite in memory": lambda _: SqliteStorage(None, now_s=0.0),
    "sqlite in a file": lambda request: SqliteStorage(
        request.getfixturevalue("tmp_path") / "tracker.db", now_s=0.0
    ),
    "postgresql": _in_postgresql,
}
only_sqlite = pytest.mark.parametrize(
    "storage", [name for name in STORES if name.startswith("sqlite")], indirect=True
)
ONE, TWO = PeerName("peer_1"), PeerName("peer_2")


@pytest.fixture(params=STORES)
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    opened = STORES[request.param](request)
    with opened.transaction():
        opened.put_peer(record("peer_1"))
        opened.put_peer(record("peer_2", port=5001))
    yield opened
    opened.close()


def _announce(storage: Storage, name: PeerName, *entries: Entry, **more) -> bytes:
    with storage.transaction():
        return storage.apply(name, announcement(*entries, **more))


def _limit(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    for module in sqlite_matches, sqlite_queries:
        monkeypatch.setattr(module, name, value, raising=False)


def _search(storage: Storage, words: str = "", now_s: float = 1.0, **more) -> set[tuple[str, str]]:
    query = understand(SearchQuery(words, **more))
    if query.is_listing:
        return {(row.peer, row.path) for row in storage.entries_in_order(query, now_s)}
    before: set[tuple[str, str]] = {
        (row.peer, row.path) for row in storage.match(query, now_s).rows
    }
    _index(storage)
    rows = [(row.peer, row.path) for row in storage.match(query, now_s).rows]
    assert len(rows) == len(set(rows))
    assert set(rows) == before  # whether the index has caught up or not
    return before


def _index(storage: Storage) -> None:
    left = 1
    while left:
        with storage.transaction():
            left = storage.index_names(100)
    is_more = True
    while is_more:
        with storage.transaction():
            is_more = storage.merge_index(1_000)


def _everything(storage: Storage) -> Iterator[Match]:
    return storage.entries_in_order(understand(SearchQuery()), 1.0)


def _holders(storage: Storage, number: int, now_s: float = 1.0) -> set[tuple[str, bool]]:
    located = storage.locate([content(number)], now_s)
    return {(holder.peer.name, holder.complete) for holder in located[content(number)]}


def test_a_record_comes_back_as_it_was_put(storage: Storage) -> None:
    wanted = structs.replace(
        record("Ana.PC", bound=("127.0.0.1", "::"), port=6000),
        epoch=(1 << 63) - 1,
        sequence=(1 << 63) - 1,
        reachability="Año: nothing answers",
        reachable=False,
        lease_until_s=61.25,
        zone=Zone("rack1"),
    )
    with storage.transaction():
        storage.put_peer(wanted)
    assert storage.peer(PeerName("ana.pc")) == wanted
    with storage.transaction():
        storage.put_peer(structs.replace(wanted, zone=Zone("rack2")))
    assert storage.peer(PeerName("ana.pc")) == structs.replace(wanted, zone=Zone("rack2"))
    assert storage.peer(PeerName("nobody")) is None


def test_peers_that_join_zone_by_zone_are_named_to_each_other(storage: Storage) -> None:
    ways: dict[str, set[str]] = {}
    zones = [Zone(f"rack{number}") for number in range(3)]
    for zone in zones:
        for number in range(40):
            name = PeerName(f"{zone}-{number}")
            joined = record(name, host="10.0.0.1", bound=("0.0.0.0",), port=6000, zone=zone)
            asker = Asker("10.9.9.9", name, zone=zone)
            with storage.transaction():
                storage.put_peer(joined)
                storage.apply(name, announcement(holdings=(Holding(content(9), False),)))
                (holders,) = storage.locate([content(9)], 1.0).values()
            named = Handout(asker, 24, Random(len(ways))).choose(holders)
            near = [provider.zone == zone for provider in named]
            if zone != zones[0]:
                assert near.count(True) == min(18, number)
            ways[name] = {provider.peer for provider in named}
    # Those who stay had enough of their own zone to know nobody else.
    left = {name for name in ways if int(name.rpartition("-")[2]) >= 20}
    assert parts_of({name: ways[name] & left for name in left}) == [20 * len(zones)]


def test_putting_a_peer_again_keeps_its_catalogue(storage: Storage) -> None:
    digest = _announce(storage, ONE, entry("a.txt"), sequence=5)
    with storage.transaction():
        storage.put_peer(record("PEER_1", epoch=2))
    known = storage.peer(ONE)
    assert known is not None
    assert (known.name, known.epoch, known.digest) == ("PEER_1", 2, digest)
    assert _search(storage, "a.txt") == {("PEER_1", "a.txt")}


def test_peers_at_an_address(storage: Storage) -> None:
    assert [peer.name for peer in storage.peers_at("127.0.0.1", 5001, 1.0)] == [TWO]
    assert storage.peers_at("127.0.0.1", 5002, 1.0) == []
    assert storage.peers_at("127.0.0.1", 5001, 60.0) == []


def test_leases_of_many_are_put_together(storage: Storage) -> None:
    with storage.transaction():
        storage.end_lease(TWO, 20.0)
        found = storage.peers_free_for_update([PeerName("PEER_2"), PeerName("nobody"), ONE, ONE])
        assert sorted(one.name for one in found) == [ONE, TWO]
        storage.put_leases([])
        storage.put_leases([one.renewed(100.0, 60.0) for one in found])
    for name in (ONE, TWO):
        known = storage.peer(name)
        assert known is not None
        assert (known.lease_until_s, known.renewed_at_s) == (160.0, 100.0)
    with storage.transaction():
        assert storage.sweep(159.0) == []


def test_a_lease_that_was_over_and_runs_again_is_found_again(storage: Storage) -> None:
    _announce(storage, ONE, entry("a.txt"))
    assert _search(storage, "a.txt", now_s=61.0) == set()
    with storage.transaction():
        known = storage.peer_for_update(ONE)
        assert known is not None
        storage.put_leases([known.renewed(61.0, 60.0)])
    assert _search(storage, "a.txt", now_s=120.0) == {(ONE, "a.txt")}
    assert _search(storage, "a.txt", now_s=121.0) == set()


def test_a_lease_in_memory_is_renewed_without_a_transaction(storage: Storage) -> None:
    """Where it is in memory; else, and for whoever is not here, nothing is changed."""
    before = storage.peer(ONE)
    renewed = storage.renew_in_memory(PeerName("PEER_1"), lambda it: it.renewed(50.0, 60.0))
    assert renewed == (before and before.renewed(50.0, 60.0) if storage.is_embedded else None)
    assert storage.peer(ONE) == (renewed or before)
    assert storage.renew_in_memory(PeerName("nobody"), lambda it: it) is None
    with storage.transaction():
        storage.end_lease(TWO, 20.0)
    gone = storage.peer(TWO)
    assert storage.renew_in_memory(TWO, lambda it: it.renewed(50.0, 60.0)) is None
    assert storage.peer(TWO) == gone
    if storage.is_embedded:
        with storage.transaction():
            assert [one.name for one in storage.sweep(109.0)] == []
            assert [one.name for one in storage.sweep(110.0)] == [ONE]


def test_a_lease_put_in_vain_runs_as_before(storage: Storage) -> None:
    before = storage.peer(ONE)
    assert before is not None

    def put_and_fail() -> None:
        with storage.transaction():
            storage.put_leases([before.renewed(100.0, 60.0)])
            storage.begin_replacement(PeerName("nobody"))

    with pytest.raises(KeyError):
        put_and_fail()
    assert storage.peer(ONE) == before


def test_totals_are_of_live_peers(storage: Storage) -> None:
    held = (Holding(content(8), complete=False), Holding(content(9), complete=True))
    _announce(storage, ONE, entry("a.txt"), entry("b.txt", 2), holdings=held)
    _announce(storage, TWO, entry("c.txt", 3))
    with storage.transaction():
        storage.put_peer(structs.replace(record("peer_2", port=5001), reachable=False))
    with storage.transaction():
        behind = storage.totals(1.0).unsearchable
        assert behind == (3 if storage.indexes_behind else 0)
    if behind:
        with storage.transaction():
            storage.index_names(100)
    with storage.transaction():
        assert storage.totals(1.0) == Totals(2, 1, 3, 2)
    with storage.transaction():
        storage.end_lease(ONE, 1.0)
    with storage.transaction():
        assert storage.totals(2.0) == Totals(1, 0, 1, 0)
        assert storage.totals(1e9) == Totals(0, 0, 0, 0)


def test_an_announced_path_is_found_and_located(storage: Storage) -> None:
    _announce(storage, ONE, entry("Música/Año.mp3", 7))
    assert _search(storage, "ano") == {(ONE, "Música/Año.mp3")}
    assert _holders(storage, 7) == {(ONE, True)}
    assert _holders(storage, 8) == set()


def test_the_digest_and_the_sequence_follow_each_message(storage: Storage) -> None:
    a, b = entry("a", 1), entry("b", 2)
    half = Holding(content(3), complete=False)
    assert _announce(storage, ONE, a, b, holdings=(half,)) == digest_of(a, b, half)
    assert _announce(storage, ONE, removed=("a", "never"), sequence=900) == digest_of(b, half)
    known = storage.peer(ONE)
    assert known is not None
    assert (known.sequence, known.digest) == (900, digest_of(b, half))


def test_each_of_many_told_at_once_is_as_it_was_told(storage: Storage) -> None:
    told: list[Entry] = []
    for count in (1, 26, 553):  # to SQLite in one step, in two, and in several
        new = [entry(f"{count}/{number:03}", len(told) + number) for number in range(count)]
        told += new
        assert _announce(storage, ONE, *new) == digest_of(*told)
        assert storage.entries_between(ONE, f"{count}/", f"{count}0", 1_000) == new
        assert _holders(storage, len(told) - 1) == {("peer_1", True)}


def test_a_path_announced_again_takes_the_new_content(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1))
    changed = structs.replace(entry("a", 2, 99, b"h" * 32), kind=Kind.COLLECTION)
    assert _announce(storage, ONE, changed) == digest_of(changed)
    assert _holders(storage, 1) == set()
    assert _holders(storage, 2) == {(ONE, True)}
    assert _search(storage, "a") == {(ONE, "a")}


def test_the_same_message_twice_changes_nothing(storage: Storage) -> None:
    half = Holding(content(3), complete=False)
    first = _announce(storage, ONE, entry("a"), entry("a"), holdings=(half, half))
    assert (
        first
        == _announce(storage, ONE, entry("a"), holdings=(half,))
        == digest_of(entry("a"), half)
    )


def test_what_is_removed_goes_before_what_is_added(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1))
    assert _announce(storage, ONE, entry("a", 2), removed=("a",)) == digest_of(entry("a", 2))
    assert _search(storage, "a") == {(ONE, "a")}


def test_a_name_that_went_does_not_find_its_successor(storage: Storage) -> None:
    _announce(storage, ONE, entry("alpha", 1))
    _announce(storage, ONE, removed=("alpha",))
    _announce(storage, ONE, entry("beta", 2))
    assert _search(storage, "alpha") == set()
    assert _search(storage, "beta") == {(ONE, "beta")}


def test_two_copies_under_two_paths(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), entry("b", 1))
    _announce(storage, ONE, removed=("a",))
    assert _holders(storage, 1) == {(ONE, True)}
    assert _search(storage) == {(ONE, "b")}
    _announce(storage, ONE, removed=("b",))
    assert _holders(storage, 1) == set()


def test_nobody_else_loses_a_removed_path(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1))
    _announce(storage, TWO, entry("a", 1))
    _announce(storage, ONE, removed=("a",))
    assert _search(storage) == {(TWO, "a")}
    assert _holders(storage, 1) == {(TWO, True)}


def test_a_partial_holding_is_located_but_never_a_search_hit(storage: Storage) -> None:
    _announce(storage, ONE, holdings=(Holding(content(1), complete=False),))
    assert _holders(storage, 1) == {(ONE, False)}
    assert _search(storage) == set()
    _announce(storage, ONE, holdings=(Holding(content(1), complete=True),))
    assert _holders(storage, 1) == {(ONE, True)}
    _announce(storage, ONE, removed_holdings=(content(1), content(2)))
    assert _holders(storage, 1) == set()


def test_an_entry_outweighs_a_partial_holding(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), holdings=(Holding(content(1), complete=False),))
    assert _holders(storage, 1) == {(ONE, True)}
    _announce(storage, ONE, removed_holdings=(content(1),))
    assert _holders(storage, 1) == {(ONE, True)}


def test_a_replacement_drops_only_what_it_did_not_name(storage: Storage) -> None:
    half = Holding(content(8), complete=False)
    gone = Holding(content(9), complete=False)
    _announce(storage, ONE, entry("stays", 1), entry("goes", 2), holdings=(half, gone))
    _announce(storage, TWO, entry("theirs", 2))
    with storage.transaction():
        generation = storage.begin_replacement(ONE)
    _announce(storage, ONE, entry("stays", 1), holdings=(half,))
    assert _search(storage) == {(ONE, "stays"), (ONE, "goes"), (TWO, "theirs")}
    with storage.transaction():
        digest = storage.end_replacement(ONE, generation)
    assert digest == digest_of(entry("stays", 1), half)
    assert _search(storage) == {(ONE, "stays"), (TWO, "theirs")}
    assert _holders(storage, 9) == set()


def test_a_broken_replacement_drops_nothing_and_the_next_one_does(storage: Storage) -> None:
    _announce(storage, ONE, entry("goes"))
    with storage.transaction():
        storage.begin_replacement(ONE)
    _announce(storage, ONE, entry("half"))
    assert _search(storage) == {(ONE, "goes"), (ONE, "half")}
    with storage.transaction():
        generation = storage.begin_replacement(ONE)
    _announce(storage, ONE, entry("whole"))
    with storage.transaction():
        storage.end_replacement(ONE, generation)
    assert _search(storage) == {(ONE, "whole")}


def test_replacements_one_after_another_keep_what_each_names(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), entry("b", 2), entry("c", 3))
    for named in ("ab", "ab", "b"):
        with storage.transaction():
            generation = storage.begin_replacement(ONE)
        for path in named:
            _announce(storage, ONE, entry(path, ord(path) - ord("a") + 1))
        with storage.transaction():
            storage.end_replacement(ONE, generation)
        assert _search(storage) == {(ONE, path) for path in named}
        _announce(storage, ONE, entry("b", 2))


def test_a_replacement_that_ends_late_drops_nothing_that_it_named(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), entry("b", 2))
    with storage.transaction():
        late = storage.begin_replacement(ONE)
    _announce(storage, ONE, entry("a", 1))
    with storage.transaction():
        generation = storage.begin_replacement(ONE)
    with storage.transaction():
        storage.end_replacement(ONE, late)
    assert _search(storage) == {(ONE, "a")}
    _announce(storage, ONE, entry("a", 1))
    with storage.transaction():
        storage.end_replacement(ONE, generation)
    assert _search(storage) == {(ONE, "a")}


def test_a_replacement_that_ends_after_its_peer_was_dropped_drops_nothing(
    storage: Storage,
) -> None:
    _announce(storage, ONE, entry("a", 1))
    with storage.transaction():
        late = storage.begin_replacement(ONE)
    with storage.transaction():
        storage.forget(ONE)
        storage.put_peer(record(ONE))
    _announce(storage, ONE, entry("b", 2))
    with storage.transaction():
        storage.begin_replacement(ONE)
    with storage.transaction():
        digest = storage.end_replacement(ONE, late)
    assert digest == digest_of(entry("b", 2))
    assert _search(storage) == {(ONE, "b")}


def test_nobody_is_named_after_the_lease_even_before_the_sweep(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1))
    for now_s, named in ((59.9, True), (60.0, False)):
        assert bool(_search(storage, "a", now_s)) is named
        assert bool(_holders(storage, 1, now_s)) is named
        assert bool(storage.list_peers("", 9, now_s)) is named
        assert storage.provider_counts([content(1)], now_s)[content(1)] == int(named)


def test_the_sweep_tells_each_lapsed_peer_once_and_names_nothing_of_it(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), holdings=(Holding(content(5), complete=True),))
    _announce(storage, TWO, entry("b", 2))
    with storage.transaction():
        known = storage.peer(TWO)
        assert known is not None
        storage.put_peer(known.renewed(50.0, 60.0))
        assert [gone.name for gone in storage.sweep(60.0)] == [ONE]
        assert storage.sweep(61.0) == []
    assert _search(storage, now_s=61.0) == {(TWO, "b")}
    assert _search(storage, "a", now_s=61.0) == set()
    assert _holders(storage, 1, now_s=61.0) == _holders(storage, 5, now_s=61.0) == set()


def test_a_peer_that_left_comes_back_to_its_catalogue(storage: Storage) -> None:
    digest = _announce(storage, ONE, entry("a", 1))
    with storage.transaction():
        storage.end_lease(ONE, 5.0)
        assert storage.sweep(6.0) == []  # it said goodbye: nothing to tell
    assert _search(storage, now_s=6.0) == set()
    with storage.transaction():
        known = storage.peer(ONE)
        assert known is not None
        storage.put_peer(known.renewed(10.0, 60.0))
        storage.drop_gone(1_000.0)
    assert _search(storage, now_s=11.0) == {(ONE, "a")}
    back = storage.peer(ONE)
    assert back is not None
    assert back.digest == digest


def test_what_has_long_been_gone_is_dropped(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1))
    with storage.transaction():
        storage.end_lease(ONE, 5.0)
        storage.drop_gone(4.9)
        assert storage.peer(ONE) is not None
        storage.drop_gone(5.0)
        assert storage.peer(ONE) is None
        assert storage.peer(TWO) is not None
        assert storage.clear_leftovers(10)


def test_a_dropped_peer_leaves_nothing_to_its_successor(storage: Storage) -> None:
    paths = [f"file {number}" for number in range(25)]
    held = tuple(Holding(content(100 + number), complete=True) for number in range(25))
    _announce(storage, ONE, *(entry(path) for path in paths), holdings=held)
    with storage.transaction():
        assert storage.forget(PeerName("PEER_1"))
        assert not storage.forget(ONE)
        storage.put_peer(record("peer_1"))
    assert _search(storage) == set()
    _announce(storage, ONE, entry("file 3"))
    slices = 0
    more = True
    while more:
        with storage.transaction():
            more = storage.clear_leftovers(10)
        slices += more
    assert slices >= 5
    assert _search(storage, "file") == {(ONE, "file 3")}
    assert _holders(storage, 100) == set()


def test_leftovers_that_could_not_be_removed_are_named_to_nobody_still(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), holdings=(Holding(content(2), complete=True),))
    with storage.transaction():
        storage.forget(ONE)
    with suppress(OSError), storage.transaction():
        assert storage.clear_leftovers(10)
        raise OSError
    assert _holders(storage, 1) == _holders(storage, 2) == set()
    assert _search(storage) == set()
    with storage.transaction():
        assert storage.clear_leftovers(10)
    assert _search(storage) == set()


def test_an_unknown_peer_has_no_catalogue(storage: Storage) -> None:
    with pytest.raises(KeyError), storage.transaction():
        storage.apply(PeerName("nobody"), announcement(entry("a")))
    with pytest.raises(KeyError), storage.transaction():
        storage.begin_replacement(PeerName("nobody"))


def test_a_failed_transaction_leaves_nothing(storage: Storage) -> None:
    class Stopped(Exception):
        pass

    def fail() -> None:
        with storage.transaction():
            storage.apply(ONE, announcement(entry("a", 1)))
            storage.forget(TWO)
            raise Stopped

    with pytest.raises(Stopped):
        fail()
    assert _search(storage) == set()
    assert storage.peer(TWO) is not None
    assert _announce(storage, ONE, entry("b", 2)) == digest_of(entry("b", 2))


@only_sqlite
def test_what_is_in_memory_is_undone_where_rolling_back_fails(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    def forget_in_vain() -> None:
        with storage.transaction():
            storage.forget(TWO)
            raise ValueError

    monkeypatch.setattr(sqlite, "roll_back", fail)
    with pytest.raises(sqlite3.OperationalError):
        forget_in_vain()
    assert storage.peer(TWO) is not None
    assert _announce(storage, TWO, entry("b", 2)) == digest_of(entry("b", 2))


def test_too_many_entries_are_refused_whole(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store in ("sqlite", "postgres"):
        monkeypatch.setattr(f"panal.tracker.{store}_catalogue.MAX_ITEMS_PER_PEER", 2)
    _announce(storage, ONE, entry("a"), entry("b"))
    with pytest.raises(TooLarge):
        _announce(storage, ONE, entry("c"))
    held = tuple(Holding(content(number), complete=True) for number in range(3))
    with pytest.raises(TooLarge):
        _announce(storage, ONE, holdings=held)
    assert _search(storage) == {(ONE, "a"), (ONE, "b")}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("año", {"Año nuevo.txt"}),
        ("NUEVO año", {"Año nuevo.txt"}),
        ("an", {"Año nuevo.txt"}),
        ("uevo", {"Año nuevo.txt"}),
        ("ue", set()),
        ("%", {"100%_sure*.txt"}),
        ("_", {"100%_sure*.txt"}),
        ("*", {"100%_sure*.txt"}),
        ('"', {'say "hi".txt'}),
        ('"hi"', {'say "hi".txt'}),
        ('"hi" OR ano', set()),
        ("100%_", {"100%_sure*.txt"}),
        ("1", {"100%_sure*.txt"}),
        ("txt sa", {'say "hi".txt'}),
        ("searchable:txt", set()),
        ("NEAR(a b)", set()),
        ("^txt", set()),
        ("", {"Año nuevo.txt", "100%_sure*.txt", 'say "hi".txt'}),
    ],
)
def test_words_are_literal(storage: Storage, words: str, found: set[str]) -> None:
    paths = ("Año nuevo.txt", "100%_sure*.txt", 'say "hi".txt')
    _announce(storage, ONE, *(entry(path) for path in paths))
    assert {path for _, path in _search(storage, words)} == found


def test_filters_narrow_a_search(storage: Storage) -> None:
    vouched = entry("b.iso", 2, 2_000, b"h" * 32)
    _announce(storage, ONE, entry("a.iso", 1, 1_000), vouched)
    _announce(storage, TWO, structs.replace(entry("c.iso", 3, 3_000), kind=Kind.COLLECTION))
    for words in ("", "iso", "a b c"[:1]):
        assert _search(storage, words, peer="Peer_1") <= {(ONE, "a.iso"), (ONE, "b.iso")}
    assert _search(storage, "iso", peer="Peer_1") == {(ONE, "a.iso"), (ONE, "b.iso")}
    assert _search(storage, peer="nobody") == set()
    assert _search(storage, content=content(3)) == {(TWO, "c.iso")}
    assert _search(storage, "a", content=content(3)) == set()
    assert _search(storage, sha256=b"h" * 32) == {(ONE, "b.iso")}
    assert _search(storage, "iso", sha256=b"g" * 32) == set()
    assert _search(storage, kind=Kind.COLLECTION) == {(TWO, "c.iso")}
    assert _search(storage, "iso", min_size_bytes=2_000) == {(ONE, "b.iso"), (TWO, "c.iso")}
    assert _search(storage, "iso", max_size_bytes=2_000) == {(ONE, "a.iso"), (ONE, "b.iso")}
    assert _search(storage, max_size_bytes=MAX_CONTENT_BYTES) == _search(storage)


def test_providers_are_counted_once_each(storage: Storage) -> None:
    _announce(storage, ONE, entry("a", 1), entry("b", 1))
    _announce(storage, TWO, holdings=(Holding(content(1), complete=False),))
    counts = storage.provider_counts([content(1), content(2)], 1.0)
    assert counts == {content(1): 2, content(2): 0}


def test_peers_are_listed_by_name_in_pages(storage: Storage) -> None:
    with storage.transaction():
        storage.put_peer(record("Alba", port=7000))
    _announce(storage, TWO, entry("a"), entry("b"))
    everybody = storage.list_peers("", 9, 1.0)
    assert [(peer.record.name, peer.entries) for peer in everybody] == [
        ("Alba", 0),
        (ONE, 0),
        (TWO, 2),
    ]
    assert [peer.record.name for peer in storage.list_peers("ALBA", 1, 1.0)] == [ONE]


def test_every_query_finds_what_the_table_says(storage: Storage) -> None:
    for peer, entries in SHARED.items():
        _announce(storage, PeerName(peer), *entries)
    for words, paths in FINDS:
        assert {path for _, path in _search(storage, words)} == paths, words


@pytest.mark.parametrize("few", [0, sqlite_queries.FEW_ROWS])
@pytest.mark.parametrize("words", RANKINGS)
def test_every_store_ranks_alike_page_by_page(
    storage: Storage, words: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, "FEW_ROWS", few)
    rows = []
    for peer, entries in RANKED.items():
        _announce(storage, PeerName(peer), *entries)
        rows += [
            Match(PeerName(peer), e.path, searchable(e.path), e.content, 0, e.kind, e.sha256)
            for e in entries
        ]
    _index(storage)
    page = ""
    for _ in range(20):
        query = understand(SearchQuery(words, page=page, page_size=2))
        all_of_them = [row for row in rows if _meets(query, row)]
        wanted = rank(query, Matches.of(all_of_them))
        found = storage.match(query, 1.0)
        assert rank(query, found) == wanted
        assert not found.capped
        if not (page := wanted.next_page):
            return
    raise AssertionError("there is no last page")


def test_a_content_of_very_many_names_leaves_its_page_to_others_too(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, "FEW_ROWS", 0)
    _announce(storage, ONE, *(entry(f"lib {number:02}", 1) for number in range(30)))
    _announce(storage, TWO, entry("lib 40", 2), entry("lib 50", 3), entry("glib", 1))
    _announce(storage, ONE, entry("lib 60", 4), *(entry(f"x{number}", 2) for number in range(99)))
    _index(storage)
    query = understand(SearchQuery("lib", page_size=2))
    matches = storage.match(query, 1.0)
    assert {row.content for row in matches.rows} == {content(number) for number in (1, 2, 3)}
    page = rank(query, matches)
    assert [(hit.content, hit.names_total) for hit in page.hits] == [
        (content(1), 31),
        (content(2), 1),
    ]
    query = understand(SearchQuery("lib", page_size=2, page=page.next_page))
    page = rank(query, storage.match(query, 1.0))
    assert [hit.content for hit in page.hits] == [content(3), content(4)]
    assert not page.next_page


def _meets(query: Search, row: Match) -> bool:
    return (
        all(needle in row.searchable for needle in query.needles)
        and all(any(end in row.searchable for end in group) for group in query.any_of)
        and not any(needle in row.searchable for needle in query.unwanted)
        and query.kind in {None, row.kind}
        and query.peer in {"", row.peer}
        and (query.max_size_bytes is None or row.size_bytes <= query.max_size_bytes)
    )


@only_sqlite
def test_a_search_that_would_hold_everybody_up_is_given_up(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _announce(storage, ONE, *(entry(f"{number} a b", 1) for number in range(5_000)))
    assert len(_search(storage, "b a")) == 5_000
    _index(storage)
    monkeypatch.setattr(sqlite_rows, "MOST_STEPS", 20_000)
    with pytest.raises(UsageError, match="three letters"):
        _search(storage, "a b")
    with pytest.raises(UsageError, match="three letters"):
        _search(storage, "ext:q")
    assert _search(storage, "4321 a") == {(ONE, "4321 a b")}  # what the index finds costs little


@only_sqlite
def test_a_listing_of_a_common_kind_reads_only_what_is_of_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _announce(storage, ONE, *(entry(f"{number}.bin", 1) for number in range(5_000)))
    _announce(storage, ONE, entry("z.jpg", 2), entry("z.PNG", 3), entry("z.pdf", 4))
    monkeypatch.setattr(sqlite_rows, "MOST_STEPS", 2_000)
    monkeypatch.setattr(sqlite_rows, "_STEPS_AT_ONCE", 1_000)
    for words, found in {"kind:image": ["z.PNG", "z.jpg"], "ext:jpg,gif": ["z.jpg"]}.items():
        rows = storage.entries_in_order(understand(SearchQuery(words)), 1.0)
        assert [row.path for row in rows] == found


@only_sqlite
@pytest.mark.parametrize("words", ["lib kind:image", "x ext:png,svg", "li ext:svg -zip"])
def test_endings_beside_common_words_are_looked_up(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    _announce(storage, ONE, *(entry(f"x/lib{number}.c", 1) for number in range(5_000)))
    _announce(storage, ONE, entry("x/lib.svg", 2))
    _index(storage)
    monkeypatch.setattr(sqlite_queries, "ENOUGH_TO_LOOK_UP", 1_000)
    assert _search(storage, words) == {(ONE, "x/lib.svg")}  # what is common is counted once
    monkeypatch.setattr(sqlite_rows, "MOST_STEPS", 8_000)
    monkeypatch.setattr(sqlite_rows, "_STEPS_AT_ONCE", 1_000)
    assert _search(storage, words) == {(ONE, "x/lib.svg")}


@only_sqlite
def test_one_letter_is_looked_up_as_longer_words_are(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _announce(storage, ONE, *(entry(f"{number}/b c.b", 1) for number in range(5_000)))
    _announce(storage, ONE, entry("z/x", 2), entry("xy", 3), entry("axe", 4), entry("a/東京x", 5))
    _index(storage)
    monkeypatch.setattr(sqlite_rows, "MOST_STEPS", 2_000)
    monkeypatch.setattr(sqlite_rows, "_STEPS_AT_ONCE", 1_000)
    assert {path for _, path in _search(storage, "x")} == {"z/x", "xy"}
    assert {path for _, path in _search(storage, "京")} == {"a/東京x"}
    assert _search(storage, "q") == set()


@only_sqlite
def test_an_exact_name_costs_what_has_it_however_many_contain_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _announce(storage, ONE, *(entry(f"{number}/b c.b", 1) for number in range(5_000)))
    _announce(storage, ONE, entry("z/b", 2))
    _index(storage)
    _limit(monkeypatch, "RANK_LIMIT", 3)
    _limit(monkeypatch, "RANKED_OF_MORE", 3)
    monkeypatch.setattr(sqlite_rows, "MOST_STEPS", 2_000)
    monkeypatch.setattr(sqlite_rows, "_STEPS_AT_ONCE", 1_000)
    matches = storage.match(understand(SearchQuery("b")), 1.0)
    assert matches.capped
    assert matches.rows[0].path == "z/b"


@only_sqlite
def test_of_too_many_those_in_which_the_words_begin_words_are_ranked(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _announce(storage, ONE, *(entry(f"glib{number}", 1) for number in range(8)))
    _announce(storage, ONE, *(entry(f"a lib{number}", 2) for number in range(2)))
    _index(storage)
    for limit, value in (("RANK_LIMIT", 6), ("RANKED_OF_MORE", 3)):
        _limit(monkeypatch, limit, value)
    matches = storage.match(understand(SearchQuery("lib")), 1.0)
    assert matches.capped
    assert [row.path for row in matches.rows] == ["a lib0", "a lib1", "glib0"]
    _limit(monkeypatch, "RANK_LIMIT", 10)
    matches = storage.match(understand(SearchQuery("lib")), 1.0)
    assert (len(matches.rows), matches.capped) == (10, False)


@only_sqlite
def test_no_page_is_lost_while_the_index_is_further_behind_than_a_search_looks(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that no search sees does not say either where a content stands."""
    monkeypatch.setattr(sqlite_queries, "FEW_ENTRIES", 20)
    _limit(monkeypatch, "FEW_ROWS", 1)
    # Told apart by their first bytes, as hashes are: else the names of too many are looked at.
    contents = [ContentId(bytes([number]) * 32) for number in range(60)]

    def tell(name: str, first: int, count: int) -> None:
        for number in range(count):
            known = entry(f"{name}{number:02}")
            _announce(storage, ONE, structs.replace(known, content=contents[first + number]))

    tell("alpha zz", 0, 30)
    _index(storage)
    tell("alpha aa", 0, 30)
    tell("filler", 30, 25)
    query, found = SearchQuery("alpha", page_size=3), []
    for _ in range(10):
        wanted = understand(query)
        page = rank(wanted, storage.match(wanted, 1.0))
        found += [hit.content for hit in page.hits]
        query = structs.replace(query, page=page.next_page)
    assert found == contents[:30]
    assert not query.page


def test_no_pattern_tries_again_within_a_name() -> None:
    """It would take the square of a name's length, in one step that nothing ends."""
    for words, has_pattern in ("lib", True), ("a-b", False), ("--", False):
        expression, _ = sqlite_ranking._class_of(understand(SearchQuery(words, literal=True)))
        assert ("GLOB" in expression) == has_pattern


@only_sqlite
def test_the_best_of_too_many_are_kept_only_while_they_are_the_best(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(storage, SqliteStorage)
    for limit, value in (("RANK_LIMIT", 6), ("RANKED_OF_MORE", 3)):
        _limit(monkeypatch, limit, value)
    looked_up: list[str] = []

    def best(words: str = "lib -zip") -> list[tuple[str, bytes]]:
        looked_up.clear()
        matches = storage.match(understand(SearchQuery(words, page_size=2)), 1.0)
        assert matches.capped
        return [(row.path, row.content) for row in matches.rows]

    def named(*numbers: int) -> list[tuple[str, bytes]]:
        return [(f"lib{number}", content(number)) for number in numbers]

    _announce(storage, ONE, *(entry(f"lib{number}", number) for number in range(9)))
    _announce(storage, TWO, *(entry(f"lib{number}", number) for number in range(9, 20)))
    _index(storage)
    assert best() == named(0, 1, 2)
    storage._connection.set_trace_callback(
        lambda said: looked_up.append(said) if "MATCH" in said and "count(" not in said else None
    )
    _announce(storage, TWO, entry("lib20", 20), entry("lib12", 99), removed=("lib11",))
    assert best() == named(0, 1, 2)
    assert not looked_up  # nothing that was read has changed
    _announce(storage, ONE, entry("lib1", 50))
    assert best() == [("lib0", content(0)), ("lib1", content(50)), ("lib2", content(2))]
    assert looked_up
    _announce(storage, ONE, removed=("lib1",))
    assert best() == named(0, 2, 3)
    _announce(storage, TWO, entry("lib -zip", 60), entry("x/lib", 61))
    assert best() == [("x/lib", content(61)), *named(0, 2)]
    assert best() == [("x/lib", content(61)), *named(0, 2)]
    assert not looked_up
    _announce(storage, TWO, entry("glib", 70), entry("glib7", 71))
    _announce(storage, ONE, *(entry(f"glib1{number}", number) for number in range(9)))
    _index(storage)
    assert [path for path, _ in best("glib1 -zip")] == ["glib10", "glib11", "glib12"]
    assert [path for path, _ in best("gli -zip")] == ["glib", "glib10", "glib7"]
    with storage.transaction():
        storage.end_lease(TWO, 1.0)
    assert [path for path, _ in best("gli -zip")] == ["glib10", "glib11", "glib12"]


@only_sqlite
def test_what_was_too_much_is_counted_again_when_names_have_gone_or_changed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capped(words: str) -> bool:
        return storage.match(understand(SearchQuery(words)), 1.0).capped

    _limit(monkeypatch, "RANK_LIMIT", 6)
    _limit(monkeypatch, "RANKED_OF_MORE", 3)
    _announce(storage, ONE, *(entry(f"lib{number}", 1, 500) for number in range(4)))
    _announce(storage, TWO, *(entry(f"lib{number}", 1, 500) for number in range(4)))
    _index(storage)
    assert capped("lib")
    assert capped("lib -zip")
    assert capped("lib size:>100")
    _announce(storage, TWO, entry("lib0", 2, 1), entry("lib1", 2, 1))
    assert capped("lib")
    assert not capped("lib size:>100")
    assert capped("lib -zip")
    with storage.transaction():
        storage.end_lease(TWO, 1.0)
    assert not capped("lib -zip")
    with storage.transaction():
        storage.apply(ONE, announcement(removed=("lib0", "lib1")))
    _index(storage)
    assert not capped("lib")


@only_sqlite
def test_of_many_names_with_its_trigrams_the_few_that_match_are_all(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, "RANK_LIMIT", 6)
    _limit(monkeypatch, "RANKED_OF_MORE", 3)
    _announce(storage, ONE, *(entry(f"libib glib {number}", number) for number in range(10)))
    _announce(storage, ONE, entry("glibib a", 20), entry("glibib b", 21))
    _index(storage)
    few = storage.match(understand(SearchQuery("glibib")), 1.0)
    assert (len(few.rows), few.capped) == (2, False)
    assert storage.match(understand(SearchQuery("libib")), 1.0).capped
    _announce(storage, ONE, entry("glibib c", 22))
    _index(storage)
    assert storage.match(understand(SearchQuery("glibib")), 1.0).capped


@only_sqlite
def test_a_search_is_quick_once_it_was_counted_and_while_the_index_is_not_behind(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, "RANK_LIMIT", 6)
    _limit(monkeypatch, "RANKED_OF_MORE", 5)
    _announce(storage, ONE, *(entry(f"lib{number}", 1) for number in range(20)))
    _index(storage)
    common, rare, none = (understand(SearchQuery(words)) for words in ("lib", "lib7", "qqzzy"))
    for search in common, rare, none:
        assert not storage.is_quick(search)
        storage.match(search, 1.0)
        assert storage.is_quick(search)
    for words in "lib size:>1", "lib -7", "lib peer:peer_1", "li ext:", "7", "", "ext:txt":
        search = understand(SearchQuery(words))
        _search(storage, words)
        assert storage.is_quick(search) == (words == "li ext:")
    _announce(storage, ONE, *(entry(f"new{number}", 1) for number in range(1_001)))
    assert not storage.is_quick(rare)
    _index(storage)
    assert storage.is_quick(common)


@only_sqlite
def test_a_search_is_not_quick_while_as_many_names_came_since_it_was_counted(
    storage: Storage,
) -> None:
    _announce(storage, ONE, *(entry(f"holiday {number}", 1) for number in range(5)))
    _index(storage)
    storage.match(understand(SearchQuery("holiday")), 1.0)
    assert storage.is_quick(understand(SearchQuery("holiday holiday")))
    _announce(storage, ONE, *(entry(f"holiday with {n}", 1) for n in range(QUICK_ROWS - 5)))
    _index(storage)
    assert storage.is_quick(understand(SearchQuery("holiday holiday")))
    _announce(storage, ONE, entry("holiday at last", 1))
    _index(storage)
    assert not storage.is_quick(understand(SearchQuery("holiday holiday")))


@only_sqlite
def test_a_search_is_not_quick_that_finds_few_among_many_with_its_trigrams(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, "RANK_LIMIT", 6)
    _limit(monkeypatch, "RANKED_OF_MORE", 5)
    _announce(storage, ONE, *(entry(f"holida oliday {number}", 1) for number in range(20)))
    _announce(storage, ONE, entry("a holiday", 2))
    _index(storage)
    for page in (understand(SearchQuery("holiday")), understand(SearchQuery("holiday ext:"))):
        assert len(storage.match(page, 1.0).rows) == 1
        assert not storage.is_quick(page)


@only_sqlite
def test_a_rare_trigram_is_enough_to_find_what_has_common_ones(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _announce(storage, ONE, *(entry(f"lib{number}", 1) for number in range(5_000)))
    _announce(storage, ONE, entry("libssl", 2), entry("ssl of lib", 3))
    _index(storage)
    assert _search(storage, "libssl") == {(ONE, "libssl")}
    monkeypatch.setattr(sqlite_rows, "MOST_STEPS", 2_000)
    monkeypatch.setattr(sqlite_rows, "_STEPS_AT_ONCE", 1_000)
    assert _search(storage, "libssl") == {(ONE, "libssl")}
    assert _search(storage, "lib of") == {(ONE, "ssl of lib")}


def test_a_name_taken_literally_has_no_filters_in_it(storage: Storage) -> None:
    for peer, entries in SHARED.items():
        _announce(storage, PeerName(peer), *entries)
    name = 'notes -draft size:>1 "quoted".md'
    assert _search(storage, name, literal=True) == {("peer_2", name)}
    assert _search(storage, name) == set()


@pytest.mark.slow
def test_what_matches_too_often_is_capped_but_an_exact_name_is_found(storage: Storage) -> None:
    _announce(storage, ONE, *(entry(f"lib {number}", 1) for number in range(RANK_LIMIT)))
    assert not storage.match(understand(SearchQuery("lib")), 1.0).capped
    _announce(storage, ONE, entry("z/lib", 2))
    matches = storage.match(understand(SearchQuery("lib")), 1.0)
    assert matches.capped
    assert len(matches.rows) in {RANK_LIMIT, RANKED_OF_MORE}
    assert matches.rows[0].path == "z/lib"
    assert sum(1 for _ in _everything(storage)) == RANK_LIMIT + 1


def test_a_listing_has_the_order_of_paths_then_contents_then_peers(storage: Storage) -> None:
    _announce(storage, TWO, entry("b", 1), entry("a/z", 1), entry("Z", 3))
    _announce(storage, ONE, entry("b", 2), entry("a", 1), entry("a/z", 1))

    def listed(**more: Any) -> list[tuple[str, bytes, str]]:
        rows = storage.entries_in_order(understand(SearchQuery(**more)), 1.0)
        return [(row.path, row.content, row.peer) for row in rows]

    everything = listed()
    assert everything == sorted(everything)
    assert len(everything) == 6
    page = listed_page(understand(SearchQuery(page_size=2)), _everything(storage))
    assert listed(page=page.next_page) == everything[1:]  # from the last path on
    assert listed(peer="Peer_1") == [row for row in everything if row[2] == ONE]


def test_entries_are_kept_as_they_were_told(storage: Storage) -> None:
    told = (
        Entry("a 'b\\\",{c}%s", content(1), 0),
        Entry("año/🐝.png", content(2), MAX_CONTENT_BYTES, Kind.COLLECTION, b"\xff" * 32),
        Entry("b", content(2), 256, Kind.FILE, b"\x00\x0a" * 16),
    )
    digest = _announce(storage, ONE, *told)
    assert digest == digest_of(*told)
    assert tuple(storage.entries_between(ONE, "a", "z", 10)) == told
    with storage.transaction():
        storage.begin_replacement(ONE)
    other = structs.replace(told[1], sha256=None, size_bytes=7, kind=Kind.FILE)
    digest = _announce(storage, ONE, told[0], other, entry("c", 3), removed=("b", "b"))
    assert digest == digest_of(told[0], other, entry("c", 3))
    expected = [told[0], other, entry("c", 3)]
    assert storage.entries_between(ONE, "a", "z", 10) == expected


def test_a_listing_begins_anew_after_each_change(storage: Storage) -> None:
    def listed() -> list[str]:
        return [row.path for row in _everything(storage)]

    def taken_back() -> None:
        with storage.transaction():
            storage.apply(TWO, announcement(removed=("a",)))
            assert listed() == ["c"]
            raise ZeroDivisionError

    assert listed() == []
    _announce(storage, ONE, entry("b", 1), entry("c", 2))
    _announce(storage, TWO, entry("d", 3))
    assert listed() == ["b", "c", "d"]
    _announce(storage, TWO, entry("a", 4), removed=("d",))
    _announce(storage, ONE, removed=("b",))
    assert listed() == ["a", "c"]
    with pytest.raises(ZeroDivisionError):
        taken_back()
    assert listed() == ["a", "c"]
    with storage.transaction():
        storage.forget(TWO)
        storage.put_peer(record("peer_2", port=5001))
    assert listed() == ["c"]
    _announce(storage, TWO, entry("0", 5))
    assert listed() == ["0", "c"]
    with storage.transaction():
        storage.end_lease(TWO, 1.0)
    assert listed() == ["c"]


@only_sqlite
def test_a_listing_sorts_nothing(storage: Storage) -> None:
    plans = []

    def note(statement: str) -> None:
        if " FROM entries " in statement and "ORDER BY" in statement:
            plans.append(statement)

    if not isinstance(storage, SqliteStorage):
        pytest.skip("of SQLite's plans")
    connection = storage._connection
    _announce(storage, ONE, entry("a", 1, 5))
    _announce(storage, TWO, entry("b"))
    connection.set_trace_callback(note)
    narrowed = SearchQuery(peer=ONE, kind=Kind.FILE, min_size_bytes=1, max_size_bytes=9)
    for query in (SearchQuery(), narrowed):
        list(storage.entries_in_order(understand(query), 1.0))
    connection.set_trace_callback(None)
    assert len(plans) == 2 + 2 + 1  # where each begins; then each that is due
    for statement in plans:
        steps = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not any("B-TREE" in step and "ORDER" in step for step in steps)
        assert any("sqlite_autoindex_entries_1 (peer=? AND path>?)" in step for step in steps)


def test_a_peers_paths_between_two(storage: Storage) -> None:
    _announce(
        storage, ONE, entry("a", 1, 5), entry("b/x", 2, 7), entry("b/y", 3, 9), entry("b0", 4)
    )
    _announce(storage, ONE, structs.replace(entry("b/z", 5, 11), kind=Kind.COLLECTION))
    _announce(storage, TWO, entry("b/other", 6))
    found = storage.entries_between(PeerName("PEER_1"), "b/", "b0", 10)
    assert [(one.path, one.content, one.size_bytes, one.kind) for one in found] == [
        ("b/x", content(2), 7, Kind.FILE),
        ("b/y", content(3), 9, Kind.FILE),
        ("b/z", content(5), 11, Kind.COLLECTION),
    ]
    assert [one.path for one in storage.entries_between(ONE, "a\x01", "z", 2)] == ["b/x", "b/y"]
    assert storage.files_between(ONE, "b/", "b0", 10) == Below(2, 16)
    assert storage.files_between(ONE, "b/", "b0", 1) == Below(1, 7)
    assert storage.files_between(ONE, "c", "z", 10) == Below(0, 0)
    assert storage.entries_between(PeerName("nobody"), "", "z", 10) == []
