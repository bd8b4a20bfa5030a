"""The checker itself: each rule that is broken by hand is named."""

from collections.abc import Callable

import pytest

from panal.swarm import invariants
from panal.swarm.invariants import LONGEST_SILENCE_S
from panal.swarm.messages import CancelFetch, Ticked
from panal.swarm.sources import RunningFetch, Source, Stage
from panal.swarm.state import DownloadState
from panal.swarm.takeover import TakeOvers
from tests.swarm import A, B, C, Driven


def sound() -> DownloadState:
    driven = Driven(4, written=0b1000)
    driven.open(A, 0b1111)
    driven.open(B, 0b0111)
    return driven.state


def two_fetch_one_chunk(state: DownloadState) -> None:
    state.sources[B].fetch = state.sources[A].fetch


def fetch_what_is_written(state: DownloadState) -> None:
    state.sources[A].fetch = RunningFetch(0b1000, 0.0)


def fetch_while_connecting(state: DownloadState) -> None:
    state.sources[A].stage = Stage.OPENING


def forget_a_claim(state: DownloadState) -> None:
    state.chunks.free = 0b0111


def lose_a_chunk(state: DownloadState) -> None:
    state.chunks.written = 0


def miscount(state: DownloadState) -> None:
    state.neighbours.rarity.add(0b0001)


def forget_a_neighbour(state: DownloadState) -> None:
    del state.neighbours.near[B]


def miscount_who_downloads(state: DownloadState) -> None:
    state.neighbours.downloading += 1


def await_one_that_is_not_asked(state: DownloadState) -> None:
    state.awaited.add(C)


def queue_at_one_that_is_not_asked(state: DownloadState) -> None:
    state.queued.sources[C] = Source(C)


def forget_what_is_queued(state: DownloadState) -> None:
    state.queued.claimed = 0


def keep_bits_of_one_away(state: DownloadState) -> None:
    state.sources[C] = Source(C, stage=Stage.AWAY, bits=1)


def exceed_the_end(state: DownloadState) -> None:
    state.sources[A].bits |= 1 << 4


def finish_early(state: DownloadState) -> None:
    state.finished = True


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (two_fetch_one_chunk, "two sources fetch one chunk"),
        (fetch_what_is_written, "a written chunk is fetched again"),
        (fetch_while_connecting, "fetches while connecting"),
        (forget_a_claim, "claims and fetches differ"),
        (lose_a_chunk, "missing is wrong"),
        (miscount, "copies of chunk 0 are miscounted"),
        (forget_a_neighbour, "neighbours are miscounted"),
        (miscount_who_downloads, "who downloads is miscounted"),
        (await_one_that_is_not_asked, "who is awaited is not asked"),
        (queue_at_one_that_is_not_asked, "who waits in a queue is miscounted"),
        (forget_what_is_queued, "what waits in a queue is not known"),
        (keep_bits_of_one_away, "away with chunks"),
        (exceed_the_end, "has chunks beyond the end"),
        (finish_early, "finished while chunks are missing"),
    ],
)
def test_a_broken_rule_is_named(break_it: Callable[[DownloadState], None], named: str) -> None:
    state = sound()
    invariants.check(state)
    break_it(state)
    with pytest.raises(AssertionError, match=named):
        invariants.check(state)


@pytest.mark.parametrize("may_take", [True, False])
def test_silence_beside_somebody_proven_and_idle_is_named(
    may_take: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = Driven(1)
    assert driven.open_one_chunk(A, 0b1) == 0
    driven.open(B, 0b1)
    driven.state.sources[B].fetch_rate_bytes_s = 1.0
    driven.tell(Ticked())
    if may_take:
        assert driven.tell(Ticked(), after_s=LONGEST_SILENCE_S + 1.0) == [CancelFetch(A)]
        return
    monkeypatch.setattr(TakeOvers, "may", lambda *args, **kwargs: False)
    driven.tell(Ticked(), after_s=LONGEST_SILENCE_S)
    with pytest.raises(AssertionError, match=f"{B} is idle while what it has is silent"):
        driven.tell(Ticked(), after_s=1.0)
