"""Which hosts share what, and the time that no swarm can beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.hosts import Link

MIB = 1024 * 1024
MBIT = 1e6 / 8


@dataclass(frozen=True, slots=True)
class Scenario:
    """One seed, its receivers, one file."""

    name: str
    size_mib: int
    seed: Link
    peers: tuple[Link, ...]
    aim: float
    """The ratio to the bound that counts as reached."""

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self.size_mib * MIB

    def bound_s(self) -> float:
        """The fluid bound of the clean run."""
        return fluid_bound_s(self.size_bytes, self.seed, self.peers)

    def words(self) -> str:
        """The links, for people."""
        ups = ",".join(f"{link.up_mbit:g}" for link in self.peers)
        downs = sorted({link.down_mbit for link in self.peers})
        down = "/".join(f"{rate:g}" for rate in downs)
        return f"{self.size_mib} MiB, seed {self.seed.up_mbit:g}, up {ups}, down {down} Mbit/s"


def fluid_bound_s(size_bytes: float, seed: Link, peers: Sequence[Link]) -> float:
    """Kumar and Ross: max(F/u_s, F/d_min, N·F/(u_s + Σu_i)), payload only."""
    rates_mbit = (
        seed.up_mbit,
        min(link.down_mbit for link in peers),
        (seed.up_mbit + sum(link.up_mbit for link in peers)) / len(peers),
    )
    return size_bytes / (min(rates_mbit) * MBIT)


def _even(count: int, up_mbit: float, down_mbit: float) -> tuple[Link, ...]:
    return (Link(up_mbit, down_mbit),) * count


DRAWN_BOUND_S = 30.0
"""What is drawn may take so long, for the sake of the whole table's time; the least of sizes,
by the slowest of links, does."""
HET_UPS_MBIT = (20, 20, 40, 40, 80, 80, 160, 160)

SCENARIOS = (
    Scenario("sym8", 128, Link(100, 100), _even(8, 100, 100), 1.10),
    Scenario("asym8", 128, Link(100, 100), _even(8, 40, 200), 1.08),
    Scenario("seed4", 32, Link(20, 20), _even(4, 100, 100), 1.08),
    Scenario("het8", 128, Link(100, 200), tuple(Link(up, 200) for up in HET_UPS_MBIT), 1.12),
    Scenario("sym16", 64, Link(20, 20), _even(16, 20, 20), 1.15),
    Scenario("big20", 32, Link(1000, 1000), _even(20, 20, 20), 1.15),
)


def drawn(seed_number: int, count: int = 3) -> list[Scenario]:
    """Scenarios that nobody tuned for, the same for the same number."""
    random = Random(seed_number)
    scenarios = []
    for number in range(1, count + 1):
        ups = [random.choice((10, 20, 40, 60, 80, 100)) for _ in range(random.randint(3, 12))]
        downs = [max(up, random.choice((40, 100, 200))) for up in ups]
        rate = random.choice((10, 20, 50, 100, 200))
        seed = Link(rate, rate)
        peers = tuple(Link(up, down) for up, down in zip(ups, downs, strict=True))
        bound_s_per_mib = fluid_bound_s(2**20, seed, peers)
        sizes_mib = [mib for mib in (32, 64, 96) if mib * bound_s_per_mib < DRAWN_BOUND_S]
        scenarios.append(Scenario(f"drawn{number}", random.choice(sizes_mib), seed, peers, 1.15))
    return scenarios
