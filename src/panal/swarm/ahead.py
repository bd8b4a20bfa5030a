"""Whether a download is ahead of its neighbours', and so lets them go first.

Where all together can send less than they could receive, who is done early has taken from who is
done late; and the last of all cannot take alone what all could send by then.
"""

from collections.abc import Iterable

from panal.swarm.sources import Source, Stage
from panal.wire import bitfield

LEAD_SHARE = 0.01
FEWEST_CHUNKS = 4
"""We have so much more, of the file or in chunks, than neighbours that lack some have on average:
less is chance."""


def is_ahead(written: int, near: Iterable[Source], chunk_count: int) -> bool:
    """Whether we have so much more than the neighbours that still download."""
    whole = bitfield.full(chunk_count)
    had = [
        source.bits.bit_count()
        for source in near
        if source.stage is Stage.READY and source.bits != whole
    ]
    if not had:
        return False
    lead = written.bit_count() - sum(had) / len(had)
    return lead > max(FEWEST_CHUNKS, LEAD_SHARE * chunk_count)
