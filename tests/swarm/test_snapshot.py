"""The facts of a moment, as the state has them; their cause is that of the progress."""

from panal.swarm.messages import (
    BytesArrived,
    ChunkCorrupt,
    FetchEnded,
    HeldBack,
    SourceClosed,
    SourceFound,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.progress import progress_of
from panal.swarm.snapshot import SourceFacts, facts_of
from tests.swarm import A, B, C, Driven


def started(chunk_count: int = 4) -> Driven:
    driven = Driven(chunk_count)
    driven.tell(Ticked())
    return driven


def of(driven: Driven, after_s: float = 0.0) -> dict[str, SourceFacts]:
    return {s.peer: s for s in facts_of(driven.state, driven.now_s + after_s).sources}


def test_the_cause_is_the_first_part_of_the_reason_and_waits_begin_together() -> None:
    driven = started()
    driven.tell(TrackerAnswered())
    for after_s in (0.0, 1.9, 2.0, 60.0):
        shown = progress_of(driven.state, driven.now_s + after_s)
        facts = facts_of(driven.state, driven.now_s + after_s)
        assert facts.is_waiting == bool(shown.reason)
        assert shown.reason.startswith(facts.cause if facts.is_waiting else "")
        assert facts.cause == "no provider of any chunk is online"


def test_before_the_first_fact_and_after_the_last_nothing_waits() -> None:
    assert not facts_of(Driven().state, 1e9).is_waiting
    nothing_missing = Driven(2, written=0b11)
    nothing_missing.tell(Ticked())
    facts = facts_of(nothing_missing.state, 1e9)
    assert (facts.missing, facts.is_waiting, facts.cause) == (0, False, "")


def test_what_is_under_way_and_how_long_nothing_came() -> None:
    driven = started()
    driven.open_one_chunk(A, 0b0111)
    assert of(driven, 7.0)["peer_a"] == SourceFacts(
        "peer_a", "queued", asked=1, useful=3, silent_s=7.0, seen_s_ago=7.0
    )
    driven.tell(BytesArrived(A, 1_000), after_s=5.0)
    sending = of(driven, 3.0)["peer_a"]
    assert (sending.state, sending.silent_s, sending.wait_s) == ("sending", 3.0, 5.0)
    facts = facts_of(driven.state, driven.now_s)
    assert (facts.missing, facts.absent, facts.chunk_count) == (4, 0b1000, 4)


def test_who_left_is_remembered_with_what_it_had() -> None:
    driven = started()
    driven.open(A, 0b1110)
    driven.tell(SourceClosed(A, "connection refused"))
    driven.tell(FetchEnded(A))
    driven.open(B, 0b0011)
    driven.state.sources[A].rests_until_s = driven.now_s + 9.0
    left = of(driven, 4.0)["peer_a"]
    assert (left.state, left.reason, left.useful, left.alone) == (
        "away", "connection refused", 3, 2,
    )  # fmt: skip
    assert (left.seen_s_ago, left.next_try_s, left.silent_s) == (4.0, 5.0, None)


def test_the_evidence_of_a_ban() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(ChunkCorrupt(A, 2))
    assert (of(driven)["peer_a"].state, of(driven)["peer_a"].reason) == (
        "banned", "sent a wrong chunk 2",
    )  # fmt: skip
    driven.tell(SourceFound(C))
    for _ in range(3):
        driven.state.sources[C].misbehaved()
    assert of(driven)["peer_c"].offences == 3


def test_our_own_limit_and_when_the_tracker_is_asked_again() -> None:
    driven = started()
    driven.open(A, 0b1111)
    driven.tell(BytesArrived(A, 1))
    for _ in range(20):
        driven.tell(HeldBack(A, 0.25), after_s=0.25)
        driven.tell(Ticked())
    facts = facts_of(driven.state, driven.now_s)
    assert facts.is_held
    assert of(driven)["peer_a"].is_held
    driven.tell(TrackerAnswered("away"))
    facts = facts_of(driven.state, driven.now_s)
    assert (facts.tracker_problem, facts.asks_again_s > 0) == ("away", True)
