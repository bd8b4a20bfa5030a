"""One budget of bytes a second, used in order of coming; bytes and time are arguments.

A token bucket drawn as a line: what is asked for is promised at the line's end, and the line
is released at the rate. So whoever comes again queues behind all the others, nobody starves,
and equal pieces make equal shares. Unused time is saved up for `BURST_S` and no longer.
"""

PIECE_S = 0.05
"""All that wait together move so much of a second's bytes in a round."""
LEAST_PIECE_BYTES = 16 * 1024
"""Smaller ones cost more than they smooth, unless the rate itself asks for them."""
BURST_S = 0.2


class TokenBucket:
    """The budget; it begins empty."""

    def __init__(self, rate_bytes_s: int, now_s: float) -> None:
        self.rate_bytes_s = rate_bytes_s
        self.waiting = 0
        self._promised = 0.0
        self._released = 0.0
        self._at_s = now_s

    @property
    def piece_bytes(self) -> int:
        """How much to ask for at once: the less, the more wait."""
        round_bytes = self.rate_bytes_s * PIECE_S
        fair = round_bytes / (1 + self.waiting)
        return max(1, int(max(fair, min(round_bytes, LEAST_PIECE_BYTES))))

    def join(self, size_bytes: int, now_s: float) -> float:
        """Ask for bytes; the place in the line to wait for. `leave` must follow."""
        self._release(now_s)
        self._promised += size_bytes
        self.waiting += 1
        return self._promised

    def wait_s(self, place: float, now_s: float) -> float:
        """How long a place still has to wait; 0: its bytes may move."""
        self._release(now_s)
        # Half a byte: what rounding leaves of one is not worth a wait.
        short_bytes = place - self._released
        return 0.0 if short_bytes < 0.5 else short_bytes / self.rate_bytes_s

    def leave(self) -> None:
        """One waits no more."""
        self.waiting -= 1

    def give_back(self, size_bytes: int) -> None:
        """Bytes that were asked for and did not move: the next in line have them."""
        self._released += size_bytes

    def _release(self, now_s: float) -> None:
        fresh_bytes = self.rate_bytes_s * max(0.0, now_s - self._at_s)
        most = self._promised + self.rate_bytes_s * BURST_S
        self._released = min(most, self._released + fresh_bytes)
        self._at_s = max(self._at_s, now_s)
