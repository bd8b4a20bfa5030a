"""A folder of many small files: shared, looked at again, found after a restart, renamed.

Prints files, wall time, rate, peak memory and the event loop's longest gap for each, and the
restart's ratio to `find FOLDER -printf '%s %T@\\n'`, which asks the system for as much about
each file as a comparison needs, in the same minute on the same cache:

    .venv/bin/python benchmarks/restart.py [--folders 200] [--files 500] [--place DIR] [--brief]

A tracker runs in this process and each peer in one of its own. Times are medians of --runs
where a step changes nothing. `compared` is counted from the peer's start, imports aside, until
the first comparison of all files with the index is done; `announced` until the tracker has
everything. The files are of 1 KiB; they and all state lie in a folder of their own, taken away
at the end. To read: everything is on one machine and in its cache. --brief leaves out what the
ratio does not need: looking again while it runs, and the renaming.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

from panal.clock import SystemClock
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings

FILE_BYTES = 1024
TICK_S = 0.01
LOOK_S = 0.01
RESCANS = 3


def make_files(top: Path, folders: int, files: int) -> None:
    """Folders of small files, each with other bytes."""
    chance = Random(1)
    for folder in range(folders):
        place = top / f"folder-{folder:04}"
        place.mkdir(parents=True)
        for file in range(files):
            (place / f"file-{file:05}.txt").write_bytes(chance.randbytes(FILE_BYTES))


def find_s(top: Path) -> float:
    """The wall time of find over the same tree."""
    began_s = time.perf_counter()
    command = ["find", str(top), "-printf", r"%s %T@\n"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began_s


def peak_mb() -> float:
    """This process's peak memory until now."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


# The peer's process ----------------------------------------------------------------------


class Gaps:
    """How long the event loop has kept a task waiting that sleeps 10 ms."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.perf_counter() - began_s - TICK_S)


@contextlib.asynccontextmanager
async def measured(name: str, files: int) -> AsyncIterator[dict[str, Any]]:
    """One step, printed as a line of JSON."""
    gaps = Gaps()
    task = asyncio.create_task(gaps.run())
    result: dict[str, Any] = {"step": name, "files": files}
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    yield result
    result["wall_s"] = time.perf_counter() - began_s
    result["cpu_s"] = time.process_time() - began_cpu_s
    task.cancel()
    result["longest_gap_ms"] = gaps.longest_s * 1000
    result["peak_mb"] = peak_mb()
    print(json.dumps(result), flush=True)


async def compared(app: PeerApp) -> None:
    """Until everything has been compared with the index."""
    while app.scanning.times_compared == 0:
        await asyncio.sleep(LOOK_S)


async def announced(app: PeerApp, files: int) -> None:
    """Until the tracker has it all."""
    await app.announcer.announced(600.0)
    while [info.entries for info in (await app.client.peers())[0]] != [files]:
        await asyncio.sleep(LOOK_S)


async def peer(phase: str, top: Path, state: Path, tracker: str, files: int) -> None:
    """One run of a peer: its start, and what the phase wants after."""
    settings = PeerSettings("measured", 0, top, (tracker,), state_dir=state)
    app = PeerApp(settings, SystemClock(), Random(1))
    async with measured(phase, files) as result:
        began_s = time.perf_counter()
        await app.start(lambda _: [])
        await compared(app)
        result["compared_s"] = time.perf_counter() - began_s
        while app.index.totals()[0] < files:
            await asyncio.sleep(0.05)
        await announced(app, files)
    if phase == "rescan":
        for _ in range(RESCANS):
            async with measured("rescan", files):
                await app.scanning.look(None)
    if phase == "rename":
        async with measured("renamed", files):
            os.rename(top / "all", top / "other")
            while not (found := app.index.files_after("all", 1)) or "other/" not in found[0].path:
                await asyncio.sleep(0.05)
            while app.index.totals()[0] < files:
                await asyncio.sleep(0.05)
            await announced(app, files)
        os.rename(top / "other", top / "all")
    await app.stop()


# The measuring process -------------------------------------------------------------------


async def run_peer(phase: str, place: Path, tracker: str, files: int) -> list[dict[str, Any]]:
    """A peer in a process of its own; what it printed."""
    arguments = [phase, str(place / "shared"), str(place / "state"), tracker, str(files)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--peer", *arguments, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"The peer's process failed with {process.returncode}.")
    return [json.loads(line) for line in output.splitlines()]


def show(result: dict[str, Any]) -> None:
    """One step in words."""
    wall_s, files = result["wall_s"], result["files"]
    compared_s = result.get("compared_s")
    print(
        f"{result['step']:9} {files:7} files  {wall_s:7.2f} s  {files / wall_s:9.0f} files/s  "
        f"CPU {result['cpu_s']:6.2f} s  longest gap {result['longest_gap_ms']:5.0f} ms  "
        f"peak {result['peak_mb']:4.0f} MB"
        + ("" if compared_s is None else f"  compared after {compared_s:.2f} s"),
        flush=True,
    )


async def measure(place: Path, folders: int, files: int, runs: int, *, is_brief: bool) -> None:
    """The steps, one after the other."""
    total = folders * files
    make_files(place / "shared" / "all", folders, files)
    tracker = TrackerServer(TrackerSettings(port=0))
    await tracker.start()
    address = f"127.0.0.1:{tracker.port}"
    try:
        for result in await run_peer("add", place, address, total):
            show(result)
        found_s, compared_s = [], []
        for _ in range(runs):
            found_s.append(find_s(place / "shared"))
            (result,) = await run_peer("restart", place, address, total)
            compared_s.append(result["compared_s"])
            show(result)
        for phase in () if is_brief else ("rescan", "rename"):
            for result in (await run_peer(phase, place, address, total))[1:]:
                show(result)
    finally:
        await tracker.stop(0)
    middle_find_s, middle_s = statistics.median(found_s), statistics.median(compared_s)
    print(
        f"find {middle_find_s:.3f} s; compared after a restart {middle_s:.3f} s; "
        f"ratio {middle_s / middle_find_s:.1f}"
    )


def main() -> None:
    """Read the command line; measure, or be the peer."""
    if sys.argv[1:2] == ["--peer"]:
        phase, top, state, tracker, files = sys.argv[2:]
        logging.disable(logging.WARNING)
        asyncio.run(peer(phase, Path(top), Path(state), tracker, int(files)))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folders", type=int, default=200)
    parser.add_argument("--files", type=int, default=500, help="in each folder")
    parser.add_argument("--runs", type=int, default=3, help="restarts")
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--place", type=Path, help="where the files are made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.place, prefix="panal-") as place:
        counts = options.folders, options.files, options.runs
        asyncio.run(measure(Path(place), *counts, is_brief=options.brief))


if __name__ == "__main__":
    main()
