import random

from panal.tracker.handout import Asker, Handout, Holder
from panal.tracker.registry import Reach
from tests.tracker.makers import UNREACHED, record

LAN = ("0.0.0.0",)


def _names(providers) -> set[str]:
    return {provider.peer for provider in providers}


def _outside(name: str, number: int, complete: bool = True, reach: Reach | None = None) -> Holder:
    host = f"10.0.{number // 250}.{number % 250 + 1}"
    peer = record(name, host=host, bound=LAN, reach=reach or Reach(True, ""))
    return Holder(peer, complete)


def _handout(asker: Asker, limit: int = 50) -> Handout:
    return Handout(asker, limit, random.Random(1))


def test_the_asker_is_not_named_to_itself() -> None:
    holders = [_outside("peer_1", 1), _outside("peer_2", 2)]
    assert _names(_handout(Asker("10.0.9.9", "PEER_1")).choose(holders)) == {"peer_2"}


def test_an_unreachable_peer_is_not_named() -> None:
    assert _handout(Asker("10.0.9.9")).choose([_outside("peer_1", 1, reach=UNREACHED)]) == ()


def test_addresses_that_nobody_may_dial_are_not_named() -> None:
    for host in ("169.254.169.254", "224.0.0.1", "255.255.255.255"):
        holder = Holder(record("peer_1", host=host, bound=LAN), True)
        assert _handout(Asker("10.0.9.9")).choose([holder]) == ()


def test_loopback_is_named_on_loopback_only() -> None:
    beside = Holder(record("peer_1", bound=("127.0.0.1",)), True)
    assert _handout(Asker("127.0.0.1")).choose([beside])[0].host == "127.0.0.1"
    assert _handout(Asker("10.0.9.9", "", "10.0.0.1")).choose([beside]) == ()


def test_a_peer_beside_the_tracker_is_named_by_its_outer_address() -> None:
    bound = Holder(record("peer_1", bound=("127.0.0.1", "10.0.0.1")), True)
    everywhere = Holder(record("peer_2", bound=LAN), True)
    asker = Asker("10.0.9.9", "", "10.0.0.1")
    assert _handout(asker).choose([bound])[0].host == "10.0.0.1"
    assert _handout(asker).choose([everywhere])[0].host == "10.0.0.1"


def test_the_choice_is_bounded_random_and_mixed() -> None:
    holders = [_outside(f"peer_{number}", number, number < 100) for number in range(500)]
    asker = Asker("10.9.9.9")
    first = Handout(asker, 50, random.Random(1)).choose(holders)
    second = Handout(asker, 50, random.Random(2)).choose(holders)
    assert len(first) == len(_names(first)) == 50
    assert _names(first) != _names(second)
    assert 25 <= sum(provider.complete for provider in first) < 50


def test_the_only_seed_is_always_named_in_a_crowd() -> None:
    holders = [_outside("seed", 0)]
    holders += [_outside(f"peer_{number}", number, complete=False) for number in range(1, 400)]
    for limit in (1, 2, 50):
        assert "seed" in _names(_handout(Asker("10.9.9.9"), limit).choose(holders))


def test_few_holders_are_all_named() -> None:
    holders = [_outside("a", 1), _outside("b", 2, complete=False)]
    assert _names(_handout(Asker("10.9.9.9"), 2).choose(holders)) == {"a", "b"}
