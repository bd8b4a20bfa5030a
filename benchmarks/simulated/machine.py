"""What computing costs where all simulated programs share the cores of one machine.

The seconds are fitted to what the processes of sym8, het8, sym16 and big20 used on shaped
networks, not to how long those took: 10.9, 10.4, 42 and 28 CPU seconds, here 11, 12.5, 35 and 27.
"""

import heapq

CHUNK_CPU_S = 0.0004
"""For receiving, hashing, writing, deciding and sending a chunk, both ends together."""
WORD_CPU_S = 0.0009
"""For telling one follower of what is here, both ends together."""
FOLLOW_CPU_S = 0.003
"""For opening a stream of such words, both ends together."""


class Machine:
    """Cores, each doing one thing at a time; none: nothing waits for another, or is counted."""

    def __init__(self, cores: int) -> None:
        self.spent_s = 0.0
        self.is_shared = cores > 0
        self._free_at_s = [0.0] * cores

    def delay_s(self, now_s: float, cpu_s: float) -> float:
        """How long until something that comes up now is done."""
        self.spent_s += cpu_s
        done_s = max(now_s, self._free_at_s[0]) + cpu_s
        heapq.heapreplace(self._free_at_s, done_s)
        return done_s - now_s
