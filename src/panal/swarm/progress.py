"""What a person is shown of a download, and in words why nothing moves."""

from panal.swarm.messages import Progress, SourceProgress
from panal.swarm.sources import Source, Stage
from panal.swarm.state import DownloadState

QUIET_S = 2.0
"""Nothing came in for so long: say why."""


def progress_of(state: DownloadState, now_s: float) -> Progress:
    """The download at this moment."""
    sources = tuple(
        SourceProgress(source.id, _state_of(source), source.rate_bytes_s, source.bytes)
        for source in state.sources.values()
    )
    moving = state.last_arrival_s is not None and now_s - state.last_arrival_s < QUIET_S
    return Progress(
        chunks_written=state.written.bit_count(),
        chunk_count=state.chunk_count,
        rate_bytes_s=sum(source.rate_bytes_s for source in sources),
        sources=sources,
        reason="" if moving or state.finished else why_waiting(state, now_s),
    )


def why_waiting(state: DownloadState, now_s: float) -> str:
    """Why nothing arrives, in words."""
    sources = state.sources.values()
    absent = (state.missing & ~state.available).bit_count()
    queued = [s.peer for s in sources if s.fetch is not None and s.stage is Stage.READY]
    if queued and not absent:
        return f"waiting for {', '.join(queued)} to send"
    opening = [s.peer for s in sources if s.stage is Stage.OPENING]
    if opening:
        return f"connecting to {', '.join(opening)}"
    if state.tracker_problem and absent:
        return f"{state.tracker_problem} {_whereabouts(state, now_s)}".strip()
    if absent:
        chunks = "any chunk" if absent == state.chunk_count else f"{absent} chunks"
        return f"no provider of {chunks} is online; {_whereabouts(state, now_s)}"
    return "all sources rest after a failure; trying again shortly"


def _whereabouts(state: DownloadState, now_s: float) -> str:
    banned = [f"{s.peer} {s.reason}" for s in state.sources.values() if s.stage is Stage.BANNED]
    away = [
        f"{s.peer} ({s.reason}), next try in {max(0.0, s.rests_until_s - now_s):.0f} s"
        for s in state.sources.values()
        if s.stage is Stage.AWAY
    ]
    words = [f"not used: {'; '.join(banned)}"] if banned else []
    words += [f"away: {'; '.join(away[:5])}"] if away else []
    seen = [s for s in state.sources.values() if s.last_seen_s is not None]
    if seen:
        last = max(seen, key=lambda source: source.last_seen_s or 0.0)
        words.append(f"last seen: {last.peer}, {_ago(now_s - (last.last_seen_s or 0.0))} ago")
    return "; ".join(words) or "the tracker names nobody else, and is asked again"


def _ago(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.0f} h"


def _state_of(source: Source) -> str:
    if source.fetch is None or source.stage is not Stage.READY:
        return source.stage.value
    return "queued" if source.fetch.first_byte_at_s is None else "sending"
