"""What there is to say of one content's download at one moment, as values.

Taken from the state that decides; the words are made of it elsewhere (swarm.explaining).
"""

import msgspec

from panal.swarm.progress import is_held, is_waiting, parts_of_wait, state_of
from panal.swarm.sources import Source
from panal.swarm.state import DownloadState


class SourceFacts(msgspec.Struct, frozen=True):
    """One source at one moment."""

    peer: str
    state: str
    """A word, that of the progress."""
    rate_bytes_s: float = 0.0
    asked: int = 0
    """Chunks under way from it."""
    useful: int = 0
    """Of the chunks that are missing, how many it has; once it is out of touch, had."""
    alone: int = 0
    """Of those, how many nobody online has."""
    silent_s: float | None = None
    """Since its last byte, or since it was asked; None where nothing is asked of it."""
    wait_s: float = 0.0
    """How long its queue usually takes."""
    is_held: bool = False
    reason: str = ""
    """Why it was left: the evidence, where it is banned."""
    offences: int = 0
    """How often it broke the protocol."""
    seen_s_ago: float | None = None
    next_try_s: float = 0.0
    is_left_to_zone: bool = False
    """It is far, and what it has is to come from those near, or over them."""


class SwarmFacts(msgspec.Struct, frozen=True):
    """One content's download at one moment."""

    chunk_count: int
    missing: int
    """How many chunks have to come from others."""
    absent: int
    """The chunks that are missing and that nobody online has, as bits."""
    cause: str
    """What it would wait for if nothing came from now on."""
    is_waiting: bool
    """Nothing has come for some time."""
    sources: tuple[SourceFacts, ...]
    unsure: int = 0
    """How many chunks are here from before, and not compared yet."""
    disk_is_still: bool = False
    """Our own disk takes nothing of what has come."""
    tracker_problem: str = ""
    asks_again_s: float = 0.0

    @property
    def rate_bytes_s(self) -> float:
        """From all together."""
        return sum(source.rate_bytes_s for source in self.sources)

    @property
    def is_held(self) -> bool:
        """Whether our own rate limit is what holds it back."""
        return any(source.is_held for source in self.sources)


def facts_of(state: DownloadState, now_s: float) -> SwarmFacts:
    """The download at this moment."""
    lacking = state.chunks.lacking
    absent = lacking & ~state.neighbours.available
    return SwarmFacts(
        chunk_count=state.chunk_count,
        missing=lacking.bit_count(),
        absent=absent,
        cause="" if state.finished else parts_of_wait(state, now_s)[0],
        is_waiting=is_waiting(state, now_s),
        sources=tuple(_facts(state, s, lacking, absent, now_s) for s in state.sources.values()),
        unsure=state.chunks.unsure.bit_count(),
        disk_is_still=state.disk_still_s > 0,
        tracker_problem=state.asking.problem,
        asks_again_s=state.asking.pause_s(now_s),
    )


def _facts(
    state: DownloadState, source: Source, missing: int, absent: int, now_s: float
) -> SourceFacts:
    fetch, seen_s = source.fetch, source.last_seen_s
    chunks = source.bits or source.had
    return SourceFacts(
        peer=source.peer,
        state=state_of(source),
        rate_bytes_s=source.rate_bytes_s,
        asked=0 if fetch is None else fetch.claimed.bit_count(),
        useful=(chunks & missing).bit_count(),
        alone=(chunks & absent).bit_count(),
        silent_s=None if fetch is None else fetch.silence_s(now_s),
        wait_s=source.wait_s,
        is_held=is_held(source),
        reason=source.reason,
        offences=source.misbehaviours,
        seen_s_ago=None if seen_s is None else now_s - seen_s,
        next_try_s=max(0.0, source.rests_until_s - now_s),
        is_left_to_zone=state.is_left_to_zone(source, now_s),
    )
