"""Kills at random moments in a swarm that is at work: four peers fetch from a seed and each other.

`python -m soaks.swarm_kills [--kills N] [--minutes M] [--seed S]`. Each peer is killed outright at
a moment drawn from the seed, looked at, and started again, until it has the file; then it begins
anew as another. Beside `soaks.kills`, which goes through every call of one peer alone.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from panal.clock import SystemClock
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.web.control import owner_routes
from panal.wire.manifest import Manifest, content_id
from soaks import checks
from soaks.place import manifest_of_bytes
from soaks.runner import Outcome, Run, Runner

MIB = 1024 * 1024
POLL_S = 0.002


@dataclass
class Result:
    """What came of it."""

    kills: int = 0
    finished: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Swarm:
    """What all of its peers know."""

    place: Path
    tracker: str
    data: bytes
    manifest: Manifest
    seed: int
    kills: int
    ends_s: float


@contextlib.asynccontextmanager
async def swarm(
    place: Path, *, size_bytes: int, rate_bytes_s: int, kills: int, seed: int, ends_s: float
) -> AsyncIterator[Swarm]:
    """A tracker and a seed that sends at a rate that leaves time to be killed in."""
    data = Random(seed).randbytes(size_bytes)
    folder = place / "seed"
    folder.mkdir()
    (folder / "data.bin").write_bytes(data)
    async with contextlib.AsyncExitStack() as stack:
        tracker = TrackerServer(TrackerSettings(port=0))
        await tracker.start()
        stack.push_async_callback(tracker.stop, 0)
        address = f"127.0.0.1:{tracker.port}"
        settings = PeerSettings(
            "seed", 0, folder, (address,), upload_limit_bytes_s=rate_bytes_s or None
        )
        app = PeerApp(settings, SystemClock(), Random(seed))
        await app.start(owner_routes)
        stack.push_async_callback(app.stop)
        while app.index.by_path("data.bin") is None or not await app.announcer.announced(0.1):
            await asyncio.sleep(POLL_S)
        manifest = manifest_of_bytes(data)
        yield Swarm(place, address, data, manifest, seed, kills, ends_s)


async def kill_in(swarm: Swarm, peers: int) -> Result:
    """Kill that many peers again and again, side by side, until there were enough kills."""
    result = Result()
    async with contextlib.AsyncExitStack() as stack:
        runners = [
            await stack.enter_async_context(Runner(swarm.place / f"errors-{n}.txt"))
            for n in range(peers)
        ]
        await asyncio.gather(
            *(_live(swarm, number, runner, result) for number, runner in enumerate(runners))
        )
    return result


async def _live(swarm: Swarm, number: int, runner: Runner, result: Result) -> None:
    chance = Random(f"{swarm.seed} {number}")
    generation = 0
    while result.kills < swarm.kills and time.monotonic() < swarm.ends_s:
        generation += 1
        await _one(swarm, f"v{number}-{generation}", runner, chance, result)


async def _one(swarm: Swarm, name: str, runner: Runner, chance: Random, result: Result) -> None:
    """One peer from an empty folder to the whole file, however often it is killed."""
    top = swarm.place / name
    folder = top / "files"
    content = content_id(swarm.manifest.encode()).hex()
    given = {"what": content, "path": "out.bin", "name": name}
    given |= {"tracker": swarm.tracker, "folder": str(folder)}
    run = Run("get", given, (), follows=False)
    wanted, manifests = {"out.bin": swarm.data}, {content: swarm.manifest}
    found: list[str] = []
    claimed_bytes = 0
    while True:
        victim = await runner.start(run)
        ending = asyncio.ensure_future(runner.end())
        if result.kills < swarm.kills:
            await _moment(swarm, folder, manifests, chance, ending)
            if not ending.done():
                with contextlib.suppress(ProcessLookupError):  # it came to its end just now
                    os.kill(victim, signal.SIGKILL)
        outcome = await ending
        found += checks.after_fault(folder, wanted, manifests)
        if outcome.code != -signal.SIGKILL:
            found += _at_the_end(outcome, folder, wanted, claimed_bytes)
            break
        result.kills += 1
        now_bytes = checks.claimed_bytes(folder / ".panal" / "partial", manifests)
        if now_bytes < claimed_bytes and not (folder / "out.bin").exists():
            found.append(f"{claimed_bytes} bytes were there, then {now_bytes}")
        claimed_bytes = now_bytes
    result.finished += not found
    result.findings += [f"{name} (seed {swarm.seed}): {finding}" for finding in found]
    if not found:
        shutil.rmtree(top)


async def _moment(
    swarm: Swarm,
    folder: Path,
    manifests: dict[str, Manifest],
    chance: Random,
    ending: "asyncio.Future[Outcome]",
) -> None:
    """Until a drawn number of chunks more is there, and a moment longer."""
    partials = folder / ".panal" / "partial"
    chunk = swarm.manifest.chunk_bytes
    there = checks.claimed_bytes(partials, manifests)
    wanted = there + chance.randint(0, max(1, swarm.manifest.chunk_count // 3)) * chunk
    is_all_there = (folder / "out.bin").exists() or there == len(swarm.data)
    if is_all_there and chance.random() < 0.5:
        await asyncio.wait({ending})  # else it would be killed at its start again and again
        return
    is_at_start = chance.random() < 0.2
    longer_s = chance.random() * (0.4 if is_at_start else 0.02)
    while not ending.done() and not is_at_start:
        if min(wanted, len(swarm.data)) <= checks.claimed_bytes(partials, manifests):
            break
        if (folder / "out.bin").exists():
            break
        await asyncio.sleep(POLL_S)
    await asyncio.wait({ending}, timeout=longer_s)


def _at_the_end(
    outcome: Outcome, folder: Path, wanted: dict[str, bytes], claimed_bytes: int
) -> list[str]:
    if outcome.code or not any(word.startswith("done") for word in outcome.words):
        return [f"it ended with {outcome.code} and said {outcome.words}"]
    resumed = int(outcome.words[-1].split()[1])
    found = checks.at_the_end(folder, wanted)
    if resumed < claimed_bytes:
        found.append(f"{claimed_bytes} bytes were there, {resumed} were used")
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m soaks.swarm_kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mib", type=int, default=16)
    given = parser.parse_args()

    async def run(place: Path) -> Result:
        ends_s = time.monotonic() + given.minutes * 60
        async with swarm(
            place,
            size_bytes=given.mib * MIB,
            rate_bytes_s=32 * MIB,
            kills=given.kills,
            seed=given.seed,
            ends_s=ends_s,
        ) as made:
            return await kill_in(made, 4)

    with tempfile.TemporaryDirectory(prefix="panal-soak-") as folder:
        result = asyncio.run(run(Path(folder)))
    for finding in result.findings:
        print(f"  {finding}")
    print(
        f"seed {given.seed}: {result.kills} kills, {result.finished} downloads whole, "
        f"{len(result.findings)} findings"
    )
    sys.exit(1 if result.findings else 0)


if __name__ == "__main__":
    main()
