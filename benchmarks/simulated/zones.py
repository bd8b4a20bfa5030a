"""Swarms over zones: groups of fast machines, each behind one border that all of it share."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from benchmarks.hosts import Link as Line
from benchmarks.scenarios import MBIT, Scenario
from benchmarks.simulated.border_links import BorderLinks
from benchmarks.simulated.conduct import Conduct
from benchmarks.simulated.fair_links import FairLinks, Flow, Link
from benchmarks.simulated.peer import SimulatedPeer
from benchmarks.simulated.swarm import (
    LOCATED,
    PAYLOAD_SHARE,
    Outcome,
    Setting,
    SimulatedSwarm,
    outcome_of,
    rates_of,
)
from benchmarks.simulated.transfer import Transfer
from panal.swarm.messages import TrackerAnswered
from panal.tracker.handout import Asker, Handout, Holder
from panal.tracker.registry import PeerRecord
from panal.wire.ids import PeerName, Zone

ZONES = 4
EACH = 8
BORDER_MBIT = 100.0
INSIDE_MBIT = 1000.0
OUTSIDE = Zone("outside")
"""Where the seed stands: it shares its own line with nobody."""
FIRST = Zone("zone1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonedSetting(Setting):
    """Who stands where, and what the borders carry in each direction."""

    name: str
    zones: tuple[Zone, ...]
    """By peer, the seed's first."""
    border_mbit: float = BORDER_MBIT
    knows_zones: bool = True
    """Whether the peers are told."""
    seed_mbit: float = BORDER_MBIT
    """Of the fastest that has all from the start."""

    def bound_s(self) -> float:
        """No swarm is sooner: each zone takes in one copy, and together they send what the seed
        does not."""
        within = set(self.zones[1:]) - {self.zones[0]}
        size_bytes, borders = self.scenario.size_bytes, len(within)
        mbit = (self.border_mbit, self.seed_mbit, self.seed_mbit / borders + self.border_mbit)
        return size_bytes / (min(mbit) * MBIT)


class ZonedSwarm(SimulatedSwarm):
    """A swarm whose bytes from zone to zone share the borders' links."""

    def __init__(self, setting: ZonedSetting, seed: int) -> None:
        self.zoned = setting
        rate = setting.border_mbit * MBIT * PAYLOAD_SHARE
        zones = set(setting.zones) - {OUTSIDE}
        self._out = {zone: Link(rate) for zone in sorted(zones)}
        self._into = {zone: Link(rate) for zone in sorted(zones)}
        self.crossed_bytes = dict.fromkeys(sorted(zones), 0.0)
        """What came in over each zone's border."""
        super().__init__(setting, seed)
        self.waiting_at_first = list(self.waited_for.values())

    def _links(self) -> FairLinks:
        def way(flow: Flow) -> tuple[Link, ...]:
            assert isinstance(flow, Transfer)
            return self._way(flow.sender, flow.receiver)

        return BorderLinks(self._changed, self.setting.tolerance, way)

    def _peer(self, number: int, line: Line, conduct: Conduct) -> SimulatedPeer:
        return SimulatedPeer(
            number,
            rates_of(line),
            self,
            conduct,
            is_seed=number == 0 or conduct.is_seed,
            zone=self.zoned.zones[number],
            knows_zones=self.zoned.knows_zones,
        )

    def _way(self, sender: SimulatedPeer, receiver: SimulatedPeer) -> tuple[Link, ...]:
        if sender.zone == receiver.zone:
            return sender.up, receiver.down
        borders = (self._out.get(sender.zone), self._into.get(receiver.zone))
        return sender.up, *(link for link in borders if link is not None), receiver.down

    def advance(self, transfer: Transfer, rate: float | None = None) -> None:
        """Let time pass; what crosses a border is counted."""
        left_bytes, zone = transfer.left_bytes, transfer.receiver.zone
        super().advance(transfer, rate)
        if transfer.sender.zone != zone and zone in self.crossed_bytes:
            self.crossed_bytes[zone] += left_bytes - transfer.left_bytes

    def ask_tracker(self, peer: SimulatedPeer) -> None:
        """It names those that the product's tracker would."""

        def located() -> None:
            asker = Asker("10.0.0.1", peer.id.partition("@")[0], zone=peer.named_zone)
            named = Handout(asker, LOCATED, self.chance).choose(map(_holder, self.listed))
            everybody = {one.id.partition("@")[0]: one for one in self.listed}
            peer.introduced([everybody[provider.peer] for provider in named])
            peer.tell(TrackerAnswered())

        self.time.at(4 * self.setting.latency_s, located)


