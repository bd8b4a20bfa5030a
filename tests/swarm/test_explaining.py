"""Every sentence about one content's download, from facts that a test makes up."""

from typing import Any

import pytest
from msgspec.structs import replace

from panal.swarm.explaining import NO_LIMIT, explain, or_words, runs_words, source_words, stopped
from panal.swarm.snapshot import SourceFacts, SwarmFacts

MIB = 1024 * 1024
LIMITS = "at most 5 MB/s from all together"
LIFT = "'panal settings download_limit=0 download_limit_per_peer=0' lifts the limits."


def swarm(*sources: SourceFacts, **other: Any) -> SwarmFacts:
    usual: dict[str, Any] = {"chunk_count": 100, "missing": 40, "absent": 0, "cause": "a cause"}
    return SwarmFacts(**{**usual, "is_waiting": False, "sources": sources, **other})


def sending(peer: str, rate_mib_s: float, **other: Any) -> SourceFacts:
    return SourceFacts(peer, "sending", rate_mib_s * MIB, silent_s=0.1, asked=3, **other)


def away(peer: str, **other: Any) -> SourceFacts:
    return SourceFacts(peer, "away", reason="connection refused", **other)


def why(facts: SwarmFacts) -> str:
    return explain(facts, LIMITS).why


# What limits it ---------------------------------------------------------------------------


def test_the_slowest_of_all_is_named_with_its_rate() -> None:
    facts = swarm(sending("p1", 6.0), sending("p2", 5.6), sending("p3", 0.4))
    assert why(facts) == (
        "All 3 sources are sending, 12.0 MiB/s together; the slowest, p3, 409.6 KiB/s."
    )


def test_some_send_and_some_do_not() -> None:
    queued = SourceFacts("p3", "queued", silent_s=7.0)
    assert why(swarm(sending("p1", 2.0), sending("p2", 1.0), queued)) == (
        "2 of 3 sources are sending, 3.0 MiB/s together; the slowest, p2, 1.0 MiB/s."
    )
    assert why(swarm(sending("p1", 2.0), sending("p2", 1.0))) == (
        "Both sources are sending, 3.0 MiB/s together; the slowest, p2, 1.0 MiB/s."
    )
    assert why(swarm(sending("p1", 2.0), queued)) == "1 of 2 sources sends: p1, 2.0 MiB/s."
    words = explain(swarm(sending("p1", 2.0), away("p2")), LIMITS)
    assert (words.why, words.more) == ("p1 alone sends, 2.0 MiB/s.", (NO_LIMIT,))


def test_between_two_requests_a_source_still_sends() -> None:
    facts = swarm(SourceFacts("p1", "queued", 2.0 * MIB, silent_s=0.01))
    assert why(facts).startswith("p1 alone sends, 2.0 MiB/s")
    assert why(swarm(SourceFacts("p1", "queued", 0.0, silent_s=0.01))) == "At this moment: a cause."
    late = swarm(SourceFacts("p1", "queued", 2.0 * MIB, silent_s=2.0))
    assert why(late) == "At this moment: a cause."


def test_our_own_limit_while_bytes_come_and_while_none_do() -> None:
    facts = swarm(sending("p1", 4.0, is_held=True), sending("p2", 0.75))
    words = explain(facts, LIMITS)
    assert words.why == (
        "Your own rate limit holds it back, and 4.8 MiB/s come: at most 5 MB/s from all together."
    )
    assert words.advice == LIFT
    held = "your own rate limit holds it back"
    words = explain(replace(facts, is_waiting=True, cause=held), LIMITS)
    assert words.why == (
        "It waits: your own rate limit holds it back: at most 5 MB/s from all together."
    )
    assert words.advice == LIFT


def test_a_disk_of_our_own_that_takes_nothing() -> None:
    still = "this machine's own disk takes nothing at the moment"
    facts = swarm(sending("p1", 4.0), is_waiting=True, cause=still, disk_is_still=True)
    words = explain(facts, LIMITS)
    assert words.why == f"It waits: {still}."
    assert words.advice.startswith("See what else uses that disk")


