"""Every sentence about a download, in each of its states, from facts that a test makes up."""

from typing import Any

import pytest

from panal.peer.explaining import (
    BundleFacts,
    ContentFacts,
    DownloadFacts,
    FolderFacts,
    content_words,
    explain_download,
)
from panal.peer.queueing import Queued, Turn, turn_of
from panal.swarm.snapshot import SourceFacts, SwarmFacts

MIB = 1024 * 1024
HERE = "2.0 MiB of 10.0 MiB are here."
LIFT = "'panal settings download_limit=0 download_limit_per_peer=0' lifts the limits."


def download(state: str = "running", **other: Any) -> DownloadFacts:
    usual: dict[str, Any] = {"size_bytes": 10 * MIB, "bytes_done": 2 * MIB}
    return DownloadFacts("3f0a", state, **{**usual, **other})


def swarm(*sources: SourceFacts, **other: Any) -> SwarmFacts:
    usual: dict[str, Any] = {"cause": "queued at p1", "is_waiting": True, "absent": 0}
    return SwarmFacts(chunk_count=10, missing=4, sources=sources, **{**usual, **other})


def said(facts: DownloadFacts) -> tuple[str, tuple[str, ...], str]:
    words = explain_download(facts)
    return words.why, words.more, words.advice


# States in which nothing runs -------------------------------------------------------------


def test_queued() -> None:
    assert said(download("queued", turn=Turn(2, 3, 4, 7))) == (
        "It waits for its turn: 4 downloads may run at once, and it is number 2 of 3 in the queue.",
        (HERE,),
        "'panal settings active_downloads=5' lets one more run, 'panal downloads priority 8 3f0a' "
        "lets it go before the others.",
    )
    next_one = said(download("queued", turn=Turn(1, 1, 1, 0), size_bytes=0))
    assert next_one[0].endswith("1 download may run at once, and it is number 1 of 1 in the queue.")
    assert next_one[1:] == ((), "'panal settings active_downloads=2' lets one more run.")
    assert said(download("queued"))[0] == "It waits for its turn."


def test_the_turn_is_by_priority_then_in_the_order_they_came() -> None:
    queued = [Queued("a", 0), Queued("b", 5), Queued("c", 0)]
    places = {name: turn_of(name, queued, 2) for name in "abcd"}
    assert places == {
        "b": Turn(1, 3, 2, 5), "a": Turn(2, 3, 2, 5), "c": Turn(3, 3, 2, 5), "d": None,
    }  # fmt: skip


def test_paused() -> None:
    assert said(download("paused")) == (
        "You paused it.", (HERE,), "'panal downloads resume 3f0a' lets it go on.",
    )  # fmt: skip


def test_waiting_for_room() -> None:
    reason = "needs 8.0 MiB more on /a; 0 B are free. It goes on when there is room."
    assert said(download("waiting", lacks_room=True, reason=reason)) == (
        f"It waits: {reason}",
        (HERE,),
        "Free some room there; 'panal downloads --unfinished' lists what takes some.",
    )


def test_waiting_for_a_disk() -> None:
    reason = "Could not write the download: Input/output error. It is tried again by itself."
    assert said(download("waiting", tries_disk=True, reason=reason)) == (
        f"It waits: {reason}", (HERE,), "Look at that disk and how it is mounted.",
    )  # fmt: skip


def test_done() -> None:
    served = (("p1", 1 * MIB), ("p2", 9 * MIB), ("p3", 0))
    assert said(download("done", served=served, transfer_s=3.21)) == (
        "It is done: 10.0 MiB, whole, verified and in its place.",
        ("It came from p2 (9.0 MiB), p1 (1.0 MiB) in 3.2 s.",),
        "",
    )
    assert said(download("done"))[1] == ()


def test_failed() -> None:
    facts = download("failed", reason="The disk broke", banned=(("p1", "sent a wrong chunk 2"),))
    assert said(facts) == (
        "It failed: The disk broke.",
        (HERE, "p1 sent a wrong chunk 2, and is not used any more."),
        "Ask for it again: then it goes on from what is here.",
    )
    assert said(download("failed", reason="No.", size_bytes=0))[1:] == ((), "")


# Before and after the swarm ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "why", "advice"),
    [
        (
            {},
            "It begins: what was asked for is looked up, and what is here is read.",
            "",
        ),
        (
            {"reason": "Nobody shares x. It is waited for.", "is_identified": False},
            "It waits: Nobody shares x. It is waited for.",
            "'panal search' shows which names there are.",
        ),
        (
            {"reason": "nobody online holds this content"},
            "It waits: nobody online holds this content.",
            "",
        ),
        (
            {"bytes_done": 10 * MIB},
            "All of it is here: it is being put in its place.",
            "",
        ),
    ],
)
def test_no_swarm_is_at_work(other: dict[str, Any], why: str, advice: str) -> None:
    state = "waiting" if "reason" in other else "running"
    assert said(download(state, **other)) == (why, (), advice)


