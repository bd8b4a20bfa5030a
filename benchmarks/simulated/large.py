"""Large swarms in the table: last finisher over the bound, and what a chunk costs to simulate."""

from collections.abc import Iterator, Mapping

from benchmarks.hosts import Link
from benchmarks.rows import Aim, Row
from benchmarks.scenarios import Scenario
from benchmarks.simulated.several import Run
from benchmarks.simulated.swarm import Outcome, Setting

SIZES = ((100, 64), (1_000, 64), (100, 256))
"""Peers and MiB; of a larger file less is lost at its beginning and end."""
AIM = Aim(1.2, at_most=True)


def even(peers: int, mib: int) -> Scenario:
    """One seed and so many receivers, all links alike."""
    line = Link(100, 100)
    return Scenario(f"{peers} peers", mib, line, (line,) * peers, AIM.ratio)


def runs() -> list[Run]:
    """What there is to simulate."""
    return [_run(*size) for size in SIZES]


def rows(outcomes: Mapping[Run, Outcome]) -> Iterator[Row]:
    """A row a size."""
    for peers, mib in SIZES:
        yield _row(peers, mib, outcomes[_run(peers, mib)])


def _run(peers: int, mib: int) -> Run:
    return Setting(even(peers, mib)), 1


def _row(peers: int, mib: int, outcome: Outcome) -> Row:
    bound_s = even(peers, mib).bound_s()
    lost = " ".join(f"{part:.2f}" for part in outcome.lost_s)
    each_us = 1e6 * outcome.cpu_s / max(1, outcome.finished * outcome.chunk_count)
    return Row(
        f"simulated, {peers:,} peers, {mib} MiB",
        f"{outcome.ratio * bound_s:.2f} s",
        f"bound {bound_s:.2f} s",
        outcome.ratio,
        AIM,
        f"100 Mbit/s; seed 1; uplinks lost {lost}; {each_us:.0f} µs a chunk",
    )
