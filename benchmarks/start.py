"""What a command's start computes: `panal get` of ten bytes, user and system time of the process.

`--beside PROGRAM` measures another copy's `panal` in turn with this one's, such as that of another
worktree.
"""

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.local import emptied, local_panal
from benchmarks.places import SHARED_MEMORY, make_file
from benchmarks.processes import PANAL, Broken

BYTES = 10


def spent(words: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """User and system time of a command, and its wall time; seconds."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), os.times().elapsed
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True)
    wall_s = os.times().elapsed - began_s
    if done.returncode:
        raise Broken(f"{words[0]}: {done.returncode} {done.stderr[-500:]!r}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--beside", action="append", default=[], metavar="PROGRAM")
    asked = parser.parse_args()
    programs = [*PANAL, *asked.beside]
    with tempfile.TemporaryDirectory(prefix="panal-bench-", dir=SHARED_MEMORY) as name:
        place = Path(name)
        folder = emptied(place / "source")
        os.utime(make_file(folder / "ten.bin", BYTES), (0, 0))
        with local_panal(folder, place) as panal:
            what = str(panal.wait_until_found("ten.bin")["id"])
            times: dict[str, list[tuple[float, float]]] = {program: [] for program in programs}
            for _ in range(asked.rounds):
                for program, all_of_it in times.items():
                    into = str(emptied(place / "into"))
                    words = [program, "get", what, "--into", into, "--tracker", panal.tracker]
                    all_of_it.append(spent(words, panal.environment))
    for program, all_of_it in times.items():
        cpu_s, wall_s = (statistics.median(values) for values in zip(*all_of_it, strict=True))
        least_s = min(cpu for cpu, _ in all_of_it)
        print(f"{program}: {cpu_s:.3f} s computed (least {least_s:.3f}), {wall_s:.3f} s in all")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
