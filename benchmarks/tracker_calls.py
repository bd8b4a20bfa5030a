"""What a call costs: Renew and Locate beside a service that does nothing, and ten thousand peers.

Each service runs in a process of its own, and they are called in turn, by the same client, with
the same bytes, over as many connections; `benchmarks.empty_service` says what the empty one does.
The ten thousand peers have a connection each and renew every 20 s, as real ones do.
"""

import asyncio
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.bare_calls import BareConnection, calls_a_second, prepare
from benchmarks.processes import Program
from benchmarks.rows import Aim, Row
from benchmarks.tracker_load import Cpu, Peers, RunningTracker, in_lanes
from benchmarks.tracker_names import Catalogue
from panal.wire import tracker_pb2 as pb

_PYTHON = (sys.executable,)
SERVICE = "/panal.tracker.v1.Tracker/"
CONNECTIONS, AT_ONCE = 8, 8
ROUND_S = 0.5
ROUNDS = 24
RENEW_S = 20.0


@dataclass(frozen=True)
class Round:
    """One service called for a few seconds."""

    calls_a_second: float
    cpu: Cpu
    """Of one call."""


@dataclass(frozen=True)
class Compared:
    """One method's rounds, of each service as many, in turn."""

    tracker: Sequence[Round]
    empty: Sequence[Round]
    same_loop: Sequence[Round]
    """Of the empty service on the tracker's event loop."""
    guarded: Sequence[Round]
    """Of that behind the tracker's guard."""

    def ratios(self) -> list[float]:
        """The tracker's calls a second beside the empty service's, round by round."""
        pairs = zip(self.tracker, self.empty, strict=True)
        return [ours.calls_a_second / bare.calls_a_second for ours, bare in pairs]


async def compare(
    tracker: RunningTracker, peers: Peers, catalogue: Catalogue, rounds: int
) -> dict[str, Compared]:
    """Renew and Locate: the same calls, of the same client, to four processes in turn.

    Every second round in the opposite order. A first round of each, in which all is warmed up,
    does not count.
    """
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
    answers = [(await _answer(tracker.address, calls[0])).hex() for calls in prepared.values()]
    words = [*_PYTHON, "-m", "benchmarks.empty_service", *answers]
    others = [Program([*words, *how]) for how in ([], ["--same-loop"], ["--guarded"])]
    found: dict[str, Compared] = {}
    try:
        called = [(tracker.address, tracker.cpu)]
        for program in others:
            address = program.wait_for("listens on").split()[-1].rstrip(".")
            called.append((address, partial(_cpu_of, program)))
        for method, calls in prepared.items():
            each: list[list[Round]] = [[] for _ in called]
            turns = list(zip(each, called, strict=True))
            for number in range(rounds + 1):
                await _renew_all(tracker.address, peers)  # else their leases end
                for kept, (address, cpu) in turns:
                    one = await _round(address, cpu, calls)
                    if number:
                        kept.append(one)
                turns.reverse()
            found[method] = Compared(*each)
    finally:
        for program in others:
            program.stop()
    return found


async def _renew_all(address: str, peers: Peers) -> None:
    connection = await BareConnection.open(address)
    calls = [prepare(f"{SERVICE}Renew", peers.renewal(peer)) for peer in range(peers.count)]
    try:
        await in_lanes(calls, connection.call, AT_ONCE)
    finally:
        connection.close()


async def _answer(address: str, call: bytes) -> bytes:
    connection = await BareConnection.open(address)
    try:
        return await connection.call(call)
    finally:
        connection.close()


def _cpu_of(program: Program) -> Cpu:
    return Cpu(program.cpu_s(), 0.0)


async def _round(address: str, cpu: Callable[[], Cpu], calls: list[bytes]) -> Round:
    before = cpu()
    rate = await calls_a_second(address, calls, ROUND_S, CONNECTIONS, AT_ONCE)
    spent, count = cpu() - before, rate * ROUND_S
    return Round(rate, Cpu(spent.tracker_s / count, spent.database_s / count))


def rate_rows(found: dict[str, Compared], store: str) -> Iterator[Row]:
    """The lines of the table."""
    for method, one in found.items():
        rates = {
            name: statistics.median(each.calls_a_second for each in kept)
            for name, kept in vars(one).items()
        }
        ratios = one.ratios()
        cpu = {name: _median_cpu(kept) for name, kept in vars(one).items()}
        cpu_us = {name: 1e6 * of.tracker_s for name, of in cpu.items()}
        yield Row(
            f"{method}, unary, {store}",
            f"{rates['tracker']:,.0f}/s",
            f"empty grpc.aio {rates['empty']:,.0f}/s",
            rates["tracker"] / rates["empty"],
            Aim(0.85),
            f"medians of {len(ratios)} rounds in turn, {min(ratios):.3f} to {max(ratios):.3f} by"
            f" round; {cpu['tracker'].each(1)}; empty {cpu_us['empty']:.1f} µs, by that"
            f" {cpu_us['empty'] / cpu_us['tracker']:.3f}; on the same loop"
            f" {cpu_us['same_loop']:.1f} µs and {rates['same_loop']:,.0f}/s, guarded"
            f" {cpu_us['guarded']:.1f} µs and {rates['guarded']:,.0f}/s",
        )


def _median_cpu(rounds: Sequence[Round]) -> Cpu:
    return Cpu(
        statistics.median(one.cpu.tracker_s for one in rounds),
        statistics.median(one.cpu.database_s for one in rounds),
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
