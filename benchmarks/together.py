"""Much at once on loopback and tmpfs: the sum of the rates against the rate of one alone.

Panal against itself: four downloads by one peer against one of the same bytes, and eight curls
from a peer that downloads meanwhile against one curl from it.

A download to tmpfs takes new memory, and one curl to /dev/null takes none. In a virtual machine
whose host takes free memory back, new memory cost a download more than all the rest together, and
runs of the same code differed fourfold. So memory is at hand before each run that takes
some (`places.memory_at_hand`); `--new-memory` leaves that out.
"""

import argparse
import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.hosts import CannotRun
from benchmarks.local import LocalPanal, emptied, local_panal
from benchmarks.places import SHARED_MEMORY, make_file, memory_at_hand
from benchmarks.processes import Broken, poll
from benchmarks.rows import Aim, Row, in_turn, skipped, table
from benchmarks.scenarios import MIB
from benchmarks.webserver import need

AIM = Aim(0.9)
PARTS = 4
CLIENTS = 8


class _Getter:
    """A peer that fetches what the source has; each content once, since then it is here."""

    def __init__(self, source: LocalPanal, folder: Path, at_hand_bytes: int) -> None:
        self._source, self._folder, self._at_hand_bytes = source, folder, at_hand_bytes
        self.peer = source.beside("getter", folder)
        self._rounds = {"whole": 0, "parts": 0, "busy": 0}

    def begin(self, names: Sequence[str]) -> None:
        """Tell it to fetch."""
        for name in names:
            content = self._source.wait_until_found(name)["id"]
            self.peer.call("POST", "/api/v1/downloads", {"what": content, "name": name})

    def wait(self, names: Sequence[str]) -> None:
        """Until it has them."""
        poll(lambda: all((self._folder / name).exists() for name in names), "downloads", 300)

    def one(self) -> float:
        """One file."""
        return self._timed([f"whole{self._next('whole')}.bin"])

    def four(self) -> float:
        """As many bytes in four files at once."""
        number = self._next("parts")
        return self._timed([f"part{number}-{part}.bin" for part in range(PARTS)])

    def serve_one(self) -> float:
        """One curl from a peer that does nothing else."""
        return self._curls(1)

    def serve_all(self) -> float:
        """Eight curls from a peer that downloads as much as each of them."""
        names = [f"busy{self._next('busy')}.bin"]
        memory_at_hand(self._at_hand_bytes)
        began_s = time.monotonic()
        self.begin(names)
        self._curls(CLIENTS)
        self.wait(names)
        return time.monotonic() - began_s

    def _next(self, kind: str) -> int:
        self._rounds[kind] += 1
        return self._rounds[kind] - 1

    def _timed(self, names: Sequence[str]) -> float:
        memory_at_hand(self._at_hand_bytes)
        began_s = time.monotonic()
        self.begin(names)
        self.wait(names)
        spent_s = time.monotonic() - began_s
        poll(self._is_checked, "its SHA-256 to be computed", 300, 0.05)  # else the next pays for it
        return spent_s

    def _is_checked(self) -> bool:
        files = self.peer.call("GET", "/api/v1/files")["files"]
        return all(file["sha256"] for file in files)

    def _curls(self, count: int) -> float:
        content = self._source.wait_until_found("whole0.bin")["id"]
        url = f"http://127.0.0.1:{self.peer.port}/content/{content}"
        began_s = time.monotonic()
        words = ("curl", "-sf", "-o", "/dev/null", url)
        running = [subprocess.Popen(words) for _ in range(count)]
        codes = [one.wait() for one in running]
        if any(codes):
            raise Broken(f"curl could not fetch {url}")
        return time.monotonic() - began_s


def rows(rounds: int, size_mib: int, *, is_memory_new: bool = False) -> Iterator[Row]:
    """Two rows."""
    try:
        need("curl")
    except CannotRun as reason:
        yield skipped("together", reason)
        return
    print(f"much at once, {size_mib} MiB, tmpfs", flush=True)
    at_hand_bytes = 0 if is_memory_new else 2 * size_mib * MIB
    note = f"sum of rates, {'new memory' if is_memory_new else 'memory at hand'}"
    with contextlib.ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="panal-bench-", dir=SHARED_MEMORY)
        place = Path(stack.enter_context(name))
        folder = emptied(place / "source")
        sizes_mib = {f"whole{number}.bin": size_mib for number in range(rounds)}
        sizes_mib |= {f"busy{number}.bin": size_mib for number in range(rounds)}
        for number in range(rounds):
            sizes_mib |= {f"part{number}-{part}.bin": size_mib // PARTS for part in range(PARTS)}
        for file, mib in sizes_mib.items():
            os.utime(make_file(folder / file, mib * MIB), (0, 0))
        source = stack.enter_context(local_panal(folder, place))
        poll(lambda: source.status()["files"] == len(sizes_mib), "all to be shared", 600)
        getter = _Getter(source, emptied(place / "getter"), at_hand_bytes)
        spent_s = in_turn({"one download": getter.one, "four at once": getter.four}, rounds)
        all_s, one_s = spent_s["four at once"], spent_s["one download"]
        yield _row("4 downloads at once", all_s, one_s, 1, note)
        spent_s = in_turn({"one curl": getter.serve_one, "eight": getter.serve_all}, rounds)
        all_s, one_s = spent_s["eight"], spent_s["one curl"]
        yield _row("8 served while downloading", all_s, one_s, CLIENTS + 1, note)


def _row(name: str, all_s: float, one_s: float, bodies: int, note: str) -> Row:
    ratio = bodies * one_s / all_s
    return Row(name, f"{all_s:.2f} s", f"one alone {one_s:.2f} s", ratio, AIM, note)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.together", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--new-memory", action="store_true", help="whatever the system gives")
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.mib, is_memory_new=asked.new_memory))))


if __name__ == "__main__":
    main()
