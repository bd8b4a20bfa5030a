"""Whether a download falls behind those of its neighbours; decides nothing of what follows.

A peer that sends to many at once over a slow uplink keeps a queue there, and the acknowledgements
and requests of its own download wait in it. So it receives slowly, whoever sends.
"""

from collections.abc import Iterable

from panal.swarm.sources import Source, Stage
from panal.wire import bitfield

LEAD_SHARE = 0.03
FEWEST_CHUNKS = 4
"""Neighbours have gained so much more on average than we have, of the file or in chunks: less is
chance."""


def is_behind(written: int, chunk_count: int, near: Iterable[Source]) -> bool:
    """Whether the others that still download gain more, each since we know what it has."""
    own, whole = written.bit_count(), bitfield.full(chunk_count)
    leads = [
        source.bits.bit_count() - own - source.first_lead
        for source in near
        if source.stage is Stage.READY and source.bits != whole
    ]
    return sum(leads) > len(leads) * max(FEWEST_CHUNKS, LEAD_SHARE * chunk_count)
