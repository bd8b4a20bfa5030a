"""Several trackers on one PostgreSQL: what a renewal costs when others do the same beside it.

The machine's cores are shared by trackers, database and the peers that ask, so here no more calls
are answered by more trackers. What can be seen all the same is whether they stand in each other's
way: each tracker gets as many renewals a second, few enough that cores are idle, from one tracker
or from two, in turn. Where a renewal takes as much processor time of its tracker and of the
database, and waits no longer, two trackers on cores of their own do twice as much, until the
database's cores are full.

It does not show what many cores share besides (memory, caches), nor locks that only more trackers
than these wait for.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bare_calls import BareConnection, prepare
from benchmarks.rows import Aim, Row
from benchmarks.tracker_calls import SERVICE
from benchmarks.tracker_load import Cpu, Peers, RunningTracker

TRACKERS = (1, 2)
PEERS_EACH = 200
RENEWALS_A_SECOND_EACH = 200
ROUND_S = 5.0
ROUNDS = 5


@dataclass(frozen=True)
class Together:
    """What so many trackers did together for a few seconds."""

    trackers: int
    renewals: int
    cpu: Cpu
    """Of one renewal, what the trackers and the database do besides taken off."""
    p50_s: float
    p99_s: float


async def renew_together(trackers: Sequence[RunningTracker]) -> list[Together]:
    """By one of them and by all of them, in turn, every second time in the opposite order."""
    peers = Peers(trackers[0].address, PEERS_EACH * len(trackers))
    found = []
    async with peers:
        await peers.register_all()
        calls = [prepare(f"{SERVICE}Renew", peers.renewal(one)) for one in range(peers.count)]
        counts = [count for count in TRACKERS if count <= len(trackers)]
        idle = await _spent(trackers, asyncio.sleep(ROUND_S))
        for number in range(ROUNDS + 1):
            for count in counts:
                one = await _round(trackers, count, calls, idle)
                if number:  # the first is to warm up
                    found.append(one)
            counts.reverse()
    return found


async def _round(
    trackers: Sequence[RunningTracker], count: int, calls: Sequence[bytes], idle: Cpu
) -> Together:
    waits_s: list[float] = []

    async def renew_all() -> None:
        async with asyncio.TaskGroup() as group:
            for place, tracker in enumerate(trackers[:count]):
                group.create_task(_renew(tracker.address, calls[place::count], waits_s))

    cpu = await _spent(trackers, renew_all()) - idle
    waits_s.sort()
    done = len(waits_s)
    p50_s, p99_s = (waits_s[int(done * share)] for share in (0.5, 0.99))
    each = Cpu(cpu.tracker_s / done, cpu.database_s / done)
    return Together(count, done, each, p50_s, p99_s)


async def _renew(address: str, calls: Sequence[bytes], waits_s: list[float]) -> None:
    """At a steady rate, whether they are answered or not."""
    loop = asyncio.get_running_loop()
    connection = await BareConnection.open(address)

    async def renew(call: bytes) -> None:
        began_s = loop.time()
        if not await connection.call(call):
            raise ValueError("a renewal was refused")
        waits_s.append(loop.time() - began_s)

    begin_s = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(int(ROUND_S * RENEWALS_A_SECOND_EACH)):
            due_s = begin_s + number / RENEWALS_A_SECOND_EACH
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            group.create_task(renew(calls[number % len(calls)]))
    connection.close()


async def _spent(trackers: Sequence[RunningTracker], work: Awaitable[None]) -> Cpu:
    before = [tracker.cpu() for tracker in trackers]
    await work
    spent = [tracker.cpu() - was for tracker, was in zip(trackers, before, strict=True)]
    # The database is the same one for all of them.
    return Cpu(sum(one.tracker_s for one in spent), spent[0].database_s)


def rows(found: Sequence[Together]) -> Iterator[Row]:
    """The lines of the table."""
    first_s = 0.0
    for count in sorted({one.trackers for one in found}):
        rounds = [one for one in found if one.trackers == count]
        tracker_s, database_s = (
            statistics.median(values)
            for values in zip(
                *((one.cpu.tracker_s, one.cpu.database_s) for one in rounds), strict=True
            )
        )
        each_s = tracker_s + database_s
        first_s = first_s or each_s
        all_s = [one.cpu.tracker_s + one.cpu.database_s for one in rounds]
        yield Row(
            f"{count} of the trackers on one PostgreSQL, each {RENEWALS_A_SECOND_EACH} renewals/s",
            f"{1e6 * each_s:,.0f} µs each",
            f"one tracker {1e6 * first_s:,.0f} µs",
            each_s / first_s,
            Aim(1.1, at_most=True),
            f"processor time, medians of {len(rounds)} rounds in turn, {1e6 * min(all_s):,.0f} to"
            f" {1e6 * max(all_s):,.0f} µs; {Cpu(tracker_s, database_s).each(1)}: a core is full at"
            f" {1 / tracker_s:,.0f}/s of a tracker, at {1 / database_s:,.0f}/s of the database;"
            f" answered in {1e3 * statistics.median(one.p50_s for one in rounds):.1f} ms,"
            f" p99 {1e3 * statistics.median(one.p99_s for one in rounds):.1f} ms",
        )
