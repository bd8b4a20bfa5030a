"""What only a shared database can show: several trackers at once, and a database that is away."""

import asyncio
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="the extra panal[postgres] is not installed")

from panal.errors import (  # noqa: E402
    Busy,
    NameTaken,
    NoSpace,
    NotRegistered,
    PanalError,
    Refused,
    StoreUnavailable,
    Superseded,
    UsageError,
)
from panal.peer.tracker_calls import DEADLINE_S  # noqa: E402
from panal.tracker import (  # noqa: E402
    postgres_conditions,
    postgres_listing,
    postgres_matches,
    postgres_statements,
)
from panal.tracker.known_too_much import BELIEVED_S, KnownTooMuch  # noqa: E402
from panal.tracker.own_addresses import own_addresses  # noqa: E402
from panal.tracker.postgres import PostgresStorage  # noqa: E402
from panal.tracker.postgres_blocks import NAMES_A_BLOCK, parts_of  # noqa: E402
from panal.tracker.postgres_conditions import Condition  # noqa: E402
from panal.tracker.postgres_peers import outer_host  # noqa: E402
from panal.tracker.postgres_presence import DOUBT_S, LOOK_S  # noqa: E402
from panal.tracker.ranking import rank  # noqa: E402
from panal.tracker.records import Records  # noqa: E402
from panal.tracker.records_threads import RecordsThreads  # noqa: E402
from panal.tracker.registry import PeerRecord, Reach  # noqa: E402
from panal.tracker.search import understand  # noqa: E402
from panal.tracker.storage import Conflict  # noqa: E402
from panal.wire.catalogue import Entry, SearchQuery  # noqa: E402
from panal.wire.ids import PeerName  # noqa: E402
from panal.wire.names import MAX_PATH_BYTES, safe_path  # noqa: E402
from tests.support.clock import VirtualClock  # noqa: E402
from tests.support.postgres_server import PostgresServer  # noqa: E402
from tests.support.presence_news import PresenceNews  # noqa: E402
from tests.tracker.makers import (  # noqa: E402
    REACHED,
    announcement,
    caller,
    content,
    digest_of,
    entry,
    record,
    registration,
)
from tests.tracker.search_cases import RANKED  # noqa: E402

ONE, TWO = PeerName("peer_1"), PeerName("peer_2")


@pytest.fixture
def two(database: str) -> Iterator[tuple[PostgresStorage, PostgresStorage]]:
    one, other = PostgresStorage(database, threads=2), PostgresStorage(database, threads=2)
    yield one, other
    one.close()
    other.close()