def test_nothing_is_missing() -> None:
    assert why(swarm(missing=0)) == (
        "All chunks are here: the file is being made durable and put in its place."
    )


# What it waits for ------------------------------------------------------------------------


def test_a_wait_says_the_cause_as_it_is() -> None:
    assert why(swarm(is_waiting=True, cause="queued at p1")) == "It waits: queued at p1."
    tracker = "The tracker at h:1 does not answer. Is it running?"
    assert why(swarm(is_waiting=True, cause=tracker)) == f"It waits: {tracker}"


def test_missing_chunks_who_had_them_and_what_helps() -> None:
    facts = swarm(
        away("p1", alone=3, seen_s_ago=720.0),
        away("p2", alone=1, seen_s_ago=12.0),
        away("p3", seen_s_ago=3.0),
        is_waiting=True,
        absent=0b1110001,  # four
        asks_again_s=4.2,
    )
    words = explain(facts, LIMITS)
    assert words.more == (
        "Nobody online has 4 chunks (0, 4 to 6).",
        "p2 had 1 of them, until 12 s ago.",
        "p1 had 3 of them, until 12 min ago.",
        "The tracker is asked for others again in 4 s.",
    )
    assert words.advice == (
        "See that p1 or p2 runs, can be reached and still shares it; then it goes on by itself."
    )


def test_the_last_who_had_them_all_is_enough() -> None:
    facts = swarm(
        away("p1", alone=2, seen_s_ago=720.0),
        SourceFacts("p2", "connecting", alone=2, seen_s_ago=12.0),
        is_waiting=True,
        absent=0b11,
        missing=2,
    )
    words = explain(facts, LIMITS)
    assert words.more[:2] == (
        "Nobody online has any of the 2 chunks that are missing.",
        "p2 had all of them, until 12 s ago.",
    )
    assert "asked for others again now" in words.more[2]
    assert words.advice.startswith("See that p1 or p2 runs")


def test_while_others_send_it_says_where_it_will_stop() -> None:
    facts = swarm(sending("p1", 1.0), away("p2", alone=2), absent=0b11)
    assert explain(facts, LIMITS).more[1:3] == (
        "Nobody online has 2 chunks (0 to 1): without them it stops at 98 %.",
        "p2 had all of them.",
    )


def test_chunks_that_nobody_ever_had() -> None:
    facts = swarm(is_waiting=True, missing=100, absent=(1 << 100) - 1)
    words = explain(facts, LIMITS)
    assert words.more[:2] == (
        "Nobody online has any of the 100 chunks that are missing.",
        "Of those who are known here, nobody had them.",
    )
    assert words.advice.startswith("Somebody who has all of it must run their peer;")


def test_a_tracker_that_does_not_answer_is_said_once() -> None:
    problem = "The tracker does not answer."
    facts = swarm(is_waiting=True, absent=1, tracker_problem=problem, cause=problem)
    words = explain(facts, LIMITS)
    assert problem not in words.more
    assert words.advice.startswith("See that the tracker runs")
    silent = replace(facts, cause="connecting to p1")
    assert problem in explain(silent, LIMITS).more


def test_only_a_liar_had_them() -> None:
    liar = SourceFacts("p1", "banned", reason="sent a wrong chunk 2", alone=1)
    words = explain(swarm(liar, is_waiting=True, absent=1), LIMITS)
    assert "Of those who are known here, nobody had them." not in words.more
    assert "Only p1, who is not used any more, had them." in words.more
    assert words.advice == (
        "Have somebody else share the same file; then it goes on by itself. Or have the owner of "
        "p1 run 'panal verify', which says what mends it, then pause and resume this download: it "
        "is not asked again before."
    )


