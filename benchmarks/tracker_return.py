"""A tracker that lost its state, and everybody comes back at the same moment.

Each peer does what Panal's own does: it renews, hears that it is not known, registers and tells
everything; where it is put off it tries again. Every file is findable once all are answered and
the index of searches has caught up.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import grpc.aio

from benchmarks.rows import Aim, Row
from benchmarks.tracker_announce import until_found
from benchmarks.tracker_load import Cpu, Peers, RunningTracker
from benchmarks.tracker_names import Catalogue

WITHIN_S = 60.0
_RETRY_S = 0.5


@dataclass(frozen=True)
class Returned:
    """When they were back, in seconds from the tracker's start."""

    told_s: list[float]
    found_s: float
    cpu: Cpu
    put_off: int


async def come_back(
    tracker: RunningTracker, peers: Peers, catalogue: Catalogue, messages: list[list[bytes]]
) -> Returned:
    """All at once, to a tracker that knows nobody."""
    put_off = 0
    began_s, cpu_before = time.monotonic(), tracker.cpu()

    async def come(peer: int) -> float:
        nonlocal put_off
        while True:
            try:
                await peers.register(peer)
                await peers.announce(peer, messages[peer], everything=True)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    raise
                put_off += 1
                await asyncio.sleep(_RETRY_S)
            else:
                return time.monotonic() - began_s

    async with peers.kept():
        told_s = await asyncio.gather(*map(come, range(peers.count)))
    for peer in range(0, peers.count, max(1, peers.count // 20)):
        await until_found(peers, catalogue.path((peer + 1) * catalogue.files_a_peer - 1))
    await until_found(peers, catalogue.path(catalogue.files - 1))
    found_s = time.monotonic() - began_s
    return Returned(sorted(told_s), found_s, tracker.cpu() - cpu_before, put_off)


def rows(catalogue: Catalogue, back: Returned, store: str) -> Iterator[Row]:
    """The line of the table."""
    told = back.told_s
    yield Row(
        f"{catalogue.peers:,} peers come back at once, {catalogue.files:,} files, {store}",
        f"all findable in {back.found_s:.1f} s",
        f"aim {WITHIN_S:g} s",
        back.found_s / WITHIN_S,
        Aim(1.0, at_most=True),
        f"told: first {told[0]:.1f} s, half {statistics.median(told):.1f} s, last {told[-1]:.1f} s;"
        f" put off {back.put_off} times; a file: {back.cpu.each(catalogue.files)}",
    )
