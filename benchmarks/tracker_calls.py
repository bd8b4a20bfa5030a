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
from benchmarks.tracker_load import Cpu, Peers, RunningTracker, in_lanes
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
    cpu: Cpu
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
            found: list[tuple[float, ...]] = []
            for _ in range(rounds):
                empty_before_s = empty.cpu_s()
                bare = await calls_a_second(address, calls, ROUND_S, CONNECTIONS, AT_ONCE)
                empty_s = empty.cpu_s() - empty_before_s
                before = tracker.cpu()
                rate = await calls_a_second(tracker.address, calls, ROUND_S, CONNECTIONS, AT_ONCE)
                cpu = tracker.cpu() - before
                found.append(
                    (
                        rate,
                        cpu.tracker_s / (rate * ROUND_S),
                        cpu.database_s / (rate * ROUND_S),
                        bare,
                        empty_s / (bare * ROUND_S),
                    )
                )
            print(f"{method}: {found}", flush=True)
            rate, tracker_s, database_s, bare, empty_s = map(
                statistics.median, zip(*found, strict=True)
            )
            rates[method] = Rate(rate, Cpu(tracker_s, database_s), bare, 1e6 * empty_s)
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
            f"{rate.cpu.each(1)}, empty {rate.empty_us:.0f} µs",
        )


@dataclass(frozen=True)
class Renewing:
    """Many peers that only renew."""

    peers: int
    cpu: Cpu
    wall_s: float
    bytes_a_peer: float
    grown_bytes: int
    renewals: int
    refused: int


async def renew_in_crowd(
    tracker: RunningTracker, peers: Peers, idle_bytes: int, duration_s: float
) -> Renewing:
    """Everybody on a connection of its own, renewing since it joined.

    `idle_bytes` is what the tracker had without peers.
    """
    loop = asyncio.get_running_loop()
    renewals = refused = 0
    connections: list[BareConnection] = []
    renewing: list[asyncio.Task[None]] = []

    async def renew_for_ever(peer: int, connection: BareConnection) -> None:
        nonlocal renewals, refused
        prepared = prepare(f"{SERVICE}Renew", peers.renewal(peer))
        due_s = loop.time()
        while True:
            due_s += RENEW_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            refused += not await connection.call(prepared)
            renewals += 1

    async def join(peer: int) -> None:
        await peers.register(peer)
        peers.deafen(peer)
        connections.append(await BareConnection.open(tracker.address))
        renewing.append(asyncio.create_task(renew_for_ever(peer, connections[-1])))

    await in_lanes(range(peers.count), join, 32)
    await asyncio.sleep(RENEW_S)
    with_all = tracker.program.resident_bytes()
    began_s, cpu_before, renewals = loop.time(), tracker.cpu(), 0
    await asyncio.sleep(duration_s)
    cpu, wall_s = tracker.cpu() - cpu_before, loop.time() - began_s
    done, grown = renewals, tracker.program.resident_bytes() - with_all
    if failed := [task for task in renewing if task.done()]:
        await failed[0]
    for task in renewing:
        task.cancel()
    await asyncio.gather(*renewing, return_exceptions=True)
    for connection in connections:
        connection.close()
    each = (with_all - idle_bytes) / peers.count
    return Renewing(peers.count, cpu, wall_s, each, grown, done, refused)


def crowd_rows(crowd: Renewing, store: str) -> Iterator[Row]:
    """The line of the table."""
    share = crowd.cpu.tracker_s / crowd.wall_s
    yield Row(
        f"{crowd.peers:,} peers renew each {RENEW_S:g} s, {store}",
        f"{share:.0%} of a core",
        "half of one core",
        share,
        Aim(0.5, at_most=True),
        f"{crowd.renewals:,} renewals, {crowd.refused:,} refused, each peer on its own connection;"
        f" {crowd.cpu.each(crowd.renewals)};"
        f" {crowd.bytes_a_peer / 1024:.1f} KiB of memory a peer,"
        f" {crowd.grown_bytes / 2**20:+.1f} MiB while they renewed",
    )
