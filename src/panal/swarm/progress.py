"""What a person is shown of a download, and in words why nothing moves.

Reasons stand after "waiting: ", so they begin with a small letter unless they are somebody
else's sentence.
"""

from collections.abc import Iterable

from panal.swarm.messages import Progress, SourceProgress
from panal.swarm.sources import HELD_SHARE, Source, Stage
from panal.swarm.state import DownloadState
from panal.wire.amounts import counted

QUIET_S = 2.0
"""Nothing came in for so long: say why."""
NAMED = 5
"""So many sources are named in one reason."""


def progress_of(state: DownloadState, now_s: float) -> Progress:
    """The download at this moment."""
    sources = tuple(
        SourceProgress(source.id, state_of(source), source.rate_bytes_s, source.bytes)
        for source in state.sources.values()
    )
    waits = is_waiting(state, now_s)
    return Progress(
        chunks_written=state.written.bit_count(),
        chunk_count=state.chunk_count,
        rate_bytes_s=0.0 if waits else sum(source.rate_bytes_s for source in sources),
        sources=sources,
        reason=why_waiting(state, now_s) if waits else "",
        held_back=any(is_held(source) for source in state.neighbours.near.values()),
    )


def is_waiting(state: DownloadState, now_s: float) -> bool:
    """Whether nothing has come in for so long, or will soon, that people are told why."""
    if state.finished or state.quiet_since_s is None:
        return False
    return now_s - state.quiet_since_s >= QUIET_S or _are_all_gone(state)


def _are_all_gone(state: DownloadState) -> bool:
    """Whether whoever sent is gone, and nobody else is here."""
    if any(s.fetch is not None or s.stage is Stage.READY for s in state.neighbours.near.values()):
        return False
    return any(source.has_sent for source in state.sources.values())


def is_held(source: Source) -> bool:
    """Whether our own rate limit is what keeps it from sending more."""
    return source.fetch is not None and source.held_share > HELD_SHARE


def why_waiting(state: DownloadState, now_s: float) -> str:
    """Why nothing arrives, in words."""
    return "; ".join(parts_of_wait(state, now_s))


def parts_of_wait(state: DownloadState, now_s: float) -> list[str]:
    """Why nothing arrives, in words: the cause, then what else is missing and who is away."""
    sources = state.neighbours.near.values()
    if any(is_held(source) for source in sources):
        return ["your own rate limit holds it back"]
    if state.disk_still_s:
        return ["this machine's own disk takes nothing at the moment"]
    absent = _absent_parts(state, now_s)
    unsure = state.chunks.unsure.bit_count()
    silent = [source for source in sources if state_of(source) == "sending"]
    if silent:
        return [f"nothing comes from {_names(silent)}", *absent]
    queued = [source for source in sources if state_of(source) == "queued"]
    if queued:
        return [f"queued at {_names(queued)}", *absent]
    if unsure:
        return [comparing_words(unsure), *absent]
    opening = [source for source in sources if source.stage is Stage.OPENING]
    if opening:
        return [f"connecting to {_names(opening)}"]
    if any(state.is_left_to_zone(source, now_s) for source in sources):
        return ["what is missing is left to others of our zone for now", *absent]
    return absent or ["all sources rest after a failure; trying again shortly"]


def _absent_parts(state: DownloadState, now_s: float) -> list[str]:
    """That chunks are missing everywhere, and who is away or not used."""
    absent = (state.chunks.lacking & ~state.neighbours.available).bit_count()
    if not absent:
        return []
    if state.asking.problem:
        return [state.asking.problem, *_whereabouts(state, now_s)]
    if not state.asking.has_answered:
        return ["the tracker has not answered yet"]
    chunks = "1 chunk" if absent == 1 else f"{absent} chunks"
    whose = "any chunk" if absent == state.chunk_count else chunks
    known = _whereabouts(state, now_s) or ["the tracker names nobody else, and is asked again"]
    return [f"no provider of {whose} is online", *known]


def comparing_words(unsure: int) -> str:
    """That an earlier run's chunks have still to be compared."""
    return f"comparing what is here already, {counted(unsure, 'chunk')} left"


def _names(sources: Iterable[Source]) -> str:
    names = [source.peer for source in sources]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)


def _whereabouts(state: DownloadState, now_s: float) -> list[str]:
    sources = state.sources.values()
    away = [s for s in sources if s.stage is Stage.AWAY]
    banned = [f"{s.peer} {s.reason}" for s in sources if s.stage is Stage.BANNED]
    resting = [
        f"{s.peer} ({s.reason}), next try in {max(0.0, s.rests_until_s - now_s):.0f} s"
        for s in away
    ]
    words = [f"not used: {'; '.join(banned[:NAMED])}"] if banned else []
    words += [f"away: {'; '.join(resting[:NAMED])}"] if resting else []
    seen = {source.peer: source.last_seen_s for source in away if source.last_seen_s is not None}
    if seen:
        last = max(seen, key=lambda peer: seen[peer])
        words.append(f"last seen: {last}, {ago_words(now_s - seen[last])} ago")
    return words


def ago_words(seconds: float) -> str:
    """How long something took or is past, roughly."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.0f} h"


def state_of(source: Source) -> str:
    """What a source is doing, in a word."""
    if source.fetch is None or source.stage is not Stage.READY:
        return source.stage.value
    return "queued" if source.fetch.first_byte_at_s is None else "sending"
