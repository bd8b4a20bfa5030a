"""Whether those who are ahead of the others wait while those are sent to; pure.

Who has gained more of a content than the others who fetch it lets them go first. That costs
nothing as long as they take all that this peer's uplink carries; where they do not, it would idle
for them. So what receivers acknowledge is measured: the uplink counts as full while that is nearly
the most that was seen of late.
"""

from collections import deque

LEAST_OTHERS = 2
"""At so many other places must be sent to: one alone may be slow, or gone."""
MOST_WAIT_S = 0.4
"""No request waits longer: after half a second who asked asks another."""
LOOK_S = 0.1
"""So often one who waits looks again."""
MEASURED_S = 0.5
FORGOTTEN_S = 2.0
"""What was seen is of no use where nobody has looked for so long."""
FULL_SHARE = 0.95
MOST_FADES_S = 0.02
"""So much of the most that was seen is forgotten in a second: the uplink may carry less now."""
LEAST_REST_S = 1.0
MOST_REST_S = 10.0
"""Where the uplink is no longer full while some wait, they are let in for so long; twice as long
each time, until they have waited for twice as long."""


class GivingWay:
    """What one peer's uplink carries, and whether some may wait."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        """When, and how much was acknowledged by then: the last MEASURED_S and the look before."""
        self._most_bytes_s = 0.0
        self._is_full = False
        self._waited_s: tuple[float, float] | None = None
        """When some began to wait, and when one did last."""
        self._rests_until_s = 0.0
        self._rest_s = LEAST_REST_S

    def look(self, now_s: float, acknowledged_bytes: int) -> None:
        """Measure; for each request of those who are ahead, and while one waits.

        What is acknowledged counts from any beginning, but always from the same.
        """
        rate_bytes_s = self._rate(now_s, acknowledged_bytes)
        self._most_bytes_s = max(self._most_bytes_s, rate_bytes_s)
        self._is_full = 0 < FULL_SHARE * self._most_bytes_s <= rate_bytes_s
        if self._waited_s is not None:
            began_s, last_s = self._waited_s
            if now_s - last_s > MEASURED_S:
                self._waited_s = None  # whatever the uplink carries, it is not for them
            elif not self._is_full:
                self._let_in(now_s, now_s - began_s)

    def may_wait(self, now_s: float, others: int) -> bool:
        """Whether one waits now, as of the last look; `others` are the places that go first."""
        if others < LEAST_OTHERS or not self._is_full or now_s < self._rests_until_s:
            return False
        began_s, _ = self._waited_s or (now_s, now_s)
        self._waited_s = began_s, now_s
        return True

    def _rate(self, now_s: float, acknowledged_bytes: int) -> float:
        """0 where nobody has looked for long enough."""
        seen = self._seen
        if seen:
            since_s = now_s - seen[-1][0]
            self._most_bytes_s *= (1 - MOST_FADES_S) ** since_s
            if since_s > FORGOTTEN_S:
                seen.clear()
        seen.append((now_s, acknowledged_bytes))
        while len(seen) > 2 and seen[1][0] <= now_s - MEASURED_S:
            seen.popleft()
        began_s, before_bytes = seen[0]
        if now_s - began_s < MEASURED_S:
            return 0.0
        return (acknowledged_bytes - before_bytes) / (now_s - began_s)

    def _let_in(self, now_s: float, waited_s: float) -> None:
        if waited_s > 2 * self._rest_s:
            self._rest_s = LEAST_REST_S
        self._waited_s = None
        self._rests_until_s = now_s + self._rest_s
        self._rest_s = min(MOST_REST_S, 2 * self._rest_s)
