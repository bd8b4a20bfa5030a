"""A small disk that is filled to its last byte at one call after the other, and has room again.

`python -m soaks.fill [--case NAME]… [--most N] [--minutes M]`, as root: a tmpfs and an ext4, really
mounted, anew for each trial. At every other point the peer goes on by itself; at the others it is
killed while the disk is full, and started on the full disk. As soon as there is room the work must
end right, with the user's files as they were.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from soaks import checks
from soaks.faults import Fault
from soaks.place import Case, Place, Trial, has_ended, not_ended
from soaks.power import CannotMount, Disk
from soaks.runner import Outcome, Run
from soaks.sweeping import main

FILL = Fault(do="fill")
AT_WORK = Fault(do="fill", besides=("index.sqlite-wal",), after_word="started")
KINDS = ("tmpfs", "ext4")
TMPFS_BYTES = 8 * 1024 * 1024
FULL_FOR_S = 0.4
"""Long enough to be tried again a few times; scenarios look for room every 20 ms."""
LOOK_S = 0.005


@contextlib.contextmanager
def small_disk(place: Path, kind: str) -> Iterator[Path]:
    """An empty disk of a few MiB; CannotMount."""
    if kind != "tmpfs":
        disk = Disk(place, kind)
        disk.renew()
        with disk.mounted(disk.image) as top:
            yield top
        return
    top = place / "mounted"
    top.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(top)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise CannotMount(done.stderr.strip())
    try:
        yield top
    finally:
        subprocess.run(["umount", str(top)], check=True)


async def tried(
    place: Place, disk: Path, case: Case, fault: Fault, *, kills: bool = False, wrong: str = ""
) -> Trial:
    """Fill an empty disk at a call of a case; see that all is well while it is full and after."""
    folder, run = place.prepared(case, disk)
    filler = disk / "filler"
    fault = msgspec.structs.replace(fault, fill_with=str(filler))
    filling = msgspec.structs.replace(run, fault=fault, wrong=wrong)
    outcome = await _filled(place, filling, kills=kills)
    struck, words, findings = outcome.struck, outcome.words, list[str]()
    if kills and struck:
        findings += _looked_at(place, folder, case)
        outcome = await _started_while_full(place, run, filler)
        if outcome.code:
            findings.append(f"started on the full disk it ended with {outcome.code}")
        words = words + outcome.words
    elif struck:
        findings += place.after(case, folder, outcome, fault)
    findings += [f"it gave up: {word}" for word in words if word.startswith("failed")]
    if not has_ended(case, outcome):
        findings += not_ended(case, await place.runner.run(run), "asked again")
    findings += checks.at_the_end(folder, case.wanted)
    return Trial(struck, outcome, findings, _noted(words))


async def _filled(place: Place, run: Run, *, kills: bool) -> Outcome:
    """From the start until the disk was full for a while; how it went on, or was killed."""
    process = await place.runner.start(run)
    ending = asyncio.ensure_future(place.runner.end())
    filler = Path(run.fault.fill_with)
    while not filler.exists() and not ending.done():
        await asyncio.wait({ending}, timeout=LOOK_S)
    await asyncio.wait({ending}, timeout=FULL_FOR_S)
    if not kills:
        filler.unlink(missing_ok=True)
    elif not ending.done():
        os.kill(process, signal.SIGKILL)
    return await ending


async def _started_while_full(place: Place, run: Run, filler: Path) -> Outcome:
    await place.runner.start(run)
    ending = asyncio.ensure_future(place.runner.end())
    await asyncio.wait({ending}, timeout=FULL_FOR_S)
    filler.unlink(missing_ok=True)
    return await ending


def _looked_at(place: Place, folder: Path, case: Case) -> list[str]:
    """What is found in a copy elsewhere: on a full disk SQLite cannot take up what a kill left."""
    copy = place.place / "looked-at"
    shutil.copytree(folder.parent, copy, symlinks=True)
    found = checks.after_fault(copy / folder.name, case.wanted, case.manifests)
    shutil.rmtree(copy)
    return found


def _noted(words: list[str]) -> str:
    if any(word.startswith(("waiting no-space", "answered 507")) for word in words):
        return "said that there is no room"
    if any(word.startswith("refused no-space") for word in words):
        return "did not start, in words"
    return "needed no more room"


async def sweep(place: Place, name: str, most: int, wrong: str = "") -> AsyncIterator[Trial]:
    """Fill each kind of disk at so many calls of a case, spread evenly."""
    case = place.cases[name]
    total = await place.count(case)
    for kind in KINDS:
        for number, at in enumerate(place.points(total, most)):
            with small_disk(place.place / f"disk-{kind}", kind) as disk:
                fault = msgspec.structs.replace(FILL, at=at)
                yield await tried(place, disk, case, fault, kills=number % 2 == 1, wrong=wrong)


if __name__ == "__main__":
    try:
        main("soaks.fill", __doc__, sweep)
    except CannotMount as reason:
        sys.exit(f"Skipped: {reason}.")
