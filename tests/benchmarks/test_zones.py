"""Swarms over zones: what the borders carry, and that shares over four links are max-min."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated.border_links import BorderLinks
from benchmarks.simulated.fair_links import Flow, Link, filled
from benchmarks.simulated.zones import ZonedSetting, simulate_zones
from benchmarks.simulated.zones import settings as zoned_settings
from tests.swarm import PROPERTY

CAPACITIES = (1.0, 2.0, 5.0, 10.0)


@settings(PROPERTY)
@given(st.integers(0, 1_000_000), st.integers(2, 6))
def test_rates_over_borders_agree_with_progressive_filling(seed: int, count: int) -> None:
    chance = Random(seed)
    links = [Link(chance.choice(CAPACITIES)) for _ in range(count)]
    ways: dict[Flow, tuple[Link, ...]] = {}
    fair = BorderLinks(lambda flow, rate: None, 0.0, ways.__getitem__)
    flows: list[Flow] = []
    for _ in range(25):
        if flows and chance.random() < 0.4:
            fair.remove(flows.pop(chance.randrange(len(flows))))
        else:
            way = tuple(chance.sample(links, chance.randint(2, min(4, count))))
            flow = Flow(way[0], way[-1], chance.choice((1.0, 0.1 + chance.random())))
            ways[flow] = way
            flows.append(flow)
            fair.add(flow)
        fair.settle()
        filled_links = [
            (link.capacity, [i for i, flow in enumerate(flows) if link in ways[flow]])
            for link in links
        ]
        expected = filled(filled_links, [flow.weight for flow in flows]) if flows else []
        assert [flow.rate for flow in flows] == pytest.approx(expected, rel=1e-9)


def small(name: str) -> ZonedSetting:
    """A setting with less to send."""
    found = next(one for one in zoned_settings() if one.name == name)
    return replace(found, scenario=replace(found.scenario, size_mib=8), is_checked=True)


def test_about_one_copy_crosses_each_border_and_many_without_labels() -> None:
    setting = replace(small("zones of 8"), is_checked=False)
    told, untold = (simulate_zones(replace(setting, knows_zones=k), 1) for k in (True, False))
    assert told.outcome.finished == untold.outcome.finished == len(setting.scenario.peers)
    assert all(0.999 < copies < 1.5 for copies in told.copies)
    assert all(copies > 3.0 for copies in untold.copies)
    assert told.outcome.ratio < untold.outcome.ratio / 2


def test_the_same_number_gives_the_same_digits() -> None:
    setting = replace(small("zones of 8"), is_checked=False)
    setting = replace(setting, scenario=replace(setting.scenario, size_mib=2))
    one, other = simulate_zones(setting, 3), simulate_zones(setting, 3)
    assert one.copies == other.copies
    assert replace(one.outcome, cpu_s=0.0) == replace(other.outcome, cpu_s=0.0)


@pytest.mark.parametrize(
    "name", ["zones, three killed", "zones, liars", "zones, slow seed near", "zones, one late"]
)
def test_everybody_honest_has_all_in_the_end(name: str) -> None:
    setting = small(name)
    setting = replace(setting, scenario=replace(setting.scenario, size_mib=4))
    if "killed" in name:
        killed = replace(setting.conducts[0], killed_s=0.3)
        setting = replace(
            setting,
            conducts=tuple(killed if one.killed_s < 9 else one for one in setting.conducts),
        )
    crossing = simulate_zones(setting, 1)
    assert crossing.outcome.ratio < 100
