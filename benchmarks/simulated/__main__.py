"""Whole swarms in virtual time: `python -m benchmarks.simulated [NAME…] [--peers N] [--seed N]`.

A name is a scenario of `benchmarks.scenarios`, or begins a fault or a swarm over zones; with
`--random` also one that is drawn. The same seed number gives the same digits.
"""

import argparse
import resource
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.scenarios import SCENARIOS, drawn
from benchmarks.simulated.large import even
from benchmarks.simulated.swarm import PAIR_SPREAD, Setting, simulate
from benchmarks.simulated.troubles import Trouble, troubles
from benchmarks.simulated.zones import ZonedSetting, settings, simulate_zones


def main(words: Sequence[str] | None = None) -> None:
    """Print a line a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulated", description=__doc__)
    parser.add_argument("name", nargs="*", help="scenarios and faults; none: all")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    parser.add_argument("--rounds", type=int, default=1, help="seeds from there on")
    parser.add_argument("--peers", type=int, default=0, help="so many alike, up and down 100")
    parser.add_argument("--mib", type=int, default=64, help="the file of those")
    parser.add_argument(
        "--cores", type=int, default=0, help="all computing on so many, as in namespaces"
    )
    parser.add_argument("--random", type=int, help="scenarios drawn from this number, too")
    parser.add_argument(
        "--pair-spread", type=float, default=PAIR_SPREAD, help="how unlike connections fare"
    )
    parser.add_argument("--checked", action="store_true", help="the core's rules after each step")
    asked = parser.parse_args(words)
    for trouble in _chosen(asked.name, asked.peers, asked.mib, asked.random):
        setting = replace(
            trouble.setting,
            cores=asked.cores,
            is_checked=asked.checked,
            pair_spread=asked.pair_spread,
        )
        for seed in range(asked.seed, asked.seed + asked.rounds):
            crossing = ""
            if isinstance(setting, ZonedSetting):
                run = simulate_zones(setting, seed)
                outcome, crossing = run.outcome, f"  {run.words()}"
            else:
                outcome = simulate(setting, seed, trouble.bound_s)
            lost = " ".join(f"{part:.2f}" for part in outcome.lost_s)
            peers = len(setting.scenario.peers)
            chunks = max(1, outcome.finished * outcome.chunk_count)
            print(
                f"{trouble.name:<24} seed {seed:<4} ratio {outcome.ratio:.3f} (first "
                f"{outcome.first_ratio:.3f})  {outcome.finished}/{peers} whole  payload "
                f"×{outcome.waste:.3f}  uplinks lost {lost}  {1e6 * outcome.cpu_s / chunks:.0f} µs "
                f"and {outcome.steps / chunks:.0f} events a chunk  {_memory_mib():.0f} MiB"
                f"{crossing}",
                flush=True,
            )


def _chosen(
    names: Sequence[str], peers: int, mib: int, random_seed: int | None
) -> Iterator[Trouble]:
    if peers:
        scenario = even(peers, mib)
        yield Trouble(scenario.name, Setting(scenario), scenario.bound_s())
        return
    known = (*SCENARIOS, *(() if random_seed is None else drawn(random_seed)))
    scenarios = (Trouble(one.name, Setting(one), one.bound_s()) for one in known)
    zoned = (
        Trouble(f"{one.name}{'' if is_told else ', not told'}", made, one.bound_s())
        for one in settings()
        for is_told in (True, False)
        for made in (replace(one, knows_zones=is_told),)
    )
    for trouble in (*scenarios, *troubles(), *zoned):
        if not names or any(trouble.name.startswith(name) for name in names):
            yield trouble


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
