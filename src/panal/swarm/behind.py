"""Whether a download falls behind those of its neighbours, and so sends to few at a time.

A peer that sends to many at once over a slow uplink keeps a queue there, and the acknowledgements
and requests of its own download wait in it. So it receives slowly, whoever sends. Where it falls
behind for another reason, sending to few is no help and wastes its uplink: so it is only tried.
Who has a slow downlink too cannot catch up, however much that helps: so the trial asks also whether
our pace has grown, against that of the others.
"""

from collections import deque
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
"""Within this the lead must have shrunk, to SHRINKS_TO of what it was, or our pace have grown."""
SHRINKS_TO = 0.9
PACE_GROWS = 1.1
"""So many times what it was before, in units of what others gain: more than chance."""
MOST_PROLONGED = 4
"""So often in a row a trial goes on for our pace alone: chance, or who left, may have made it."""
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
        self._seen: deque[tuple[float, int, float]] = deque()
        """Of the last TRIED_S, and the look before them: when, what we had, and the lead."""
        self._pace_of_many = 0.0
        """Ours before the trial."""
        self._prolonged = 0

    def look(self, written: int, near: Iterable[Source], now_s: float) -> bool:
        """Whether it has changed."""
        lead = self.lead(written, near)
        self._see(now_s, written.bit_count(), lead)
        if not self.serves_few:
            if lead <= self._least_lead or now_s < self._judged_s:
                return False
            self.serves_few = True
            self._pace_of_many, self._prolonged = self._pace(), 0
            self._lead, self._judged_s = 0.0, now_s + SETTLES_S
            return True
        if lead > CAUGHT_UP:
            if now_s < self._judged_s:
                return False
            is_shrinking = not self._lead or lead <= SHRINKS_TO * self._lead
            if is_shrinking or (self._prolonged < MOST_PROLONGED and self._is_quicker()):
                self._prolonged = 0 if is_shrinking else self._prolonged + 1
                self._lead, self._judged_s = lead, now_s + TRIED_S
                return False
        self._judged_s = now_s + REST_S if lead > self._least_lead else now_s
        self.serves_few = False
        return True

    def _see(self, now_s: float, own: int, lead: float) -> None:
        self._seen.append((now_s, own, lead))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - TRIED_S:
            self._seen.popleft()

    def _pace(self) -> float:
        """What we gained of late, as a share of what others gained on average."""
        (_, own_before, lead_before), (_, own, lead) = self._seen[0], self._seen[-1]
        gained = own - own_before
        return gained / max(1.0, gained + lead - lead_before)

    def _is_quicker(self) -> bool:
        return 0 < self._pace_of_many * PACE_GROWS <= self._pace()

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
