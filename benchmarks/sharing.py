"""Sharing on a running peer: hash, index, announce, until a search finds it; against openssl.

`openssl dgst -sha256` reads the same bytes and computes one of Panal's two hashes in one
thread. Cold: the pages were dropped from memory before (on a disk only). The first read after it
was written counts for neither: a virtual disk's host has it to fetch once.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.local import LocalPanal, emptied, local_panal, timed
from benchmarks.places import make_file, medium
from benchmarks.processes import poll
from benchmarks.rows import Aim, Row, in_turn, skipped, table
from benchmarks.scenarios import MIB

AIM = Aim(0.95)
LOOK_S = 0.05
"""So often it is asked whether it is done: an answer takes a core from hashing for milliseconds."""
MANY = 256
"""Into so many files the same bytes are divided."""


def forget(folder: Path) -> None:
    """Drop the pages of every file from memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(folder: Path) -> None:
    """Every file, from wherever it lies."""
    piece = bytearray(MIB)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(piece):
                    pass


def share(panal: LocalPanal, folder: Path) -> float:
    """Share a folder in place until the tracker knows all of it; seconds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    size_bytes = sum(path.stat().st_size for path in files)
    began_s = time.monotonic()
    panal.call("POST", "/api/v1/files", {"paths": [str(folder)]})
    poll(lambda: _shared(panal) == (len(files), size_bytes), "it to be shared", 900, LOOK_S)
    panal.wait_until_found(max(files).name)
    spent_s = time.monotonic() - began_s
    panal.call("DELETE", f"/api/v1/files/{folder.name}")
    poll(lambda: _shared(panal) == (0, 0), "it to be withdrawn", 60)
    poll(lambda: not panal.found(max(files).name), "it to be found no more", 60)
    return spent_s


def _shared(panal: LocalPanal) -> tuple[int, int]:
    """How many files, and bytes."""
    status = panal.status()
    return status["files"], status["bytes"]


class _Contenders:
    """Both programs on the same bytes; each time under a new name, so that nothing is known."""

    def __init__(self, panal: LocalPanal, folder: Path, *, is_cold: bool) -> None:
        self._panal, self._folder, self._is_cold = panal, folder, is_cold
        self._times = 0

    def _prepare(self) -> None:
        if self._is_cold:
            forget(self._folder)

    def panal(self) -> float:
        """Add the folder to a running peer."""
        self._times += 1
        fresh = self._folder.with_name(f"{self._folder.name}-{self._times}")
        self._folder.rename(fresh)
        self._folder = fresh
        for path in fresh.rglob("*"):  # else it is known by its inode and times
            os.utime(path, (self._times, self._times))
        self._prepare()
        return share(self._panal, fresh)

    def openssl(self) -> float:
        """One thread, one hash."""
        self._prepare()
        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        return timed("openssl", "dgst", "-sha256", *files)


def rows(rounds: int, size_mib: int) -> Iterator[Row]:
    """One file and many, warm on tmpfs, cold on the disk."""
    if shutil.which("openssl") is None:
        yield skipped("sharing", "openssl is not installed")
        return
    for where, is_cold in (("tmpfs", False), ("disk", True)):
        for count in (1, MANY):
            yield _row(where, rounds, size_mib, count, is_cold=is_cold)


def _row(where: str, rounds: int, size_mib: int, count: int, *, is_cold: bool) -> Row:
    how = f"{where} {'cold' if is_cold else 'warm'}"
    print(f"sharing {size_mib} MiB in {count} files, {how}", flush=True)
    with tempfile.TemporaryDirectory(prefix="panal-bench-", dir=medium(where)) as name:
        place = Path(name)
        data = emptied(place / "data")
        for number in range(count):
            make_file(data / f"{number:06}.bin", size_mib * MIB // count)
        with local_panal(emptied(place / "home"), place) as panal:
            each = _Contenders(panal, data, is_cold=is_cold)
            if is_cold:
                forget(data)
                read(data)
            spent_s = in_turn({"panal": each.panal, "openssl": each.openssl}, rounds)
    rates = {program: size_mib * MIB / 1e6 / seconds for program, seconds in spent_s.items()}
    return Row(
        f"sharing {size_mib / 1024:g} GiB, {count} file{'s' * (count > 1)}, {how}",
        f"{spent_s['panal']:.2f} s, {rates['panal']:.0f} MB/s",
        f"openssl {spent_s['openssl']:.2f} s, {rates['openssl']:.0f} MB/s",
        spent_s["openssl"] / spent_s["panal"],
        AIM,
        f"{os.cpu_count()} cores",
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=4096)
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.mib))))


if __name__ == "__main__":
    main()
