"""A folder of many small files from one source on loopback, against rsync, tar and libtorrent.

Panal's and rsync's times are whole commands. On a disk the others' files are synced within
their time. Sharing (hashing, making the torrent) is not part of it.
"""

import argparse
import contextlib
import itertools
import os
import resource
import statistics
import subprocess
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
from benchmarks.places import MEDIA, SHARED_MEMORY, medium
from benchmarks.processes import Broken, Program, free_port, poll
from benchmarks.rows import Aim, Row, in_turn, skipped, table
from benchmarks.webserver import need

FILE_BYTES = 10 * 1024
FILES_IN_A_FOLDER = 100
_RSYNCD = "use chroot = no\nuid = {uid}\ngid = {gid}\n[source]\npath = {folder}\nread only = yes\n"


def make_files(folder: Path, count: int, size_bytes: int = FILE_BYTES) -> None:
    """So many files of random bytes, a hundred a folder, their times long past."""
    for number in range(count):
        path = folder / f"{number // FILES_IN_A_FOLDER:04}" / f"{number:06}.bin"
        if number % FILES_IN_A_FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(size_bytes))
        os.utime(path, (0, 0))


def count_files(folder: Path) -> int:
    """Every file below, hidden folders left out."""
    return sum(
        len(names) for path, _, names in os.walk(folder) if "/." not in path[len(str(folder)) :]
    )


@contextlib.contextmanager
def rsync_daemon(folder: Path, place: Path) -> Iterator[str]:
    """The URL of a folder, for the time of a `with`."""
    port = free_port()
    configuration = place / "rsyncd.conf"
    words = {"uid": os.getuid(), "gid": os.getgid(), "folder": folder}
    configuration.write_text(_RSYNCD.format(**words))
    program = Program(
        [
            *("rsync", "--daemon", "--no-detach", f"--config={configuration}"),
            *("--address=127.0.0.1", f"--port={port}"),
        ]
    )
    url = f"rsync://127.0.0.1:{port}/source/"
    try:
        poll(lambda: subprocess.run(["rsync", url], capture_output=True).returncode == 0, "rsync")
        yield url
    finally:
        program.stop()


class _Contenders:
    """The programs, and where they fetch to."""

    def __init__(
        self,
        place: Path,
        count: int,
        panal: LocalPanal,
        link: str,
        torrent: LocalTorrent,
        rsync_url: str,
    ) -> None:
        self._place, self._count = place, count
        self._panal, self._link, self._torrent, self._url = panal, link, torrent, rsync_url
        self._is_disk = not place.is_relative_to(SHARED_MEMORY)
        self.transfers_s: list[float] = []
        self.cpu_s: list[tuple[float, ...]] = []
        """Of each get, the source and the tracker."""
        self._folders = itertools.count(1)

    def _fresh(self) -> Path:
        # What is there stays until the end: an ext4 without a journal keeps away from the inodes
        # of files that were deleted within minutes, and looks at each of them for every new file.
        into = emptied(self._place / f"into-{next(self._folders)}")
        if self._is_disk:
            os.sync()
        return into

    def _checked(self, spent_s: float, into: Path) -> float:
        if (found := count_files(into)) != self._count:
            raise Broken(f"{found} files of {self._count} arrived")
        return spent_s

    def panal(self) -> float:
        """`panal get` of the folder's link."""
        into = self._fresh()
        before = self._cpu_s()
        wall_s, transfer_s = self._panal.get(self._link, into)
        self.cpu_s.append(
            tuple(now - then for now, then in zip(self._cpu_s(), before, strict=True))
        )
        self.transfers_s.append(transfer_s)
        return self._checked(wall_s, into)

    def _cpu_s(self) -> tuple[float, ...]:
        get = resource.getrusage(resource.RUSAGE_CHILDREN)
        running = self._panal.program.cpu_s(), self._panal.tracker_program.cpu_s()
        return get.ru_utime + get.ru_stime, *running

    def rsync(self) -> float:
        """`rsync -a` from its daemon."""
        into = self._fresh()
        synced = into if self._is_disk else None
        return self._checked(timed("rsync", "-a", self._url, into, synced=synced), into)

    def tar(self) -> float:
        """`tar | nc`, and `nc | tar` at the other end."""
        into, port = self._fresh(), free_port()
        serve = (
            f"tar -C {self._place / 'source'} -cf - --exclude .panal . | nc -N -l 127.0.0.1 {port}"
        )
        fetch = f"nc -d 127.0.0.1 {port} | tar -C {into} -xf -"
        listening = f"0100007F:{port:04X} 00000000:0000 0A"
        serving = subprocess.Popen(["sh", "-c", serve])
        poll(lambda: listening in Path("/proc/net/tcp").read_text(), "nc to listen")
        spent_s = timed("sh", "-c", fetch, synced=into if self._is_disk else None)
        serving.wait()
        return self._checked(spent_s, into)

    def libtorrent(self) -> float:
        """From the call to connect."""
        into = self._fresh()
        spent_s = self._torrent.get(into)
        began_s = time.monotonic()
        if self._is_disk:
            sync(into)
        return self._checked(spent_s + time.monotonic() - began_s, into)


def rows(rounds: int, count: int, media: tuple[str, ...] = MEDIA) -> Iterator[Row]:
    """A row for each medium and other program."""
    for where in media:
        try:
            yield from _on(where, rounds, count)
        except CannotRun as reason:
            yield skipped(f"small files {where}", reason)


def _on(where: str, rounds: int, count: int) -> Iterator[Row]:
    need("rsync", "tar", "nc")
    print(f"{count} files of {FILE_BYTES // 1024} KiB, {where}", flush=True)
    with contextlib.ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="panal-bench-", dir=medium(where))
        place = Path(stack.enter_context(name))
        folder = emptied(place / "source")
        make_files(folder / "many", count)
        torrent = stack.enter_context(local_torrent(folder / "many", place))
        url = stack.enter_context(rsync_daemon(folder / "many", place))
        panal = stack.enter_context(local_panal(folder, place))
        poll(lambda: panal.status()["files"] >= count, "all files to be shared", 600)
        link = str(panal.call("POST", "/api/v1/folders", {"path": "many"})["link"])
        each = _Contenders(place, count, panal, link, torrent, url)
        spent_s = in_turn(
            {
                "panal": each.panal,
                "rsync": each.rsync,
                "tar | nc": each.tar,
                "libtorrent": each.libtorrent,
            },
            rounds,
        )
    transfer_s = sorted(each.transfers_s)[len(each.transfers_s) // 2]
    get_s, source_s, tracker_s = map(statistics.median, zip(*each.cpu_s, strict=True))
    print(f"  panal's transfer_s     {transfer_s:7.2f} s")
    print(f"  CPU: get {get_s:.2f} s, source {source_s:.2f} s, tracker {tracker_s:.2f} s")
    aims = {"rsync": Aim(0.6), "libtorrent": Aim(1.0)}
    for other in ("rsync", "tar | nc", "libtorrent"):
        yield Row(
            f"small files {where} / {other.replace(' | ', ' to ')}",
            f"{spent_s['panal']:.2f} s, {count / spent_s['panal']:.0f} files/s",
            f"{other.replace(' | ', ' to ')} {spent_s[other]:.2f} s",
            spent_s[other] / spent_s["panal"],
            aims.get(other),
            f"by transfer_s {spent_s[other] / transfer_s:.2f}",
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--medium", choices=MEDIA, action="append")
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.files, tuple(asked.medium or MEDIA)))))


if __name__ == "__main__":
    main()
