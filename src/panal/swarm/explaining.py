"""What one content's download waits for, or what limits it: facts in, sentences out.

The first sentence has the cause that a download shows of itself (swarm.progress); what
follows says which chunks are missing, who had them, and what each source does.
"""

import msgspec

from panal.swarm.progress import NAMED, QUIET_S, ago_words
from panal.swarm.snapshot import SourceFacts, SwarmFacts
from panal.swarm.sources import STALL_S
from panal.wire import bitfield
from panal.wire.amounts import counted, size_words

NO_LIMIT = "No limit set here is reached: what limits it are the sources, and the way to them."
LIFT_LIMITS = "'panal settings download_limit=0 download_limit_per_peer=0' lifts the limits."
RUNS_NAMED = 5
"""So many runs of chunks are named."""


class Words(msgspec.Struct, frozen=True):
    """An answer: one sentence, further ones, and what its reader can do."""

    why: str
    more: tuple[str, ...] = ()
    advice: str = ""


# The whole --------------------------------------------------------------------------------


def explain(facts: SwarmFacts, limits: str) -> Words:
    """What a download waits for, or what limits it; `limits` are our own, in words."""
    if not facts.missing and not facts.unsure:
        return Words("All chunks are here: the file is being made durable and put in its place.")
    if facts.is_waiting:
        why = waits(f"{facts.cause}: {limits}" if facts.is_held else facts.cause)
    else:
        why = _what_limits(facts, limits)
    comes = not facts.is_waiting and not facts.is_held and any(map(is_sending, facts.sources))
    limit = (NO_LIMIT,) if comes else ()
    return Words(why, (*limit, *_unsure_words(facts), *_absent_words(facts)), _advice(facts))


def _unsure_words(facts: SwarmFacts) -> list[str]:
    if not facts.unsure:
        return []
    chunks = counted(facts.unsure, "chunk")
    return [f"{chunks} may be here already: each counts once it agrees with its hash."]


def _what_limits(facts: SwarmFacts, limits: str) -> str:
    if facts.is_held:
        return held_words(facts.rate_bytes_s, limits)
    rate = f"{size_words(facts.rate_bytes_s)}/s"
    near = [source for source in facts.sources if _is_near(source)]
    sending = sorted(filter(is_sending, near), key=lambda source: source.rate_bytes_s)
    if not sending:
        return stopped(f"At this moment: {facts.cause}")
    slowest = sending[0]
    if len(near) == 1:
        return f"{slowest.peer} alone sends, {rate}."
    if len(sending) == 1:
        return f"1 of {len(near)} sources sends: {slowest.peer}, {rate}."
    which = f"{len(sending)} of {len(near)}"
    if len(sending) == len(near):
        which = "Both" if len(near) == 2 else f"All {len(near)}"
    gives = f"{size_words(slowest.rate_bytes_s)}/s"
    return f"{which} sources are sending, {rate} together; the slowest, {slowest.peer}, {gives}."


def _is_near(source: SourceFacts) -> bool:
    return source.state in {"connecting", "ready", "queued", "sending"}


def is_sending(source: SourceFacts) -> bool:
    """Whether bytes come from it, the moments between two requests included."""
    if source.state == "sending":
        return source.silent_s is not None and source.silent_s < QUIET_S
    asked_just_now = source.state == "queued" and (source.silent_s or 0.0) < QUIET_S
    return asked_just_now and source.rate_bytes_s >= 1.0


def _absent_words(facts: SwarmFacts) -> list[str]:
    """Which chunks nobody online has, who had them, and whether somebody is looked for."""
    if not facts.absent:
        return []
    count = facts.absent.bit_count()
    words = [f"Nobody online has {counted(count, 'chunk')} ({runs_words(facts.absent)})."]
    if count == facts.missing:
        words = [f"Nobody online has any of the {counted(count, 'chunk')} that are missing."]
    elif not facts.is_waiting:
        share = 100 * (facts.chunk_count - count) // facts.chunk_count
        words[0] = f"{words[0][:-1]}: without them it stops at {share} %."
    had = sorted(
        (source for source in facts.sources if source.alone and _is_usable(source)),
        key=lambda source: source.seen_s_ago or 0.0,
    )
    for source in had[:NAMED]:
        ago = "" if source.seen_s_ago is None else f", until {ago_words(source.seen_s_ago)} ago"
        what = "all of them" if source.alone == count else f"{source.alone} of them"
        words.append(f"{source.peer} had {what}{ago}.")
        if source.alone == count:
            break
    banned = [source.peer for source in facts.sources if source.alone and not _is_usable(source)]
    if banned and not had:
        words.append(f"Only {or_words(banned)}, who is not used any more, had them.")
    elif not had:
        words.append("Of those who are known here, nobody had them.")
    if not facts.tracker_problem:
        words.append(f"The tracker is asked for others again {soon_words(facts.asks_again_s)}.")
    elif facts.tracker_problem != facts.cause:
        words.append(stopped(facts.tracker_problem))
    return words


def _is_usable(source: SourceFacts) -> bool:
    return source.state != "banned"


