"""One file from one seed to many, every link shaped: time of the last finisher over the bound.

`python -m benchmarks.swarm [SCENARIO…]`. Panal and libtorrent run in turn on fresh hosts. The
clock starts when the receivers, already running, are told to fetch, all at the same time. What
they will write to lies at hand then (`places.memory_at_hand`), whichever program comes first.
"""

import argparse
import filecmp
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.curve import Curve, svg
from benchmarks.hosts import CONGESTION_CONTROL, CannotRun, Host, Network
from benchmarks.link_use import LinkUse
from benchmarks.places import FILE_NAME, SHARED_MEMORY, make_file, memory_at_hand
from benchmarks.processes import Broken, MachineLoad
from benchmarks.rows import Aim, Row, skipped
from benchmarks.scenarios import SCENARIOS, Scenario, drawn
from benchmarks.simulated.several import Run
from benchmarks.simulated.swarm import Outcome as Simulated
from benchmarks.simulated.swarm import Setting
from benchmarks.swarm_programs import PanalSwarm, Place, Swarm, TorrentSwarm, place

PROGRAMS = ("panal", "libtorrent")
POLL_S = 0.02
"""Each look takes a millisecond of the cores that the swarm needs, too."""
SIMULATED_SEEDS = range(1, 6)
LIMIT = 8
"""A run is given up after so many times the bound, and at least a minute."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave."""

    program: str
    bound_s: float
    finished_s: tuple[float, ...]
    """By receiver, those that had the whole file."""
    receivers: int
    cpu_s: float
    gbit: float
    waste: float
    busy_share: float
    curve: Curve
    links: LinkUse | None

    @property
    def ratio(self) -> float:
        """Last finisher over the bound; infinite where one did not finish."""
        if len(self.finished_s) < self.receivers:
            return float("inf")
        return max(self.finished_s) / self.bound_s

    @property
    def cpu_s_per_gbit(self) -> float:
        """Both ends together."""
        return self.cpu_s / self.gbit

    def words(self) -> str:
        """One line."""
        last_s = max(self.finished_s, default=0.0)
        first_s = min(self.finished_s, default=0.0)
        return (
            f"{self.program:<11}{self.ratio:6.3f}  {first_s:.2f}–{last_s:.2f} s "
            f"(bound {self.bound_s:.2f})  {len(self.finished_s)}/{self.receivers} whole  "
            f"CPU {self.cpu_s_per_gbit:.2f} s/Gbit  payload ×{self.waste:.3f}  "
            f"machine {self.busy_share:.0%} busy"
        )


def run_once(
    program: str,
    scenario: Scenario,
    original: Path,
    *,
    congestion_control: str = CONGESTION_CONTROL,
    sees_links: bool = False,
) -> Outcome:
    """One clean run on fresh hosts; to see their links takes a twentieth of a core."""
    folder = Path(tempfile.mkdtemp(prefix="panal-bench-", dir=original.parent))
    try:
        with Network(congestion_control=congestion_control) as network:
            at = place(network, scenario, folder)
            kind = PanalSwarm if program == "panal" else TorrentSwarm
            swarm = kind(at, original)
            try:
                return _measure(program, scenario, at, swarm, original, sees_links)
            finally:
                swarm.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(
    program: str, scenario: Scenario, at: Place, swarm: Swarm, original: Path, sees_links: bool
) -> Outcome:
    everybody = (at.seed, *at.peers, at.tracker)
    memory_at_hand(scenario.size_bytes * len(at.peers))
    cpu_before_s = sum(one.cpu_s() for one in swarm.programs.values())
    sent_before = {host: host.traffic() for host in everybody}
    curve = Curve(scenario.size_bytes)
    curve.begin(at.peers)
    links = LinkUse((at.seed, *at.peers)) if sees_links else None
    load = MachineLoad()
    began_s = time.monotonic()
    swarm.begin_all(at.peers)
    finished_s = wait_for_all(swarm, at.peers, began_s, scenario.bound_s() * LIMIT, curve, links)
    busy_share = load.busy_share()
    cpu_s = sum(one.cpu_s() for one in swarm.programs.values()) - cpu_before_s
    sent_bytes = sum((host.traffic() - sent_before[host]).payload_bytes for host in everybody)
    wrong = [host.name for host in finished_s if not same(at, host, original)]
    if wrong:
        raise Broken(f"{program}: other bytes than the original at {', '.join(wrong)}")
    delivered_bytes = scenario.size_bytes * len(at.peers)
    return Outcome(
        program,
        scenario.bound_s(),
        tuple(finished_s.values()),
        len(at.peers),
        cpu_s,
        delivered_bytes * 8 / 1e9,
        sent_bytes / delivered_bytes,
        busy_share,
        curve,
        links,
    )


def wait_for_all(
    swarm: Swarm,
    hosts: tuple[Host, ...],
    began_s: float,
    limit_s: float,
    curve: Curve | None = None,
    links: LinkUse | None = None,
) -> dict[Host, float]:
    """When each finished, from `began_s`; those that did not within the limit are left out."""
    finished_s: dict[Host, float] = {}
    waiting = set(hosts)
    while waiting and time.monotonic() - began_s < max(60.0, limit_s):
        for host in list(waiting):
            if swarm.is_done(host):
                finished_s[host] = time.monotonic() - began_s
                waiting.discard(host)
        if curve is not None:
            curve.sample(began_s)
        if links is not None:
            links.sample()
        time.sleep(POLL_S)
    for host in waiting:
        print(f"  {host.name} did not finish: {swarm.why(host)}", file=sys.stderr)
    return finished_s


