"""Who watches is told of what it wants, in few words, and costs no more than it may."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from panal.errors import Busy
from panal.tracker import news
from panal.tracker.changes import Change, ChangeKind
from panal.tracker.limits import WATCHES_AT_ONCE, WATCHES_PER_ADDRESS
from panal.tracker.news import Newsroom, Watcher
from panal.wire.catalogue import Entry, Holding, News, Watched
from panal.wire.ids import PeerName
from tests.tracker.makers import announcement, content

P, Q = PeerName("p"), PeerName("q")


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def room() -> Newsroom:
    return Newsroom()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as kept:
        yield kept


def watch(room: Newsroom, stack: ExitStack, **wanted: object) -> tuple[Watcher, Woken]:
    woken = Woken()
    watched = Watched(**wanted)  # type: ignore[arg-type]
    return stack.enter_context(room.watching(watched, None, woken)), woken


def test_who_comes_and_goes_is_told_by_the_last_that_was_heard(
    room: Newsroom, stack: ExitStack
) -> None:
    watcher, woken = watch(room, stack, peers=True)
    room.peer(P, is_here=True)
    room.peer(Q, is_here=True)
    room.peer(P, is_here=False)
    assert woken.times == 3
    assert watcher.take() == News(joined=(Q,), left=(P,))
    assert watcher.take() == News()


def test_what_is_waited_for_is_told_and_nothing_else_wakes_anybody(
    room: Newsroom, stack: ExitStack
) -> None:
    named, woken = watch(room, stack, names=("film.mkv", "a/b"))
    held, woken_too = watch(room, stack, contents=(content(7),))
    room.announced(P, announcement(Entry("x/y/other.mkv", content(1), 1)))
    room.announced(P, announcement(Entry("film.mkv.part", content(2), 1)))
    room.peer(P, is_here=True)
    assert (woken.times, woken_too.times) == (0, 0)
    for path in ("film.mkv", "x/film.mkv", "a/b"):
        room.announced(P, announcement(Entry(path, content(3), 1)))
        assert named.take() == News(came=True)
    room.announced(P, announcement(holdings=(Holding(content(7), complete=False),)))
    room.announced(P, announcement(Entry("z", content(7), 1)))
    assert held.take() == News(came=True)
    vouched = Entry("v", content(8), 1, sha256=bytes(content(9)))
    by_digest, _ = watch(room, stack, sha256s=(bytes(content(9)),))
    room.announced(P, announcement(vouched))
    assert by_digest.take().came


def test_what_others_were_told_wakes_who_waits_at_the_next_look_only(
    room: Newsroom, stack: ExitStack
) -> None:
    named, woken = watch(room, stack, names=("f",))
    _, idle = watch(room, stack, peers=True)
    for _ in range(100):
        room.heard([Change(ChangeKind.ANNOUNCED, P, 1)])
    assert woken.times == 0
    room.spread()
    room.spread()
    assert (woken.times, idle.times) == (1, 0)
    assert named.take().came


def test_who_comes_elsewhere_is_told_here_and_what_happens_here_is_published_once(
    room: Newsroom, stack: ExitStack
) -> None:
    published: list[Change] = []
    room.publish = published.extend
    watcher, _ = watch(room, stack, peers=True)
    room.heard([Change(ChangeKind.JOINED, P), Change(ChangeKind.LEFT, Q)])
    assert watcher.take() == News(joined=(P,), left=(Q,))
    assert published == []
    room.peer(P, is_here=True)
    room.peer(Q, is_here=False)
    room.announced(P, announcement(Entry("a", content(1), 1), Entry("b", content(1), 1)))
    assert published == [
        Change(ChangeKind.JOINED, P),
        Change(ChangeKind.LEFT, Q),
        Change(ChangeKind.ANNOUNCED, P, 2),
    ]


def test_what_is_too_much_to_keep_becomes_one_word(
    room: Newsroom, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "MOST_NAMES", 10)
    watcher, _ = watch(room, stack, peers=True)
    for number in range(1_000):
        room.peer(PeerName(f"p{number}"), is_here=True)
    assert len(watcher._here) == 0
    assert watcher.take() == News(missed=True)
    room.peer(P, is_here=True)
    assert watcher.take() == News(joined=(P,))


def test_no_more_watch_than_may_and_none_is_kept_that_ended(room: Newsroom) -> None:
    with ExitStack() as stack:
        for _ in range(WATCHES_PER_ADDRESS):
            stack.enter_context(room.watching(Watched(names=("f",)), "10.0.0.1", Woken()))
        with pytest.raises(Busy), room.watching(Watched(), "10.0.0.1", Woken()):
            pass
        for _ in range(WATCHES_AT_ONCE - WATCHES_PER_ADDRESS):
            stack.enter_context(room.watching(Watched(), None, Woken()))
        with pytest.raises(Busy), room.watching(Watched(), "10.0.0.2", Woken()):
            pass
    assert not room._watchers
    assert not room._by_key
    assert not room._per_place


def test_at_the_end_everybody_is_let_go(room: Newsroom, stack: ExitStack) -> None:
    _, woken = watch(room, stack)
    room.close()
    assert room.is_closed
    assert woken.times == 1
