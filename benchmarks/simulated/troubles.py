"""What goes wrong in simulated swarms: the faults of `benchmarks.faults`, and some more."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from benchmarks.faults import FAULTS, Fault
from benchmarks.hosts import Link
from benchmarks.scenarios import MBIT, Scenario
from benchmarks.simulated.conduct import Conduct
from benchmarks.simulated.swarm import LATENCY_S, Setting

_LINE = Link(50, 50)
_EVEN = Scenario("even", 64, _LINE, (_LINE,) * 9, 1.5)
_DISK_MBIT = 20.0
_SLOW = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong, and the earliest end that it leaves possible."""

    name: str
    setting: Setting
    bound_s: float


def troubles() -> Iterator[Trouble]:
    """Each at nine peers or so."""
    for fault in FAULTS:
        yield Trouble(fault.name, setting_of(fault), fault.bound_s())
    disks = Conduct(disk_bytes_s=_DISK_MBIT * MBIT)
    slow = replace(
        _EVEN, peers=(replace(_LINE, down_mbit=_DISK_MBIT),) * _SLOW + _EVEN.peers[_SLOW:]
    )
    yield Trouble("three slow disks", Setting(_EVEN, (disks,) * _SLOW), slow.bound_s())
    yield Trouble("the tracker gone", Setting(_EVEN, tracker_gone_s=1.0), _EVEN.bound_s())


def setting_of(fault: Fault) -> Setting:
    """The same in virtual time."""
    conducts = tuple(
        Conduct(
            fault.joins_s.get(number),
            fault.killed_s if number in fault.killed else inf,
            is_liar=number in fault.liars,
        )
        for number in range(len(fault.scenario.peers))
    )
    latency_s = fault.round_trip_s / 2 or LATENCY_S
    return Setting(fault.scenario, conducts, latency_s, seed_leaves=fault.seed_leaves)
