"""Who may connect: bounds in all and for an address, and room for whoever asks at once."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from panal.peer.connections import Connections
from panal.wire.ids import PeerName

OTHERS = [f"192.0.2.{number}" for number in range(1, 5)]


@dataclass
class Fake:
    idle: bool = True
    ended: list[str] = field(default_factory=list)

    def is_idle(self) -> bool:
        return self.idle

    def abort(self) -> None:
        self.ended.append("ended")


def filled(connections: Connections, host: str, count: int, *, idle: bool) -> list[Fake]:
    made = [Fake(idle) for _ in range(count)]
    assert all(connections.enter(object(), host, one) for one in made)
    return made


def test_an_address_has_a_limit_and_loopback_has_none() -> None:
    connections = Connections(most=100, most_of_one=3)
    filled(connections, "192.0.2.1", 3, idle=False)
    assert not connections.enter(object(), "192.0.2.1", Fake())
    assert not connections.enter(object(), "::ffff:192.0.2.1", Fake())
    assert connections.enter(object(), "192.0.2.2", Fake())
    filled(connections, "127.0.0.1", 50, idle=False)
    filled(connections, "2001:db8::1", 2, idle=False)
    filled(connections, "2001:db8::2", 1, idle=False)
    assert not connections.enter(object(), "2001:db8::ffff", Fake())  # one host's /64


def test_a_member_has_a_limit_of_its_own_wherever_it_calls_from() -> None:
    connections = Connections(most=100, most_of_one=2)
    one, other = PeerName("one"), PeerName("other")
    for host in ("192.0.2.1", "127.0.0.1"):
        assert connections.enter(object(), host, Fake(idle=False), one)
    assert not connections.enter(object(), "192.0.2.2", Fake(), PeerName("ONE"))
    assert connections.enter(object(), "192.0.2.1", Fake(idle=False), other)
    filled(connections, "192.0.2.1", 2, idle=False)


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
    filled(connections, "192.0.2.2", 2, idle=False)
    (idle,) = filled(connections, "192.0.2.1", 1, idle=True)
    assert connections.enter(object(), "127.0.0.1", Fake(idle=False))
    assert idle.ended
    assert not connections.enter(object(), "127.0.0.1", Fake())
    assert len(connections) == 3


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
    st.lists(st.tuples(st.sampled_from([*OTHERS, "127.0.0.1"]), st.booleans(), st.booleans())),
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
        has_room = len(held) < most and (host == "127.0.0.1" or of_one < most_of_one)
        assert is_in or not has_room
        if is_in:
            held.append((host, key, fake))
        assert len(connections) == len(held) <= most
        for other in OTHERS:
            assert sum(at == other for at, *_ in held) <= most_of_one
