"""Simulated swarms: the same number gives the same digits, and every fault is survived."""

from dataclasses import replace
from functools import partial

import pytest

from benchmarks.hosts import Link
from benchmarks.scenarios import Scenario
from benchmarks.simulated.__main__ import main
from benchmarks.simulated.conduct import Conduct
from benchmarks.simulated.swarm import MOST_APART, Outcome, Setting, SimulatedSwarm, simulate
from benchmarks.simulated.transfer import Transfer
from benchmarks.simulated.troubles import Trouble, troubles
from panal.peer.lanes import BEHIND_AT_ONCE, PEERS_AT_ONCE
from panal.swarm.ahead import Ahead
from panal.swarm.messages import ChunksAvailable, Fetch, ServeFew

LINE = Link(20, 20)
SMALL = Scenario("small", 6, LINE, (LINE,) * 5, 1.5)


def run(setting: Setting, seed: int = 1) -> Outcome:
    return replace(simulate(setting, seed), cpu_s=0.0)


def shrunk(trouble: Trouble) -> Setting:
    """The same trouble with a file that a checked run is done with soon."""
    setting = trouble.setting
    scenario = replace(setting.scenario, size_mib=6)
    sooner = scenario.size_mib / setting.scenario.size_mib
    conducts = tuple(
        replace(one, killed_s=one.killed_s * sooner, joins_s=one.joins_s and one.joins_s * sooner)
        for one in setting.conducts
    )
    return replace(setting, scenario=scenario, conducts=conducts, is_checked=True)


@pytest.mark.parametrize("cores", [0, 2])
def test_the_same_number_gives_the_same_digits_and_another_others(cores: int) -> None:
    setting = Setting(SMALL, cores=cores)
    assert run(setting, 7) == run(setting, 7)
    assert run(setting, 7).ratio != run(setting, 8).ratio


def test_a_run_is_no_faster_than_the_bound_and_sends_nothing_for_nothing() -> None:
    outcome = run(Setting(SMALL, is_checked=True))
    assert outcome.finished == 5
    assert outcome.ratio > 1514 / 1448
    assert outcome.waste == pytest.approx(1.0, abs=0.05)
    assert outcome.waste >= 0.999


def test_connections_of_the_same_two_fare_alike_and_within_bounds() -> None:
    swarm = SimulatedSwarm(Setting(SMALL, spread=0.0), 1)
    first, second, *_ = swarm.receivers
    weights = {swarm.weight(first, second) for _ in range(3)}
    assert len(weights) == 1
    assert weights != {swarm.weight(second, first)}
    assert all(
        1 / MOST_APART <= swarm.weight(one, other) <= MOST_APART
        for one in swarm.receivers
        for other in swarm.receivers
    )


def test_no_core_is_kept_for_what_has_not_arrived() -> None:
    swarm = SimulatedSwarm(Setting(SMALL, cores=1, latency_s=1.0), 1)
    peer = swarm.receivers[0]
    done_s: list[float] = []
    swarm.later(peer, None, lambda: done_s.append(swarm.time.now_s), cpu_s=0.5)
    swarm.time.at(0.1, lambda: done_s.append(swarm.machine.delay_s(0.1, 0.2)))
    while swarm.time.step(10.0):
        pass
    assert done_s == [pytest.approx(0.2), pytest.approx(1.5)]


def test_what_is_written_while_no_core_tells_of_it_is_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swarm = SimulatedSwarm(Setting(SMALL, cores=1), 1)
    peer, follower = swarm.receivers[:2]
    peer.followers[follower.id] = follower
    told: list[object] = []
    monkeypatch.setattr(follower, "tell", told.append)
    swarm.machine.delay_s(0.0, 50.0)  # others compute
    for chunk in range(5):
        swarm.time.at(float(chunk), partial(peer.has_more, 1 << chunk))
    while swarm.time.step(100.0):
        pass
    assert told == [ChunksAvailable(peer.id, 0b00001), ChunksAvailable(peer.id, 0b11110)]


@pytest.mark.parametrize("trouble", list(troubles()), ids=lambda trouble: trouble.name)
def test_everybody_honest_who_stays_has_all_in_the_end(trouble: Trouble) -> None:
    setting = shrunk(trouble)
    swarm = SimulatedSwarm(setting, 1)
    waited_for = list(swarm.waited_for.values())
    swarm.run(600.0)
    assert waited_for
    for peer in waited_for:
        assert peer.done_s is not None
        assert peer.bits == (1 << swarm.chunk_count) - 1
    if any(one.is_liar for one in setting.conducts):
        assert swarm.wrong > 0
    if setting.seed_leaves:
        assert swarm.seed.is_dead


