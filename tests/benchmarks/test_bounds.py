"""The times that no swarm can beat, by hand."""

import pytest

from benchmarks.faults import Fault
from benchmarks.hosts import Link
from benchmarks.scenarios import MBIT, MIB, SCENARIOS, Scenario, drawn, fluid_bound_s

SECOND_BYTES = 100 * MBIT
"""What a link of 100 Mbit/s carries in a second."""


def bound_s(seconds: float, seed: Link, *peers: Link) -> float:
    return fluid_bound_s(seconds * SECOND_BYTES, seed, peers)


def test_the_seed_has_to_send_everything_once() -> None:
    assert bound_s(8, Link(50, 50), *[Link(100, 100)] * 4) == pytest.approx(16)


def test_the_slowest_downlink_has_to_carry_everything() -> None:
    assert bound_s(8, Link(100, 100), Link(100, 100), Link(100, 25)) == pytest.approx(32)


def test_all_uplinks_together_have_to_carry_a_copy_for_each() -> None:
    assert bound_s(8, Link(100, 100), *[Link(10, 200)] * 4) == pytest.approx(8 * 4 / 1.4)


def test_drawn_scenarios_are_those_of_their_number() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert all(one.bound_s() > 0 for one in (*SCENARIOS, *drawn(7)))


LINK = Link(8 * MIB / MBIT, 8 * MIB / MBIT)
"""8 MiB a second each way."""
EVEN = Scenario("even", 64, LINK, (LINK,) * 4, 1.5)


def test_without_a_fault_the_bound_is_the_fluid_one() -> None:
    assert Fault("none", EVEN).bound_s() == pytest.approx(EVEN.bound_s()) == pytest.approx(8)


def test_who_joins_late_needs_its_downlink_from_then_on() -> None:
    assert Fault("late", EVEN, joins_s={3: 5.0}).bound_s() == pytest.approx(13)


def test_who_is_killed_needs_nothing_and_helps_until_then() -> None:
    fault = Fault("killed", Scenario("slow", 64, LINK, (Link(0.001, 1000),) * 4, 1.5), killed=(0,))
    assert fault.honest == (1, 2, 3)
    assert fault.bound_s() == pytest.approx(24, rel=0.01)


def test_a_seed_that_leaves_sends_one_copy_and_no_more() -> None:
    halves = Scenario("halves", 64, LINK, (Link(LINK.up_mbit / 2, 1000),) * 4, 1.5)
    # The seed brings 1 of 4 copies in 8 s, the peers 2 in that time and the last in 4 s more.
    one = Fault("leaves", halves, seed_leaves=True)
    assert one.bound_s() == pytest.approx(8 + (4 - 1 - 2) * 64 / (4 * 4))


def test_liars_neither_receive_nor_help() -> None:
    slow = Scenario("slow", 64, LINK, (Link(LINK.up_mbit, 1000),) * 3, 1.5)
    assert Fault("lies", slow, liars=(0,)).bound_s() == pytest.approx(8)
