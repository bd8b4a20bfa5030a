"""Whether the wall clock can be believed: it has run evenly for a day; pure.

What is let go by a clock that stood wrong for a moment is gone when it is right again, and a
certificate that was revoked would count once more.
"""

SETTLED_S = 86_400.0
JUMP_S = 60.0
"""Between two looks a clock that is set right by its network moves less."""


class SettledClock:
    """Looked at every few seconds."""

    def __init__(self, now_s: float, wall_s: float) -> None:
        """`now_s` by the monotonic clock, `wall_s` since 1970."""
        self._since_s = now_s
        self._last = now_s, wall_s

    def look(self, now_s: float, wall_s: float) -> bool:
        """Whether it has run without a jump for long enough."""
        last_now_s, last_wall_s = self._last
        self._last = now_s, wall_s
        if abs((wall_s - last_wall_s) - (now_s - last_now_s)) > JUMP_S:
            self._since_s = now_s
        return now_s - self._since_s >= SETTLED_S
