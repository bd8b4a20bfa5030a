"""Who holds a content is read once, and again as soon as anything was written."""

from collections.abc import Iterator

import pytest

from panal.tracker import sqlite_holders
from panal.tracker.registry import Reach
from panal.tracker.sqlite import SqliteStorage
from panal.wire.ids import PeerName
from tests.tracker.makers import announcement, content, entry, record

ONE = PeerName("peer_1")


@pytest.fixture
def storage() -> Iterator[SqliteStorage]:
    opened = SqliteStorage(None, now_s=0.0)
    with opened.transaction():
        opened.put_peer(record(ONE))
    yield opened
    opened.close()


def asked_of_sqlite(storage: SqliteStorage, number: int) -> int:
    """How many statements it takes to locate a content."""
    statements: list[str] = []
    storage._connection.set_trace_callback(statements.append)
    with storage.transaction():
        storage.locate([content(number)], 1.0)
    storage._connection.set_trace_callback(None)
    return len(statements)


def tell(storage: SqliteStorage, sequence: int, number: int) -> None:
    with storage.transaction():
        storage.apply(ONE, announcement(entry(f"{number}.txt", number), sequence=sequence))


def test_what_was_read_is_kept_until_something_is_written(storage: SqliteStorage) -> None:
    tell(storage, 1, 1)
    assert [asked_of_sqlite(storage, 1) for _ in range(3)] == [1, 0, 0]
    assert asked_of_sqlite(storage, 2) == 1
    tell(storage, 2, 2)
    assert [asked_of_sqlite(storage, 1) for _ in range(2)] == [1, 0]


def test_what_is_kept_is_bounded(storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_holders, "MOST_KEPT", 10)
    for number in range(100):
        asked_of_sqlite(storage, number)
        assert len(storage._holders._kept) <= 11
    assert asked_of_sqlite(storage, 99) == 0


def test_nothing_is_kept_of_what_is_not_committed(storage: SqliteStorage) -> None:
    with storage.transaction():
        storage.apply(ONE, announcement(entry("1.txt", 1), sequence=1))
        assert len(storage.locate([content(1)], 1.0)[content(1)]) == 1
        storage.apply(ONE, announcement(removed=("1.txt",), sequence=2))
        assert storage.locate([content(1)], 1.0) == {content(1): []}


def test_what_is_kept_has_nobody_whose_lease_is_over_or_who_came_back_changed(
    storage: SqliteStorage,
) -> None:
    def holders(now_s: float) -> list[bool]:
        with storage.transaction():
            found = storage.locate([content(1)], now_s)[content(1)]
        return [holder.peer.reachable for holder in found]

    tell(storage, 1, 1)
    assert holders(1.0) == holders(1.0) == [True]
    until_s = record(ONE).lease_until_s
    assert holders(until_s) == []
    with storage.transaction():
        storage.put_peer(record(ONE, now_s=until_s))
    assert holders(until_s) == [True]
    with storage.transaction():
        storage.put_peer(record(ONE, now_s=until_s, reach=Reach(False, "no answer")))
    assert holders(until_s) == [False]