def _holder(peer: SimulatedPeer) -> Holder:
    name = PeerName(peer.id.partition("@")[0])
    record = PeerRecord(
        name=name,
        secret_hash=b"",
        epoch=1,
        sequence=0,
        observed_host="10.0.0.2",
        port=5000,
        bound=("10.0.0.2",),
        reachable=True,
        reachability="",
        lease_until_s=0.0,
        joined_at_s=0.0,
        renewed_at_s=0.0,
        zone=peer.named_zone,
    )
    return Holder(record, peer.is_done)


def settings() -> Iterator[ZonedSetting]:
    """Each with the peers knowing the zones, and not."""
    clean = _setting("zones of 8")
    yield clean
    yield _setting("zones, slow border", border_mbit=20.0, seed_mbit=20.0, size_mib=32)
    yield _setting("zones of 16", each=16)
    yield replace(clean, name="zones, three killed", conducts=_some(3, Conduct(killed_s=4.0)))
    yield replace(
        clean,
        name="zones, one slow",
        scenario=replace(clean.scenario, peers=(Line(20, 20), *clean.scenario.peers[1:])),
    )
    yield replace(clean, name="zones, liars", conducts=_some(2, Conduct(is_liar=True)))
    late = Conduct(joins_s=20.0)
    yield replace(clean, name="zones, one late", conducts=(late,))
    slow = _setting("zones, slow seed near")
    yield replace(
        slow,
        zones=(FIRST, *slow.zones[1:]),
        scenario=replace(slow.scenario, seed=Line(10, 10)),
        conducts=(*(Conduct(),) * EACH, Conduct(is_seed=True)),
    )


def _some(count: int, conduct: Conduct) -> tuple[Conduct, ...]:
    """The first of each of the first zones behave so."""
    return tuple(
        conduct if number % EACH == 0 and number // EACH < count else Conduct()
        for number in range(EACH * ZONES)
    )


def _setting(
    name: str,
    *,
    each: int = EACH,
    border_mbit: float = BORDER_MBIT,
    seed_mbit: float = BORDER_MBIT,
    size_mib: int = 128,
) -> ZonedSetting:
    inside = Line(INSIDE_MBIT, INSIDE_MBIT)
    peers = (inside,) * (ZONES * each)
    scenario = Scenario(name, size_mib, Line(seed_mbit, seed_mbit), peers, 1.3)
    zones = tuple(Zone(f"zone{number // each + 1}") for number in range(ZONES * each))
    return ZonedSetting(
        scenario,
        name=name,
        zones=(OUTSIDE, *zones),
        border_mbit=border_mbit,
        seed_mbit=seed_mbit,
    )


@dataclass(frozen=True, slots=True)
class Crossing:
    """One run, and what crossed."""

    outcome: Outcome
    copies: tuple[float, ...]
    """Bytes that came in over each zone's border, over the size."""
    last_but_one_ratio: float
    """Where one is slow, of all others."""

    def words(self) -> str:
        """For people."""
        copies = " ".join(f"{one:.2f}" for one in self.copies)
        return f"over the borders ×{copies}  last but one {self.last_but_one_ratio:.3f}"


def simulate_zones(setting: ZonedSetting, seed: int) -> Crossing:
    """One run."""
    swarm = ZonedSwarm(setting, seed)
    outcome = outcome_of(swarm, setting.bound_s())
    size_bytes = setting.scenario.size_bytes
    finished = sorted(peer.done_s or inf for peer in swarm.waiting_at_first)
    return Crossing(
        outcome,
        tuple(came / size_bytes for came in swarm.crossed_bytes.values()),
        finished[-2] / setting.bound_s(),
    )
