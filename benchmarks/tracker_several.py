"""Several trackers on one PostgreSQL: what a call costs when others do the same beside it.

The machine's cores are shared by trackers, database and the peers that ask, so calls a second
rise with trackers only where cores are left. What does not depend on that is the processor time
of a call: where it stays the same, trackers do not stand in each other's way.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bare_calls import calls_a_second, prepare
from benchmarks.rows import Aim, Row
from benchmarks.tracker_calls import SERVICE
from benchmarks.tracker_load import Cpu, Peers, RunningTracker

TRACKERS = (1, 2, 4)
PEERS_EACH = 100
ROUND_S = 5.0
CONNECTIONS, AT_ONCE = 4, 4


@dataclass(frozen=True)
class Together:
    """What so many trackers did together."""

    trackers: int
    renewals_a_second: float
    cpu: Cpu
    """Of one renewal."""


async def renew_together(trackers: Sequence[RunningTracker]) -> Together:
    """Each tracker's own peers renew as fast as they are answered."""
    peers = Peers(trackers[0].address, PEERS_EACH * len(trackers))
    async with peers:
        await peers.register_all()
        renewals = [prepare(f"{SERVICE}Renew", peers.renewal(one)) for one in range(peers.count)]
        before = [tracker.cpu() for tracker in trackers]
        rates = await asyncio.gather(
            *(
                calls_a_second(
                    tracker.address, renewals[place :: len(trackers)], ROUND_S, CONNECTIONS, AT_ONCE
                )
                for place, tracker in enumerate(trackers)
            )
        )
        spent = [tracker.cpu() - was for tracker, was in zip(trackers, before, strict=True)]
    rate = sum(rates)
    trackers_s = sum(one.tracker_s for one in spent)
    # The database is the same one for all of them.
    cpu = Cpu(trackers_s / (rate * ROUND_S), spent[0].database_s / (rate * ROUND_S))
    return Together(len(trackers), rate, cpu)


def rows(found: Sequence[Together]) -> Iterator[Row]:
    """The lines of the table."""
    first = found[0]
    for one in found:
        each_s, first_s = (cpu.tracker_s + cpu.database_s for cpu in (one.cpu, first.cpu))
        yield Row(
            f"{one.trackers} trackers, Renew, postgresql",
            f"{one.renewals_a_second:,.0f}/s",
            f"one tracker {first.renewals_a_second:,.0f}/s",
            each_s / first_s,
            Aim(1.2, at_most=True),
            f"ratio of processor time a call; {one.cpu.each(1)}",
        )