def test_who_had_it_is_known_while_nobody_is_found_again() -> None:
    facts = download("waiting", reason="nobody online holds it", served=(("p1", MIB),))
    assert said(facts)[1] == ("What is here came from p1 (1.0 MiB).",)


# A file -----------------------------------------------------------------------------------


def test_a_file_has_the_words_of_its_swarm() -> None:
    facts = download("waiting", contents=(ContentFacts(swarm=swarm()),), reason="queued at p1")
    assert said(facts) == ("It waits: queued at p1.", (HERE,), "")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ((5_000_000, 0), "at most 5 MB/s (4.8 MiB/s) from all together"),
        ((0, 1_000), "at most 1 KB/s (1000 B/s) from each peer"),
        (
            (2_000, 1_000),
            "at most 2 KB/s (2.0 KiB/s) from all together and 1 KB/s (1000 B/s) from each peer",
        ),
        ((0, 0), "it was lifted just now"),
    ],
)
def test_our_own_limits(limits: tuple[int, int], words: str) -> None:
    facts = download(limit_bytes_s=limits[0], limit_per_peer_bytes_s=limits[1])
    assert facts.limits == words


def test_who_is_banned_is_said_once() -> None:
    liar = SourceFacts("p1", "banned", reason="sent a wrong chunk 2")
    banned = (("p1", "sent a wrong chunk 2"), ("p2", "sent a wrong chunk 0"))
    facts = download(contents=(ContentFacts(swarm=swarm(liar)),), banned=banned)
    assert said(facts)[1] == (HERE, "p2 sent a wrong chunk 0, and is not used any more.")


# A folder ---------------------------------------------------------------------------------


def folder(*missing: str, files: int = 9, done: int = 2, **other: Any) -> DownloadFacts:
    return download(folder=FolderFacts(files, done, missing), **other)


def test_a_folder_names_what_is_missing() -> None:
    assert said(folder(*"abcdefg", rate_bytes_s=MIB))[1] == (
        "2 of 9 files are here.",
        "Missing: a, b, c, d, e, 2 more.",
    )
    assert said(folder("a", "b", files=4))[1] == ("2 of 4 files are here.", "Missing: a, b.")


def test_a_folder_under_way() -> None:
    bundle = ContentFacts(bundle=BundleFacts("p1", 300, 20, 2.0))
    facts = folder("a", rate_bytes_s=MIB, contents=(ContentFacts("a", swarm()), bundle))
    assert said(facts)[0] == "301 files under way, 1.0 MiB/s come; no limit set here is reached."
    assert said(folder())[0] == "What is here is compared, or what came is put in its place."


def test_a_folder_that_waits_says_what_its_files_wait_for() -> None:
    gone = SourceFacts("p1", "away", reason="connection refused", alone=1)
    lacking = swarm(gone, absent=1, cause="no provider of 1 chunk is online")
    reason = "no provider of 1 chunk is online"
    facts = folder("a", state="waiting", reason=reason, contents=(ContentFacts("a", lacking),))
    why, _, advice = said(facts)
    assert why == "It waits: no provider of 1 chunk is online."
    assert advice == (
        "See that p1 runs, can be reached and still shares it; then it goes on by itself."
    )
    nobody = folder("a", state="waiting", reason=reason)
    assert said(nobody)[2] == "Somebody who has all of the folder must be online."


def test_a_folder_at_our_own_limit() -> None:
    facts = folder("a", is_held=True, rate_bytes_s=MIB, limit_bytes_s=1_000_000)
    why, _, advice = said(facts)
    assert why == (
        "Your own rate limit holds it back, and 1.0 MiB/s come: at most 1 MB/s (976.6 KiB/s) from "
        "all together."
    )
    assert advice == LIFT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ContentFacts("a", swarm()), "It waits: queued at p1."),
        (ContentFacts("a", waiting_for="p1 does not answer"), "It waits: p1 does not answer."),
        (ContentFacts("a", is_held=True), "Your own rate limit holds it back."),
        (ContentFacts("a"), "It is being asked for."),
        (
            ContentFacts(bundle=BundleFacts("p1", 300, 20, 2.4)),
            "300 small files in one bundle from p1, asked for 2 s ago: 20 verified.",
        ),
        (
            ContentFacts(bundle=BundleFacts("p1", 1, 0, 2.0), is_held=True),
            "1 small file in one bundle from p1, asked for 2 s ago: 0 verified; your own rate "
            "limit holds it back.",
        ),
    ],
)
def test_one_of_a_folders_contents(content: ContentFacts, words: str) -> None:
    assert content_words(content, "") == words
