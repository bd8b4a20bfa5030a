"""Whether a download falls behind those of its neighbours, and so sends to few at a time.

A peer that sends to many at once over a slow uplink keeps a queue there, and the acknowledgements
and requests of its own download wait in it. So it receives slowly, whoever sends. Where it falls
behind for another reason, sending to few is no help and wastes its uplink: so it is only tried.
"""

from collections.abc import Iterable

from panal.swarm.sources import Source, Stage
from panal.wire import bitfield

LEAD_SHARE = 0.03
FEWEST_CHUNKS = 4
"""Neighbours have gained so much more on average than we have, of the file or in chunks: less is
chance."""
CAUGHT_UP = 0.0
"""Few are sent to until the lead is no more than this: who stopped sooner fell back at once."""
SETTLES_S = 2.0
"""So long after the change the lead may still grow: what had begun is still being sent."""
TRIED_S = 3.0
"""Within this the lead must have shrunk, to SHRINKS_TO of what it was."""
SHRINKS_TO = 0.9
REST_S = 10.0
"""After a trial in vain."""


class Behind:
    """Whether to serve few, looked at anew now and then."""

    def __init__(self, chunk_count: int) -> None:
        self.serves_few = False
        self._least_lead = max(FEWEST_CHUNKS, LEAD_SHARE * chunk_count)
        self._whole = bitfield.full(chunk_count)
        self._lead = 0.0
        """What the lead was when the trial began."""
        self._judged_s = 0.0
        """When it ends; while many are served, when the next may begin."""

    def look(self, written: int, near: Iterable[Source], now_s: float) -> bool:
        """Whether it has changed."""
        lead = self.lead(written, near)
        if not self.serves_few:
            if lead <= self._least_lead or now_s < self._judged_s:
                return False
            self.serves_few = True
            self._lead, self._judged_s = 0.0, now_s + SETTLES_S
            return True
        if lead > CAUGHT_UP:
            if now_s < self._judged_s:
                return False
            if not self._lead or lead <= SHRINKS_TO * self._lead:
                self._lead, self._judged_s = lead, now_s + TRIED_S
                return False
        self._judged_s = now_s + REST_S if lead > self._least_lead else now_s
        self.serves_few = False
        return True

    def lead(self, written: int, near: Iterable[Source]) -> float:
        """How many chunks more others gained on average, each since we know what it has.

        Who has all by now counts while that is more than we gained.
        """
        own = written.bit_count()
        leads = []
        for source in near:
            if source.stage is Stage.READY:
                lead = source.bits.bit_count() - own - source.first_lead
                if source.bits != self._whole or lead > 0:
                    leads.append(lead)
        return sum(leads) / len(leads) if leads else 0.0