def plans_of_those_with(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Filled with the plan of each statement that has this, from now on."""
    plans: list[str] = []
    run = postgres_statements.run

    def explained(connection: Any, statement: str, values: Any) -> Any:
        if text in statement:
            rows = connection.execute(f"EXPLAIN {statement}", values).fetchall()
            plans.append("\n".join(row[0] for row in rows))
        return run(connection, statement, values)

    monkeypatch.setattr(postgres_statements, "run", explained)
    return plans


def put(storage: PostgresStorage, *names: str, **more: Any) -> None:
    with storage.transaction():
        for number, name in enumerate(names):
            storage.put_peer(record(name, port=5000 + number, **more))


def paths(storage: PostgresStorage, words: str, now_s: float = 1.0) -> set[str]:
    return {row.path for row in storage.match(understand(SearchQuery(words)), now_s).rows}


def until_waiting(database: str, work: "Future[Any]") -> None:
    """Return when a session waits for a lock; AssertionError where nobody has to."""
    with psycopg.connect(database, autocommit=True) as connection:
        waiting = 0
        while not waiting:
            assert not work.done()
            (waiting,) = connection.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
            ).fetchone()


def test_what_one_tracker_was_told_another_knows(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    put(one, ONE)
    with one.transaction():
        digest = one.apply(ONE, announcement(entry("Año.txt", 1), sequence=7))
    known = other.peer(ONE)
    assert known is not None
    assert (known.sequence, known.digest) == (7, digest)
    assert paths(other, "ano") == {"Año.txt"}
    assert one.shared_as == other.shared_as != ""


def test_both_have_the_databases_clock(two: tuple[PostgresStorage, PostgresStorage]) -> None:
    one, other = two
    with one.transaction():
        first = one.now_s()
        with other.transaction():
            second = other.now_s()
        assert one.now_s() == first  # a transaction has one time
    with one.transaction():
        third = one.now_s()
    assert first < second < third < first + 60


def meanwhile(work: Callable[[], Any]) -> "Future[Any]":
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


@pytest.mark.parametrize("is_known", [False, True])
def test_a_name_is_decided_on_by_one_at_a_time(
    two: tuple[PostgresStorage, PostgresStorage], database: str, is_known: bool
) -> None:
    one, other = two
    if is_known:
        put(one, ONE)

    def look() -> int:
        with other.transaction():
            known = other.peer_for_update(ONE)
            return 0 if known is None else known.epoch

    with one.transaction():
        assert (one.peer_for_update(PeerName("PEER_1")) is not None) is is_known
        looking = meanwhile(look)
        until_waiting(database, looking)
        if is_known:
            one.forget(ONE)  # and a new row is what the other must see
        one.put_peer(record(ONE, epoch=5))
    assert looking.result() == 5


def test_an_address_is_decided_on_by_one_at_a_time(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    one, other = two

    def look() -> list[str]:
        with other.transaction():
            return [peer.name for peer in other.peers_at("127.0.0.1", 5000, 1.0)]

    with one.transaction():
        assert one.peers_at("127.0.0.1", 5000, 1.0) == []
        looking = meanwhile(look)
        until_waiting(database, looking)
        one.put_peer(record(ONE))
    assert looking.result() == [ONE]


def test_of_two_in_each_others_way_one_is_told_to_try_again(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    one, other = two
    put(one, ONE, TWO)
    with psycopg.connect(database) as connection:
        connection.execute("ALTER DATABASE kept SET deadlock_timeout = '10ms'")
    held = threading.Barrier(2)

    def both(storage: PostgresStorage, first: PeerName, then: PeerName) -> bool:
        try:
            with storage.transaction():
                storage.peer_for_update(first)
                held.wait()
                storage.peer_for_update(then)
        except Conflict:
            return False
        return True

    crosswise = meanwhile(lambda: both(one, TWO, ONE))
    assert sorted([both(other, ONE, TWO), crosswise.result()]) == [False, True]


class Contested(PostgresStorage):
    """Where others are in the way so many times."""

    conflicts = 0

    def peer_for_update(self, name: PeerName) -> Any:
        found = super().peer_for_update(name)
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict
        return found


async def test_a_conflict_is_tried_again_and_not_for_ever(database: str) -> None:
    storage = Contested(database, threads=1)
    async with RecordsThreads(1) as threads:
        records = Records(storage, threads, VirtualClock())
        storage.conflicts = 4
        await records.admit(registration(), "127.0.0.1", REACHED)
        storage.conflicts = 5
        with pytest.raises(Busy):
            await records.leave(caller())
        assert await records.leave(caller()) is not None
    storage.close()


async def test_of_many_who_want_a_name_at_two_trackers_one_gets_it(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    async with RecordsThreads(4) as threads:
        trackers = [Records(storage, threads, storage) for storage in two]
        tries = await asyncio.gather(
            *(
                trackers[number % 2].admit(
                    registration(secret=bytes([number]) * 32, port=6000 + number),
                    "127.0.0.1",
                    REACHED,
                )
                for number in range(12)
            ),
            return_exceptions=True,
        )
    refused = [one for one in tries if isinstance(one, NameTaken)]
    assert len(refused) == 11, tries


async def test_renewals_that_come_together_are_decided_on_each_by_itself(database: str) -> None:
    storage = PostgresStorage(database, threads=2)
    async with RecordsThreads(2) as threads:
        records = Records(storage, threads, storage)
        for number, name in enumerate(("a", "b", "c")):
            await records.admit(registration(name, port=5000 + number), "127.0.0.1", REACHED)
        begun: list[int] = []
        together = storage.peers_free_for_update

        def counted(names: Sequence[PeerName]) -> Any:
            begun.append(len(names))
            return together(names)

        storage.peers_free_for_update = counted  # type: ignore[method-assign]
        outcomes = await asyncio.gather(
            records.renew(caller("a"), "127.0.0.1"),
            records.renew(caller("b", secret=b"x" * 32), "127.0.0.1"),
            records.renew(caller("c"), "127.0.0.2"),
            records.renew(caller("C", epoch=0), "127.0.0.1"),
            records.renew(caller("nobody"), "127.0.0.1"),
            records.renew(caller("A"), "127.0.0.1"),
            return_exceptions=True,
        )
        assert sum(begun) == len(outcomes)
        assert len(begun) <= 2
        kinds = [PeerRecord, Refused, NotRegistered, Superseded, NotRegistered, PeerRecord]
        assert [type(outcome) for outcome in outcomes] == kinds
    storage.close()


async def test_whose_record_another_has_in_hand_keeps_nobody_waiting(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    one, other = two
    async with RecordsThreads(2) as threads:
        records = Records(one, threads, one)
        for number, name in enumerate(("a", "b")):
            await records.admit(registration(name, port=5000 + number), "127.0.0.1", REACHED)
        with other.transaction():
            other.peer_for_update(PeerName("a"))
            waiting = asyncio.ensure_future(records.renew(caller("a"), "127.0.0.1"))
            renewed = await records.renew(caller("b"), "127.0.0.1")
            assert renewed.name == "b"
            assert not waiting.done()
        assert (await waiting).name == "a"


def test_a_peer_that_is_displaced_keeps_the_lease_that_it_renews(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    """Two write the same record: the one must not undo what the other wrote."""
    one, other = two
    put(one, ONE)

    def renew() -> None:
        with other.transaction():
            known = other.peer_for_update(ONE)
            assert known is not None
            other.put_peer(known.renewed(30.0, 60.0))

    with one.transaction():
        (rival,) = one.peers_at("127.0.0.1", 5000, 1.0)
        renewing = meanwhile(renew)
        until_waiting(database, renewing)
        one.put_peer(rival.reached(Reach(False, "displaced")))
    renewing.result()
    known = one.peer(ONE)
    assert known is not None
    assert (known.reachable, known.lease_until_s) == (False, 90.0)


def test_one_tracker_sweeps_what_another_has_not_in_hand(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    put(one, ONE, TWO)
    with one.transaction():
        assert one.peer_for_update(ONE) is not None
        with other.transaction():
            assert [gone.name for gone in other.sweep(100.0)] == [TWO]
            other.drop_gone(100.0)
        one.put_peer(record(ONE, now_s=90.0))  # it came back in time
    with other.transaction():
        assert other.sweep(100.0) == []
    assert one.peer(TWO) is None
    assert one.peer(ONE) is not None


def test_leases_go_on_for_as_long_as_no_tracker_could_be_asked(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    put(one, ONE, TWO)
    with one.transaction():
        one.extend_leases(10.0)
        one.end_lease(TWO, 20.0)
        other_time = 10.0 + 600.0
    for storage in two:  # the second has nothing more to give
        with storage.transaction():
            storage.extend_leases(other_time)
            assert storage.sweep(other_time) == []
    for name, until_s in ((ONE, 660.0), (TWO, 20.0)):
        known = other.peer(name)
        assert known is not None
        assert known.lease_until_s == until_s


def swept(storage: PostgresStorage, now_s: float) -> list[str]:
    with storage.transaction():
        storage.extend_leases(now_s)
        return [gone.name for gone in storage.sweep(now_s)]


def lease_of(storage: PostgresStorage, name: PeerName) -> tuple[float, float]:
    known = storage.peer(name)
    assert known is not None
    return known.lease_until_s, known.renewed_at_s


def test_a_clock_that_is_set_forward_ends_no_lease(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    put(one, ONE, now_s=1_000.0)
    assert swept(one, 1_000.0) == []
    assert swept(one, 4_600.0) == []  # an hour ahead
    assert swept(other, 4_600.1) == []
    assert lease_of(one, ONE) == (4_660.0, 1_000.0)
    for now_s in (4_610.0, 4_620.0, 4_630.0, 4_640.0, 4_650.0):
        assert swept(other, now_s) == []
    assert swept(other, 4_660.0) == [ONE]


def test_a_clock_that_is_set_back_lets_no_lease_run_on(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    put(one, ONE, TWO, now_s=4_600.0)
    assert swept(one, 4_605.0) == []
    with one.transaction():
        one.put_leases([record(TWO, port=5001, now_s=1_010.0)])  # after it was set back
    assert swept(other, 1_011.0) == []
    assert lease_of(one, ONE) == (1_071.0, 1_011.0)
    assert lease_of(one, TWO) == (1_070.0, 1_010.0)
    for now_s in (1_025.0, 1_040.0, 1_055.0):
        assert swept(one, now_s) == []
    assert swept(one, 1_070.0) == [TWO]
    assert swept(one, 1_071.0) == [ONE]
    # And that nobody could be asked is noticed by the clock as it is now.
    put(one, ONE, now_s=1_072.0)
    assert swept(one, 1_072.0) == []
    assert swept(one, 1_272.0) == []
    assert lease_of(one, ONE)[0] == 1_332.0 + 0.0


def test_a_lease_is_over_while_any_tracker_sweeps(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    put(one, ONE)
    for now_s in range(5, 60, 5):
        for storage in two:
            with storage.transaction():
                storage.extend_leases(float(now_s))
                assert storage.sweep(float(now_s)) == []
    with other.transaction():
        other.extend_leases(60.0)
        assert [gone.name for gone in other.sweep(60.0)] == [ONE]


def test_a_networks_records_are_not_shown_to_strangers(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    one, other = two
    one.claim("pin one")
    other.claim("pin one")
    for whose, words in (("", "a network's, this tracker's are everybody's"), ("two", "another")):
        with pytest.raises(Refused, match=words):
            other.claim(whose)


def test_everybodys_records_are_no_networks(two: tuple[PostgresStorage, PostgresStorage]) -> None:
    one, other = two
    one.claim("")
    other.claim("")
    with pytest.raises(Refused, match="are everybody's, this tracker's are a network's"):
        other.claim("pin one")


def test_another_machines_loopback_is_not_ours(database: str) -> None:
    here, beside, there = (
        PostgresStorage(database, threads=1, loopback=machine) for machine in ("a", "a", "b")
    )
    put(here, ONE, bound=("127.0.0.1", "192.168.7.3"))
    put(here, TWO, bound=("127.0.0.1",))
    with here.transaction():
        here.apply(ONE, announcement(entry("a", 1)))
        here.apply(TWO, announcement(entry("b", 1)))

    def seen(storage: PostgresStorage) -> list[tuple[str, bool]]:
        ((_, holders),) = storage.locate([content(1)], 1.0).items()
        found = [(one.peer.observed_host, one.peer.reachable) for one in holders]
        for name in (ONE, TWO):
            known = storage.peer(name)
            assert known is not None
            assert (known.observed_host, known.reachable) in found
        return sorted(found)

    assert seen(here) == seen(beside) == [("127.0.0.1", True)] * 2
    assert seen(there) == [("0.0.0.0", False), ("192.168.7.3", True)]
    with there.transaction():  # nobody else is there: this is another machine's port
        assert there.peers_at("127.0.0.1", 5000, 1.0) == []
        known = there.peer_for_update(ONE)
        assert known is not None
        there.put_peer(known)  # as it is called from there, and from now on by all
    assert ("192.168.7.3", True) in seen(here)
    for storage in (here, beside, there):
        storage.close()


def test_where_a_peer_beside_its_tracker_is_called_from_elsewhere() -> None:
    assert outer_host(["127.0.0.1", "::1"]) is None
    assert outer_host(["127.0.0.1", "10.0.0.7", "0.0.0.0"]) == "10.0.0.7"
    own = own_addresses(4)
    assert outer_host(["0.0.0.0"]) == (own[0] if own else None)


# Names ----------------------------------------------------------------------------------------


def test_the_longest_paths_are_kept_apart(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    """Longer than an index's row may be, and alike but for the end."""
    chance = random.Random(7)
    part = "".join(chance.choices([chr(c) for c in range(0x10000, 0x10400)], k=60))
    long = "/".join([part] * 17)[: (MAX_PATH_BYTES - 8) // 4]
    names = [safe_path(f"{long}{number:04}") for number in range(3)]
    assert len(names[0].encode()) > 4_000
    storage, _ = two
    put(storage, ONE)
    entries = [Entry(name, content(number), number) for number, name in enumerate(names)]
    with storage.transaction():
        storage.apply(ONE, announcement(*entries))
        again = storage.apply(ONE, announcement(*reversed(entries)))
    assert again == digest_of(*entries)
    listed = [row.path for row in storage.entries_in_order(understand(SearchQuery()), 1.0)]
    assert listed == names
    behind = understand(SearchQuery(page_size=1))
    assert [one.path for one in storage.entries_between(ONE, names[1], "\U0010ffff", 9)] == names[
        1:
    ]
    assert len(list(storage.entries_in_order(replace(behind, after=(2, names[2], "")), 1.0))) == 1
    with storage.transaction():
        assert storage.apply(ONE, announcement(removed=(names[1],))) == digest_of(
            entries[0], entries[2]
        )


def test_names_that_are_told_again_are_noted_beside_their_rows(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    storage, _ = two

    def seen(what: str) -> list[tuple[Any, ...]]:
        with storage.database.using() as connection:
            return connection.execute(what.encode()).fetchall()

    put(storage, ONE)
    told = announcement(entry("a", 1), entry("b", 2))
    with storage.transaction():
        storage.apply(ONE, told)
    rows = seen("SELECT ctid, path FROM entries ORDER BY path")
    with storage.transaction():
        generation = storage.begin_replacement(ONE)
    with storage.transaction():
        storage.apply(ONE, told)
    assert seen("SELECT cardinality(hashes) FROM kept") == [(2,)]
    with storage.transaction():
        storage.end_replacement(ONE, generation)
    with storage.transaction():
        storage.apply(ONE, told)
    assert seen("SELECT ctid, path FROM entries ORDER BY path") == rows
    assert seen("SELECT 1 FROM kept") == []
    with storage.transaction():
        storage.begin_replacement(ONE)
        storage.apply(ONE, told)
        storage.forget(ONE)
    assert seen("SELECT 1 FROM kept") == []


def looked_at(storage: PostgresStorage, needle: str) -> int:
    """How many blocks the text index names for a needle, before their names are compared."""
    (pattern,) = map(postgres_conditions.pattern, parts_of(needle))
    with storage.transaction(), storage.database.using() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        ((plan,),) = connection.execute(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT 1 FROM blocks WHERE texts LIKE %s",
            (pattern,),
        ).fetchall()
    (scan,) = plan[0]["Plan"]["Plans"]
    assert scan["Index Name"] == "blocks_by_text"
    return int(scan["Actual Rows"])


def test_words_of_any_length_are_found_by_the_index(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    """One and two letters too, for they are looked for where a word begins."""
    storage, _ = two
    put(storage, ONE)
    many = [entry(f"{number:x}/photo {number}.jpg", number) for number in range(1, 601)]
    rare = [entry("q/ñandú.txt"), entry("zz top.mp3"), entry("Ελλάδα.txt"), entry("日本.txt")]
    with storage.transaction():
        storage.apply(ONE, announcement(*many, *rare))
    for word in ("q", "zz", "ñ", "ña", "andú", "ελ", "日", "日本"):
        (needle,) = understand(SearchQuery(word)).needles
        assert 1 <= looked_at(storage, needle) <= 3, word
    (photo,) = understand(SearchQuery("ph")).needles
    assert looked_at(storage, photo) == len(many) / NAMES_A_BLOCK


@pytest.mark.parametrize("older", ["none", "some", "all"])
def test_names_that_an_older_tracker_put_are_found_beside_others(
    two: tuple[PostgresStorage, PostgresStorage], database: str, older: str
) -> None:
    storage, _ = two
    put(storage, ONE, TWO)
    names = [f"{'docs' if number % 3 else 'música'}/uno {number}.txt" for number in range(40)]
    with storage.transaction():
        for peer in (ONE, TWO):
            storage.apply(peer, announcement(*(entry(name, 7) for name in names)))
    if older != "none":
        with psycopg.connect(database) as connection:
            condition = "true" if older == "all" else "path LIKE '%3%'"
            connection.execute(f"UPDATE panal.entries SET block = NULL WHERE {condition}")
    for words, part in (
        ("uno", "/uno"),
        ("docs uno", "docs/uno"),
        ("docs/uno", "docs/uno"),
        ("musica/uno", "música/uno"),
        ("uno 13.txt", "uno 13.txt"),
        ("peer:peer_1 docs", "docs"),
    ):
        wanted = sorted(name for name in names if part in name)
        found = storage.match(understand(SearchQuery(words)), 1.0).rows
        times = 1 if words.startswith("peer:") else 2
        assert sorted(row.path for row in found) == sorted(wanted * times), words


def test_a_block_goes_with_its_last_name(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    storage, _ = two

    def blocks() -> list[tuple[Any, ...]]:
        return storage.database.run(b"SELECT peer, id FROM blocks ORDER BY id")

    put(storage, ONE)
    entries = [entry(f"{number:03}", number) for number in range(2 * NAMES_A_BLOCK)]
    with storage.transaction():
        storage.apply(ONE, announcement(*entries))
    first, second = blocks()
    gone = [one.path for one in entries[: NAMES_A_BLOCK - 1]]
    with storage.transaction():
        storage.apply(ONE, announcement(removed=tuple(gone)))
    assert blocks() == [first, second]
    with storage.transaction():
        storage.apply(ONE, announcement(entry("other", 1), removed=(entries[len(gone)].path,)))
    assert blocks()[0] == second
    with storage.transaction():
        generation = storage.begin_replacement(ONE)
        storage.apply(ONE, announcement(entry("other", 1)))
        storage.end_replacement(ONE, generation)
    assert len(blocks()) == 1
    with storage.transaction():
        storage.forget(ONE)
    while storage.clear_leftovers(1):
        pass
    assert blocks() == []


def test_an_exact_name_is_found_however_many_match(
    two: tuple[PostgresStorage, PostgresStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_matches, "RANK_LIMIT", 3)
    monkeypatch.setattr(postgres_matches, "RANKED_OF_MORE", 2)
    storage, _ = two
    put(storage, ONE)
    many = [entry(f"{number}/b c.b", number) for number in range(20)]
    with storage.transaction():
        storage.apply(ONE, announcement(*many, entry("z/b", 30)))
    matches = storage.match(understand(SearchQuery("b")), 1.0)
    assert matches.capped
    assert "z/b" in {row.path for row in matches.rows}
    last = rank(understand(SearchQuery("b", page_size=1)), matches)
    assert last.hits[0].names[0].path == "z/b"
    behind = understand(SearchQuery("b", page_size=1, page=last.next_page))
    assert rank(behind, storage.match(behind, 1.0)).hits[0].names[0].path != "z/b"


def test_an_exact_name_is_looked_up_and_not_looked_for(
    two: tuple[PostgresStorage, PostgresStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_matches, "RANK_LIMIT", 3)
    monkeypatch.setattr(postgres_matches, "RANKED_OF_MORE", 2)
    storage, _ = two
    put(storage, ONE)
    with storage.transaction():
        storage.apply(ONE, announcement(*(entry(f"{n}/b c.b", n) for n in range(20))))
    plans = plans_of_those_with("hashtextextended", monkeypatch)
    assert storage.match(understand(SearchQuery("b")), 1.0).capped
    (plan,) = plans
    assert "entries_by_name" in plan
    assert "blocks_by_text" not in plan  # a short word's trigrams are those of too many
    assert "Seq Scan on entries" not in plan


def test_what_matched_too_much_is_believed_for_seconds(
    two: tuple[PostgresStorage, PostgresStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_matches, "RANK_LIMIT", 6)
    monkeypatch.setattr(postgres_matches, "RANKED_OF_MORE", 3)
    storage, _ = two
    put(storage, ONE, lease_s=1_000.0)
    with storage.transaction():
        storage.apply(ONE, announcement(*(entry(f"glib{n}", n) for n in range(9))))
        storage.apply(ONE, announcement(entry("a lib", 20), entry("q/lib", 21)))

    def found(words: str, now_s: float) -> tuple[list[str], bool]:
        matches = storage.match(understand(SearchQuery(words, page_size=100)), now_s)
        return sorted(row.path for row in matches.rows), matches.capped

    for _ in range(2):
        assert found("lib", 1.0) == (["a lib", "glib0", "q/lib"], True)
    assert found("lib -q", 1.0)[1]
    with storage.transaction():
        gone = tuple(f"glib{n}" for n in range(1, 9))
        storage.apply(ONE, announcement(removed=gone))
    left = ["a lib", "glib0", "q/lib"]
    assert found("lib", 1.0 + BELIEVED_S - 0.1) == (left, True)
    assert found("lib -glib", 1.0) == (["a lib", "q/lib"], False)
    assert found("lib", 1.0 + BELIEVED_S) == (left, False)


@pytest.mark.parametrize("words", ["ext:png", "kind:image", "ext:d/q.png,gif -x", "ext:q", "ext:_"])
def test_endings_are_listed_alike_from_few_blocks_and_from_all_names(
    two: tuple[PostgresStorage, PostgresStorage],
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    storage, _ = two
    put(storage, ONE, TWO, "peer_3")
    for name in (ONE, TWO, PeerName("peer_3")):
        endings = ("png", "PNG", "gif", "txt", "pngs")
        entries = (entry(f"{n % 7}.d/q{n}.{endings[n % 5]}", n % 11) for n in range(60))
        with storage.transaction():
            storage.apply(name, announcement(*entries, entry("a.d/q.png", 1), entry("a_", 1)))
    with storage.transaction():
        storage.end_lease(PeerName("peer_3"), 0.5)
    with psycopg.connect(database) as connection:  # as an older tracker put them
        connection.execute("UPDATE panal.entries SET block = NULL WHERE path LIKE '%1%'")

    def listed() -> list[tuple[str, bytes, str]]:
        rows = storage.entries_in_order(understand(SearchQuery(words, page_size=3)), 1.0)
        found: list[tuple[str, bytes, str]] = [(row.path, row.content, row.peer) for row in rows]
        assert found == sorted(found)
        for place in range(0, len(found), 9):
            path, content_of, _ = found[place]
            query = understand(SearchQuery(words, page_size=3))
            behind = replace(query, after=(2, path, content_of.hex()))
            rest = list(storage.entries_in_order(behind, 1.0))
            assert [(row.path, row.content, row.peer) for row in rest] == [
                one for one in found if one[0] >= path
            ]
        return found

    from_blocks = listed()
    monkeypatch.setattr(postgres_listing, "_FEW_BLOCKS", 0)
    assert listed() == from_blocks
    assert bool(from_blocks) is (words not in {"ext:q", "ext:_"})


@pytest.mark.parametrize("words", ["lib ext:so,h", "lib ext:d/lib.so,h", "lib kind:document", "x"])
def test_endings_beside_words_are_looked_up_where_very_many_names_have_the_words(
    two: tuple[PostgresStorage, PostgresStorage], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    asked: list[str] = []
    run = postgres_statements.run

    def noted(connection: Any, statement: str, values: Any) -> Any:
        asked.append(statement)
        return run(connection, statement, values)

    storage, _ = two
    for peer, entries in RANKED.items():
        put(storage, peer)
        with storage.transaction():
            storage.apply(PeerName(peer), announcement(*entries))
    storage.database.run(b"ANALYZE")  # few rows: it would read the table
    monkeypatch.setattr(postgres_statements, "run", noted)
    query = understand(SearchQuery(words))
    found = rank(query, storage.match(query, 1.0))
    assert not any("LIKE ANY" in statement for statement in asked)
    with_endings = 10_000

    def guessed(_: Any, conditions: Iterable[Condition]) -> float:
        return with_endings if any("ANY" in sql for sql, _ in conditions) else 20_000

    monkeypatch.setattr(postgres_statements, "guessed_blocks", guessed)
    assert rank(query, storage.match(query, 1.0)) == found
    assert not any("LIKE ANY" in statement for statement in asked)
    with_endings = 1
    plans = plans_of_those_with("LIKE ANY", monkeypatch)
    assert rank(query, storage.match(query, 1.0)) == found
    assert bool(plans) is bool(query.any_of)
    for plan in plans:  # by nothing but the endings, and each block with one once
        assert re.search("Recheck Cond: .*~~ ANY", plan)
        assert not re.search("Filter: .*~~ ANY|Seq Scan on blocks", plan)


def test_what_very_few_names_end_with_is_listed_without_all_names(
    two: tuple[PostgresStorage, PostgresStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    run = postgres_statements.run

    def noted(connection: Any, statement: str, values: Any) -> Any:
        asked.append(statement)
        if statement.startswith("SELECT") and "FROM blocks" in statement:
            rows = connection.execute(f"EXPLAIN {statement}", values).fetchall()
            assert not any("Seq Scan on blocks" in row[0] for row in rows)
        return run(connection, statement, values)

    storage, _ = two
    put(storage, ONE)
    with storage.transaction():
        storage.apply(ONE, announcement(entry("a.mp4", 1), *(entry(f"{n}", n) for n in range(99))))
    storage.database.run(b"ANALYZE")  # few rows: it would read the table
    monkeypatch.setattr(postgres_statements, "run", noted)
    for words, is_from_blocks in (("kind:video", True), ("kind:video peer:peer_1", False)):
        asked.clear()
        (row,) = storage.entries_in_order(understand(SearchQuery(words)), 1.0)
        assert row.path == "a.mp4"
        assert ("FROM blocks" in asked[-1]) is is_from_blocks


def test_few_names_take_what_waits_with_them_to_the_index_of_texts(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    """Each search reads what waits; very many names are put there by large lists sooner."""
    storage, _ = two
    put(storage, ONE)
    asked = b"SELECT current_setting('gin_pending_list_limit')"
    for count, limit in ((10, "512kB"), (100, "4MB")):
        with storage.transaction():
            storage.apply(ONE, announcement(*(entry(f"{count}/{n}", n) for n in range(count))))
            assert storage.database.run(asked) == [(limit,)]
        assert storage.database.run(asked) == [("4MB",)]


def test_leases_that_were_renewed_since_statistics_were_gathered_are_expected_to_be_many(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    """Else a search would begin at the peers, and read all that they have."""
    storage, _ = two
    put(storage, *(f"peer_{number}" for number in range(200)))
    with psycopg.connect(database) as connection:
        connection.execute("SET search_path = panal")
        connection.execute("ANALYZE peers")
        connection.execute("UPDATE peers SET lease_until_s = 1060")
        asked = f"EXPLAIN (FORMAT JSON) SELECT FROM peers p WHERE {postgres_statements.LIVE}"
        ((plan,),) = connection.execute(asked, (1_000.0,)).fetchall()
    assert plan[0]["Plan"]["Plan Rows"] > 50


def test_a_clock_that_was_set_back_lets_nothing_be_believed_for_longer() -> None:
    too_much, search = KnownTooMuch(), understand(SearchQuery("lib"))
    too_much.note(search, 1_000.0)
    assert too_much.knows(understand(SearchQuery("lib", page_size=7)), 1_001.0)
    assert too_much.knows(understand(SearchQuery("Lib lib")), 1_001.0)
    assert not too_much.knows(understand(SearchQuery("lib usr")), 1_001.0)
    too_much.note(understand(SearchQuery("lib usr")), 1_000.0)
    assert too_much.knows(understand(SearchQuery('"usr" lib')), 1_001.0)
    assert not too_much.knows(search, 900.0)
    assert not too_much.knows(understand(SearchQuery("lib -x")), 1_001.0)


def test_a_search_that_takes_too_long_is_given_up(
    two: tuple[PostgresStorage, PostgresStorage], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, _ = two
    with psycopg.connect(database) as connection, monkeypatch.context() as hurried:
        hurried.setattr(postgres_statements, "MOST_SEARCH_MS", 20)
        connection.execute("LOCK TABLE panal.entries IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(UsageError, match="three letters"):
            paths(storage, "a b")
        with pytest.raises(UsageError, match="three letters"):
            list(storage.entries_in_order(understand(SearchQuery()), 1.0))
    assert paths(storage, "a b") == set()


# A database that is away ------------------------------------------------------------------------


def test_a_connection_that_was_cut_is_replaced(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    storage, _ = two
    put(storage, ONE)
    for _ in range(3):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'panal tracker%'"
            )
        assert storage.peer(ONE) is not None


def test_a_cut_in_the_middle_changes_nothing(
    two: tuple[PostgresStorage, PostgresStorage], database: str
) -> None:
    storage, other = two
    put(storage, ONE)

    def cut() -> None:
        with storage.transaction():
            storage.apply(ONE, announcement(entry("a")))
            with other.database.using() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'panal tracker%' AND pid <> pg_backend_pid()"
                )
            storage.apply(ONE, announcement(entry("b")))

    with pytest.raises(StoreUnavailable):
        cut()
    assert paths(other, "a") == set()


def test_a_database_that_is_away_is_said_at_once_and_noticed_when_it_is_back(
    away_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    storage = PostgresStorage(away_server.url(), threads=2)
    news = PresenceNews(storage.database.presence)
    put(storage, ONE)
    away_server.stop()
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="not your fault"):
            storage.peer(ONE)
    assert storage.database.presence.is_away
    away_server.start()
    assert news.is_back.wait(30)
    assert storage.peer(ONE) is not None
    assert news.heard == [False, True]
    assert caplog.text.count("does not answer:") == 1
    assert "answers again" in caplog.text
    storage.close()


@pytest.fixture
def hanging(away_server: PostgresServer) -> Iterator[tuple[PostgresServer, PostgresStorage]]:
    """A server that was stopped by a signal while a tracker used it."""
    storage = PostgresStorage(away_server.url(), threads=2)
    put(storage, ONE)
    away_server.hang()
    yield away_server, storage
    away_server.go_on()
    storage.close()


def test_a_database_that_hangs_is_told_of_before_a_caller_gives_its_tracker_up() -> None:
    assert DOUBT_S + 2 * LOOK_S < DEADLINE_S


def test_a_database_that_hangs_is_away(
    hanging: tuple[PostgresServer, PostgresStorage], caplog: pytest.LogCaptureFixture
) -> None:
    server, storage = hanging
    is_back = threading.Event()
    storage.database.presence.watch(lambda is_here: is_back.set() if is_here else None)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="not your fault"):
            storage.peer(ONE)
    assert storage.database.presence.is_away
    server.go_on()
    assert is_back.wait(30)
    assert storage.peer(ONE) is not None
    assert caplog.text.count("does not answer:") == 1


def test_a_question_under_way_is_given_up_where_the_database_hangs(
    away_server: PostgresServer,
) -> None:
    storage = PostgresStorage(away_server.url(), threads=2)

    def asked() -> None:
        with storage.database.using() as connection:
            away_server.hang()
            connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        asked()
    assert storage.database.presence.is_away
    away_server.go_on()
    storage.close()


def test_a_long_question_is_waited_for_where_the_database_answers_others(
    two: tuple[PostgresStorage, PostgresStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.postgres_presence.DOUBT_S", 0.0)
    storage, _ = two
    with storage.database.using() as connection:
        assert connection.execute("SELECT 7 FROM pg_sleep(0.3)").fetchone() == (7,)


def test_a_connection_that_is_dead_alone_is_given_up(
    two: tuple[PostgresStorage, PostgresStorage], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.postgres_database.GIVEN_UP_S", 0.0)
    storage, _ = two

    def asked() -> None:
        with storage.database.using() as connection:
            connection.execute("SELECT pg_sleep(9)")

    with pytest.raises(StoreUnavailable):
        asked()
    assert not storage.database.presence.is_away
    with psycopg.connect(database, autocommit=True) as connection:
        # The server does not look whether anybody still wants the answer.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query = 'SELECT pg_sleep(9)'"
        )


def test_a_tracker_is_not_started_on_a_database_that_is_away(away_server: PostgresServer) -> None:
    away_server.stop()
    with pytest.raises(StoreUnavailable, match=r"[^.?][.?]$"):
        PostgresStorage(away_server.url())


def test_what_was_undone_is_not_said_to_be_done(
    two: tuple[PostgresStorage, PostgresStorage],
) -> None:
    """PostgreSQL takes a COMMIT after a failure, and undoes all."""
    storage, _ = two

    def fail_unnoticed() -> None:
        with storage.transaction():
            storage.put_peer(record(ONE))
            with suppress(psycopg.errors.DivisionByZero), storage.database.using() as connection:
                connection.execute("SELECT 1 / 0")

    with pytest.raises(Conflict):
        fail_unnoticed()
    assert storage.peer(ONE) is None


def test_a_full_database_is_no_space(two: tuple[PostgresStorage, PostgresStorage]) -> None:
    storage, _ = two
    with pytest.raises(NoSpace), storage.database.using() as connection:
        connection.execute("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$")
    assert storage.peer(ONE) is None


def test_a_right_that_is_missing_is_said_without_the_servers_words(
    postgres: PostgresServer, empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = empty_database.partition("?")[0].rpartition("/")[2]
    PostgresStorage(empty_database, threads=1).close()
    for given in (
        "DROP ROLE IF EXISTS half",
        "CREATE ROLE half LOGIN",
        f"GRANT ALL ON DATABASE {name} TO half",
    ):
        postgres.sql(given)
    postgres.sql(
        "GRANT ALL ON SCHEMA panal TO half; GRANT ALL ON ALL TABLES IN SCHEMA panal TO half;"
        " REVOKE SELECT ON panal.peers FROM half",
        name,
    )
    storage = PostgresStorage(postgres.url(name, "half"), threads=1)
    for _ in range(2):
        with pytest.raises(PanalError, match="the tracker's log says what") as caught:
            storage.totals(1.0)
        assert "peers" not in str(caught.value)
    assert caplog.text.count("permission denied for table peers") == 1
    storage.close()
    postgres.sql("DROP OWNED BY half; DROP ROLE half", name)


@pytest.mark.parametrize("place", ["kept?user=nobody_here", "not_there"])
def test_what_waiting_does_not_mend_is_said_at_once(
    postgres: PostgresServer, database: str, place: str
) -> None:
    name, _, user = place.partition("?user=")
    with pytest.raises(Refused, match=r"does not let this tracker in: .*does not exist"):
        PostgresStorage(postgres.url(name, user or "panal"))


def test_a_wrong_password_is_said_and_not_repeated(
    away_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    away_server.sql("CREATE ROLE ana LOGIN SUPERUSER PASSWORD 'right'")
    away_server.ask_for_passwords()
    url = away_server.url(user="ana:s3cret")
    with pytest.raises(Refused, match="authentication failed") as caught:
        PostgresStorage(url)
    PostgresStorage(url.replace("s3cret", "right"), threads=1).close()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"
