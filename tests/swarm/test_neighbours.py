"""Whom a download keeps in touch with."""

import math
from random import Random

import pytest

from panal.swarm import neighbours
from panal.swarm.messages import (
    BytesArrived,
    CancelFetch,
    ChunkWritten,
    Drop,
    Failure,
    FetchEnded,
    Follow,
    Order,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
)
from panal.swarm.neighbours import (
    MAX_NEIGHBOURS,
    MAX_SOURCES_KNOWN,
    MOST_DOUBLINGS,
    OPENING_S,
    PLACE_KEPT_S,
    QUIET_BEFORE_SWAP_S,
    USELESS_AFTER_S,
    Neighbours,
)
from panal.swarm.sources import RunningFetch, Stage
from tests.swarm import A, B, Driven, only, source_id

JUST = 0.001


class Last:
    """No chance at all: always the last. So nobody is let go by lot."""

    def randrange(self, stop: int, /) -> int:
        return stop - 1


def crowd(driven: Driven, count: int) -> int:
    """So many sources are found; how many of them are followed."""
    driven.state.neighbours._chance = Last()
    followed = 0
    for number in range(count):
        followed += len(only(driven.tell(SourceFound(source_id(f"p{number}"))), Follow))
    return followed


def test_at_most_forty_are_followed_at_once() -> None:
    driven = Driven()
    assert crowd(driven, 60) == MAX_NEIGHBOURS
    assert only(driven.tell(Ticked()), Follow) == []


def test_a_place_that_becomes_free_is_taken_by_one_never_tried_before_one_that_failed() -> None:
    driven = Driven()
    crowd(driven, 41)
    driven.tell(SourceClosed(source_id("p3"), "refused"))
    driven.tell(SourceClosed(source_id("p4"), "refused"))
    followed = only(driven.tell(Ticked(), after_s=5.0), Follow)
    assert followed == [Follow(source_id("p40")), Follow(source_id("p3"))]


def test_a_fetch_that_still_runs_keeps_its_place() -> None:
    driven = Driven()
    crowd(driven, 41)
    first = source_id("p0")
    driven.tell(SourceOpened(first, 0b1))
    driven.tell(BytesArrived(first, 1))
    driven.tell(SourceClosed(first, "ended"))
    assert only(driven.tell(Ticked()), Follow) == []
    driven.tell(FetchEnded(first))
    assert only(driven.tell(Ticked()), Follow) == [Follow(source_id("p40"))]


def quiet_crowd(driven: Driven) -> None:
    """Forty neighbours, of which the first has something, and one that waits."""
    crowd(driven, 41)
    driven.tell(SourceOpened(source_id("p0"), 0b1))
    for number in range(1, MAX_NEIGHBOURS):
        driven.tell(SourceOpened(source_id(f"p{number}"), 0))


def dropped(driven: Driven, after_s: float) -> list[Drop]:
    return only(driven.tell(Ticked(), after_s=after_s), Drop)


def test_who_has_nothing_makes_room_for_one_who_waits() -> None:
    driven = Driven(1)
    quiet_crowd(driven)
    assert dropped(driven, USELESS_AFTER_S - JUST) == []
    assert dropped(driven, 2 * JUST) == [Drop(source_id("p1"))]
    assert driven.state.sources[source_id("p40")].stage is Stage.OPENING
    assert driven.state.sources[source_id("p1")].reason == "made room for another"
    assert dropped(driven, 5.0) == []  # p1 rests: nobody waits


def test_a_place_in_a_queue_is_kept_for_thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "USELESS_AFTER_S", math.inf)  # who has nothing goes before
    driven = Driven(1)
    queued = source_id("p0")
    crowd(driven, 40)
    for number in range(MAX_NEIGHBOURS):
        driven.tell(SourceOpened(source_id(f"p{number}"), 0b1 if number == 0 else 0b0))
    for number in range(1, MAX_NEIGHBOURS):  # all others were helpful just now
        driven.tell(BytesArrived(source_id(f"p{number}"), 1))
    driven.tell(SourceFound(A))
    assert only(driven.tell(Ticked(), after_s=PLACE_KEPT_S), CancelFetch) == []
    assert only(driven.tell(Ticked(), after_s=0.25), CancelFetch) == [CancelFetch(queued)]
    assert only(driven.tell(Ticked(), after_s=1.0), CancelFetch) == []  # once is enough
    orders = driven.tell(FetchEnded(queued, Failure.CANCELLED))
    assert only(orders, Drop) == [Drop(queued)]
    assert driven.state.sources[queued].reason == "made room for another"
    assert Follow(A) in driven.tell(Ticked(), after_s=0.25)


@pytest.mark.parametrize("left", [1, 2, 5, 6, 1_000_000])
def test_a_place_in_a_queue_is_kept_for_twice_as_long_after_each_that_was_left(left: int) -> None:
    """Else a crowd whose queues are longer than the first patience is left for ever in turn."""
    driven = Driven(400)
    crowd(driven, 41)
    for number in range(MAX_NEIGHBOURS):
        driven.tell(SourceOpened(source_id(f"p{number}"), 1 << number))
    for source in driven.state.sources.values():
        source.queues_left = left
    kept_s = PLACE_KEPT_S * 2 ** min(left, MOST_DOUBLINGS)
    assert only(driven.tell(Ticked(), after_s=kept_s), CancelFetch) == []
    (cancelled,) = only(driven.tell(Ticked(), after_s=0.25), CancelFetch)
    assert driven.state.sources[cancelled.source].queues_left == left + 1


