"""Two zones of four peers behind limited borders, in network namespaces, told of zones and not.

`python -m benchmarks.zones [--rounds N]` prints when the last had the file, and what came in over
each border as its device counted, headers aside.
"""

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hosts import CannotRun, Host, Link, Network
from benchmarks.places import FILE_NAME, SHARED_MEMORY, make_file
from benchmarks.processes import Broken, MachineLoad
from benchmarks.scenarios import MBIT, MIB
from benchmarks.swarm import same, wait_for_all
from benchmarks.swarm_programs import PanalSwarm, Place

ZONES = ("zone1", "zone2")
EACH = 4
BORDER_MBIT = 50.0
INSIDE = Link(300, 300)
LIMIT = 8
"""A run is given up after so many times the bound."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    ratio: float
    """The last finisher's time over the size at the border's rate: no zone is sooner."""
    copies: tuple[float, ...]
    """What came in over each border, over the size."""
    finished: int
    busy_share: float

    def words(self) -> str:
        """For people."""
        copies = " ".join(f"{one:.2f}" for one in self.copies)
        whole = f"{self.finished}/{EACH * len(ZONES)} whole"
        return (
            f"ratio {self.ratio:.3f}  over the borders ×{copies}  {whole}  "
            f"machine {self.busy_share:.0%} busy  load {os.getloadavg()[0]:.1f}"
        )


def run_once(original: Path, *, knows_zones: bool) -> Outcome:
    """A seed outside, four peers in each zone; every host is new."""
    folder = Path(tempfile.mkdtemp(prefix="panal-bench-", dir=original.parent))
    try:
        with Network() as network:
            for zone in ZONES:
                network.add_zone(zone, BORDER_MBIT)
            seed = network.add("seed", Link(BORDER_MBIT, BORDER_MBIT))
            zones = {
                network.add(f"p{number}{zone}", INSIDE, zone): zone
                for number in range(EACH)
                for zone in ZONES
            }
            at = Place(network, seed, tuple(zones), network.add("tracker", Link()), folder)
            swarm = PanalSwarm(at, original, zones=zones if knows_zones else None)
            try:
                return _measure(at, swarm, original)
            finally:
                swarm.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(at: Place, swarm: PanalSwarm, original: Path) -> Outcome:
    size_bytes = original.stat().st_size
    bound_s = size_bytes / (BORDER_MBIT * MBIT)
    before = {zone: at.network.crossed(zone) for zone in ZONES}
    load = MachineLoad()
    began_s = time.monotonic()
    for host in at.peers:
        swarm.begin(host)
    finished_s: dict[Host, float] = wait_for_all(swarm, at.peers, began_s, LIMIT * bound_s)
    crossed = [(at.network.crossed(zone) - before[zone]).payload_bytes for zone in ZONES]
    wrong = [host.name for host in finished_s if not same(at, host, original)]
    if wrong:
        raise Broken(f"other bytes than the original at {', '.join(wrong)}")
    is_whole = len(finished_s) == len(at.peers)
    return Outcome(
        max(finished_s.values()) / bound_s if is_whole else float("inf"),
        tuple(sent / size_bytes for sent in crossed),
        len(finished_s),
        load.busy_share(),
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zones", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mib", type=int, default=64)
    asked = parser.parse_args()
    print(
        f"{asked.mib} MiB, {len(ZONES)} zones × {EACH} peers, borders {BORDER_MBIT:g} Mbit/s, "
        f"inside {INSIDE.up_mbit:g}, the seed outside with {BORDER_MBIT:g}"
    )
    folder = Path(tempfile.mkdtemp(prefix="panal-bench-", dir=SHARED_MEMORY))
    try:
        original = make_file(folder / FILE_NAME, asked.mib * MIB)
        for _ in range(asked.rounds):
            for knows_zones in (True, False):
                outcome = run_once(original, knows_zones=knows_zones)
                print(
                    f"  {'told    ' if knows_zones else 'not told'} {outcome.words()}", flush=True
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except CannotRun as reason:
        print(f"Skipped: {reason}.")
