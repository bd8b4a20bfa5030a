"""One source in a network beside one in plain: what TLS costs a download on loopback.

The same file, `panal get` in turn by both ways, by `transfer_s`: from the first request until the
file has its name. CPU is that of both ends, the start of the command included.
"""

import argparse
import contextlib
import resource
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.local import LocalPanal, emptied, local_panal
from benchmarks.places import FILE_NAME, SHARED_MEMORY, make_file
from benchmarks.rows import Aim, Row, table
from benchmarks.scenarios import MIB

AIM = Aim(0.6)


class _Way:
    """One of the two, and what its gets took."""

    def __init__(self, panal: LocalPanal, content: str, into: Path) -> None:
        self._panal, self._content, self._into = panal, content, into
        self.transfers_s: list[float] = []
        self.cpu_s: list[float] = []

    def get(self) -> None:
        """Once more."""
        before_s = self._cpu_s()
        _, transfer_s = self._panal.get(self._content, emptied(self._into))
        self.transfers_s.append(transfer_s)
        self.cpu_s.append(self._cpu_s() - before_s)

    def _cpu_s(self) -> float:
        done = resource.getrusage(resource.RUSAGE_CHILDREN)  # the command, once it has ended
        return self._panal.program.cpu_s() + done.ru_utime + done.ru_stime


def rows(rounds: int, size_mib: int) -> Iterator[Row]:
    """One row: the rate over TLS in that of the plain way, round by round."""
    print(f"one source over TLS and in plain, {size_mib} MiB, tmpfs", flush=True)
    with contextlib.ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="panal-bench-", dir=SHARED_MEMORY)
        place = Path(stack.enter_context(name))
        make_file(emptied(place / "source") / FILE_NAME, size_mib * MIB)
        ways = []
        for kind in ("plain", "tls"):
            folder = emptied(place / kind)
            (folder / FILE_NAME).hardlink_to(place / "source" / FILE_NAME)
            panal = stack.enter_context(
                local_panal(folder, emptied(place / f"{kind}-state"), has_network=kind == "tls")
            )
            content = str(panal.wait_until_found(FILE_NAME)["id"])
            ways.append(_Way(panal, content, place / "into"))
        plain, tls = ways
        for _ in range(rounds):
            plain.get()
            tls.get()
    ratios = [a / b for a, b in zip(plain.transfers_s, tls.transfers_s, strict=True)]
    cpu = statistics.median(a / b for a, b in zip(tls.cpu_s, plain.cpu_s, strict=True))
    megabytes = size_mib * MIB / 1e6
    rate, other = (megabytes / statistics.median(way.transfers_s) for way in (tls, plain))
    yield Row(
        "one source over TLS / in plain",
        f"{rate:.0f} MB/s",
        f"plain {other:.0f} MB/s",
        statistics.median(ratios),
        AIM,
        f"CPU of both ends {cpu:.2f} times as much",
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.secure", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mib", type=int, default=512)
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.mib))))


if __name__ == "__main__":
    main()
