"""Peak memory: one large sparse file at several sources, a part of it fetched from all of them.

The file takes no space, but is hashed in full at every source; the default is smaller than
the 100 GiB of the aim (`--gib 100`), and takes as long as hashing it does.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.local import LocalPanal, emptied, local_panal
from benchmarks.places import medium
from benchmarks.processes import PANAL, Broken, Program, poll
from benchmarks.rows import Aim, Row, table

AIM_MB = 150.0
PART = 0.25
"""This share of the file is fetched, then the peaks are read."""
NAME = "sparse.bin"


def rows(gib: int, sources: int) -> Iterator[Row]:
    """A row for the largest process of each kind."""
    print(f"memory: {gib} GiB sparse, {sources} sources", flush=True)
    with tempfile.TemporaryDirectory(prefix="panal-bench-", dir=medium("disk")) as name:
        place = Path(name)
        folders = [emptied(place / f"source{number}") for number in range(sources)]
        for folder in folders:
            with (folder / NAME).open("wb") as file:
                file.truncate(gib << 30)
            os.utime(folder / NAME, (0, 0))
        with local_panal(folders[0], place) as panal:
            others = [panal.beside(folder.name, folder) for folder in folders[1:]]
            getter = None
            try:
                content = _wait_for_all(panal, sources)
                getter = _fetch_part(panal, content, emptied(place / "into"), gib)
                peaks = {
                    "tracker": panal.tracker_program.peak_bytes(),
                    "source": max(one.program.peak_bytes() for one in (panal, *others)),
                    "get": getter.peak_bytes(),
                }
            finally:
                if getter is not None:
                    getter.kill()
    for process, peak_bytes in peaks.items():
        yield Row(
            f"memory, {process}",
            f"{peak_bytes / 1e6:.0f} MB",
            f"aim {AIM_MB:.0f} MB",
            peak_bytes / 1e6 / AIM_MB,
            Aim(1.0, at_most=True),
            f"{gib} GiB sparse, {PART:.0%} fetched from {sources} sources",
        )


def _wait_for_all(panal: LocalPanal, sources: int) -> str:
    found: list[str] = []

    def is_everywhere() -> bool:
        hits = panal.call("GET", f"/api/v1/search?q={NAME}")["hits"]
        found[:] = [str(hit["id"]) for hit in hits if hit["providers"] == sources]
        return bool(found)

    poll(is_everywhere, "every source to have hashed it", 1800)
    return found[0]


def _fetch_part(panal: LocalPanal, content: str, into: Path, gib: int) -> Program:
    words = ("get", content, "--into", str(into), "--tracker", panal.tracker, "--json")
    getter = Program([*PANAL, *words], panal.environment)
    wanted_bytes = (gib << 30) * PART

    def is_enough() -> bool:
        if not getter.is_running():
            raise Broken("the get ended before its peak was read")
        return _written_bytes(into) >= wanted_bytes

    poll(is_enough, "a part to be fetched", 1800)
    return getter


def _written_bytes(into: Path) -> int:
    files = (path for path in into.rglob("*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--gib", type=int, default=8)
    parser.add_argument("--sources", type=int, default=4)
    asked = parser.parse_args()
    print(table(list(rows(asked.gib, asked.sources))))


if __name__ == "__main__":
    main()
