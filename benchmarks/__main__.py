"""The whole table: every figure beside a named program, on this machine, now.

A row that cannot run here is skipped and says why. Nothing is asserted.
"""

import argparse
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType

from benchmarks import faults, memory, secure, sharing, single, small_files, swarm, together, ways
from benchmarks.hosts import CONGESTION_CONTROL, CannotRun, congestion_control
from benchmarks.places import MEDIA
from benchmarks.processes import Broken, MachineLoad
from benchmarks.rows import Aim, Row, document, skipped, table
from benchmarks.scenarios import SCENARIOS, drawn
from benchmarks.simulated import large
from benchmarks.simulated.several import Run, outcomes_of
from benchmarks.simulated.swarm import Outcome

Benchmark = Callable[[], Iterator[Row]]
_RESTART = re.compile(r"find ([\d.]+) s; compared after a restart ([\d.]+) s")


def benchmarks(
    rounds: int, random_seed: int, outcomes: Mapping[Run, Outcome], plot: Path | None = None
) -> dict[str, Benchmark]:
    """Every benchmark by name, in the order of the table; `outcomes` of `simulations`.

    Where the disk is what is measured, twice is enough: for the sake of the whole table's time.
    """
    found: dict[str, Benchmark] = {}
    for scenario in (*SCENARIOS, *drawn(random_seed)):
        found[f"swarm-{scenario.name}"] = partial(swarm.rows, [scenario], 1, outcomes, plot)
    for fault in faults.FAULTS:
        name = f"fault-{fault.name.replace(' ', '-')}"
        found[name] = partial(faults.rows, [fault.name])
    found["simulated"] = partial(large.rows, outcomes)
    for where, times in zip(MEDIA, (rounds, min(rounds, 2)), strict=True):
        found[f"single-{where}"] = partial(single.rows, times, 2048, (where,))
        found[f"small-files-{where}"] = partial(small_files.rows, rounds, 10_000, (where,))
    found["secure"] = partial(secure.rows, max(rounds, 5), 512)
    found["sharing"] = partial(sharing.rows, 2, 4096)  # for the sake of the whole table's time
    found["together"] = partial(together.rows, rounds, 512)
    found["ways"] = partial(ways.rows, rounds, 256)
    found["restart"] = _restart
    found["memory"] = partial(memory.rows, 8, 64)
    return found


def simulations(random_seed: int) -> dict[str, list[Run]]:
    """What has to be simulated for which benchmarks."""
    scenarios = (*SCENARIOS, *drawn(random_seed))
    found = {f"swarm-{one.name}": swarm.simulated_runs(one) for one in scenarios}
    return {**found, "simulated": large.runs()}


def _restart() -> Iterator[Row]:
    script = Path(__file__).with_name("restart.py")
    if not script.exists():
        yield skipped("restart", "benchmarks/restart.py is not there")
        return
    words = [sys.executable, str(script), "--brief"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    found = _RESTART.search(done.stdout)
    if done.returncode != 0 or found is None:
        raise Broken(f"{script.name} ended with {done.returncode} and no figures")
    find_s, compared_s = map(float, found.groups())
    yield Row(
        "restart, 100,000 unchanged files",
        f"{compared_s:.2f} s",
        f"find {find_s:.2f} s",
        compared_s / find_s,
        Aim(3.0, at_most=True),
    )


def machine(random_seed: int) -> str:
    """What the figures were made on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = names[0] if names else "unknown processor"
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}; {os.cpu_count()} × {model}, "
        f"{memory_gib:.0f} GiB; Linux {platform.release()}, congestion control "
        f"{congestion_control()}, in networks {CONGESTION_CONTROL}; "
        f"Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}; "
        f"scenarios drawn from --random {random_seed}"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="ROW", help="benchmarks whose name has this in it"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are taken")
    parser.add_argument("--random", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a Markdown document, too")
    parser.add_argument("--list", action="store_true", help="name the benchmarks")
    asked = parser.parse_args()
    plot = asked.write.with_suffix(".svg") if asked.write else None
    outcomes: dict[Run, Outcome] = {}
    chosen = {
        name: run
        for name, run in benchmarks(asked.rounds, asked.random, outcomes, plot).items()
        if not asked.only or any(word in name for word in asked.only)
    }
    if asked.list:
        print("\n".join(chosen))
        return
    out = sys.stdout
    sys.stdout = sys.stderr  # what benchmarks say while they run
    about, began_s = machine(asked.random), time.monotonic()
    if asked.only:
        about += f"; only {', '.join(asked.only)}"
    print(about)
    load = MachineLoad()
    wanted = simulations(asked.random)
    outcomes.update(outcomes_of(run for name in chosen for run in wanted.get(name, ())))
    print(f"[in virtual time: {time.monotonic() - began_s:.0f} s]", flush=True)
    rows = [row for name, run in chosen.items() for row in _all_of(name, run)]
    print(f"{time.monotonic() - began_s:.0f} s, machine {load.busy_share():.0%} busy")
    if asked.write:
        asked.write.write_text(document(about, rows))
    if asked.json:
        described = {"machine": about, "rows": [row.document() for row in rows]}
        print(json.dumps(described, indent=1), file=out)
    else:
        print(f"\n{about}\n\n{table(rows)}", file=out)


def _all_of(name: str, run: Benchmark) -> list[Row]:
    began_s = time.monotonic()
    try:
        rows = list(run())
        print(f"[{name}: {time.monotonic() - began_s:.0f} s]", flush=True)
        return rows
    except (CannotRun, Broken) as reason:
        print(f"{name}: {reason}")
        return [skipped(name, str(reason).splitlines()[0])]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that everything is taken away then, too
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
