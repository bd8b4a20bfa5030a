"""What must hold after every step of every download; tests call it, the product need not."""

from panal.swarm.neighbours import MAX_NEIGHBOURS, MAX_SOURCES_KNOWN
from panal.swarm.sources import Stage
from panal.swarm.state import DownloadState
from panal.swarm.takeover import SLOW_GIVES_WAY_S
from panal.wire import bitfield

SHORT_WAIT_S = 1.0
"""Who keeps nobody waiting for longer may soon have what is silent."""
LONGEST_SILENCE_S = SLOW_GIVES_WAY_S + 30.0
"""Of a claim, while somebody idle has its chunks who lately brought others."""


def check(state: DownloadState) -> None:
    """Raise AssertionError naming the first rule that is broken."""
    claimed = 0
    for source in state.sources.values():
        if source.fetch is None:
            continue
        assert not claimed & source.fetch.claimed, "two sources fetch one chunk"
        claimed |= source.fetch.claimed
        running = source.stage is Stage.READY or source.stage is Stage.AWAY or source.fetch.ending
        assert running, f"{source.id} fetches while {source.stage.value}"
    assert state.missing == bitfield.full(state.chunk_count) & ~state.written, "missing is wrong"
    assert not claimed & state.written, "a written chunk is fetched again"
    assert not claimed & state.chunks.unsure, "a chunk is fetched before it is compared"
    assert state.chunks.free == state.chunks.lacking & ~claimed, "claims and fetches differ"
    _check_neighbours(state)
    _check_silence(state)
    for index in range(state.chunk_count):
        counted = sum(
            source.stage is Stage.READY and bool(source.bits >> index & 1)
            for source in state.sources.values()
        )
        copies = state.neighbours.rarity.copies(index)
        assert copies == counted, f"copies of chunk {index} are miscounted"
    if state.finished:
        assert state.missing == 0, "finished while chunks are missing"


def _check_neighbours(state: DownloadState) -> None:
    near = {
        source.id
        for source in state.sources.values()
        if source.stage in {Stage.OPENING, Stage.READY} or source.fetch is not None
    }
    assert near == set(state.neighbours.near), "neighbours are miscounted"
    downloading = [
        source
        for source in state.sources.values()
        if source.stage is Stage.READY and source.bits.bit_count() < state.chunk_count
    ]
    assert len(downloading) == state.neighbours.downloading, "who downloads is miscounted"
    asked = {source.id for source in state.sources.values() if source.fetch is not None}
    assert state.awaited <= asked, "who is awaited is not asked"
    _check_queued(state)
    assert len(near) <= MAX_NEIGHBOURS, "too many neighbours"
    assert len(state.sources) <= MAX_SOURCES_KNOWN, "too many sources known"
    for source in state.sources.values():
        assert source.bits == 0 or source.stage is Stage.READY, f"{source.id} is away with chunks"
        assert not source.bits >> state.chunk_count, f"{source.id} has chunks beyond the end"


def _check_silence(state: DownloadState) -> None:
    counted_at_s = state.counted_at_s
    if counted_at_s is None or state.is_crowded:
        return  # in a crowd not all that are idle are asked
    silent = 0
    for source in state.sources.values():
        fetch = source.fetch
        if fetch is None or fetch.ending:
            continue
        if fetch.silence_s(counted_at_s) > LONGEST_SILENCE_S:
            silent |= fetch.claimed
    for source in state.sources.values():
        if source.is_idle(counted_at_s) and source.bits & silent and not source.is_taking:
            has_proven = source.fetch_rate_bytes_s > 0 and not source.setbacks
            may_take = has_proven and source.wait_s <= SHORT_WAIT_S
            assert not may_take, f"{source.id} is idle while what it has is silent"


def _check_queued(state: DownloadState) -> None:
    waiting = {
        source.id: fetch.claimed
        for source in state.sources.values()
        if (fetch := source.fetch) is not None
        and fetch.first_byte_at_s is None
        and not fetch.is_choice
    }
    assert waiting.keys() == state.queued.sources.keys(), "who waits in a queue is miscounted"
    for claimed in waiting.values():
        assert not claimed & ~state.queued.claimed, "what waits in a queue is not known"