def test_the_rules_are_looked_at_after_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    swarm = SimulatedSwarm(Setting(SMALL, is_checked=True), 1)
    swarm.receivers[2].bits = 1  # the core knows nothing of that chunk
    with pytest.raises(AssertionError, match="what is written and what is told differ"):
        swarm.run(60.0)


def test_a_slow_disk_and_a_late_joiner_are_as_slow_as_they_are() -> None:
    slow = Conduct(disk_bytes_s=500_000)
    late = Conduct(joins_s=20.0)
    swarm = SimulatedSwarm(Setting(SMALL, (slow, late)), 1)
    swarm.run(60.0)
    one, other, *rest = (peer.done_s or 0.0 for peer in swarm.receivers)
    assert one > SMALL.size_bytes / 500_000 > max(rest)
    assert other > 20.0 + SMALL.size_bytes / 2_500_000


def test_who_is_told_to_send_to_few_does_until_it_is_told_otherwise() -> None:
    swarm = SimulatedSwarm(Setting(SMALL), 1)
    swarm.run(0.5)
    peer = swarm.receivers[0]
    peer._carry_out(ServeFew(True))
    swarm.run(1.2)  # what had begun has been sent by then
    used = []
    for step in range(8):
        swarm.run(1.2 + 0.1 * step)
        used.append(peer.turns.facts().used)
    assert max(used) == BEHIND_AT_ONCE
    peer._carry_out(ServeFew(False))
    assert peer.turns.facts().slots == PEERS_AT_ONCE


def test_the_command_prints_a_line_for_each_seed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--peers", "3", "--mib", "4", "--rounds", "2", "--seed", "5"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["3", "peers", "seed", "5"],
        ["3", "peers", "seed", "6"],
    ]


def test_whose_packets_wait_in_queues_gets_less_of_a_full_link() -> None:
    swarm = SimulatedSwarm(Setting(SMALL, spread=0.0), 1)
    first, second, *_ = swarm.receivers
    before = swarm.weight(first, second)
    transfer = Transfer(second, swarm.seed, Fetch(second.id, 0, 1), 1.0)
    swarm.links.add(transfer)
    swarm.links.settle()  # the acknowledgements of `second` wait behind it
    assert swarm.weight(first, second) < before


def test_what_two_full_queues_lose_comes_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of all packets at each: together that must not be every one."""
    swarm = SimulatedSwarm(Setting(SMALL), 1)
    monkeypatch.setattr("benchmarks.simulated.swarm.lost_share", lambda _: 0.5)
    drawn = iter([0.6])
    monkeypatch.setattr(swarm.chance, "random", lambda: next(drawn))
    swarm.later(swarm.seed, swarm.receivers[0], lambda: None)
    assert not list(drawn)


def test_who_is_ahead_lets_the_others_catch_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uplinks bind here, and a downlink takes what five of them bring: the last could wait long."""
    setting = Setting(Scenario("uplinks", 64, LINE, (Link(8, 40),) * 5, 1.5), pair_spread=1.0)

    def first_and_last() -> tuple[float, float]:
        times = []
        for seed in (1, 2, 3):
            swarm = SimulatedSwarm(setting, seed)
            swarm.run(200.0)
            done_s = [peer.done_s for peer in swarm.receivers if peer.done_s is not None]
            assert len(done_s) == 5
            times.append((min(done_s), max(done_s)))
        firsts, lasts = zip(*times, strict=True)
        return sum(firsts), sum(lasts)

    first_s, last_s = first_and_last()
    monkeypatch.setattr(Ahead, "look", lambda *_: False)
    first_without_s, last_without_s = first_and_last()
    assert last_s - first_s < 0.5 * (last_without_s - first_without_s)
    assert last_s < 1.01 * last_without_s


@pytest.mark.parametrize(
    ("links", "joins_s"),
    [((Link(100, 100),) * 8, ()), ((Link(20, 200),) * 8, (0.0,) * 4 + (4.0,) * 4)],
    ids=["where downlinks bind too", "where some came early"],
)
def test_nobody_loses_by_giving_way_in_vain(
    monkeypatch: pytest.MonkeyPatch, links: tuple[Link, ...], joins_s: tuple[float, ...]
) -> None:
    scenario = Scenario("in vain", 32, Link(100, 100), links, 1.5)
    conducts = tuple(Conduct(joins_s=joined_s) for joined_s in joins_s)

    def took_s() -> list[float]:
        swarm = SimulatedSwarm(Setting(scenario, conducts), 4)
        swarm.run(200.0)
        done_s = [(peer.done_s or 0.0) - (peer.conduct.joins_s or 0.0) for peer in swarm.receivers]
        return [max(done_s), sum(done_s)]

    with_it = took_s()
    monkeypatch.setattr(Ahead, "look", lambda *_: False)
    for took, without in zip(with_it, took_s(), strict=True):
        assert took < 1.02 * without
