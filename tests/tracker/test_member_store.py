"""The contract of `panal.tracker.member_store.MemberStore`, run by every store.

Another store joins by one more entry in `STORES`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from panal.errors import Refused
from panal.tracker.joining import LineRecord
from panal.tracker.member_file import MemberFile
from panal.tracker.member_store import MemberStore, SharedMembers
from panal.wire.ids import PeerName

KEEP_S = 1_000.0
ANA, ANAS = PeerName("Ana"), PeerName("get-ana")


def _in_postgresql(request: pytest.FixtureRequest) -> tuple[SharedMembers, Callable[[], None]]:
    database = request.getfixturevalue("database")
    from panal.tracker.postgres import PostgresStorage

    storage = PostgresStorage(database, threads=1)
    return storage.members, storage.close


def _in_a_file(request: pytest.FixtureRequest) -> tuple[MemberStore, Callable[[], None]]:
    file = MemberFile(request.getfixturevalue("tmp_path") / "members.sqlite")
    return file, file.close


STORES: dict[str, Callable[[pytest.FixtureRequest], tuple[MemberStore, Callable[[], None]]]] = {
    "file": _in_a_file,
    "postgresql": _in_postgresql,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[MemberStore]:
    opened, close = STORES[request.param](request)
    yield opened
    close()


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> Iterator[SharedMembers]:
    opened, close = _in_postgresql(request)
    yield opened
    close()


def line(number: int = 1, until_s: int = 5_000, uses: int = 2) -> LineRecord:
    return LineRecord(f"line{number}", bytes([number]) * 32, until_s, uses, uses)


def add(
    store: MemberStore, name: PeerName = ANA, number: int = 1, sponsor: int | None = None
) -> int:
    with store.transaction():
        return store.add(name, bytes([number]) * 32, b"key", "line1", sponsor, 10.9)


def test_a_member_is_known_by_its_name_whatever_its_case(store: MemberStore) -> None:
    assert store.member("ana") is None
    number = add(store)
    known = store.member("ANA")
    assert known is not None
    assert (known.id, known.name, known.credential_hash) == (number, ANA, b"\x01" * 32)
    assert (known.public_key, known.line, known.sponsor) == (b"key", "line1", None)
    assert (known.enrolled_at_s, known.removed_at_s) == (10, None)
    with store.transaction():
        store.change_credential(number, b"\x07" * 32)
    (now,) = store.everybody()
    assert now.credential_hash == b"\x07" * 32


@pytest.mark.parametrize(("name", "number"), [("ANA", 2), ("other", 1)])
def test_a_name_and_a_credential_are_one_members(
    store: MemberStore, name: str, number: int
) -> None:
    add(store)
    with pytest.raises(Exception, match=r"(?i)unique"):
        add(store, PeerName(name), number)
    assert [one.name for one in store.everybody()] == [ANA]


def test_everybody_comes_in_order_of_names_with_how_long_each_is_certified(
    store: MemberStore,
) -> None:
    ana, bea = add(store), add(store, PeerName("Bea"), 2)
    with store.transaction():
        for serial, member, until_s in ((b"a", ana, 700), (b"b", ana, 900), (b"c", bea, 800)):
            store.note_certificate(serial, member, until_s, b"pem " + serial)
        store.remove(ana, 20.5)
    add(store, PeerName("ANA"), 3)
    assert [(one.name, one.certified_until_s, one.removed_at_s) for one in store.everybody()] == [
        ("Ana", 900, 20),
        ("ANA", 0, None),
        ("Bea", 800, None),
    ]


def test_the_certificate_that_counts_longest_is_the_last(store: MemberStore) -> None:
    ana = add(store)
    assert store.last_certificate(ana) is None
    with store.transaction():
        store.note_certificate(b"\x00a", ana, 900, b"longer")
        store.note_certificate(b"\x00b", ana, 800, b"later given")
        store.note_certificate(b"\x00c", ana, 1_000, b"")  # of an older Panal
    assert store.last_certificate(ana) == (b"longer", 900)
    with store.transaction():
        store.remove(ana, 20.0)
    assert store.last_certificate(ana) is None


def test_a_removal_revokes_what_was_given_and_says_so_by_another_version(
    store: MemberStore,
) -> None:
    ana, bea = add(store), add(store, PeerName("Bea"), 2)
    with store.transaction():
        store.note_certificate(b"\x00a", ana, 900, b"pem")
        store.note_certificate(b"\x00b", bea, 900, b"pem")
    version, serials = store.revocations()
    assert not serials
    with store.transaction():
        store.remove(ana, 20.0)
    assert store.revocations() == (version + 1, frozenset({b"\x00a"}))
    assert store.member("ana") is None
    with store.transaction():
        store.forget_old(900.0, KEEP_S)
    assert store.revocations() == (version + 1, frozenset())


def test_a_join_line_is_used_and_revoked(store: MemberStore) -> None:
    with store.transaction():
        store.add_line(line(2, until_s=9_000))
        store.add_line(line(1))
        store.use_line("line1")
    assert [(one.id, one.uses_left, one.revoked) for one in store.lines()] == [
        ("line1", 1, False),
        ("line2", 2, False),
    ]
    with store.transaction():
        assert store.revoke_line("line2")
        assert not store.revoke_line("line2")
        assert not store.revoke_line("line3")
    assert [one.revoked for one in store.lines()] == [False, True]


def test_what_can_matter_to_nobody_is_let_go(store: MemberStore) -> None:
    ana = add(store)
    further = add(store, ANAS, 2, sponsor=ana)
    gone = add(store, PeerName("gone"), 3)
    with store.transaction():
        store.note_certificate(b"\x00a", ana, 900, b"pem")
        store.note_certificate(b"\x00b", further, 800, b"pem")
        store.add_line(line(1, until_s=100))
        store.remove(gone, 50.0)
    assert [one.name for one in store.further_names(ana)] == [ANAS]
    with store.transaction():
        store.forget_old(799.0, KEEP_S)
    assert len(store.everybody()) == 3
    with store.transaction():
        store.forget_old(800.0, KEEP_S)
    assert {one.name for one in store.everybody()} == {ANA, "gone"}
    with store.transaction():
        store.forget_old(50.0 + KEEP_S, KEEP_S)
    assert [one.name for one in store.everybody()] == [ANA]  # it joined, and may come back
    assert [one.id for one in store.lines()] == ["line1"]
    with store.transaction():
        store.forget_old(100.0 + KEEP_S, KEEP_S)
    assert not store.lines()


def test_a_transaction_that_fails_changes_nothing(store: MemberStore) -> None:
    before = store.version
    with suppress(ZeroDivisionError), store.transaction():
        store.add(ANA, b"\x01" * 32, b"key", "line1", None, 10.0)
        store.add_line(line())
        raise ZeroDivisionError
    assert not store.everybody()
    assert not store.lines()
    add(store)
    assert store.version != before


def test_an_id_is_never_used_twice(store: MemberStore) -> None:
    first = add(store)
    with store.transaction():
        store.remove(first, 10.0)
        store.forget_old(10.0 + KEEP_S, KEEP_S)
    assert not store.everybody()
    assert add(store) != first


def test_each_change_gives_another_version_and_no_change_the_same(store: MemberStore) -> None:
    add(store)
    seen = [store.version]
    for change in (
        lambda: store.add_line(line()),
        lambda: store.use_line("line1"),
        lambda: store.note_certificate(b"\x00a", 1, 900, b"pem"),
        lambda: store.revoke_line("line1"),
        lambda: store.forget_old(900.0, KEEP_S),
    ):
        with store.transaction():
            change()
        seen.append(store.version)
    assert len(set(seen)) == len(seen)
    with store.transaction():
        store.forget_old(900.0, KEEP_S)
    with store.reading():
        assert store.version == seen[-1]


# What a tracker's own file kept goes into the database ------------------------------------


def full_file() -> MemberFile:
    file = MemberFile(None)
    ana = add(file)
    further = add(file, ANAS, 2, sponsor=ana)
    gone = add(file, PeerName("gone"), 3)
    with file.transaction():
        file.note_certificate(b"\x00a", ana, 900, b"pem")
        file.note_certificate(b"\x00b", further, 800, b"")
        file.note_certificate(b"\x00c", gone, 700, b"pem")
        file.add_line(line(1))
        file.add_line(line(2))
        file.use_line("line1")
        file.revoke_line("line2")
        file.remove(gone, 50.0)
        file.remove(ana, 60.0)
    return file


def test_what_a_file_kept_is_taken_over_whole_and_once(shared: SharedMembers) -> None:
    file = full_file()
    for _ in range(2):
        with shared.transaction():
            shared.take_over(file.copy())
    assert shared.everybody() == file.everybody()
    assert shared.lines() == file.lines()
    assert shared.revocations() == file.revocations()
    assert shared.last_certificate(2) == file.last_certificate(2)
    new = add(shared, PeerName("new"), 9)
    assert new > max(one.id for one in file.everybody())
    with shared.transaction():
        shared.take_over(file.copy())  # as after a crash before the file was put aside
    assert len(shared.everybody()) == 4
    file.close()


def test_a_change_is_on_the_databases_disk_before_it_counts(database: str) -> None:
    from panal.tracker.postgres import PostgresStorage

    storage = PostgresStorage(database, threads=1)

    def setting() -> str:
        with storage.database.using() as connection:
            (value,) = connection.execute("SHOW synchronous_commit").fetchone() or ("",)
        return str(value)

    with storage.members.transaction():
        assert setting() == "on"
    assert setting() == "off"  # as it is for records that are told again
    storage.close()


def test_a_line_is_looked_at_by_one_tracker_at_a_time(database: str) -> None:
    from panal.tracker.postgres import PostgresStorage
    from tests.tracker.test_postgres import until_waiting

    one, other = (PostgresStorage(database, threads=1) for _ in range(2))
    with one.members.transaction():
        one.members.add_line(line(uses=1))

    def at_other() -> int:
        with other.members.transaction():
            return other.members.lines()[0].uses_left

    with ThreadPoolExecutor(1) as thread:
        with one.members.transaction():
            one.members.use_line("line1")
            seen = thread.submit(at_other)
            until_waiting(database, seen)
        assert seen.result() == 0
    one.close()
    other.close()


def test_an_empty_file_is_taken_over(shared: SharedMembers) -> None:
    with shared.transaction():
        shared.take_over(MemberFile(None).copy())
    assert add(shared) >= 1


def test_members_of_two_trackers_are_not_mixed(shared: SharedMembers) -> None:
    add(shared)
    file = full_file()
    with pytest.raises(Refused, match="has others"), shared.transaction():
        shared.take_over(file.copy())
    assert [one.name for one in shared.everybody()] == [ANA]
    file.close()
