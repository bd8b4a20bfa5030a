"""One file from one source on loopback: `panal get` against curl, aria2c and libtorrent.

Panal's time is the whole command's: interpreter, tracker, bytes, both hashes, syncs, final
name. curl and aria2c fetch from nginx and verify nothing. On a disk the others' files are
synced within their time, as Panal's is; on tmpfs what each writes to lies at hand
(`places.memory_at_hand`), whichever comes first.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.hosts import CannotRun
from benchmarks.local import (
    LocalPanal,
    LocalTorrent,
    emptied,
    local_panal,
    local_torrent,
    sync,
    timed,
)
from benchmarks.places import FILE_NAME, MEDIA, SHARED_MEMORY, make_file, medium, memory_at_hand
from benchmarks.processes import free_port
from benchmarks.rows import Aim, Row, in_turn, skipped, table
from benchmarks.scenarios import MIB
from benchmarks.webserver import need, nginx


class _Contenders:
    """The programs and where they fetch to."""

    def __init__(
        self,
        size_bytes: int,
        place: Path,
        url: str,
        panal: LocalPanal,
        content: str,
        torrent: LocalTorrent,
    ) -> None:
        self._size_bytes = size_bytes
        self._into = place / "into"
        self._url = f"{url}/{FILE_NAME}"
        self._panal, self._content, self._torrent = panal, content, torrent
        self._synced = None if place.is_relative_to(SHARED_MEMORY) else self._into / FILE_NAME
        self.transfers_s: list[float] = []

    def _fresh(self) -> Path:
        emptied(self._into)
        if self._synced is not None:
            os.sync()
        else:
            memory_at_hand(self._size_bytes)
        return self._into

    def panal(self) -> float:
        """`panal get`."""
        wall_s, transfer_s = self._panal.get(self._content, self._fresh())
        self.transfers_s.append(transfer_s)
        return wall_s

    def curl(self) -> float:
        """One connection to nginx."""
        target = self._fresh() / FILE_NAME
        return timed("curl", "-sf", "-o", target, self._url, synced=self._synced)

    def aria2(self) -> float:
        """Four connections to nginx."""
        words = ("aria2c", "-q", "-x4", "-s4", "--file-allocation=falloc", "-d", self._fresh())
        return timed(*words, self._url, synced=self._synced)

    def libtorrent(self) -> float:
        """From the call to connect."""
        spent_s = self._torrent.get(self._fresh())
        if self._synced is not None:
            began_s = time.monotonic()
            sync(self._synced)
            spent_s += time.monotonic() - began_s
        return spent_s


def rows(rounds: int, size_mib: int, media: tuple[str, ...] = MEDIA) -> Iterator[Row]:
    """A row for each medium and other program."""
    for where in media:
        try:
            yield from _on(where, rounds, size_mib)
        except CannotRun as reason:
            yield skipped(f"single {where}", reason)


def _on(where: str, rounds: int, size_mib: int) -> Iterator[Row]:
    need("nginx", "curl", "aria2c")
    print(f"one source on loopback, {size_mib} MiB, {where}", flush=True)
    with contextlib.ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="panal-bench-", dir=medium(where))
        place = Path(stack.enter_context(name))
        place.chmod(0o755)
        folder = emptied(place / "source")
        original = make_file(folder / FILE_NAME, size_mib * MIB)
        os.utime(original, (0, 0))
        panal = stack.enter_context(local_panal(folder, place))
        content = str(panal.wait_until_found(FILE_NAME)["id"])
        torrent = stack.enter_context(local_torrent(original, place))
        url = stack.enter_context(nginx(folder, free_port()))
        each = _Contenders(size_mib * MIB, place, url, panal, content, torrent)
        spent_s = in_turn(
            {
                "panal": each.panal,
                "curl": each.curl,
                "aria2c -x4": each.aria2,
                "libtorrent": each.libtorrent,
            },
            rounds,
        )
    transfer_s = sorted(each.transfers_s)[len(each.transfers_s) // 2]
    print(f"  panal's transfer_s     {transfer_s:7.2f} s")
    aims = {"curl": Aim(1.0), "libtorrent": Aim(4.0)} if where == "tmpfs" else {}
    megabytes = size_mib * MIB / 1e6
    for other in ("curl", "aria2c -x4", "libtorrent"):
        yield Row(
            f"single {where} / {other}",
            f"{spent_s['panal']:.2f} s, {megabytes / spent_s['panal']:.0f} MB/s",
            f"{other} {spent_s[other]:.2f} s",
            spent_s[other] / spent_s["panal"],
            aims.get(other),
            f"by transfer_s {spent_s[other] / transfer_s:.2f}",
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.single", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--medium", choices=MEDIA, action="append")
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.mib, tuple(asked.medium or MEDIA)))))


if __name__ == "__main__":
    main()