def _advice(facts: SwarmFacts) -> str:
    """What its reader can do; empty where it goes on as well as it can."""
    if facts.is_held:
        return LIFT_LIMITS
    if facts.disk_is_still:
        return "See what else uses that disk, and whether it is well; then it goes on by itself."
    if facts.absent:
        had = [source for source in facts.sources if source.alone]
        away = [source.peer for source in had if _is_usable(source)]
        banned = [source.peer for source in had if not _is_usable(source)]
        if away:
            runs = f"See that {or_words(away)} runs, can be reached and still shares it"
            return f"{runs}; then it goes on by itself.{_after_ban(banned)}"
        if banned:
            other = "Have somebody else share the same file; then it goes on by itself."
            return f"{other}{_after_ban(banned)}"
        if facts.tracker_problem:
            return "See that the tracker runs and can be reached; then it goes on by itself."
        return "Somebody who has all of it must run their peer; then it goes on by itself."
    silent = [s.peer for s in facts.sources if s.state == "sending" and not is_sending(s)]
    if facts.is_waiting and silent:
        return (
            f"See whether {or_words(silent)} still runs; what it does not send is asked of others "
            "once it is given up."
        )
    return ""


def _after_ban(banned: list[str]) -> str:
    if not banned:
        return ""
    return (
        f" Or have the owner of {or_words(banned)} run 'panal verify', which says what mends it, "
        "then pause and resume this download: it is not asked again before."
    )


# One source -------------------------------------------------------------------------------


def source_words(source: SourceFacts, total_bytes_s: float) -> str:
    """What a source does, by its measure; stands behind its name."""
    asked = f", {counted(source.asked, 'chunk')} under way" if source.asked else ""
    silent_s = source.silent_s or 0.0
    if is_sending(source):
        held = ", held back by your own rate limit" if source.is_held else ""
        share = ""
        if source.rate_bytes_s < total_bytes_s:
            share = f", {100 * source.rate_bytes_s / total_bytes_s:.0f} % of what comes"
        return f"sends {size_words(source.rate_bytes_s)}/s{share}{asked}{held}"
    match source.state:
        case "sending":
            left_s = max(0.0, STALL_S - silent_s)
            return f"has sent nothing for {silent_s:.0f} s, is given up in {left_s:.0f} s{asked}"
        case "queued":
            usual = f" (usually {source.wait_s:.0f} s)" if source.wait_s >= 1.0 else ""
            return f"lets us wait in its queue, for {silent_s:.0f} s so far{usual}{asked}"
        case "ready":
            return _idle_words(source)
        case "connecting":
            return "is being connected to"
        case "banned":
            return _banned_words(source)
        case "away":
            return _away_words(source)
    return "is known, and is tried when there is room for one more"


def _idle_words(source: SourceFacts) -> str:
    if source.next_try_s > 0:
        why = f" ({source.reason})" if source.reason else ""
        return f"is asked again in {source.next_try_s:.0f} s{why}"
    if not source.useful:
        return "is online and has nothing that is missing"
    if source.is_left_to_zone:
        return "is online outside our zone; what it has is left to others of the zone for now"
    return "is online; what it has is asked of others already"


def _banned_words(source: SourceFacts) -> str:
    often = f", and broke the protocol {source.offences} times" if source.offences > 1 else ""
    return f"is not used any more: {source.reason}{often}"


def _away_words(source: SourceFacts) -> str:
    seen = "never reached"
    if source.seen_s_ago is not None:
        seen = f"in touch until {ago_words(source.seen_s_ago)} ago"
    had = f", had {source.useful} of the missing chunks" if source.useful else ""
    return f"is away: {source.reason}; {seen}{had}; next try {soon_words(source.next_try_s)}"


# Words ------------------------------------------------------------------------------------


def waits(reason: str) -> str:
    """A reason as a sentence; it may begin with somebody's name, so no letter of it changes."""
    return stopped(f"It waits: {reason}")


def stopped(words: str) -> str:
    """With a full stop behind."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def held_words(rate_bytes_s: float, limits: str) -> str:
    """That our own limits let no more come than comes."""
    return f"Your own rate limit holds it back, and {size_words(rate_bytes_s)}/s come: {limits}."


def soon_words(seconds: float) -> str:
    """How long from now."""
    return "now" if seconds < 0.5 else f"in {seconds:.0f} s"


def or_words(names: list[str]) -> str:
    """Some of these names, each good enough."""
    more = [f"one of {len(names) - NAMED} more"] if len(names) > NAMED else []
    return " or ".join(names[:NAMED] + more)


def runs_words(bits: int) -> str:
    """Chunks as people read them: `3, 17 to 20`."""
    runs: list[tuple[int, int]] = []
    for index in bitfield.indices(bits):
        if runs and runs[-1][1] == index - 1:
            runs[-1] = runs[-1][0], index
        else:
            runs.append((index, index))
    named = [f"{a}" if a == b else f"{a} to {b}" for a, b in runs[:RUNS_NAMED]]
    more = ["others"] if len(runs) > RUNS_NAMED else []
    return ", ".join(named + more)
