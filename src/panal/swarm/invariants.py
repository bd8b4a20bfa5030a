"""What must hold after every step of every download; tests call it, the product need not."""

from panal.swarm.sources import Stage
from panal.swarm.state import DownloadState


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
    assert not claimed & state.written, "a written chunk is fetched again"
    assert claimed == state._claimed, "claims and fetches differ"
    for index in range(state.chunk_count):
        counted = sum(
            source.stage is Stage.READY and bool(source.bits >> index & 1)
            for source in state.sources.values()
        )
        assert state.rarity.copies(index) == counted, f"copies of chunk {index} are miscounted"
    assert state.finished == (state.missing == 0), "finished and missing disagree"
