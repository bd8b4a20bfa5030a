"""Who may connect: bounds in all and for an address, and room for whoever asks at once."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.peer.connections import OWNER, Connections
from panal.peer.limits import OWNER_PART

pytestmark = pytest.mark.p10

OTHERS = [f"192.0.2.{number}" for number in range(1, 5)]


@dataclass
class Fake:
    idle: bool = True
    ended: list[str] = field(default_factory=list)

    def is_idle(self) -> bool:
        return self.idle

    def abort(self) -> None:
        self.ended.append("ended")


def filled(connections: Connections, place: str, count: int, *, idle: bool) -> list[Fake]:
    made = [Fake(idle) for _ in range(count)]
    assert all(connections.enter(object(), place, one) for one in made)
    return made


def test_a_place_has_a_limit_and_the_owner_has_none() -> None:
    connections = Connections(most=100, most_of_one=3)
    filled(connections, "192.0.2.1", 3, idle=False)
    assert not connections.enter(object(), "192.0.2.1", Fake())
    assert connections.enter(object(), "192.0.2.2", Fake())
    filled(connections, OWNER, 50, idle=False)


def test_an_idle_one_makes_room_for_its_own_address() -> None:
    connections = Connections(most=100, most_of_one=2)
    (other,) = filled(connections, "192.0.2.2", 1, idle=True)
    busy, *_ = filled(connections, "192.0.2.1", 1, idle=False)
    (idle,) = filled(connections, "192.0.2.1", 1, idle=True)
    assert connections.enter(object(), "192.0.2.1", Fake(idle=False))
    assert (idle.ended, busy.ended, other.ended) == (["ended"], [], [])
    assert not connections.enter(object(), "192.0.2.1", Fake())


def test_in_all_the_oldest_idle_one_of_whoever_has_most_makes_room() -> None:
    connections = Connections(most=6, most_of_one=100)
    few = filled(connections, "192.0.2.1", 2, idle=True)
    many = filled(connections, "192.0.2.2", 4, idle=True)
    assert connections.enter(object(), "192.0.2.3", Fake())
    assert [one.ended for one in many] == [["ended"], [], [], []]
    assert not any(one.ended for one in few)
    assert len(connections) == 6


def test_busy_ones_stay_and_an_idle_one_of_anybody_goes() -> None:
    connections = Connections(most=3, most_of_one=100)
    busy = filled(connections, "192.0.2.2", 2, idle=False)
    (idle,) = filled(connections, "192.0.2.1", 1, idle=True)
    assert connections.enter(object(), "192.0.2.3", Fake(idle=False))
    assert idle.ended
    assert not connections.enter(object(), "192.0.2.3", Fake())
    assert not any(one.ended for one in busy)
    assert len(connections) == 3


def test_where_all_are_busy_the_place_with_most_makes_room_for_one_with_fewer() -> None:
    """However many names a member has: whoever has none there yet gets in."""
    connections = Connections(most=12, most_of_one=4)
    names = [filled(connections, f"member {number}", 4, idle=False) for number in range(3)]
    honest = filled(connections, "member honest", 2, idle=False)
    assert [len([one for one in of_one if one.ended]) for of_one in names] == [1, 1, 0]
    assert names[0][0].ended  # its oldest
    filled(connections, "member honest", 1, idle=False)
    assert not connections.enter(object(), "member honest", Fake(idle=False))  # none has 5
    assert not any(one.ended for one in honest)
    assert len(connections) == 12


def test_the_owner_is_kept_some_and_gets_in_always() -> None:
    most = 4 * OWNER_PART
    connections = Connections(most, most_of_one=1)
    others = [filled(connections, f"192.0.2.{n}", 1, idle=False) for n in range(most - 4)]
    assert not connections.enter(object(), "192.0.2.100", Fake())
    owners = filled(connections, OWNER, 4, idle=True)
    assert not connections.enter(object(), "192.0.2.100", Fake())  # those are the owner's
    assert not any(one.ended for one in owners)
    for one in owners:
        one.idle = False
    filled(connections, OWNER, 1, idle=False)
    assert sum(bool(one.ended) for (one,) in others) == 1
    assert len(connections) == most


def test_who_leaves_makes_room_and_who_was_not_let_in_does_not_count() -> None:
    connections = Connections(most=1, most_of_one=1)
    key, refused = object(), object()
    assert connections.enter(key, "192.0.2.1", Fake(idle=False))
    assert not connections.enter(refused, "192.0.2.2", Fake())
    connections.leave(refused)
    assert len(connections) == 1
    connections.leave(key)
    connections.leave(key)
    assert connections.enter(refused, "192.0.2.2", Fake())


def test_what_is_passed_on_is_asked_from_then_on() -> None:
    connections = Connections(most=1, most_of_one=1)
    key, now = object(), Fake()
    assert connections.enter(key, "192.0.2.1", Fake(idle=False))
    connections.pass_on(key, now)
    connections.pass_on(object(), Fake())  # of one that was not let in
    assert connections.enter(object(), "192.0.2.2", Fake())
    assert now.ended


@given(
    st.lists(st.tuples(st.sampled_from([*OTHERS, OWNER]), st.booleans(), st.booleans())),
    st.integers(1, 6),
    st.integers(1, 3),
)
def test_bounds_hold_whoever_comes_and_goes(
    moves: list[tuple[str, bool, bool]], most: int, most_of_one: int
) -> None:
    connections = Connections(most, most_of_one)
    held: list[tuple[str, object, Fake]] = []
    for host, idle, leaves in moves:
        if leaves and held:
            _, key, _ = held.pop(0)
            connections.leave(key)
            continue
        key, fake = object(), Fake(idle)
        is_in = connections.enter(key, host, fake)
        held = [row for row in held if not row[2].ended]
        of_one = sum(at == host for at, *_ in held)
        has_room = len(held) < most and (host == OWNER or of_one < most_of_one)
        assert is_in or not has_room
        if is_in:
            held.append((host, key, fake))
        assert len(connections) == len(held) <= most
        for other in OTHERS:
            assert sum(at == other for at, *_ in held) <= most_of_one
