"""The command of a soak that goes through system calls: cases, a bound, and what it prints."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from soaks.place import Place, Trial, running
from soaks.system_calls import refusal

Sweep = Callable[[Place, str, int], AsyncIterator[Trial]]


def main(name: str, words: str | None, sweep: Sweep) -> None:
    """Try all cases, print a line for each, and exit with 1 where anything was found."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--case", action="append", help="one of them; none: all")
    parser.add_argument("--most", type=int, default=100_000, help="so many calls of each case")
    parser.add_argument("--minutes", type=float, default=20.0, help="no new trial after that")
    given = parser.parse_args()
    if why_not := refusal():
        sys.exit(f"Skipped: {why_not}.")
    with tempfile.TemporaryDirectory(prefix="panal-soak-") as folder:
        ends_s = time.monotonic() + given.minutes * 60
        found = asyncio.run(_all(Path(folder), sweep, given.case, given.most, ends_s))
    sys.exit(1 if found else 0)


async def _all(
    folder: Path, sweep: Sweep, names: list[str] | None, most: int, ends_s: float
) -> int:
    found = 0
    async with running(folder) as place:
        for name in names or list(place.cases):
            began_s, trials = time.monotonic(), 0
            struck = 0
            async for trial in sweep(place, name, most):
                trials += 1
                struck += bool(trial.struck)
                found += len(trial.findings)
                for finding in trial.findings:
                    print(f"  {name}, at {trial.struck}: {finding}", flush=True)
                if time.monotonic() > ends_s:
                    print(f"  {name}: the time is over; not all were tried", flush=True)
                    break
            took_s = time.monotonic() - began_s
            print(f"{name}: {trials} trials, {struck} struck, {took_s:.0f} s", flush=True)
    print(f"{found} findings")
    return found
