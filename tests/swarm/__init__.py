"""Tests of panal.swarm, one file to a source file; time is virtual, chance is seeded."""

from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, settings

from panal.swarm import invariants
from panal.swarm.border import Border
from panal.swarm.messages import Fact, Fetch, Order, SourceFound, SourceId, SourceOpened
from panal.swarm.state import DownloadState
from panal.wire.ids import NO_ZONE, Zone

PROPERTY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
"""Properties draw the same examples on every run."""

Kind = TypeVar("Kind")
CHUNK_BYTES = 256 * 1024


def source_id(name: str) -> SourceId:
    return SourceId(f"{name}@127.0.0.1:5000")


A, B, C = source_id("peer_a"), source_id("peer_b"), source_id("peer_c")


class Driven:
    """A DownloadState that a test tells facts at times, all rules checked after each."""

    def __init__(
        self,
        chunk_count: int = 8,
        *,
        written: int = 0,
        seed: int = 0,
        border: Border | None = None,
        unsure: int = 0,
    ) -> None:
        self.state = DownloadState(CHUNK_BYTES, chunk_count, written, Random(seed), border, unsure)
        self.now_s = 100.0

    def tell(self, fact: Fact, *, after_s: float = 0.0) -> list[Order]:
        self.now_s += after_s
        orders = self.state.apply(fact, self.now_s)
        invariants.check(self.state)
        return orders

    def open(self, source: SourceId, bits: int, zone: Zone = NO_ZONE) -> list[Order]:
        """Find a source and let it tell what it has."""
        self.tell(SourceFound(source, zone))
        return self.tell(SourceOpened(source, bits))

    def open_one_chunk(self, source: SourceId, bits: int) -> int:
        """The same, where one chunk is then asked for: which."""
        (order,) = self.open(source, bits)
        assert isinstance(order, Fetch)
        assert (order.source, order.count) == (source, 1)
        return order.first


def only(orders: list[Order], kind: type[Kind]) -> list[Kind]:
    """The orders of one kind."""
    return [order for order in orders if isinstance(order, kind)]