def test_a_silent_source_can_be_looked_at() -> None:
    silent = SourceFacts("p1", "sending", silent_s=9.0)
    words = explain(swarm(silent, is_waiting=True, cause="nothing comes from p1"), LIMITS)
    assert words.why == "It waits: nothing comes from p1."
    assert words.advice == (
        "See whether p1 still runs; what it does not send is asked of others once it is given up."
    )


def test_a_healthy_download_needs_no_advice() -> None:
    assert explain(swarm(sending("p1", 1.0)), LIMITS).advice == ""


# Each source ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (sending("p", 1.0), "sends 1.0 MiB/s, 25 % of what comes, 3 chunks under way"),
        (sending("p", 4.0), "sends 4.0 MiB/s, 3 chunks under way"),
        (
            replace(sending("p", 4.0), is_held=True, asked=1),
            "sends 4.0 MiB/s, 1 chunk under way, held back by your own rate limit",
        ),
        (
            replace(sending("p", 4.0), silent_s=9.0),
            "has sent nothing for 9 s, is given up in 6 s, 3 chunks under way",
        ),
        (
            SourceFacts("p", "queued", silent_s=7.0, asked=1),
            "lets us wait in its queue, for 7 s so far, 1 chunk under way",
        ),
        (
            SourceFacts("p", "queued", silent_s=7.0, wait_s=3.0),
            "lets us wait in its queue, for 7 s so far (usually 3 s)",
        ),
        (SourceFacts("p", "ready"), "is online and has nothing that is missing"),
        (SourceFacts("p", "ready", useful=1), "is online; what it has is asked of others already"),
        (
            SourceFacts("p", "ready", useful=1, is_left_to_zone=True),
            "is online outside our zone; what it has is left to others of the zone for now",
        ),
        (
            SourceFacts("p", "ready", useful=1, next_try_s=0.7, reason="q was quicker"),
            "is asked again in 1 s (q was quicker)",
        ),
        (SourceFacts("p", "ready", next_try_s=3.0), "is asked again in 3 s"),
        (SourceFacts("p", "connecting"), "is being connected to"),
        (SourceFacts("p", "found"), "is known, and is tried when there is room for one more"),
        (
            SourceFacts("p", "banned", reason="sent a wrong chunk 2"),
            "is not used any more: sent a wrong chunk 2",
        ),
        (
            SourceFacts("p", "banned", reason="announced another length", offences=3),
            "is not used any more: announced another length, and broke the protocol 3 times",
        ),
        (
            away("p", next_try_s=5.0),
            "is away: connection refused; never reached; next try in 5 s",
        ),
        (away("p", next_try_s=0.4), "is away: connection refused; never reached; next try now"),
        (
            away("p", useful=3, seen_s_ago=720.0, next_try_s=5.0),
            "is away: connection refused; in touch until 12 min ago, had 3 of the missing chunks; "
            "next try in 5 s",
        ),
    ],
)
def test_what_a_source_does(source: SourceFacts, words: str) -> None:
    assert source_words(source, 4.0 * MIB) == words


# Words ------------------------------------------------------------------------------------


def test_runs_of_chunks() -> None:
    assert runs_words(0b1011) == "0 to 1, 3"
    assert runs_words(int("01" * 20, 2)) == "0, 2, 4, 6, 8, others"


def test_names_and_stops() -> None:
    assert or_words(["a"]) == "a"
    assert or_words(list("abcdefg")) == "a or b or c or d or e or one of 2 more"
    assert (stopped("a"), stopped("a."), stopped("a?")) == ("a.", "a.", "a?")


def test_what_is_here_and_not_compared_yet_is_told() -> None:
    words = "comparing what is here already, 3 chunks left"
    told = explain(swarm(missing=0, unsure=3, is_waiting=True, cause=words), LIMITS)
    assert told.why == f"It waits: {words}."
    assert told.more == ("3 chunks may be here already: each counts once it agrees with its hash.",)
    assert explain(swarm(missing=0), LIMITS).more == ()
