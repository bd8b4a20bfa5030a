"""The command of a soak that goes through system calls: cases, a bound, and what it prints."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

from soaks.place import BY_OTHER_WAYS, Place, Trial, running
from soaks.system_calls import refusal

Sweep = Callable[[Place, str, int], AsyncIterator[Trial]]


def main(
    name: str,
    words: str | None,
    sweep: Sweep,
    leaves_out: Collection[str] = BY_OTHER_WAYS,
) -> None:
    """Try all cases, print a line for each, and exit with 1 where anything was found.

    What is left out is only tried where it is asked for.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--case",
        action="append",
        help="one of them; none: all",
    )
    parser.add_argument("--most", type=int, default=100_000, help="so many calls of each case")
    parser.add_argument("--minutes", type=float, default=20.0, help="no new trial after that")
    parser.add_argument("--part", default="1/1", help="such as 2/5: every fifth, from the second")
    given = parser.parse_args()
    part = tuple(int(number) for number in given.part.split("/"))
    if why_not := refusal():
        sys.exit(f"Skipped: {why_not}.")
    with tempfile.TemporaryDirectory(prefix="panal-soak-") as folder:
        ends_s = time.monotonic() + given.minutes * 60
        found = asyncio.run(
            _all(Path(folder), sweep, given.case, leaves_out, given.most, part, ends_s)
        )
    sys.exit(1 if found else 0)


async def _all(
    folder: Path,
    sweep: Sweep,
    asked: list[str] | None,
    leaves_out: Collection[str],
    most: int,
    part: tuple[int, ...],
    ends_s: float,
) -> int:
    found = 0
    async with running(folder) as place:
        place.part = (part[0], part[1])
        for name in asked or [known for known in place.cases if known not in leaves_out]:
            began_s, trials = time.monotonic(), 0
            struck = 0
            noted: Counter[str] = Counter()
            async for trial in sweep(place, name, most):
                trials += 1
                struck += bool(trial.struck)
                noted[trial.noted] += bool(trial.noted)
                found += len(trial.findings)
                for finding in trial.findings:
                    print(f"  {name}, at {trial.struck}: {finding}", flush=True)
                if time.monotonic() > ends_s:
                    print(f"  {name}: the time is over; not all were tried", flush=True)
                    break
            took_s = time.monotonic() - began_s
            besides = "".join(f", {count} {what}" for what, count in sorted(noted.items()) if count)
            print(f"{name}: {trials} trials, {struck} struck{besides}, {took_s:.0f} s", flush=True)
    print(f"{found} findings")
    return found
