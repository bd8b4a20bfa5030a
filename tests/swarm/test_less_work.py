"""What DownloadState leaves out changes nothing: whole runs are equal to those of a plain one."""

from dataclasses import replace
from typing import Any

import pytest

from panal.swarm.messages import Order
from panal.swarm.requests import Requests, end_fetch
from panal.swarm.sources import REST_AFTER_YIELD_S, RunningFetch, Source
from panal.swarm.state import DownloadState
from tests.support import simulated_swarm
from tests.support.simulated_swarm import KIB, SimulatedPeer, run_swarm
from tests.swarm import source_id

KINDS = (
    SimulatedPeer("", rate_bytes_s=300.0 * KIB),
    SimulatedPeer("", rate_bytes_s=20.0 * KIB),
    SimulatedPeer("", silent_after_bytes=300 * KIB),
    SimulatedPeer("", dies_after_bytes=700 * KIB, comes_back_after_s=1.0),
    SimulatedPeer("", queue_s=2.0),
    SimulatedPeer("", has=0, gains_every_s=0.3),
    SimulatedPeer("", lies=1),
)


class PlainState(DownloadState):
    """Looks at every source each time."""

    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self._requests.__class__ = PlainRequests

    def _tick(self, now_s: float) -> list[Order]:
        if self._requests.counted_at_s is not None:
            for source in self.sources.values():
                if not source.has_sent:
                    source.tick(now_s - self._requests.counted_at_s)
        return super()._tick(now_s)

    def _let_go_of(self, ended: RunningFetch) -> None:
        for source in self.neighbours.near.values():
            if (fetch := source.fetch) is not None:
                passes = ended.claimed & fetch.granted & self.missing
                fetch.claimed |= passes
                ended.claimed ^= passes
        self.chunks.free |= ended.claimed


class PlainRequests(Requests):
    """Looks at every fetch each time."""

    taken = 0

    def _take_over(
        self, source: Source, now_s: float, late: list[Source] | None = None
    ) -> list[Order]:
        fetching = [(s, s.fetch) for s in self._neighbours.near.values() if s.fetch is not None]
        if any(fetch.taker == source.id for _, fetch in fetching):
            return []
        counted_at_s = self._last_counted_s(now_s)
        may, all_asked = self._take_overs.may, self._chunks.free == 0
        for other, fetch in fetching:
            if fetch.claimed & source.bits and may(
                other, source, now_s, counted_at_s, all_asked=all_asked
            ):
                self._take_overs.taken()
                other.lost += 1
                fetch.taker, source.is_taking = source.id, True
                PlainRequests.taken += 1
                return [end_fetch(other, fetch, f"{source.peer} was quicker", REST_AFTER_YIELD_S)]
        return []


def test_time_changes_nothing_about_a_source_that_never_sent() -> None:
    source = Source(source_id("a"))
    source.tick(0.25)
    assert source == Source(source_id("a"))
    source.held_back(0.1, 1.0)
    assert source.has_sent


def test_runs_with_every_fault_are_those_of_a_plain_state(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = [replace(kind, name=f"p{i}") for i, kind in enumerate(KINDS * 3)]
    peers.append(SimulatedPeer("seed", rate_bytes_s=100.0 * KIB))
    for seed in range(4):
        outcome = run_swarm(peers, chunk_count=48, seed=seed, checked=False)
        with monkeypatch.context() as patched:
            patched.setattr(simulated_swarm, "DownloadState", PlainState)
            plain = run_swarm(peers, chunk_count=48, seed=seed, checked=False)
        assert outcome.done_s is not None
        assert outcome == plain
    assert PlainRequests.taken > 0
