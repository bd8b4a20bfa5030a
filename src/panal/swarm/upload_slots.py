"""How many receivers are sent to at a time: few, and more only while that is faster.

Few slots give each receiver a whole chunk sooner, which it can then pass on. A fast uplink
with slow receivers needs many: so the number is tried upwards while others wait, and kept
where the sum of rates grew by enough. No clock in here: time comes with each fact.
"""

FIRST_SLOTS = 4
MOST_SLOTS = 256
WINDOW_S = 1.0
"""A rate is measured over at least so long,"""
SENDS_A_SLOT = 4
"""and over at least so many sends a slot."""
GAIN = 0.5
"""What a trial must win, of what it would win if each slot were as fast as those before."""
FIRST_HOLD_S = 8.0
"""How long to leave the number alone after a trial in vain; doubled up to LONGEST_HOLD_S."""
LONGEST_HOLD_S = 120.0


class SlotCount:
    """The number of upload slots of one peer."""

    def __init__(self, slots: int = FIRST_SLOTS) -> None:
        self.slots = slots
        self._before: tuple[int, float] | None = None
        """Slots and bytes a second before the trial under way."""
        self._hold_until_s = 0.0
        self._hold_s = FIRST_HOLD_S
        self._has_failed = False
        self._began_s: float | None = None
        self._sends = 0
        self._bytes = 0

    def sent(self, count: int, is_waited_for: bool, now_s: float) -> None:
        """A send of `count` bytes ended; `is_waited_for` says whether anybody wants the slot."""
        if not is_waited_for or self._began_s is None:
            self._begin_window(now_s)  # with a slot to spare, their number decides nothing
            return
        self._sends += 1
        self._bytes += count
        elapsed_s = now_s - self._began_s
        if elapsed_s >= WINDOW_S and self._sends >= SENDS_A_SLOT * self.slots:
            self._judge(self._bytes / elapsed_s, now_s)
            self._begin_window(now_s)

    def _begin_window(self, now_s: float) -> None:
        self._began_s, self._sends, self._bytes = now_s, 0, 0

    def _judge(self, rate_bytes_s: float, now_s: float) -> None:
        if self._before is not None:
            slots, before_bytes_s = self._before
            wanted = 1 + GAIN * (self.slots - slots) / slots
            self._before = None
            if rate_bytes_s < before_bytes_s * wanted:
                self.slots = slots
                self._hold_until_s = now_s + self._hold_s
                self._hold_s = min(LONGEST_HOLD_S, 2 * self._hold_s)
                self._has_failed = True
                return
            self._hold_s = FIRST_HOLD_S
        if now_s >= self._hold_until_s and self.slots < MOST_SLOTS:
            self._before = self.slots, rate_bytes_s
            more = max(1, self.slots // 4) if self._has_failed else self.slots
            self.slots = min(MOST_SLOTS, self.slots + more)
