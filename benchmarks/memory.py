"""Peak memory: one large sparse file at several sources, a part of it fetched from all of them.

The file takes no space, but is hashed in full, at one source; the others hand on to it. The default
is smaller than the 100 GiB of the aim (`--gib 100`), and takes as long as hashing it does.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.local import LocalPanal, emptied, local_panal
from benchmarks.places import medium
from benchmarks.processes import PANAL, REPOSITORY, Broken, Program, poll
from benchmarks.rows import Aim, Row, table

AIM_MB = 150.0
PART_BYTES = 4 << 30
"""So much is fetched at most, a quarter of a small file; the peaks are read half way and then."""
NAME = "sparse.bin"


def rows(gib: int, sources: int) -> Iterator[Row]:
    """A row for the largest process of each kind."""
    print(f"memory: {gib} GiB sparse, {sources} sources", flush=True)
    with tempfile.TemporaryDirectory(prefix="panal-bench-", dir=medium("disk")) as name:
        place = Path(name)
        folder = emptied(place / "source")
        with (folder / NAME).open("wb") as file:
            file.truncate(gib << 30)
        with local_panal(folder, place) as panal:
            hit = panal.wait_until_found(NAME, 1800)
            relays = _relays(panal, folder, hit, sources - 1)
            into = emptied(place / "into")
            words = ("get", hit["id"], "--into", str(into), "--tracker", panal.tracker, "--json")
            getter = Program([*PANAL, *words], panal.environment)
            programs = {"tracker": panal.tracker_program, "source": panal.program, "get": getter}
            wanted_bytes = min(PART_BYTES, (gib << 30) // 4)
            try:
                _wait_until_written(getter, into, wanted_bytes // 2)
                half = {name: program.peak_bytes() for name, program in programs.items()}
                _wait_until_written(getter, into, wanted_bytes)
                peaks = {name: program.peak_bytes() for name, program in programs.items()}
            finally:
                getter.kill()
                relays.kill()
    for process, peak_bytes in peaks.items():
        yield Row(
            f"memory, {process}",
            f"{peak_bytes / 1e6:.0f} MB",
            f"half way {half[process] / 1e6:.0f} MB; aim {AIM_MB:.0f} MB",
            peak_bytes / 1e6 / AIM_MB,
            Aim(1.0, at_most=True),
            f"{gib} GiB sparse, {wanted_bytes / 2**30:g} GiB fetched, {sources} sources",
        )


def _relays(panal: LocalPanal, folder: Path, hit: dict[str, Any], count: int) -> Program:
    """The other sources; they answer as the first one does."""
    entry = json.dumps({"path": NAME, "id": hit["id"], "size": hit["size"]})
    state = str(folder / ".panal")
    words = ("-m", "benchmarks.relays", str(count), panal.tracker, state, str(panal.port), entry)
    relays = Program([sys.executable, *words], {"PYTHONPATH": str(REPOSITORY)})
    relays.wait_for("READY", 120)
    return relays


def _wait_until_written(getter: Program, into: Path, wanted_bytes: int) -> None:
    def is_enough() -> bool:
        if not getter.is_running():
            raise Broken("the get ended before its peak was read")
        return _written_bytes(into) >= wanted_bytes

    poll(is_enough, "a part to be fetched", 1800)


def _written_bytes(into: Path) -> int:
    files = (path for path in into.rglob("*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--gib", type=int, default=8)
    parser.add_argument("--sources", type=int, default=64)
    asked = parser.parse_args()
    print(table(list(rows(asked.gib, asked.sources))))


if __name__ == "__main__":
    main()
