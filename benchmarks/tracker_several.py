"""Several trackers on one PostgreSQL: how many renewals they answer together.

The machine's cores are too few for trackers, database and the peers that ask. So each tracker gets
a part of one core and no more, as if it had a small machine of its own, and is asked for as much as
it answers. The database and those who ask have what is left: as long as that is enough, so many
trackers should answer so many times what one does.
"""

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bare_calls import calls_a_second, prepare
from benchmarks.cpu_quota import CpuQuota
from benchmarks.processes import MachineLoad
from benchmarks.rows import Aim, Row
from benchmarks.tracker_calls import SERVICE
from benchmarks.tracker_load import Cpu, Peers, RunningTracker

TRACKERS = (1, 2, 4)
SHARE_OF_A_CORE = 0.2
PEERS_EACH = 100
ROUND_S = 4.0
ROUNDS = 5
CONNECTIONS = 4
AT_ONCE = 4


@dataclass(frozen=True)
class Together:
    """What so many trackers answered together."""

    trackers: int
    calls_a_second: float
    cpu: Cpu
    """Of all of them in one second."""
    busy: float
    """The machine's cores, as a share."""


def quotas() -> list[CpuQuota]:
    """A part of a core for each tracker, to be removed; OSError where there are none."""
    return [CpuQuota(f"tracker_{number}", SHARE_OF_A_CORE) for number in range(max(TRACKERS))]


async def renew_together(trackers: Sequence[RunningTracker]) -> list[Together]:
    """So many of them at once as TRACKERS says, in turn, then the other way round."""
    found = []
    async with Peers(trackers[0].address, PEERS_EACH * len(trackers)) as peers:
        await peers.register_all()
        calls = [prepare(f"{SERVICE}Renew", peers.renewal(one)) for one in range(peers.count)]
        counts = list(TRACKERS)
        for number in range(ROUNDS + 1):
            for count in counts:
                one = await _round(trackers[:count], calls)
                if number:  # the first is to warm up
                    found.append(one)
            counts.reverse()
    return found


async def _round(trackers: Sequence[RunningTracker], calls: Sequence[bytes]) -> Together:
    before = [tracker.cpu() for tracker in trackers]
    load = MachineLoad()
    rates = await asyncio.gather(
        *(
            calls_a_second(
                tracker.address,
                list(calls[place :: len(trackers)]),
                ROUND_S,
                CONNECTIONS,
                AT_ONCE,
            )
            for place, tracker in enumerate(trackers)
        )
    )
    spent = [tracker.cpu() - was for tracker, was in zip(trackers, before, strict=True)]
    # The database is the same one for all of them.
    cpu = Cpu(sum(one.tracker_s for one in spent) / ROUND_S, spent[0].database_s / ROUND_S)
    return Together(len(trackers), sum(rates), cpu, load.busy_share())


def rows(found: Sequence[Together]) -> Iterator[Row]:
    """The lines of the table."""
    first = 0.0
    for count in TRACKERS:
        rounds = [one for one in found if one.trackers == count]
        rates = [one.calls_a_second for one in rounds]
        rate = statistics.median(rates)
        first = first or rate
        tracker_s, database_s, busy = (
            statistics.median(values)
            for values in zip(
                *((one.cpu.tracker_s, one.cpu.database_s, one.busy) for one in rounds), strict=True
            )
        )
        yield Row(
            f"{count} trackers with {SHARE_OF_A_CORE:.0%} of a core each on one PostgreSQL",
            f"{rate:,.0f} Renew/s",
            f"{count} × one tracker {count * first:,.0f}/s",
            rate / (count * first),
            Aim(0.9),
            f"medians of {len(rounds)} rounds in turn, {min(rates):,.0f} to {max(rates):,.0f}/s;"
            f" {Cpu(tracker_s, database_s).each(rate)}, {Cpu(tracker_s, database_s).share(1)};"
            f" machine {busy:.0%} busy",
        )
