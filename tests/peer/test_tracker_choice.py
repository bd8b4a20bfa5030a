"""Which tracker a peer asks: spread, stuck to, left, and come back to without a rush."""

from collections import Counter
from random import Random

import pytest

from panal.peer.tracker_choice import LONGEST_TRY_AGAIN_S, TRY_AGAIN_S, TrackerChoice
from tests.support.clock import VirtualClock

THREE = ("a:1", "b:1", "c:1")
RENEW_S = 20.0


def replicas(asker: str, addresses: tuple[str, ...] = THREE) -> TrackerChoice:
    choice = TrackerChoice(addresses, asker)
    choice.learn(are_replicas=True)
    return choice


def many(count: int = 900) -> list[TrackerChoice]:
    return [replicas(f"peer_{number}") for number in range(count)]


def used(choices: list[TrackerChoice]) -> Counter[str]:
    return Counter(choice.current for choice in choices)


def test_peers_spread_over_replicas_and_each_always_begins_at_the_same() -> None:
    counts = used(many())
    assert set(counts) == set(THREE)
    assert min(counts.values()) > 230
    assert used(many()) == counts
    # Another order in the settings, or a further tracker, moves nobody who need not move.
    for number in range(50):
        before = replicas(f"peer_{number}").current
        assert replicas(f"peer_{number}", THREE[::-1]).current == before
        assert replicas(f"peer_{number}", (*THREE, "d:1")).current in {before, "d:1"}


def test_where_each_has_its_own_records_all_meet_at_the_first_that_answers() -> None:
    for number in range(20):
        choice = TrackerChoice(THREE, f"peer_{number}")
        choice.learn(are_replicas=False)
        assert choice.order() == THREE
        choice.silent("a:1", 0.0, 0.5)
        assert choice.current == "b:1"


def test_the_peers_of_one_that_goes_spread_over_all_others() -> None:
    choices = many()
    before = used(choices)
    for choice in choices:
        if choice.current == "a:1":
            choice.silent("a:1", 0.0, 0.5)
    after = used(choices)
    assert set(after) == {"b:1", "c:1"}
    taken = [after[address] - before[address] for address in ("b:1", "c:1")]
    assert min(taken) > before["a:1"] / 3


def test_whoever_answers_is_stayed_with() -> None:
    choice = replicas("x")
    first, second, third = choice.order()
    choice.silent(first, 0.0, 0.5)
    assert choice.order() == (second, third, first)
    choice.answered(third)  # an answer that was under way
    assert choice.current == second
    assert choice.order_of_renewal(TRY_AGAIN_S - 1)[0] == second


def test_two_calls_that_find_the_same_one_silent_pass_over_nobody() -> None:
    choice = replicas("x")
    first, second, _ = choice.order()
    choice.silent(first, 0.0, 0.1)
    choice.silent(first, 0.0, 0.2)
    assert choice.current == second


def test_all_are_tried_while_none_answers_and_the_first_that_does_is_taken() -> None:
    choice = replicas("x")
    for address in choice.order():
        choice.silent(address, 0.0, 0.5)
    assert not choice.is_hopeful
    assert set(choice.order()) == set(THREE)
    choice.answered("b:1")
    assert choice.current == "b:1"
    assert choice.is_hopeful


def test_a_renewal_looks_for_the_preferred_one_and_another_call_does_not() -> None:
    choice = replicas("x")
    first, second, third = choice.order()
    choice.silent(first, 0.0, 0.0)
    choice.silent(second, 0.0, 1.0)
    assert choice.current == third
    assert choice.order_of_renewal(TRY_AGAIN_S) == (first, third, second)
    assert choice.order()[0] == third
    choice.silent(first, TRY_AGAIN_S, 1.0)
    assert choice.order_of_renewal(LONGEST_TRY_AGAIN_S)[0] == second
    choice.answered(second)
    assert choice.current == second  # better than the third, though not the first


async def test_a_tracker_that_comes_back_has_its_share_again_and_is_not_run_down() -> None:
    """900 peers renew every 20 s ± 10 %; one of three trackers is away for five minutes."""
    clock, chance = VirtualClock(), Random(3)
    began_s, back_s = clock.now_s(), clock.now_s() + 300.0
    choices = many()
    before = used(choices)
    due = sorted((began_s + chance.random() * RENEW_S, i) for i in range(len(choices)))
    comes: list[float] = []
    waits: list[float] = []
    while due and due[0][0] < back_s + 300.0:
        at_s, number = due.pop(0)
        clock.advance(at_s - clock.now_s())
        choice = choices[number]
        was = choice.current
        for address in choice.order_of_renewal(at_s):
            if address == "a:1" and at_s < back_s:
                choice.silent(address, at_s, chance.random())
                waits.append(at_s)
                continue
            choice.answered(address)
            break
        if choice.current != was == "a:1":
            assert at_s - began_s < RENEW_S * 1.1  # within one renewal
        if at_s >= back_s and choice.current == "a:1" != was:
            comes.append(at_s - back_s)
        due.append((at_s + RENEW_S * (0.9 + chance.random() / 5), number))
        due.sort()
    assert used(choices) == before
    assert len(comes) == before["a:1"]
    assert max(comes) < LONGEST_TRY_AGAIN_S + 2 * RENEW_S
    most_in_a_second = max(Counter(int(s) for s in comes).values())
    assert most_in_a_second < before["a:1"] / 10
    # While it was away each asked it once or twice a minute or less, not at every renewal.
    asked = Counter(int(s // 60) for s in waits if s > began_s + 60)
    assert max(asked.values(), default=0) < before["a:1"]


def test_names_that_cannot_be_written_in_utf8_have_an_order_too() -> None:
    assert set(TrackerChoice(("a:1", "\udcff:1"), "\udc80").order()) == {"a:1", "\udcff:1"}


def test_one_named_twice_is_one() -> None:
    choice = TrackerChoice(("a:1", "a:1"), "x")
    assert not choice.has_several
    assert choice.order() == ("a:1",)


@pytest.mark.parametrize("are_replicas", [True, False])
def test_what_is_learnt_takes_no_silent_one(are_replicas: bool) -> None:
    choice = TrackerChoice(THREE, "x")
    choice.silent("a:1", 0.0, 0.5)
    choice.learn(are_replicas=are_replicas)
    assert choice.current != "a:1"
