"""Many runs in virtual time, one a core at a time: all that a table needs, before its rest."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from benchmarks.simulated.swarm import Outcome, Setting, simulate

Run = tuple[Setting, int]
"""What is simulated, and its seed number."""


def outcomes_of(runs: Iterable[Run]) -> dict[Run, Outcome]:
    """What came of each; the longest begins first, so that the last cores end nearly together."""
    ordered = sorted(dict.fromkeys(runs), key=_chunks_sent, reverse=True)
    with ProcessPoolExecutor() as processes:
        return dict(zip(ordered, processes.map(_outcome, ordered), strict=True))


def _chunks_sent(run: Run) -> int:
    scenario = run[0].scenario
    return scenario.size_bytes * len(scenario.peers)


def _outcome(run: Run) -> Outcome:
    return simulate(*run)
