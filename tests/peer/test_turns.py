"""Slots are shared between places; within one, the first to come is the first served."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from panal.peer.turns import SHARES, Turns
from tests.swarm import PROPERTY

SLOTS = 8
SHARE = SLOTS // SHARES


def called(turns: Turns[int]) -> list[tuple[str, int]]:
    chosen = []
    while (one := turns.call()) is not None:
        chosen.append(one)
    return chosen


def crowd(turns: Turns[int], place: str, numbers: range) -> None:
    for number in numbers:
        assert turns.arrive(place, number) is None


def test_a_lone_place_has_every_slot_and_no_more() -> None:
    turns: Turns[int] = Turns(SLOTS, 100)
    crowd(turns, "a", range(20))
    assert called(turns) == [("a", number) for number in range(SLOTS)]
    turns.end("a")
    assert called(turns) == [("a", SLOTS)]


def test_who_comes_to_a_full_house_is_let_in_beside_the_one_that_has_more_than_its_share() -> None:
    turns: Turns[int] = Turns(SLOTS, 100)
    crowd(turns, "greedy", range(20))
    called(turns)
    for number in range(20):
        turns.arrive(f"p{number}", number)
    # The greedy one counts for its share, and nobody of it is called before the others are.
    assert called(turns) == [(f"p{number}", number) for number in range(SLOTS - SHARE)]
    for _ in range(SLOTS - SHARE):
        turns.end("greedy")
    assert called(turns) == []
    turns.end("greedy")
    assert called(turns) == [("greedy", SLOTS)]  # it came first, and holds less than its share


def test_with_fewer_slots_nobody_is_called_until_enough_have_ended() -> None:
    turns: Turns[int] = Turns(SLOTS, 100)
    for number in range(2 * SLOTS):
        turns.arrive(f"p{number}", number)
    assert len(called(turns)) == SLOTS
    turns.resize(2)
    for number in range(SLOTS - 2):
        turns.end(f"p{number}")
        assert called(turns) == []
    turns.end(f"p{SLOTS - 2}")
    assert called(turns) == [(f"p{SLOTS}", SLOTS)]
    turns.resize(SLOTS)
    assert len(called(turns)) == SLOTS - 2


def test_turns_go_round_and_keep_the_order_of_arrival_within_a_place() -> None:
    turns: Turns[int] = Turns(1, 100)
    for place, number in (("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5), ("c", 6)):
        turns.arrive(place, number)
    order = []
    for _ in range(6):
        (one,) = called(turns)
        order.append(one)
        turns.end(one[0])
    assert order == [("a", 1), ("b", 3), ("c", 6), ("a", 2), ("b", 5), ("a", 4)]


def test_where_too_many_wait_the_last_of_the_longest_line_goes() -> None:
    turns: Turns[int] = Turns(0, 4)
    crowd(turns, "greedy", range(4))
    assert turns.arrive("greedy", 4) == 4
    assert turns.arrive("a", 10) == 3
    assert turns.arrive("b", 11) == 2
    assert turns.arrive("b", 12) == 12  # its own line is as long as any
    assert turns.arrive("c", 13) == 1


def test_who_left_is_not_called() -> None:
    turns: Turns[int] = Turns(1, 100)
    crowd(turns, "a", range(3))
    turns.leave("a", 0)
    turns.leave("a", 0)
    turns.leave("nowhere", 0)
    assert called(turns) == [("a", 1)]


@PROPERTY
@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.sampled_from(["come", "go", "end"]), st.integers(0, 4)), max_size=60),
)
def test_whatever_happens_slots_are_used_and_bounded(
    slots: int, steps: list[tuple[str, int]]
) -> None:
    turns: Turns[int] = Turns(slots, 10)
    held: Counter[str] = Counter()
    waiting: dict[int, str] = {}
    for number, (what, at) in enumerate(steps):
        place = f"p{at}"
        if what == "come":
            waiting[number] = place
            if (away := turns.arrive(place, number)) is not None:
                del waiting[away]
        elif what == "go" and waiting:
            gone = list(waiting)[at % len(waiting)]
            turns.leave(waiting.pop(gone), gone)
        elif what == "end" and held[place]:
            turns.end(place)
            held[place] -= 1
        for chosen, who in called(turns):
            assert waiting.pop(who) == chosen
            assert who == min([who, *(n for n, where in waiting.items() if where == chosen)])
            held[chosen] += 1
        assert held.total() <= 2 * slots
        assert len(waiting) <= 10
        assert not waiting or held.total() >= slots, "somebody waits while a slot is free"
        share = max(1, slots // SHARES)
        shut_out = {place for place in waiting.values() if not held[place]}
        assert not shut_out or sum(min(share, n) for n in held.values()) >= slots


def test_who_comes_while_nobody_waits_enters_as_if_called() -> None:
    """Into any free slot; beside a place that has more than its share; not past others."""
    turns: Turns[str] = Turns(4, 10)
    assert [turns.enter("a") for _ in range(5)] == [True] * 4 + [False]
    assert [turns.enter("b"), turns.enter("b")] == [True, False]
    turns.arrive("c", "waits")
    assert not turns.enter("d")
    assert turns.call() == ("c", "waits")
    assert turns.enter("d")
    assert not turns.enter("e")
