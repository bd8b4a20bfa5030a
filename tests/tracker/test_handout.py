import random
from collections.abc import Sequence

import pytest
from msgspec import structs

from panal.tracker import handout
from panal.tracker.handout import FAR_PART, Asker, Handout, Holder, host_towards
from panal.tracker.registry import PeerRecord, Reach, key_of
from panal.wire.ids import NO_ZONE, PeerName, Zone
from tests.tracker.makers import UNREACHED, parts_of, record

LAN = ("0.0.0.0",)


def _names(providers) -> set[str]:
    return {provider.peer for provider in providers}


def _outside(
    name: str,
    number: int,
    complete: bool = True,
    reach: Reach | None = None,
    zone: Zone = NO_ZONE,
) -> Holder:
    host = f"10.0.{number // 250}.{number % 250 + 1}"
    peer = record(name, host=host, bound=LAN, reach=reach or Reach(True, ""), zone=zone)
    return Holder(peer, complete)


def _handout(asker: Asker, limit: int = 50) -> Handout:
    return Handout(asker, limit, random.Random(1))


def test_the_asker_is_not_named_to_itself() -> None:
    holders = [_outside("peer_1", 1), _outside("peer_2", 2)]
    assert _names(_handout(Asker("10.0.9.9", key_of("PEER_1"))).choose(holders)) == {"peer_2"}


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


def test_of_very_many_holders_few_addresses_are_worked_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def towards(asker: Asker, peer: PeerRecord) -> str | None:
        asked.append(peer.name)
        return host_towards(asker, peer)

    monkeypatch.setattr(handout, "host_towards", towards)
    crowd = _crowd(4_000, 1_000)
    for zone in (NO_ZONE, RACKS[0]):
        asked.clear()
        named = _handout(Asker("10.9.9.9", zone=zone)).choose(crowd)
        assert len(_names(named)) == 50
        assert sum(provider.complete for provider in named) >= 25
        assert len(asked) <= 400
        if zone:
            assert 50 // FAR_PART <= sum(one.zone != zone for one in named) <= 20


def test_of_very_many_holders_those_few_that_can_be_called_are_named() -> None:
    beside = [Holder(record(f"beside_{number}"), True) for number in range(3_000)]
    able = [_outside(f"peer_{number}", number) for number in range(30)]
    named = _handout(Asker("10.9.9.9")).choose([*beside, *able])
    assert _names(named) == {holder.peer.name for holder in able}


# Zones ------------------------------------------------------------------------------------

RACKS = tuple(Zone(f"rack{number}") for number in range(4))


def _crowd(count: int, seeds: int = 0) -> list[Holder]:
    return [
        _outside(f"peer_{number}", number, number < seeds, zone=RACKS[number % 4])
        for number in range(count)
    ]


@pytest.mark.parametrize("seeds", [0, 1, 10, 200, 400])
def test_most_are_of_the_askers_zone_and_always_some_of_others(seeds: int) -> None:
    named = _handout(Asker("10.9.9.9", zone=RACKS[1])).choose(_crowd(400, seeds))
    near = [provider.zone == RACKS[1] for provider in named]
    assert len(near) == len(_names(named)) == 50
    assert near == sorted(near, reverse=True)  # near ones first
    assert 50 // FAR_PART <= near.count(False) <= 20
    assert sum(provider.complete for provider in named) >= min(seeds, 25)


def test_where_few_are_near_others_take_their_places() -> None:
    holders = [*_crowd(300), _outside("neighbour", 999, zone=Zone("lonely"))]
    named = _handout(Asker("10.9.9.9", zone=Zone("lonely"))).choose(holders)
    assert named[0].peer == "neighbour"
    assert len(named) == 50


def test_the_only_seed_is_named_wherever_it_stands() -> None:
    for zone in (*RACKS, NO_ZONE):
        holders = [_outside("seed", 999, zone=zone), *_crowd(400)]
        for limit in (1, 2, 50):
            asker = Asker("10.9.9.9", zone=RACKS[0])
            assert "seed" in _names(_handout(asker, limit).choose(holders))


def test_an_asker_without_a_zone_gets_what_it_got_before_there_were_zones() -> None:
    crowd = _crowd(400, 50)
    plain = [structs.replace(one, peer=structs.replace(one.peer, zone=NO_ZONE)) for one in crowd]
    asker = Asker("10.9.9.9")
    zoned = [provider.peer for provider in _handout(asker).choose(crowd)]
    assert zoned == [provider.peer for provider in _handout(asker).choose(plain)]


@pytest.mark.parametrize("zones", [(NO_ZONE,), RACKS, (*RACKS, NO_ZONE), RACKS[:1]])
@pytest.mark.parametrize("seed", range(5))
def test_who_joins_one_after_the_other_comes_to_one_swarm(zones: Sequence[Zone], seed: int) -> None:
    """Rack by rack, the worst order; each knows whom it was named once, and half of each rack goes.

    Those who stay had enough of their own rack to know nobody else.
    """
    chance = random.Random(seed)
    here: list[Holder] = []
    ways: dict[str, set[str]] = {}
    for zone in zones:
        for number in range(120):
            name = PeerName(f"{zone or 'none'}-{number}")
            asker = Asker("10.9.9.9", name, zone=zone)
            ways[name] = _names(Handout(asker, 50, chance).choose(here))
            here.append(_outside(name, len(here), complete=not here, zone=zone))
    assert parts_of(ways) == [120 * len(zones)]
    gone = {name for name in ways if int(name.rpartition("-")[2]) < 60}
    left = {name: named - gone for name, named in ways.items() if name not in gone}
    assert parts_of(left) == [60 * len(zones)]
