"""How many sources are asked at once: enough to keep a downlink full, and few for each uplink.

Where many download and ask every neighbour, each is also waited for by every neighbour, and what
waits in its queue is claimed: nobody else brings it. Who keeps silent does not count, so many that
never answer keep nobody out.
"""

from collections.abc import Iterable

from panal.swarm.sources import Source, Stage

AT_ONCE = 20
"""A little more than a peer sends to at a time: so hardly any slot is free while it has chunks."""
SILENT_S = 0.5
"""Who is silent for so long is not counted any more."""


def more_to_ask(near: Iterable[Source], whole: int, counted_at_s: float) -> int:
    """How many more may be asked; bytes of all neighbours were last counted at that time.

    `whole` is all that there is to have. Who has it competes with nobody for others' uplinks:
    where few download from many, all are asked.
    """
    awaited = downloading = 0
    for source in near:
        downloading += source.stage is Stage.READY and source.bits != whole
        fetch = source.fetch
        if fetch is not None and fetch.silence_s(counted_at_s) < SILENT_S:
            awaited += 1
    return max(0, AT_ONCE - awaited) if downloading > AT_ONCE else AT_ONCE
