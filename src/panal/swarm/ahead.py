"""Whether a download is ahead of its neighbours', and so lets them go first.

Where all together can send less than they could receive, who is done early has taken from who is
done late; and the last of all cannot take alone what all could send by then. What was gained since
two know each other is compared: who came early owes a newcomer nothing.
"""

from collections.abc import Iterable

from panal.swarm.sources import Source, Stage
from panal.wire import bitfield

LEAD_SHARE = 0.01
FEWEST_CHUNKS = 4
"""We have gained so much more, of the file or in chunks, than neighbours that lack some gained on
average: less is chance."""
SILENT_S = 3.0
"""Who has told of nothing new for so long takes nothing, or hides what it has."""


class Ahead:
    """Looked at now and then."""

    def __init__(self, chunk_count: int) -> None:
        self._whole = bitfield.full(chunk_count)
        self._least_lead = max(FEWEST_CHUNKS, LEAD_SHARE * chunk_count)
        self._own_before = 0

    def look(self, written: int, near: Iterable[Source], now_s: float) -> bool:
        """Whether we are, as of what we had at the look before: others' words come late, too."""
        own, self._own_before = self._own_before, written.bit_count()
        leads = [
            own + source.first_lead - source.bits.bit_count()
            for source in near
            if source.stage is Stage.READY
            and source.bits != self._whole
            and now_s - source.grew_at_s < SILENT_S
        ]
        return bool(leads) and sum(leads) > self._least_lead * len(leads)