def same(at: Place, host: Host, original: Path) -> bool:
    """Whether a receiver's file is the seed's."""
    folder = at.folder / host.name
    copy = next(path for path in (folder / FILE_NAME, folder / original.name) if path.exists())
    return filecmp.cmp(copy, original, shallow=False)


def run(
    scenario: Scenario,
    programs: Sequence[str],
    rounds: int,
    *,
    congestion_control: str = CONGESTION_CONTROL,
    tells_links: bool = False,
) -> dict[str, list[Outcome]]:
    """Every program in turn, `rounds` times; prints each as it comes, with the use of links."""
    print(f"{scenario.name}: {scenario.words()}; aim {scenario.aim}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="panal-bench-", dir=SHARED_MEMORY))
    outcomes: dict[str, list[Outcome]] = {program: [] for program in programs}
    try:
        original = make_file(folder / FILE_NAME, scenario.size_bytes)
        for _ in range(rounds):
            for program in programs:
                outcome = run_once(
                    program,
                    scenario,
                    original,
                    congestion_control=congestion_control,
                    sees_links=tells_links,
                )
                print(f"  {outcome.words()}  load {os.getloadavg()[0]:.1f}", flush=True)
                if outcome.links is not None:
                    print(*outcome.links.lines(), sep="\n", flush=True)
                outcomes[program].append(outcome)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcomes


def rows(
    scenarios: Sequence[Scenario],
    rounds: int,
    virtual: Mapping[Run, Simulated],
    plot: Path | None = None,
) -> Iterator[Row]:
    """A row a scenario, and one for the simulator's (`virtual`); CPU and waste beside the first.

    The first is drawn to `plot`, where that is given.
    """
    for scenario in scenarios:
        try:
            outcomes = run(scenario, PROGRAMS, rounds)
        except CannotRun as reason:
            yield skipped(f"swarm {scenario.name}", reason)
            continue
        panal, torrent = (_median(outcomes[program]) for program in PROGRAMS)
        yield Row(
            f"swarm {scenario.name}",
            f"{max(panal.finished_s, default=0):.2f} s",
            f"libtorrent {torrent.ratio:.3f}; bound {scenario.bound_s():.2f} s",
            panal.ratio,
            Aim(scenario.aim, at_most=True),
            f"{scenario.words()}; machine {panal.busy_share:.0%} busy",
        )
        simulations = sorted(virtual[run].ratio for run in simulated_runs(scenario))
        expected = statistics.median(simulations)
        yield Row(
            f"simulator, {scenario.name}",
            f"{panal.ratio:.3f} in shaped networks",
            f"simulated {simulations[0]:.3f}–{simulations[-1]:.3f}",
            max(panal.ratio / expected, expected / panal.ratio),
            Aim(1.05, at_most=True),
        )
        if scenario is SCENARIOS[0]:
            if plot is not None:
                curves = {"Panal": panal.curve, "libtorrent": torrent.curve}
                title = f"{scenario.name}: {scenario.words()}"
                plot.write_text(svg(title, curves, scenario.bound_s()))
            cpu, other = panal.cpu_s_per_gbit, torrent.cpu_s_per_gbit
            words = f"{cpu:.2f} CPU-s/Gbit", f"libtorrent {other:.2f}; aim 1.0"
            yield Row(f"CPU, {scenario.name}", *words, cpu, Aim(1.0, at_most=True), "both ends")
            words = f"{panal.waste:.3f}", f"libtorrent {torrent.waste:.3f}; payload 1"
            note = "all that hosts sent, without headers, over size × receivers"
            yield Row(f"waste, {scenario.name}", *words, panal.waste, Aim(1.02, at_most=True), note)


def simulated_runs(scenario: Scenario) -> list[Run]:
    """As here, where the programs of all hosts share the cores of one machine."""
    setting = Setting(scenario, cores=os.cpu_count() or 1)
    return [(setting, seed) for seed in SIMULATED_SEEDS]


def _median(outcomes: Sequence[Outcome]) -> Outcome:
    return sorted(outcomes, key=lambda outcome: outcome.ratio)[len(outcomes) // 2]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarm", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="names; none: all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    parser.add_argument("--random", type=int, default=random.randrange(10**6))
    parser.add_argument("--congestion", default=CONGESTION_CONTROL, help="as the kernel calls it")
    parser.add_argument("--links", action="store_true", help="how much of each link was used")
    asked = parser.parse_args()
    print(f"congestion control {asked.congestion}; drawn from --random {asked.random}")
    for scenario in (*SCENARIOS, *drawn(asked.random)):
        if not asked.scenario or scenario.name in asked.scenario:
            programs = asked.program or PROGRAMS
            run(
                scenario,
                programs,
                asked.rounds,
                congestion_control=asked.congestion,
                tells_links=asked.links,
            )


if __name__ == "__main__":
    try:
        main()
    except CannotRun as reason:
        print(f"Skipped: {reason}.")
