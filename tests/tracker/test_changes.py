"""News between trackers: few words, and none that others cannot do without."""

import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from panal.tracker.changes import (
    MOST_BYTES,
    MOST_MESSAGES,
    Change,
    ChangeKind,
    changes_in,
    merged,
    messages,
)
from panal.wire.ids import PeerName

ONE, TWO = PeerName("peer_1"), PeerName("peer_2")


def announced(peer: PeerName, entries: int = 1) -> Change:
    return Change(ChangeKind.ANNOUNCED, peer, entries)


def test_changes_of_one_kind_and_peer_become_one() -> None:
    joined = Change(ChangeKind.JOINED, ONE)
    assert merged([announced(ONE, 2), joined, announced(TWO), announced(ONE, 5)]) == [
        joined,
        announced(TWO),
        announced(ONE, 7),
    ]


def test_what_is_told_is_heard_by_others_only() -> None:
    told = [Change(ChangeKind.LEFT, ONE), announced(TWO, 12)]
    (text,) = messages("me", told)
    assert changes_in(text, "you") == told
    assert changes_in(text, "me") == []
    assert messages("me", []) == []


def test_much_is_told_in_several_texts_and_too_much_not_at_all() -> None:
    names = [PeerName(f"peer_{number:056}") for number in range(400)]
    some = [announced(name) for name in names[:250]]
    texts = messages("me", some)
    assert 1 < len(texts) <= MOST_MESSAGES
    assert max(len(text.encode()) for text in texts) <= MOST_BYTES
    assert [change for text in texts for change in changes_in(text, "you") or []] == some
    (text,) = messages("me", [announced(name) for name in names])
    assert changes_in(text, "you") is None


@pytest.mark.parametrize("text", ["", "x", "[]", '["a",[["exploded","peer_1",1]]]', "[1,2]"])
def test_what_is_not_understood_means_look_anew(text: str) -> None:
    assert changes_in(text, "me") is None


class Heard:
    """What came, and a way to wait for it."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.missed = 0
        self._came = threading.Condition()

    def hear(self, changes: Sequence[Change]) -> None:
        with self._came:
            self.changes += changes
            self._came.notify()

    def miss(self) -> None:
        with self._came:
            self.missed += 1
            self._came.notify()

    def wait_for(self, *, entries: int = 0, missed: int = 0) -> None:
        with self._came:
            assert self._came.wait_for(
                lambda: (
                    sum(change.entries for change in self.changes) >= entries
                    and self.missed >= missed
                ),
                30,
            )


def test_trackers_on_one_database_hear_each_other(database: str) -> None:
    from panal.tracker.postgres_database import Database
    from panal.tracker.postgres_feed import PostgresFeed

    databases = [Database(database, 1) for _ in range(2)]
    one, other = (PostgresFeed(opened, gather_s=0.01) for opened in databases)
    heard, own = Heard(), Heard()
    for opened in databases:
        opened.open()
    other.subscribe(heard.hear, heard.miss)
    one.subscribe(own.hear, own.miss)
    assert other.listening.wait(30)
    assert one.listening.wait(30)
    for _ in range(5):
        one.publish([announced(ONE, 2)])
    heard.wait_for(entries=10)
    assert {change.peer for change in heard.changes} == {ONE}
    assert heard.missed == 0
    with databases[0].using() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
    heard.wait_for(entries=10, missed=1)
    assert other.listening.wait(30)
    one.publish([announced(TWO)])
    heard.wait_for(entries=11)
    assert own.changes == []
    one.publish([announced(PeerName(f"peer_{number:056}")) for number in range(400)])
    heard.wait_for(entries=11, missed=2)
    for feed in (one, other):
        feed.close()
        feed.close()
    for opened in databases:
        opened.close()


def test_a_tracker_with_many_connections_hears_the_others(database: str) -> None:
    from panal.tracker.postgres_database import Database
    from panal.tracker.postgres_feed import PostgresFeed

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2_048:
        pytest.skip("this user may not have as many descriptors as select() cannot take")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_048), hard))
    opened = Database(database, 1)
    one, other = PostgresFeed(opened, gather_s=0.01), PostgresFeed(opened, gather_s=0.01)
    heard = Heard()
    with ExitStack() as many:
        many.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        many.callback(opened.close)
        many.callback(other.close)
        many.callback(one.close)
        opened.open()
        for _ in range(1_030):
            many.enter_context(open(os.devnull))
        other.subscribe(heard.hear, heard.miss)
        assert other.listening.wait(30)
        one.publish([announced(ONE, 2)])
        heard.wait_for(entries=2)


def test_what_fails_once_does_not_end_the_telling(caplog: pytest.LogCaptureFixture) -> None:
    from panal.tracker.postgres_feed import PostgresFeed

    class Database:
        def __init__(self) -> None:
            self.said: list[str] = []
            self.asked, self.was_told = threading.Event(), threading.Event()

        @contextmanager
        def using(self) -> Iterator["Database"]:
            if not self.asked.is_set():
                self.asked.set()
                raise ZeroDivisionError
            yield self

        def execute(self, _: str, values: tuple[str, str]) -> None:
            self.said.append(values[1])
            self.was_told.set()

    database = Database()
    feed = PostgresFeed(database, gather_s=0.0)  # type: ignore[arg-type]  # what it uses of one
    feed.publish([announced(ONE)])
    assert database.asked.wait(10.0)
    feed.publish([announced(TWO)])
    assert database.was_told.wait(10.0)
    feed.close()
    assert "ZeroDivisionError" in caplog.text
    assert changes_in(database.said[-1], "another")[-1:] == [announced(TWO)]  # type: ignore[index]
