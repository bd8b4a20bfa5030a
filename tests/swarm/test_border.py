"""What is fetched across a zone's border: by whom, when another takes over, and never for ever."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panal.swarm.border import (
    IN_LINE,
    LEFT_TO_COME_S,
    LOST_IN_A_ROW,
    SLOW_AFTER_S,
    SLOW_FOR_S,
    STEP_S,
    Border,
)
from panal.swarm.messages import SourceId
from panal.swarm.sources import RunningFetch, Source, Stage
from panal.wire import bitfield
from panal.wire.ids import NO_ZONE, Zone
from tests.support.simulated_swarm import KIB, MIB, Outcome, SimulatedPeer, SimulatedSwarm
from tests.swarm import PROPERTY, source_id

HERE, THERE = Zone("here"), Zone("there")
CHUNKS = 512
ALL = bitfield.full(CHUNKS)


def source(name: str, zone: Zone, bits: int = 0) -> Source:
    return Source(source_id(name), Stage.READY, bits, zone=zone)


def border(own: str, *others: Source, zone: Zone = HERE, chunk_count: int = CHUNKS) -> Border:
    made = Border(chunk_count, own, zone)
    made.meet(others)
    return made


def waits(made: Border, near: list[Source], free: int, after_s: float) -> None:
    """So much time passes, a quarter of a second at a time."""
    for tick in range(1, round(after_s * 4) + 1):
        made.look(near, free, tick / 4)


# Parts ------------------------------------------------------------------------------------


@settings(PROPERTY, max_examples=40)
@given(
    st.integers(2, 12), st.sampled_from([1, 7, 255, 256, 512, 5_000, 16_384]), st.integers(0, 99)
)
def test_those_of_a_zone_who_know_each_other_share_the_chunks_out(
    peers: int, chunk_count: int, salt: int
) -> None:
    everybody = [source(f"p{salt}-{number}", HERE) for number in range(peers)]
    far = source("far", THERE, bitfield.full(chunk_count))
    parts = []
    for one in everybody:
        others = [other for other in everybody if other is not one]
        parts.append(border(one.peer, *others, far, chunk_count=chunk_count).askable(far, far.bits))
    assert sum(parts) == bitfield.full(chunk_count)  # each chunk once: a sum is then a union
    assert sum(part.bit_count() for part in parts) == chunk_count
    if chunk_count >= 512:
        assert max(part.bit_count() for part in parts) < 2.5 * chunk_count / peers


def test_who_goes_leaves_their_part_to_the_others_and_nobody_elses_moves() -> None:
    far, names = source("far", THERE, ALL), ["a", "b", "c", "d"]

    def part(own: str, among: list[str]) -> int:
        others = [source(name, HERE) for name in among if name != own]
        return border(own, *others, far).askable(far, ALL)

    left = ["a", "b", "c"]
    for name in left:
        assert part(name, left) & part(name, names) == part(name, names)
    assert sum(part(name, left) for name in left) == ALL


def test_case_in_a_name_changes_no_part() -> None:
    far = source("far", THERE, ALL)
    one, other = border("Ana", source("BEN", HERE)), border("ana", source("ben", HERE))
    assert one.askable(far, ALL) == other.askable(far, ALL)


def test_who_has_all_fetches_no_part() -> None:
    far = source("far", THERE, ALL)
    assert border("own", far).askable(far, ALL) == ALL
    seeded = border("own", source("seed", HERE, ALL), far)
    assert seeded.askable(far, ALL) == 0
    distrusted = source("seed", HERE, ALL)
    distrusted.lost = LOST_IN_A_ROW - 1
    assert border("own", distrusted, far).askable(far, ALL) == 0
    distrusted.lost += 1
    assert border("own", distrusted, far).askable(far, ALL) == ALL


def test_what_somebody_near_has_is_not_fetched_from_afar() -> None:
    near, far = source("near", HERE, 0b1100), source("far", THERE, ALL)
    made = border("own", near, far)
    before = made.askable(far, ALL)
    assert before
    assert not before & 0b1100
    made.has_more(near, before)
    assert not made.askable(far, ALL)
    assert made.askable(near, ALL) == ALL


def test_without_a_zone_everything_may_be_asked_of_everybody() -> None:
    made = border("own", source("near", NO_ZONE, ALL), source("far", THERE), zone=NO_ZONE)
    for zone in (NO_ZONE, HERE, THERE):
        assert made.askable(source("any", zone), ALL) == ALL


def test_who_names_no_zone_is_far() -> None:
    assert Border(CHUNKS, "own", HERE).is_far(source("old", NO_ZONE))
    assert not Border(CHUNKS, "own", NO_ZONE).is_far(source("old", THERE))


# Patience ---------------------------------------------------------------------------------


def test_the_others_parts_are_taken_one_after_the_other_once_our_own_is_done() -> None:
    others = [source(f"p{number}", HERE) for number in range(7)]
    far = source("far", THERE, ALL)
    made = border("own", *others, far)
    own = made.askable(far, ALL)
    waits(made, [*others, far], ALL, 5.0)
    assert made.askable(far, ALL) == own  # it has something to do
    rest = ALL & ~own
    sizes = []
    for step in range(1, len(IN_LINE) + 3):
        made.look([*others, far], rest, 5.0 + step * STEP_S)
        sizes.append(made.askable(far, rest).bit_count())
    assert sizes[0] == 0
    assert 0 < sizes[1] < sizes[2] < sizes[3] == rest.bit_count()


def test_what_comes_near_meanwhile_is_waited_for_no_more() -> None:
    others = [source(f"p{number}", HERE) for number in range(7)]
    far = source("far", THERE, ALL)
    made = border("own", *others, far)
    rest = ALL & ~made.askable(far, ALL)
    waits(made, [*others, far], rest, 10.0)
    assert made.askable(far, rest) == rest
    others[0].bits = rest
    made.has_more(others[0], rest)
    assert made.askable(far, rest) == 0


def test_a_far_source_that_is_busy_shows_nobody_late() -> None:
    others = [source(f"p{number}", HERE) for number in range(7)]
    far = source("far", THERE, ALL)
    made = border("own", *others, far)
    far.fetch = RunningFetch(0, 0.0)
    rest = ALL & ~made.askable(far, ALL)
    waits(made, [*others, far], rest, 10.0)
    assert made.askable(far, rest) == 0


def test_what_a_near_one_was_too_slow_for_is_given_to_the_far_one_that_took_it() -> None:
    near, far = source("near", HERE, ALL), source("far", THERE, ALL)
    made = border("own", near, far)
    made.give_up(near, far, 0b110)
    assert made.askable(far, ALL) == 0b110
    made.give_up(far, near, 0b11000)
    assert made.askable(far, ALL) == 0b110


def test_what_has_begun_to_cross_is_left_to_come() -> None:
    """Else two far sources take it from each other at a slow border, and it crosses many times."""
    near, far, other = source("near", HERE), source("far", THERE, ALL), source("o", THERE, ALL)
    made = border("own", near, far, other)
    far.fetch = RunningFetch(0b1, 0.0)
    assert made.may_move(far, other, 1.0)  # it has not begun
    far.fetch.count(1, 1.0)
    assert not made.may_move(far, other, 1.0 + LEFT_TO_COME_S)
    assert made.may_move(far, other, 1.1 + LEFT_TO_COME_S)
    assert made.may_move(far, near, 1.0)
    near.fetch = far.fetch
    assert made.may_move(near, far, 1.0)
    assert border("own", far, other).may_move(far, other, 1.0)  # nobody else is in the zone
    assert Border(CHUNKS).may_move(far, other, 1.0)


# Those near are slow ----------------------------------------------------------------------


@pytest.mark.parametrize(("near_bytes_s", "is_slow"), [(1e6, True), (9e6, False)])
def test_own_part_comes_from_afar_where_all_near_together_bring_much_less(
    near_bytes_s: float, is_slow: bool
) -> None:
    near, far = source("near", HERE, ALL), source("far", THERE, ALL)
    near.rate_bytes_s = near_bytes_s
    made = border("own", near, far)
    made.look([near, far], 0, 0.0)
    made.chunk_came(near, 100e6)  # only what crosses is measured so
    made.chunk_came(far, 10e6)
    waits(made, [near, far], ALL, SLOW_AFTER_S)
    assert made.askable(far, ALL) == 0  # not before it has been so for some time
    waits(made, [near, far], ALL, SLOW_AFTER_S + 1.0)
    assert made.askable(far, ALL) == (ALL if is_slow else 0)


def test_how_fast_far_ones_are_is_tried_with_one_chunk() -> None:
    near, far = source("near", HERE, ALL), source("far", THERE, ALL)
    near.rate_bytes_s = 1e6
    made = border("own", near, far)
    waits(made, [near, far], ALL, SLOW_AFTER_S + 0.5)
    assert made.askable(far, ALL).bit_count() == 1


def test_what_was_measured_long_ago_is_tried_anew() -> None:
    near, far = source("near", HERE, ALL), source("far", THERE, ALL)
    made = border("own", near, far)
    made.look([near, far], 0, 0.0)
    made.chunk_came(far, 10e6)
    made.look([near, far], 0, SLOW_FOR_S)
    for tick in range(8):
        made.look([near, far], ALL, SLOW_FOR_S + tick / 4)
    assert made.askable(far, ALL).bit_count() == 1


# Whole downloads --------------------------------------------------------------------------


def run(peers: list[SimulatedPeer], zones: dict[str, Zone], zone: Zone = HERE) -> Outcome:
    """A download of a peer in a zone, among those in others."""
    swarm = SimulatedSwarm(peers, chunk_count=64, zone=zone, zones=zones)
    return swarm.run(until_s=600.0)


def honest(name: str, **more: Any) -> SimulatedPeer:
    return replace(SimulatedPeer(name), **more)


NEAR_AND_FAR = {"near": HERE, "far": THERE}
FAULTS: dict[str, dict[str, Any]] = {
    "never answers": {"never_answers": True},
    "falls silent": {"silent_after_bytes": 300 * KIB},
    "has nothing of it": {"is_absent": True},
    "lies": {"lies": 64},
    "dies": {"dies_after_bytes": 2 * MIB},
    "trickles": {"rate_bytes_s": 4.0 * KIB},
}


def test_a_near_seed_sends_everything() -> None:
    outcome = run([honest("near"), honest("far", rate_bytes_s=1.5 * MIB)], NEAR_AND_FAR)
    # A chunk from afar now and then tries how fast that is.
    assert outcome.written[source_of("near")] >= 61
    assert outcome.done_s is not None


def source_of(name: str) -> SourceId:
    return SimulatedPeer(name).id


@pytest.mark.parametrize("fault", FAULTS)
def test_a_near_holder_with_a_fault_keeps_nothing_from_coming(fault: str) -> None:
    faulty = honest("near", **FAULTS[fault])
    outcome = run([faulty, honest("far")], NEAR_AND_FAR)
    alone_s = 64 * 256 * KIB / MIB
    assert outcome.done_s is not None
    assert outcome.done_s < 3 * alone_s + 30


@pytest.mark.parametrize("fault", FAULTS)
def test_a_far_source_with_a_fault_does_not_keep_what_is_left_to_others_from_coming(
    fault: str,
) -> None:
    """One that was asked first and never answered once did so for ever."""
    peers = [honest("faulty", **FAULTS[fault]), honest("near", has=0)]
    zones = {"faulty": THERE, **NEAR_AND_FAR}
    outcome = run([*peers, honest("far", joins_at_s=0.5)], zones)
    alone_s = 64 * 256 * KIB / MIB
    assert outcome.done_s is not None
    assert outcome.done_s < 3 * alone_s + 30


def test_near_peers_that_fetch_nothing_are_waited_for_a_moment() -> None:
    peers = [honest(f"near{number}", has=0) for number in range(7)]
    zones = {peer.name: HERE for peer in peers} | {"far": THERE}
    outcome = run([*peers, honest("far", rate_bytes_s=8.0 * MIB)], zones)
    assert outcome.done_s is not None
    assert outcome.done_s < 64 * 256 / (8 * 1024) + (len(IN_LINE) + 2) * STEP_S + 2.0


def test_labels_that_are_nobodys_own_change_no_order() -> None:
    """Whole runs, digit by digit: a peer without a zone does as before, whatever others say."""
    peers = [honest(f"p{number}", rate_bytes_s=(1 + number) * 100.0 * KIB) for number in range(6)]
    peers += [honest("liar", lies=2), honest("grows", has=0, gains_every_s=0.3)]
    zones = {peer.name: (HERE, THERE, NO_ZONE)[i % 3] for i, peer in enumerate(peers)}
    assert run(peers, zones, NO_ZONE) == run(peers, {}, NO_ZONE)


def test_all_in_one_zone_is_as_without() -> None:
    peers = [honest(f"p{number}", rate_bytes_s=(1 + number) * 100.0 * KIB) for number in range(6)]
    assert run(peers, {peer.name: HERE for peer in peers}) == run(peers, {}, NO_ZONE)


def test_nobody_else_in_the_zone_is_as_without() -> None:
    peers = [honest(f"p{number}", rate_bytes_s=(1 + number) * 100.0 * KIB) for number in range(6)]
    assert run(peers, {peer.name: THERE for peer in peers}) == run(peers, {}, NO_ZONE)
