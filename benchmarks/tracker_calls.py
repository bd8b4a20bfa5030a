"""What a call costs: Renew and Locate beside a service that does nothing, and ten thousand peers.

Both services run in a process each, in turn, and are called in the same way over as many
connections. The ten thousand peers have a connection each and renew every 20 s, as real ones do.
"""

import asyncio
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.bare_calls import BareConnection, calls_a_second, prepare
from benchmarks.processes import Program
from benchmarks.rows import Aim, Row
from benchmarks.tracker_load import Peers, RunningTracker
from benchmarks.tracker_names import Catalogue
from panal.wire import tracker_pb2 as pb

_PYTHON = (sys.executable,)
SERVICE = "/panal.tracker.v1.Tracker/"
CONNECTIONS, AT_ONCE = 8, 8
ROUND_S = 3.0
RENEW_S = 20.0


@dataclass(frozen=True)
class Rate:
    """One method's calls a second, and the processor time of each."""

    tracker: float
    tracker_us: float
    empty: float
    empty_us: float


async def compare(
    tracker: RunningTracker, peers: Peers, catalogue: Catalogue, rounds: int
) -> dict[str, Rate]:
    """Renew and Locate, in turn with the empty service."""
    prepared = {
        "Renew": [
            prepare(f"{SERVICE}Renew", peers.renewal(peer)) for peer in range(min(peers.count, 500))
        ],
        "Locate": [
            prepare(
                f"{SERVICE}Locate",
                pb.LocateRequest(
                    contents=[catalogue.entry(number).content], asker="nobody-else"
                ).SerializeToString(),
            )
            for number in range(0, catalogue.files, max(1, catalogue.files // 500))
        ],
    }
    empty = Program([*_PYTHON, "-m", "benchmarks.empty_service"])
    rates: dict[str, Rate] = {}
    try:
        address = empty.wait_for("listens on").split()[-1].rstrip(".")
        for method, calls in prepared.items():
            found: dict[str, list[tuple[float, float]]] = {"tracker": [], "empty": []}
            for _ in range(rounds):
                for name, program, where in (
                    ("empty", empty, address),
                    ("tracker", tracker.program, tracker.address),
                ):
                    before_s = program.cpu_s()
                    rate = await calls_a_second(where, calls, ROUND_S, CONNECTIONS, AT_ONCE)
                    spent_us = 1e6 * (program.cpu_s() - before_s) / (rate * ROUND_S)
                    found[name].append((rate, spent_us))
            print(f"{method}: {found}", flush=True)
            medians = [
                statistics.median(values[place] for values in found[name])
                for name in ("tracker", "empty")
                for place in (0, 1)
            ]
            rates[method] = Rate(*medians)
    finally:
        empty.stop()
    return rates


def rate_rows(rates: dict[str, Rate], store: str) -> Iterator[Row]:
    """The lines of the table."""
    for method, rate in rates.items():
        yield Row(
            f"{method}, unary, {store}",
            f"{rate.tracker:,.0f}/s",
            f"empty grpc.aio {rate.empty:,.0f}/s",
            rate.tracker / rate.empty,
            Aim(0.85),
            f"{rate.tracker_us:.0f} µs of processor each, empty {rate.empty_us:.0f} µs",
        )


@dataclass(frozen=True)
class Renewing:
    """Many peers that only renew."""

    peers: int
    cpu_share: float
    bytes_a_peer: float
    grown_bytes: int
    renewals: int


async def renew_in_crowd(
    tracker: RunningTracker, peers: Peers, idle_bytes: int, duration_s: float
) -> Renewing:
    """Everybody on a connection of its own; `idle_bytes` is what the tracker had without peers."""
    connections = []
    for peer in range(peers.count):
        connections.append(await BareConnection.open(tracker.address))
        if peer % 100 == 99:
            await asyncio.sleep(0.01)
    calls = [prepare(f"{SERVICE}Renew", peers.renewal(peer)) for peer in range(peers.count)]
    loop = asyncio.get_running_loop()
    renewals = 0

    async def renew_for_ever(peer: int, begin_s: float, until_s: float) -> None:
        nonlocal renewals
        due_s = begin_s + RENEW_S * peer / peers.count
        while due_s < until_s:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if not await connections[peer].call(calls[peer]):
                raise ValueError("a renewal was refused")
            renewals += 1
            due_s += RENEW_S

    async def round_for(length_s: float) -> None:
        begin_s = loop.time()
        until_s = begin_s + length_s
        await asyncio.gather(
            *(renew_for_ever(peer, begin_s, until_s) for peer in range(peers.count))
        )

    await round_for(RENEW_S)
    with_all = tracker.program.resident_bytes()
    began_s, cpu_before_s, renewals = loop.time(), tracker.cpu_s(), 0
    await round_for(duration_s)
    share = (tracker.cpu_s() - cpu_before_s) / (loop.time() - began_s)
    grown = tracker.program.resident_bytes() - with_all
    for connection in connections:
        connection.close()
    each = (with_all - idle_bytes) / peers.count
    return Renewing(peers.count, share, each, grown, renewals)


def crowd_rows(crowd: Renewing, store: str) -> Iterator[Row]:
    """The line of the table."""
    yield Row(
        f"{crowd.peers:,} peers renew each {RENEW_S:g} s, {store}",
        f"{crowd.cpu_share:.0%} of a core",
        "half of one core",
        crowd.cpu_share,
        Aim(0.5, at_most=True),
        f"{crowd.renewals:,} renewals, each peer on its own connection;"
        f" {crowd.bytes_a_peer / 1024:.1f} KiB of memory a peer,"
        f" {crowd.grown_bytes / 2**20:+.1f} MiB while they renewed",
    )
