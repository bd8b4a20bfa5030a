"""What a download waits for, or what limits it, in every state: facts in, sentences out."""

from collections.abc import Sequence

import msgspec

from panal.peer.queueing import Turn
from panal.peer.rates import rate_words
from panal.swarm.explaining import LIFT_LIMITS, Words, explain, held_words, stopped, waits
from panal.swarm.snapshot import SwarmFacts
from panal.wire.amounts import counted, size_words

NAMED = 5
"""So many missing files are named."""


class BundleFacts(msgspec.Struct, frozen=True):
    """One bundle of a folder's small files that is under way."""

    peer: str
    files: int
    here: int
    asked_s_ago: float


class ContentFacts(msgspec.Struct, frozen=True):
    """One content that is at work: a file, a folder's list, or one of a folder's files."""

    path: str = ""
    """Of a folder's file; of a download's one file nothing."""
    swarm: SwarmFacts | None = None
    """None before anything can be fetched, or where it comes in one request."""
    waiting_for: str = ""
    is_held: bool = False
    bundle: BundleFacts | None = None


class FolderFacts(msgspec.Struct, frozen=True):
    """How far a folder has come."""

    files: int
    files_done: int
    missing: tuple[str, ...]
    """The first paths of those that are not here."""


class DownloadFacts(msgspec.Struct, frozen=True):
    """One download at one moment."""

    id: str
    state: str
    """As the API has it."""
    reason: str = ""
    """As the API has it."""
    name: str | None = None
    size_bytes: int = 0
    bytes_done: int = 0
    rate_bytes_s: float = 0.0
    transfer_s: float = 0.0
    is_identified: bool = True
    """It is known which content is meant."""
    lacks_room: bool = False
    tries_disk: bool = False
    is_held: bool = False
    turn: Turn | None = None
    """Its place in the queue."""
    limit_bytes_s: int = 0
    limit_per_peer_bytes_s: int = 0
    contents: tuple[ContentFacts, ...] = ()
    folder: FolderFacts | None = None
    banned: tuple[tuple[str, str], ...] = ()
    """Who was, and why."""
    served: tuple[tuple[str, int], ...] = ()
    """Who has sent how many bytes."""

    @property
    def limits(self) -> str:
        """Our own limits on what comes, in words."""
        limits = [
            f"{rate_words(limit)} ({size_words(limit)}/s) {whom}"
            for limit, whom in (
                (self.limit_bytes_s, "from all together"),
                (self.limit_per_peer_bytes_s, "from each peer"),
            )
            if limit
        ]
        return f"at most {' and '.join(limits)}" if limits else "it was lifted just now"


def explain_download(facts: DownloadFacts) -> Words:
    """Why it stands where it stands, and what its owner can do."""
    words = _of_state(facts)
    return Words(words.why, (*words.more, *_banned(facts)), words.advice)


def _of_state(facts: DownloadFacts) -> Words:
    match facts.state:
        case "queued":
            return _queued(facts)
        case "paused":
            resume = f"'panal downloads resume {facts.id}' lets it go on."
            return Words("You paused it.", _here(facts), resume)
        case "done":
            return _done(facts)
        case "failed":
            is_begun = 0 < facts.bytes_done < facts.size_bytes
            advice = "Ask for it again: then it goes on from what is here." if is_begun else ""
            return Words(f"It failed: {stopped(facts.reason)}", _here(facts), advice)
    if facts.lacks_room:
        advice = "Free some room there; 'panal downloads --unfinished' lists what takes some."
        return Words(waits(facts.reason), _here(facts), advice)
    if facts.tries_disk:
        return Words(waits(facts.reason), _here(facts), "Look at that disk and how it is mounted.")
    return _under_way(facts)


def _queued(facts: DownloadFacts) -> Words:
    turn = facts.turn
    if turn is None:
        return Words("It waits for its turn.", _here(facts))
    why = (
        f"It waits for its turn: {counted(turn.at_once, 'download')} may run at once, and it is "
        f"number {turn.place} of {turn.queued} in the queue."
    )
    advice = f"'panal settings active_downloads={turn.at_once + 1}' lets one more run"
    if turn.place > 1:
        first = turn.highest_priority + 1
        advice += f", 'panal downloads priority {first} {facts.id}' lets it go before the others"
    return Words(why, _here(facts), f"{advice}.")