def test_a_chunk_ends_what_was_counted_of_queues_that_were_left() -> None:
    driven = Driven(2)
    driven.tell(SourceFound(A))
    driven.tell(SourceOpened(A, 0b11))
    driven.state.sources[A].queues_left = 3
    driven.tell(ChunkWritten(A, 0))
    assert driven.state.sources[A].queues_left == 0


def test_who_has_what_is_missing_and_could_not_show_it_yet_stays() -> None:
    driven = Driven(1)
    crowd(driven, 41)
    for number in range(MAX_NEIGHBOURS):
        driven.tell(SourceOpened(source_id(f"p{number}"), 0b1))
    assert dropped(driven, QUIET_BEFORE_SWAP_S + 1) == []


def test_where_something_comes_or_nobody_waits_nobody_is_sent_away() -> None:
    driven = Driven(1)
    crowd(driven, MAX_NEIGHBOURS)
    for source in driven.state.sources.values():
        driven.tell(SourceOpened(source.id, 0b1))
        source.lost = 1
    assert dropped(driven, QUIET_BEFORE_SWAP_S + 1) == []
    driven.tell(SourceFound(A))
    driven.tell(SourceFound(B))
    driven.state.quiet_since_s = driven.now_s  # something came just now
    for source in driven.state.sources.values():
        source.helped_at_s = driven.now_s - 0.5
    assert dropped(driven, QUIET_BEFORE_SWAP_S) == []
    assert dropped(driven, 0.25) == [Drop(source_id("p1"))]
    assert dropped(driven, 0.75) == []  # one a second
    assert dropped(driven, 0.25) == [Drop(source_id("p2"))]


def trickle(driven: Driven, source: SourceId, duration_s: float) -> list[Order]:
    """A byte every ten seconds comes from one source, and time passes; what is ordered."""
    orders: list[Order] = []
    for tick in range(int(4 * duration_s)):
        if tick % 40 == 0:
            driven.tell(BytesArrived(source, 1))
        for order in driven.tell(Ticked(), after_s=0.25):
            orders.append(order)
            if isinstance(order, CancelFetch):
                orders += driven.tell(FetchEnded(order.source, Failure.CANCELLED))
    return orders


def test_who_is_asked_in_vain_makes_room_also_while_another_trickles() -> None:
    driven = Driven(400)
    crowd(driven, MAX_NEIGHBOURS)
    for number in range(MAX_NEIGHBOURS):
        driven.tell(SourceOpened(source_id(f"p{number}"), 1 << number))
    driven.tell(SourceFound(A))
    trickler = source_id("p0")
    assert only(trickle(driven, trickler, PLACE_KEPT_S - 1), Follow) == []
    assert Follow(A) in trickle(driven, trickler, 5.0)
    made_room = {s.id for s in driven.state.sources.values() if s.stage is Stage.AWAY}
    assert made_room
    assert trickler not in made_room


def test_who_does_not_say_what_it_has_makes_room_after_five_seconds() -> None:
    driven = Driven(1)
    crowd(driven, MAX_NEIGHBOURS)
    driven.tell(SourceOpened(source_id("p0"), 0b1))
    driven.tell(SourceFound(A))
    assert only(trickle(driven, source_id("p0"), OPENING_S), Follow) == []
    assert Follow(A) in trickle(driven, source_id("p0"), 0.5)


def test_those_who_made_room_do_not_come_back_before_all_were_tried() -> None:
    driven = Driven(1)
    crowd(driven, 400)
    tried = set(driven.state.neighbours.near)
    for _ in range(1_700):
        for order in driven.tell(Ticked(), after_s=0.25):
            if isinstance(order, Follow):
                tried.add(order.source)
    assert len(tried) == 400


def test_no_more_than_a_thousand_are_known_and_the_most_failed_is_forgotten_first() -> None:
    near = Neighbours(4, Last())
    for number in range(MAX_SOURCES_KNOWN):
        near.found(source_id(f"p{number}"), 0.0)
    assert near.found(A, 0.0) == []
    assert A not in near.known
    for number, failures in ((5, 2), (7, 9)):
        source = near.known[source_id(f"p{number}")]
        source.failures = failures
        near.leave(source, Stage.AWAY, "refused", 1.0)
    assert near.found(A, 0.0) == [Drop(source_id("p7")), Follow(A)]
    assert len(near.known) == MAX_SOURCES_KNOWN


def test_those_found_late_become_neighbours_as_often_as_the_first() -> None:
    near = Neighbours(4, Random(1))
    for number in range(400):
        near.found(source_id(f"p{number}"), 0.0)
        assert len(near.near) <= MAX_NEIGHBOURS
    late = sum(int(source.peer[1:]) >= 200 for source in near.near.values())
    assert 10 <= late <= 30


def test_who_has_all_or_sends_is_not_let_go_by_lot() -> None:
    near = Neighbours(4, Random(1))
    for number in range(MAX_NEIGHBOURS):
        near.found(source_id(f"p{number}"), 0.0)
        source = near.near[source_id(f"p{number}")]
        if number % 2:
            near.opened(source, 0b1111, 0.0)
        else:
            source.fetch = RunningFetch(0b1, 0.0)
    kept = set(near.near)
    for number in range(40, 400):
        assert near.found(source_id(f"p{number}"), 0.0) == []
    assert set(near.near) == kept
