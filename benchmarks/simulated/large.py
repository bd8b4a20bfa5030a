"""Large swarms in the table: last finisher over the bound, and what a chunk costs to simulate."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from benchmarks.hosts import Link
from benchmarks.rows import Aim, Row
from benchmarks.scenarios import Scenario
from benchmarks.simulated.swarm import Setting, simulate

SIZES = ((100, 64), (1_000, 64), (100, 256))
"""Peers and MiB; of a larger file less is lost at its beginning and end."""
AIM = Aim(1.2, at_most=True)


def even(peers: int, mib: int) -> Scenario:
    """One seed and so many receivers, all links alike."""
    line = Link(100, 100)
    return Scenario(f"{peers} peers", mib, line, (line,) * peers, AIM.ratio)


def rows() -> Iterator[Row]:
    """A row a size; each in a process of its own, for its time is not the clock's."""
    with ProcessPoolExecutor() as processes:
        yield from processes.map(_row, SIZES)


def _row(size: tuple[int, int]) -> Row:
    peers, mib = size
    scenario = even(peers, mib)
    outcome = simulate(Setting(scenario), seed=1)
    lost = " ".join(f"{part:.2f}" for part in outcome.lost_s)
    each_us = 1e6 * outcome.cpu_s / max(1, outcome.finished * outcome.chunk_count)
    return Row(
        f"simulated, {peers:,} peers, {mib} MiB",
        f"{outcome.ratio * scenario.bound_s():.2f} s",
        f"bound {scenario.bound_s():.2f} s",
        outcome.ratio,
        AIM,
        f"100 Mbit/s; seed 1; uplinks lost {lost}; {each_us:.0f} µs a chunk",
    )
