"""How much of each host's links a distribution used, by stretches of time: where it is lost."""

import time
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.hosts import Host
from benchmarks.scenarios import MBIT

PAYLOAD_SHARE = 1448 / 1514
"""Of what a link carries, with full packets."""
EVERY_S = 0.1
STRETCHES_S = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Until when each of the first lasts; the last second is told apart too."""


class LinkUse:
    """What hosts have sent and received without headers, sampled."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._began_s = time.monotonic()
        self._samples = [(0.0, self._look())]

    def sample(self) -> None:
        """Look, unless that was a moment ago."""
        at_s = time.monotonic() - self._began_s
        if at_s - self._samples[-1][0] >= EVERY_S:
            self._samples.append((at_s, self._look()))

    def _look(self) -> list[tuple[int, int]]:
        return [(host.traffic().payload_bytes, host.received_bytes()) for host in self._hosts]

    def lines(self) -> list[str]:
        """A line a stretch: each uplink's use, then each downlink's, hosts in order."""
        last_s = self._samples[-1][0]
        ends_s = [at_s for at_s in STRETCHES_S if at_s < last_s - 1] + [last_s - 1, last_s]
        chosen = [0, *(self._nearest(at_s) for at_s in ends_s)]
        return [self._line(first, last) for first, last in pairwise(chosen) if last > first]

    def _nearest(self, at_s: float) -> int:
        return min(range(len(self._samples)), key=lambda n: abs(self._samples[n][0] - at_s))

    def _line(self, first: int, last: int) -> str:
        (began_s, before), (ended_s, after) = self._samples[first], self._samples[last]
        uses: tuple[list[str], list[str]] = [], []
        for host, old, new in zip(self._hosts, before, after, strict=True):
            for way, rate in enumerate((host.link.up_mbit, host.link.down_mbit)):
                most = (rate or 1e6) * MBIT * PAYLOAD_SHARE * (ended_s - began_s)
                uses[way].append(f"{(new[way] - old[way]) / most:4.2f}")
        return f"  {ended_s:6.2f} s  up {' '.join(uses[0])}  down {' '.join(uses[1])}"
