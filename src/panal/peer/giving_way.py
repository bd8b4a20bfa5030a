"""Whether those who are ahead of the others wait while those are sent to; pure.

Who has more of a content than the others who fetch it asks to let them go first. That costs
nothing as long as they take all that this peer's uplink carries; where they do not, it would idle
for them. So what receivers acknowledge is measured: the uplink counts as full while that is nearly
the most that was seen of late.
"""

from collections import deque

LEAST_OTHERS = 2
"""So many others must be sent to: one alone may be slow, or gone."""
MOST_WAIT_S = 0.4
"""No request waits longer: after half a second who asked asks another."""
LOOK_S = 0.1
"""So often one who waits looks again."""
MEASURED_S = 0.5
FULL_SHARE = 0.95
FORGOTTEN_SHARE_S = 0.02
"""So much of the most that was seen is forgotten in a second: the uplink may carry less now."""
LEAST_REST_S = 1.0
MOST_REST_S = 10.0
"""Where the uplink is no longer full while some wait, they are let in for so long; twice as long
each time, until it was full for twice as long."""


class GivingWay:
    """What one peer's uplink carries, and whether some wait."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        """When, and how much was acknowledged by then: the last MEASURED_S and the look before."""
        self._most_bytes_s = 0.0
        self._waits_since_s: float | None = None
        self._rests_until_s = 0.0
        self._rest_s = LEAST_REST_S

    def look(self, now_s: float, acknowledged_bytes: int) -> bool:
        """Whether they wait now; for each of their requests, and while one waits.

        What is acknowledged counts from any beginning, but always from the same.
        """
        rate_bytes_s = self._rate(now_s, acknowledged_bytes)
        if rate_bytes_s is None:
            self._waits_since_s = None
            return False
        self._most_bytes_s = max(self._most_bytes_s, rate_bytes_s)
        if rate_bytes_s < FULL_SHARE * self._most_bytes_s:
            if self._waits_since_s is not None:
                self._let_in(now_s, now_s - self._waits_since_s)
            return False
        if self._waits_since_s is None and now_s >= self._rests_until_s:
            self._waits_since_s = now_s
        return self._waits_since_s is not None

    def _rate(self, now_s: float, acknowledged_bytes: int) -> float | None:
        """None where nobody has looked for long enough."""
        seen = self._seen
        if seen and now_s - seen[-1][0] > MEASURED_S:
            seen.clear()
        if seen:
            self._most_bytes_s *= (1 - FORGOTTEN_SHARE_S) ** (now_s - seen[-1][0])
        seen.append((now_s, acknowledged_bytes))
        while len(seen) > 2 and seen[1][0] <= now_s - MEASURED_S:
            seen.popleft()
        began_s, before_bytes = seen[0]
        if now_s - began_s < MEASURED_S:
            return None
        return (acknowledged_bytes - before_bytes) / (now_s - began_s)

    def _let_in(self, now_s: float, waited_s: float) -> None:
        if waited_s > 2 * self._rest_s:
            self._rest_s = LEAST_REST_S
        self._waits_since_s = None
        self._rests_until_s = now_s + self._rest_s
        self._rest_s = min(MOST_REST_S, 2 * self._rest_s)
