"""Who is ahead waits while the uplink is full without it."""

import pytest

from panal.peer.giving_way import (
    FORGOTTEN_S,
    FULL_SHARE,
    LEAST_OTHERS,
    LEAST_REST_S,
    MEASURED_S,
    MOST_FADES_S,
    MOST_REST_S,
    GivingWay,
)

FULL_BYTES_S = 5_000_000.0
STEP_S = 0.125


class Looks:
    """Looks every STEP_S, at an uplink of which so much is used."""

    def __init__(self) -> None:
        self.giving_way = GivingWay()
        self.now_s = 100.0
        self.acknowledged_bytes = 12_345.0
        self.giving_way.look(self.now_s, int(self.acknowledged_bytes))

    def for_s(self, duration_s: float, used: float = 1.0) -> list[bool]:
        """What each look of that time said."""
        said = []
        for _ in range(round(duration_s / STEP_S)):
            self.pass_s(STEP_S, used)
            self.giving_way.look(self.now_s, int(self.acknowledged_bytes))
            said.append(self.giving_way.may_wait(self.now_s, LEAST_OTHERS))
        return said

    def pass_s(self, duration_s: float, used: float = 1.0) -> None:
        self.now_s += duration_s
        self.acknowledged_bytes += duration_s * used * FULL_BYTES_S


@pytest.fixture
def looks() -> Looks:
    return Looks()


def test_they_wait_once_the_uplink_is_known_to_be_full(looks: Looks) -> None:
    assert not any(looks.for_s(MEASURED_S - STEP_S))
    assert all(looks.for_s(60.0))


def test_they_do_not_wait_for_one_alone(looks: Looks) -> None:
    looks.for_s(2.0)
    assert not looks.giving_way.may_wait(looks.now_s, LEAST_OTHERS - 1)
    assert looks.giving_way.may_wait(looks.now_s, LEAST_OTHERS)


def test_they_do_not_wait_where_much_more_was_sent_before(looks: Looks) -> None:
    looks.for_s(2.0)
    looks.for_s(MEASURED_S, used=0.8)
    assert not any(looks.for_s(5.0, used=0.8))


def test_a_little_less_counts_as_full(looks: Looks) -> None:
    looks.for_s(2.0)
    assert all(looks.for_s(2.0, used=FULL_SHARE + 0.01))


def test_what_was_seen_is_forgotten(looks: Looks) -> None:
    """Other programs of this host may use the uplink now."""
    looks.for_s(2.0)
    forgotten_s = 0.0
    most = 1.0
    while FULL_SHARE * most > 0.5:
        most *= 1 - MOST_FADES_S
        forgotten_s += 1.0
    assert not any(looks.for_s(forgotten_s - 2.0, used=0.5)[6:])
    assert looks.for_s(4.0, used=0.5)[-1]


def test_where_the_uplink_idles_for_them_they_are_let_in_for_a_while(looks: Looks) -> None:
    assert looks.for_s(2.0)[-1]
    assert not looks.for_s(MEASURED_S, used=0.5)[-1]
    said = looks.for_s(LEAST_REST_S + 2 * MEASURED_S)
    assert not any(said[: round((LEAST_REST_S - MEASURED_S) / STEP_S)])
    assert said[-1]


def test_in_vain_again_and_again_they_are_let_in_for_longer(looks: Looks) -> None:
    """Receivers that cannot take it cost those ahead a small part of the time."""
    looks.for_s(MEASURED_S)
    is_waiting, waited, turns = False, 0, 0
    for _ in range(3_000):
        before, is_waiting = is_waiting, looks.for_s(STEP_S, used=0.5 if is_waiting else 1.0)[-1]
        waited += is_waiting
        turns += is_waiting and not before
    assert turns > 5
    assert waited * STEP_S < 0.1 * 3_000 * STEP_S
    rested = looks.for_s(MOST_REST_S + 2.0)
    assert rested[-1]  # never for ever


def test_once_it_was_of_use_for_long_the_rest_is_short_again(looks: Looks) -> None:
    for _ in range(4):
        looks.for_s(MOST_REST_S + 2.0)
        looks.for_s(MEASURED_S, used=0.5)
    looks.for_s(3 * MOST_REST_S)
    assert not looks.for_s(MEASURED_S, used=0.5)[-1]
    assert looks.for_s(LEAST_REST_S + 2 * MEASURED_S)[-1]


def test_what_was_measured_long_ago_says_nothing(looks: Looks) -> None:
    assert looks.for_s(2.0)[-1]
    looks.pass_s(FORGOTTEN_S + STEP_S, used=0.0)
    assert not any(looks.for_s(MEASURED_S))
    assert looks.for_s(STEP_S)[-1]


def test_seldom_asked_it_is_measured_over_longer(looks: Looks) -> None:
    looks.for_s(2.0)
    looks.pass_s(FORGOTTEN_S - STEP_S)
    assert looks.for_s(STEP_S) == [True]
    looks.pass_s(FORGOTTEN_S - STEP_S, used=0.5)
    assert looks.for_s(STEP_S) == [False]


def test_the_most_is_forgotten_while_nobody_looks_too(looks: Looks) -> None:
    looks.for_s(2.0, used=100.0)
    looks.pass_s(3_600.0)
    assert looks.for_s(2 * MEASURED_S)[-1]


def test_an_uplink_of_which_nothing_is_known_is_not_full(looks: Looks) -> None:
    """So where the system does not tell what is acknowledged nobody waits."""
    assert not any(looks.for_s(60.0, used=0.0))


def test_an_uplink_that_idles_while_nobody_waits_is_no_failure(looks: Looks) -> None:
    assert looks.for_s(2.0)[-1]
    for _ in range(5):
        looks.now_s, last_s = looks.now_s + MEASURED_S + STEP_S, looks.now_s
        looks.acknowledged_bytes += (looks.now_s - last_s) * FULL_BYTES_S
        looks.giving_way.look(looks.now_s, int(looks.acknowledged_bytes))  # and none may wait
        looks.pass_s(MEASURED_S, used=0.5)
        looks.giving_way.look(looks.now_s, int(looks.acknowledged_bytes))
    assert looks.for_s(2 * MEASURED_S)[-1]
