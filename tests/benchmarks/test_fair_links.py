"""Shares kept up flow by flow are those of progressive filling from nothing."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated.fair_links import FairLinks, Flow, Link, filled
from tests.swarm import PROPERTY

CAPACITIES = (1.0, 2.0, 5.0, 10.0, 10.0)


@settings(PROPERTY)
@given(st.integers(0, 1_000_000), st.integers(1, 5))
def test_rates_agree_with_progressive_filling_after_each_change(seed: int, peers: int) -> None:
    chance = Random(seed)
    ups = [Link(chance.choice(CAPACITIES)) for _ in range(peers)]
    downs = [Link(chance.choice(CAPACITIES)) for _ in range(peers)]
    told: dict[Flow, float] = {}
    fair = FairLinks(told.__setitem__, tolerance=0.0)
    flows: list[Flow] = []
    for _ in range(30):
        before = {flow: flow.rate for flow in flows}
        told.clear()
        if flows and chance.random() < 0.4:
            fair.remove(flows.pop(chance.randrange(len(flows))))
        else:
            weight = chance.choice((1.0, 1.0, 0.1 + chance.random()))
            flows.append(Flow(chance.choice(ups), chance.choice(downs), weight))
            fair.add(flows[-1])
        fair.settle()
        links = [
            (link.capacity, [i for i, flow in enumerate(flows) if link in (flow.up, flow.down)])
            for link in (*ups, *downs)
        ]
        expected = filled(links, [flow.weight for flow in flows]) if flows else []
        assert [flow.rate for flow in flows] == pytest.approx(expected, rel=1e-9)
        last = {flow: before.get(flow, 0.0) for flow in flows}
        assert last.items() >= told.items()
        assert told.keys() >= {flow for flow in flows if flow.rate != last[flow]}


def test_filling_by_hand() -> None:
    """One flow has a link of 1 alone at its other end; what it leaves is shared 1 to 3."""
    rates = filled([(9.0, [0, 1, 2]), (1.0, [0])], [5.0, 1.0, 3.0])
    assert rates == pytest.approx([1.0, 2.0, 6.0])


def test_with_a_tolerance_no_link_carries_more_than_that_beyond_its_rate() -> None:
    chance = Random(3)
    ups, downs = ([Link(10.0) for _ in range(8)] for _ in range(2))
    fair = FairLinks(lambda flow, rate: None, tolerance=0.02)
    flows: list[Flow] = []
    for _ in range(400):
        if len(flows) > 40:
            fair.remove(flows.pop(chance.randrange(len(flows))))
        flows.append(Flow(chance.choice(ups), chance.choice(downs), 0.7 + 0.6 * chance.random()))
        fair.add(flows[-1])
        fair.settle()
        for link in (*ups, *downs):
            used = sum(flow.rate for flow in link.flows)
            assert used == pytest.approx(link.used)
            assert used <= 1.0201 * link.capacity
