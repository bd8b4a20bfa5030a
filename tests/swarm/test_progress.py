"""The words of a wait, as they stand after "waiting: "."""

import pytest

from panal.swarm.messages import (
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
    ChunksCompared,
    ChunkWritten,
    DiskStoodStill,
    Drop,
    Failure,
    FetchEnded,
    HeldBack,
    Order,
    SourceClosed,
    SourceFound,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.progress import progress_of
from panal.swarm.snapshot import facts_of
from tests.swarm import A, B, C, Driven, source_id


def reason(driven: Driven, after_s: float = 3.0) -> str:
    return progress_of(driven.state, driven.now_s + after_s).reason


def started(chunk_count: int = 4) -> Driven:
    driven = Driven(chunk_count)
    driven.tell(Ticked())
    return driven


def test_a_reason_appears_only_after_two_seconds_even_at_the_very_start() -> None:
    driven = Driven()
    assert progress_of(driven.state, 1e9).reason == ""  # nothing has begun
    driven.tell(Ticked())
    assert reason(driven, 0.0) == ""
    assert reason(driven, 1.9) == ""
    assert reason(driven, 2.0) != ""


def test_bytes_begin_the_two_seconds_anew() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(BytesArrived(A, 1), after_s=10.0)
    assert reason(driven, 1.9) == ""
    assert reason(driven, 2.0) == "nothing comes from peer_a"


@pytest.mark.parametrize("other", [None, 0b0001])
def test_once_all_who_sent_are_gone_it_waits_at_once(other: int | None) -> None:
    """A rate that only dies away would seem to be one; who is here and has nothing may get some."""
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(Ticked())
    driven.tell(BytesArrived(A, 4_000_000))
    driven.tell(Ticked(), after_s=0.25)
    if other is not None:
        driven.open(B, other)
        driven.tell(ChunkWritten(B, 0))
        driven.tell(FetchEnded(B))
    driven.tell(SourceClosed(A, "reset"))
    driven.tell(FetchEnded(A, Failure.BROKEN, "reset"))
    shown = progress_of(driven.state, driven.now_s)
    assert bool(shown.reason) is (other is None)
    assert (shown.rate_bytes_s == 0) is (other is None)


def test_waiting_in_queues_names_the_peers() -> None:
    driven = started()
    for source in (A, B):
        driven.open(source, 0b1111)
    assert reason(driven) == "queued at peer_a, peer_b"


def test_no_more_than_five_peers_are_named() -> None:
    driven = started(8)
    for number in range(8):
        driven.open(source_id(f"p{number}"), 0xFF)
    assert reason(driven) == "queued at p0, p1, p2, p3, p4, 3 more"


def test_connecting_names_the_peers() -> None:
    driven = started()
    driven.tell(SourceFound(A))
    driven.tell(SourceFound(B))
    assert reason(driven) == "connecting to peer_a, peer_b"


def test_a_tracker_that_is_still_silent() -> None:
    assert reason(started()) == "the tracker has not answered yet"


def test_a_tracker_that_names_nobody() -> None:
    driven = started()
    driven.tell(TrackerAnswered())
    expected = "the tracker names nobody else, and is asked again"
    assert reason(driven) == f"no provider of any chunk is online; {expected}"


def test_a_tracker_that_does_not_answer_and_whom_we_knew() -> None:
    driven = started()
    driven.tell(TrackerAnswered("The tracker at 127.0.0.1:50051 does not answer."))
    assert reason(driven) == "The tracker at 127.0.0.1:50051 does not answer."
    driven.open(A, 0)
    driven.tell(SourceClosed(A, "reset"))
    assert "does not answer.; away: peer_a (reset)" in reason(driven)


@pytest.mark.parametrize(("has", "whose"), [(0b0111, "1 chunk"), (0b0001, "3 chunks")])
def test_chunks_that_nobody_online_has(has: int, whose: str) -> None:
    driven = started()
    driven.tell(TrackerAnswered())
    driven.open(A, has)
    told = f"no provider of {whose} is online; the tracker names nobody else, and is asked again"
    assert reason(driven) == f"queued at peer_a; {told}"
    driven.tell(BytesArrived(A, 1))
    assert reason(driven) == f"nothing comes from peer_a; {told}"
    driven.tell(FetchEnded(A, Failure.CANCELLED))
    assert reason(driven) == told


def test_who_was_last_seen_and_when_it_is_tried_again() -> None:
    driven = started()
    driven.tell(TrackerAnswered())
    driven.open(B, 0b1)
    driven.tell(SourceClosed(B, "connection refused"))
    driven.open(A, 0b1111)
    driven.tell(SourceClosed(A, "connection refused"), after_s=60.0)
    driven.state.sources[A].rests_until_s = driven.state.sources[B].rests_until_s = 175.0
    words = reason(driven, 12.0)
    assert words == (
        "no provider of any chunk is online; "
        "away: peer_b (connection refused), next try in 3 s; "
        "peer_a (connection refused), next try in 3 s; last seen: peer_a, 12 s ago"
    )
    assert reason(driven, 720.0).endswith("last seen: peer_a, 12 min ago")
    assert reason(driven, 7_200.0).endswith("last seen: peer_a, 2 h ago")


def test_last_seen_does_not_mean_somebody_who_is_here() -> None:
    driven = started()
    driven.tell(TrackerAnswered())
    driven.open(A, 0b1111)
    driven.tell(SourceClosed(A, "reset"))
    driven.open(B, 0b0001)
    driven.tell(BytesArrived(B, 1), after_s=5.0)
    assert "last seen: peer_a, 8 s ago" in reason(driven, 3.0)


def test_who_is_not_used_and_why() -> None:
    driven = started()
    driven.tell(TrackerAnswered())
    driven.open(A, 0b1111)
    driven.tell(ChunkCorrupt(A, 2))
    driven.tell(FetchEnded(A, Failure.MISBEHAVED))
    words = reason(driven)
    assert words == "no provider of any chunk is online; not used: peer_a sent a wrong chunk 2"


def test_all_rest() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(FetchEnded(A, Failure.CANCELLED))
    assert reason(driven) == "all sources rest after a failure; trying again shortly"


def test_the_numbers_and_states_of_a_download() -> None:
    driven = started()
    index = driven.open_one_chunk(A, 0b1111)
    driven.tell(BytesArrived(A, 1_000))
    driven.tell(Ticked(), after_s=0.25)
    driven.open(B, 0b1111)
    driven.tell(SourceFound(C))
    driven.tell(ChunkWritten(A, index))
    shown = progress_of(driven.state, driven.now_s)
    assert (shown.chunks_written, shown.chunk_count, shown.reason) == (1, 4, "")
    states = [(source.source, source.state, source.bytes) for source in shown.sources]
    assert states == [(A, "sending", 1_000), (B, "queued", 0), (C, "connecting", 0)]
    assert shown.rate_bytes_s == shown.sources[0].rate_bytes_s > 0


def test_a_finished_download_has_no_reason() -> None:
    driven = Driven(1)
    driven.open(A, 1)
    driven.tell(ChunkWritten(A, 0))
    assert reason(driven, 1e6) == ""


def test_our_own_limit_is_named_when_it_holds_a_download_back() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(BytesArrived(A, 1))
    assert not progress_of(driven.state, driven.now_s).held_back
    for _ in range(20):
        driven.tell(HeldBack(A, 0.25), after_s=0.25)
        driven.tell(Ticked())
    held = progress_of(driven.state, driven.now_s)
    assert held.held_back
    assert held.reason == "your own rate limit holds it back"
    for _ in range(10):
        driven.tell(Ticked(), after_s=0.25)
    assert not progress_of(driven.state, driven.now_s).held_back


def test_a_disk_of_our_own_that_takes_nothing_is_named_before_those_who_send() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(BytesArrived(A, 1))
    for _ in range(12):
        driven.tell(DiskStoodStill(0.25), after_s=0.25)
        driven.tell(Ticked())
    assert reason(driven) == "this machine's own disk takes nothing at the moment"
    assert facts_of(driven.state, driven.now_s).disk_is_still
    driven.tell(DiskStoodStill(0.0), after_s=0.25)
    assert reason(driven) == "nothing comes from peer_a"
    assert not facts_of(driven.state, driven.now_s).disk_is_still


def test_while_the_own_disk_takes_nothing_no_source_is_given_up() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(BytesArrived(A, 1))
    orders: list[Order] = []
    for _ in range(400):
        orders += driven.tell(DiskStoodStill(0.25), after_s=0.25)
        orders += driven.tell(Ticked())
    assert not [order for order in orders if isinstance(order, CancelFetch | Drop)]


def test_what_is_compared_is_named_before_whom_nothing_is_asked_of() -> None:
    driven = Driven(4, unsure=0b0110)
    driven.tell(Ticked())
    driven.tell(TrackerAnswered())
    comparing = "comparing what is here already, 2 chunks left"
    assert reason(driven).startswith(f"{comparing}; no provider of 2 chunks is online; ")
    driven.open_one_chunk(A, 0b0001)
    assert reason(driven) == f"queued at peer_a; {absent(driven)}"
    driven.tell(ChunksCompared(0b0010, 0))
    assert facts_of(driven.state, driven.now_s).unsure == 1
    assert facts_of(driven.state, driven.now_s).missing == 2


def absent(driven: Driven) -> str:
    """What is said of chunks that nobody has."""
    return reason(driven).partition("; ")[2]
