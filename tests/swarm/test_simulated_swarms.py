"""Whole downloads among peers that lie, stall, queue, trickle and die, in virtual time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panal.wire import bitfield
from tests.support.simulated_swarm import (
    KIB,
    MIB,
    Outcome,
    SimulatedPeer,
    SimulatedSwarm,
    run_swarm,
)
from tests.swarm import PROPERTY

pytestmark = [pytest.mark.p6, pytest.mark.p7]

CHUNKS = 64
FAULTS = {
    "lies once": SimulatedPeer("", lies=1),
    "lies always": SimulatedPeer("", lies=10_000),
    "silent from the start": SimulatedPeer("", silent_after_bytes=0),
    "silent after a byte": SimulatedPeer("", silent_after_bytes=1),
    "silent in a chunk": SimulatedPeer("", silent_after_bytes=100 * KIB),
    "a byte every five seconds": SimulatedPeer("", rate_bytes_s=0.2),
    "below the minimum rate": SimulatedPeer("", rate_bytes_s=10.0 * KIB),
    "dies in its first chunk": SimulatedPeer("", dies_after_bytes=100 * KIB),
    "cut again and again": SimulatedPeer("", dies_after_bytes=700 * KIB, comes_back_after_s=1.0),
    "never ends a chunk": SimulatedPeer("", dies_after_bytes=10 * KIB, comes_back_after_s=1.0),
    "has all, then 404": SimulatedPeer("", is_absent=True),
    "never answers": SimulatedPeer("", never_answers=True),
    "leaves": SimulatedPeer("", leaves_at_s=1.5),
    "has nothing": SimulatedPeer("", has=0),
}


def named(pattern: SimulatedPeer, *names: str) -> list[SimulatedPeer]:
    return [replace(pattern, name=name) for name in names]


def honest(count: int) -> list[SimulatedPeer]:
    return [SimulatedPeer(f"honest_{number}") for number in range(count)]


def assert_only_the_guilty_are_banned(outcome: Outcome, peers: list[SimulatedPeer]) -> None:
    assert set(outcome.banned) == set(outcome.wrong)
    assert not {peer.id for peer in peers if peer.lies == 0} & set(outcome.banned)
    assert all(count == 1 for count in outcome.wrong.values())


def done_s(peers: list[SimulatedPeer], chunk_count: int = CHUNKS, seed: int = 0) -> float:
    outcome = run_swarm(peers, chunk_count=chunk_count, seed=seed, checked=False)
    assert outcome.done_s is not None
    return outcome.done_s


# One fault at a time --------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    peers = [*honest(3), *named(FAULTS["cut again and again"], "a", "b")]
    assert run_swarm(peers, chunk_count=24, seed=5) == run_swarm(peers, chunk_count=24, seed=5)
    assert run_swarm(peers, chunk_count=24, seed=5) != run_swarm(peers, chunk_count=24, seed=6)


def test_a_healthy_swarm_fetches_every_chunk_once_and_cancels_nothing() -> None:
    outcome = run_swarm(honest(8), chunk_count=CHUNKS)
    assert sum(outcome.written.values()) == CHUNKS
    assert sum(outcome.bytes.values()) == CHUNKS * 256 * KIB
    assert not outcome.cancelled
    assert outcome.done_s is not None
    assert outcome.done_s < 1.2 * CHUNKS * 256 * KIB / (8 * MIB)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("chunk_count", [1, 64])
def test_seven_faulty_peers_and_one_honest_one(fault: str, chunk_count: int) -> None:
    alone_s = done_s(honest(1), chunk_count)
    peers = [*named(FAULTS[fault], *"abcdefg"), *honest(1)]
    for seed in range(3):
        outcome = run_swarm(peers, chunk_count=chunk_count, seed=seed)
        assert outcome.done_s is not None
        assert outcome.done_s <= 3 * alone_s + 30
        assert_only_the_guilty_are_banned(outcome, peers)
        assert outcome.longest_untold_s <= 2.25


@pytest.mark.parametrize("fault", ["lies once", "lies always"])
def test_each_liar_is_found_and_costs_one_chunk(fault: str) -> None:
    liars = named(FAULTS[fault], *"abcdefg")
    outcome = run_swarm([*liars, *honest(1)], chunk_count=CHUNKS)
    assert set(outcome.banned) == {liar.id for liar in liars}
    wrong = sum(outcome.bytes.values()) - CHUNKS * 256 * KIB
    assert wrong <= 7 * 256 * KIB


def test_who_has_all_and_then_404_is_asked_three_times_a_minute_at_most() -> None:
    peers = [*named(FAULTS["has all, then 404"], "a"), replace(honest(1)[0], rate_bytes_s=300e3)]
    outcome = run_swarm(peers, chunk_count=CHUNKS)
    assert outcome.done_s is not None
    assert 50 < outcome.done_s < 60
    assert outcome.asked[peers[0].id] == 4  # once of its own choice, then three times


def test_a_stalled_peer_is_replaced_within_fifteen_seconds() -> None:
    """Even where nobody is idle meanwhile: the others have more to do than that."""
    stalled = named(FAULTS["silent in a chunk"], "stalled")
    swarm = SimulatedSwarm([*stalled, *honest(1)], chunk_count=120)
    swarm.run(until_s=16.5)
    assert swarm.outcome.cancelled[stalled[0].id] == 1
    assert swarm.state.missing.bit_count() > 40


# Who is slow ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("chunk_count", "most"), [(16, 2.2), (64, 1.2), (256, 1.2)])
def test_the_slowest_of_eight_adds_little(chunk_count: int, most: float) -> None:
    slow = SimulatedPeer("slow", rate_bytes_s=16.0 * KIB)
    without_s = done_s(honest(7), chunk_count)
    outcome = run_swarm([slow, *honest(7)], chunk_count=chunk_count, checked=False)
    assert outcome.done_s is not None
    assert outcome.done_s <= most * without_s
    assert sum(outcome.cancelled.values()) <= 1
    assert not outcome.banned


def test_a_slow_peer_that_alone_has_a_chunk_is_left_to_send_it() -> None:
    slow = SimulatedPeer("slow", rate_bytes_s=20.0 * KIB, has=0b1)
    others = [replace(peer, has=0b1110) for peer in honest(7)]
    outcome = run_swarm([slow, *others], chunk_count=4)
    assert outcome.written[slow.id] == 1
    assert not outcome.cancelled


@pytest.mark.parametrize(("rate", "seeds", "chunk_count"), [(8, 2, 8), (5, 10, 8), (2, 3, 1)])
def test_where_all_are_slow_chunks_come_nevertheless(
    rate: int, seeds: int, chunk_count: int
) -> None:
    """Each was once given up for the others, and what had come of its chunk was lost, for ever."""
    peers = named(SimulatedPeer("", rate_bytes_s=rate * 1.0 * KIB), *map(str, range(seeds)))
    assert done_s(peers, chunk_count) < 3 * 256 / rate + 500


@pytest.mark.parametrize("tricklers", [10, 20])
def test_tricklers_do_not_starve_an_honest_queue(tricklers: int) -> None:
    """They once took its place in the queue, each for a chunk that it never ended, for ever."""
    slow = named(SimulatedPeer("", rate_bytes_s=5.0 * KIB), *map(str, range(tricklers)))
    good = SimulatedPeer("good", queue_s=5.0, rate_bytes_s=128.0 * KIB)
    assert done_s([*slow, good], 1) < 60


@pytest.mark.parametrize(("tail_bytes", "latency_s"), [(1, 0.025), (1_000, 0.125)])
@pytest.mark.parametrize("seed", range(6))
def test_who_sent_only_a_files_last_bytes_is_not_slow(
    tail_bytes: int, latency_s: float, seed: int
) -> None:
    """A byte in 50 ms was once taken for its rate: it left the mute one its claim for hours."""
    peers = [*named(FAULTS["never answers"], "mute"), SimulatedPeer("good", latency_s=latency_s)]
    swarm = SimulatedSwarm(peers, chunk_count=2, seed=seed, last_chunk_bytes=tail_bytes)
    outcome = swarm.run(until_s=600.0)
    assert outcome.done_s is not None
    assert outcome.done_s < 5


@pytest.mark.parametrize("rate_bytes_s", [2_000, 6_000, 12_000])
def test_mute_ones_do_not_keep_a_slow_one_from_its_turn(rate_bytes_s: int) -> None:
    """They once took each chunk from each other, sooner than the slow one did, for ever."""
    slow = SimulatedPeer("slow", rate_bytes_s=float(rate_bytes_s))
    alone_s = done_s([slow], 3)
    assert done_s([slow, *named(FAULTS["never answers"], "a", "b")], 3) < 2 * alone_s + 90


@pytest.mark.parametrize(("queue_s", "most_s"), [(40.0, 150), (60.0, 200), (120.0, 400)])
def test_two_long_queues_are_not_left_for_each_other_for_ever(queue_s: float, most_s: int) -> None:
    """Each was once left after 32 s at most, however often that had been in vain."""
    busy = named(SimulatedPeer("", queue_s=queue_s), "a", "b")
    assert done_s(busy, 1) < most_s


def test_long_queues_are_not_left_for_those_who_stop_after_their_first_bytes() -> None:
    stopping = [SimulatedPeer(f"stops_{size}", silent_after_bytes=size) for size in (5_000, 1)]
    busy = named(SimulatedPeer("", queue_s=60.0), "a", "b")
    assert done_s([*busy, *stopping], 1) < 500


def test_two_long_queues_are_waited_for_in_a_crowd_that_has_nothing() -> None:
    """There a queue is left after 3.2 s already, when that was often in vain."""
    crowd = named(SimulatedPeer("", has=0), *(f"p{number}" for number in range(30)))
    busy = named(SimulatedPeer("", queue_s=40.0), "a", "b")
    assert done_s([*busy, *crowd], 1) < 250


def test_an_honest_queue_is_waited_for() -> None:
    outcome = run_swarm([replace(honest(1)[0], queue_s=40.0)], chunk_count=3)
    assert outcome.done_s is not None
    assert outcome.done_s < 125
    assert not outcome.cancelled
    assert outcome.longest_untold_s <= 2.25


@pytest.mark.parametrize("chunk_count", [1, 4])
def test_an_honest_queue_is_waited_for_among_many_who_never_answer(chunk_count: int) -> None:
    peers = [*named(FAULTS["never answers"], *"abcdefg"), replace(honest(1)[0], queue_s=5.0)]
    assert done_s(peers, chunk_count) <= 3 * 5.3 * chunk_count + 30


@pytest.mark.parametrize("queue_s", [5.0, 12.0])
def test_a_busy_crowd_does_not_lose_its_places_in_the_queues(queue_s: float) -> None:
    """Idle sources once took claims after 2 s only to queue themselves, for ever."""
    crowd = [SimulatedPeer(f"p{number}", queue_s=queue_s) for number in range(60)]
    outcome = run_swarm(crowd, chunk_count=80, checked=False)
    assert outcome.done_s is not None
    assert outcome.done_s < 2 * (queue_s + 0.3) + 1
    assert not outcome.cancelled


def test_a_small_file_in_a_busy_crowd_comes_in_a_minute() -> None:
    crowd = [SimulatedPeer(f"p{number}", queue_s=9.0) for number in range(100)]
    outcome = run_swarm(crowd, chunk_count=4)
    assert outcome.done_s is not None
    assert outcome.done_s < 60


@pytest.mark.parametrize(("seeds", "most_s"), [(60, 600), (100, 1_500)])
def test_more_seeds_than_are_followed_with_long_queues_deliver(seeds: int, most_s: int) -> None:
    """Each was once left for another after 30 s, for ever."""
    crowd = [SimulatedPeer(f"p{number}", queue_s=40.0) for number in range(seeds)]
    outcome = run_swarm(crowd, chunk_count=4, checked=False)
    assert outcome.done_s is not None
    assert outcome.done_s < most_s


# Who has what, and when -----------------------------------------------------------------------


def test_peers_with_disjoint_halves_together_have_all() -> None:
    half = bitfield.full(CHUNKS // 2)
    peers = [SimulatedPeer("low", has=half), SimulatedPeer("high", has=half << CHUNKS // 2)]
    outcome = run_swarm(peers, chunk_count=CHUNKS)
    assert outcome.done_s is not None
    assert outcome.done_s < 1.2 * (CHUNKS // 2) * 256 * KIB / MIB
    assert set(outcome.written.values()) == {CHUNKS // 2}


def test_chunks_are_asked_for_as_a_peer_comes_to_have_them() -> None:
    growing = SimulatedPeer("growing", has=0, gains_every_s=0.5)
    assert done_s([growing], 20) < 0.5 * 20 + 1.0


def test_a_source_that_comes_after_thirty_seconds_is_found() -> None:
    assert done_s([replace(honest(1)[0], joins_at_s=30.0)]) < 30 + 15 + 20


def test_all_die_and_another_comes() -> None:
    dying = named(SimulatedPeer("", dies_after_bytes=3 * MIB), "a", "b")
    outcome = run_swarm([*dying, replace(honest(1)[0], joins_at_s=60.0)], chunk_count=CHUNKS)
    assert outcome.done_s is not None
    assert outcome.done_s < 60 + 15 + 20
    assert outcome.written[dying[0].id] == 11
    assert outcome.longest_untold_s <= 2.25
    assert len(outcome.asked_tracker_at_s) <= 14


def test_while_the_tracker_is_away_what_is_known_goes_on() -> None:
    swarm = SimulatedSwarm(honest(2), chunk_count=CHUNKS, tracker_is_down=lambda now_s: now_s > 0.3)
    assert swarm.run(until_s=30.0).done_s is not None


def test_the_tracker_comes_back() -> None:
    swarm = SimulatedSwarm(honest(1), chunk_count=4, tracker_is_down=lambda now_s: now_s < 100.0)
    outcome = swarm.run(until_s=200.0)
    assert outcome.done_s is not None
    assert 100 < outcome.done_s < 117


@pytest.mark.parametrize("fault", ["never answers", "has nothing", "has all, then 404"])
def test_more_useless_peers_than_places_do_not_keep_the_honest_one_out(fault: str) -> None:
    peers = [*named(FAULTS[fault], *(f"p{number}" for number in range(50))), *honest(1)]
    outcome = run_swarm(peers, chunk_count=8, until_s=200.0)
    assert outcome.done_s is not None
    assert outcome.done_s < 120


def test_after_thousands_of_failures_it_still_tries() -> None:
    """Pauses are doubled; a thousandth doubling must not be computed."""
    peers = [replace(honest(1)[0], leaves_at_s=0.0)]
    swarm = SimulatedSwarm(peers, chunk_count=1)
    swarm.run(until_s=1.0)
    swarm.state.asking._in_vain = swarm.state.sources[peers[0].id].failures = 5_000
    asked = len(swarm.outcome.asked_tracker_at_s)
    swarm.run(until_s=200.0)
    assert len(swarm.outcome.asked_tracker_at_s) > asked
    assert swarm.state.sources[peers[0].id].failures > 5_000


# Every mix ------------------------------------------------------------------------------------


@st.composite
def mixes(draw: st.DrawFn) -> tuple[int, list[SimulatedPeer], list[SimulatedPeer], int]:
    """Chunks, honest peers that together have all of them, all peers, and a seed."""
    chunk_count = draw(st.sampled_from([1, 2, 5, 24]))
    owners = draw(st.lists(st.integers(0, 2), min_size=chunk_count, max_size=chunk_count))
    good = [
        SimulatedPeer(
            f"honest_{number}",
            rate_bytes_s=draw(st.sampled_from([64, 256, 1_024, 4_096])) * 1.0 * KIB,
            latency_s=draw(st.sampled_from([0.001, 0.02, 0.15])),
            queue_s=draw(st.sampled_from([0.0, 0.0, 0.5, 1.5])),
            has=sum(1 << index for index, owner in enumerate(owners) if owner == number),
        )
        for number in sorted(set(owners))
    ]
    kinds = draw(st.lists(st.sampled_from(sorted(FAULTS)), max_size=10))
    bad = [replace(FAULTS[kind], name=f"bad_{number}") for number, kind in enumerate(kinds)]
    everybody = draw(st.permutations(good + bad))
    return chunk_count, good, list(everybody), draw(st.integers(0, 1_000_000))


@pytest.mark.slow
@settings(PROPERTY, max_examples=150)
@given(mixes())
def test_one_honest_holder_for_each_chunk_is_enough(
    mix: tuple[int, list[SimulatedPeer], list[SimulatedPeer], int],
) -> None:
    chunk_count, good, everybody, seed = mix
    fault_free_s = done_s(good, chunk_count, seed)
    outcome = run_swarm(everybody, chunk_count=chunk_count, seed=seed)
    assert outcome.done_s is not None
    assert outcome.done_s <= 3 * fault_free_s + 30
    assert_only_the_guilty_are_banned(outcome, everybody)
    assert sum(outcome.written.values()) == chunk_count
    assert outcome.longest_untold_s <= 2.25