def _done(facts: DownloadFacts) -> Words:
    size = size_words(facts.size_bytes)
    took = f" in {facts.transfer_s:.1f} s" if facts.transfer_s else ""
    whence = _whence(facts)
    came = (f"It came from {whence}{took}.",) if whence else ()
    if facts.reason:
        return Words(f"It was done, but {facts.reason}", came)
    return Words(f"It is done: {size}, whole, verified and in its place.", came)


def _whence(facts: DownloadFacts) -> str:
    by_size = sorted(facts.served, key=lambda served: -served[1])
    return ", ".join([f"{peer} ({size_words(sent)})" for peer, sent in by_size if sent][:NAMED])


def _under_way(facts: DownloadFacts) -> Words:
    if facts.folder is not None:
        return _folder(facts, facts.folder)
    swarm = facts.contents[0].swarm if facts.contents else None
    if swarm is not None:
        words = explain(swarm, facts.limits)
        return Words(words.why, (*_here(facts), *words.more), words.advice)
    if 0 < facts.size_bytes <= facts.bytes_done:
        return Words("All of it is here: it is being put in its place.")
    if not facts.reason:
        return Words("It begins: what was asked for is looked up, and what is here is read.")
    if not facts.is_identified:
        return Words(waits(facts.reason), (), "'panal search' shows which names there are.")
    before = _whence(facts)
    return Words(
        waits(facts.reason),
        (f"What is here came from {before}.",) if before else (),
    )


def _folder(facts: DownloadFacts, folder: FolderFacts) -> Words:
    more = [f"{folder.files_done} of {counted(folder.files, 'file')} are here."]
    if folder.missing:
        left = folder.files - folder.files_done - len(folder.missing[:NAMED])
        others = [f"{left} more"] if left > 0 else []
        more.append(f"Missing: {', '.join([*folder.missing[:NAMED], *others])}.")
    held = facts.is_held or any(content.is_held for content in facts.contents)
    at_work = [explain(c.swarm, facts.limits) for c in facts.contents if c.swarm is not None]
    advice = next((words.advice for words in at_work if words.advice), "")
    if facts.reason:
        why = waits(facts.reason)
        if not advice:
            advice = "Somebody who has all of the folder must be online."
    elif held:
        why, advice = held_words(facts.rate_bytes_s, facts.limits), LIFT_LIMITS
    elif facts.contents:
        asked = sum(1 if c.bundle is None else c.bundle.files for c in facts.contents)
        files = counted(asked, "file")
        rate = f"{size_words(facts.rate_bytes_s)}/s"
        why = f"{files} under way, {rate} come; no limit set here is reached."
    else:
        why = "What is here is compared, or what came is put in its place."
    return Words(why, tuple(more), advice)


def content_words(content: ContentFacts, limits: str) -> str:
    """What one of a folder's contents waits for, or what limits it."""
    if content.bundle is not None:
        bundle = content.bundle
        held = "; your own rate limit holds it back" if content.is_held else ""
        return (
            f"{counted(bundle.files, 'small file')} in one bundle from {bundle.peer}, asked for "
            f"{bundle.asked_s_ago:.0f} s ago: {bundle.here} verified{held}."
        )
    if content.swarm is not None:
        return explain(content.swarm, limits).why
    if content.waiting_for:
        return waits(content.waiting_for)
    if content.is_held:
        return "Your own rate limit holds it back."
    return "It is being asked for."


def _here(facts: DownloadFacts) -> tuple[str, ...]:
    if not facts.size_bytes:
        return ()
    return (f"{size_words(facts.bytes_done)} of {size_words(facts.size_bytes)} are here.",)


def _banned(facts: DownloadFacts) -> Sequence[str]:
    """Those who are not seen among the sources."""
    swarms = [content.swarm for content in facts.contents if content.swarm is not None]
    shown = {source.peer for swarm in swarms for source in swarm.sources}
    return [
        f"{peer} {why}, and is not used any more."
        for peer, why in facts.banned
        if peer not in shown
    ]
