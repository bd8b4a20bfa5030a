"""What the download core knows of each source, and when patience with it ends.

Clocks start at the first byte: a request that waits in a living source's queue is not
stalled. They stand still while our own rate limit or our own disk keeps its bytes from coming.
Nothing here picks chunks or sends orders.
"""

from enum import Enum

import msgspec

from panal.back_off import doubled
from panal.swarm.messages import Failure, SourceId
from panal.wire.ids import NO_ZONE, Zone

STALL_S = 15.0
MINIMUM_RATE_BYTES_S = 16 * 1024
MINIMUM_RATE_OVER_S = 30.0
REST_AFTER_STALL_S = 60.0
REST_AFTER_YIELD_S = 1.0
FAILED_ASKS = 3
"""So often in a row without the chunks it said it has: then it rests as long as any."""
FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0
CALLED_BACK_EVERY_S = 5.0
"""So often at most its pause is ended by word that it is there anew: words cost a liar nothing."""
MISBEHAVIOURS_BEFORE_BAN = 3
HELD_SHARE = 0.1
"""Held back for more of its time than this, a source could send more than we let it."""
_SMOOTHING = 0.3


class Stage(Enum):
    """Where a source stands; the values are what people read."""

    FOUND = "found"
    OPENING = "connecting"
    READY = "ready"
    AWAY = "away"
    BANNED = "banned"


class RunningFetch(msgspec.Struct):
    """Consecutive chunks asked of one source, and its clocks."""

    claimed: int
    """Asked for and not written yet: nobody else may fetch these. Of a source that was left the
    choice, what it has said it sends."""
    asked_at_s: float
    is_choice: bool = False
    """Whether the source was left the choice."""
    granted: int = 0
    """What it said then that it sends, others' claims included."""
    first_byte_at_s: float | None = None
    last_byte_at_s: float = 0.0
    chunk_began_at_s: float = 0.0
    window_began_at_s: float = 0.0
    window_bytes: int = 0
    measured_over_s: float = MINIMUM_RATE_OVER_S
    """How long a window lasts."""
    chunk_bytes: int = 0
    """Of the chunk that is on its way."""
    bytes: int = 0
    ending: str = ""
    """Why it was cancelled, once it is."""
    rest_s: float = REST_AFTER_YIELD_S
    """How long the source rests after that."""
    held_s: float = 0.0
    """How long we kept its bytes from coming ourselves, all in all."""
    taker: SourceId | None = None
    """For whom it was cancelled: the one who chooses first among what becomes free."""

    def count(self, count: int, now_s: float) -> None:
        """Bytes came in."""
        if self.first_byte_at_s is None:
            self.first_byte_at_s = self.chunk_began_at_s = self.window_began_at_s = now_s
        self.last_byte_at_s = now_s
        self.bytes += count
        self.chunk_bytes += count
        self.window_bytes += count

    def held_back(self, duration_s: float, now_s: float) -> None:
        """We kept its bytes from coming ourselves: its clocks stood still for so long."""
        self.held_s += duration_s
        self.asked_at_s = min(now_s, self.asked_at_s + duration_s)
        self.last_byte_at_s = min(now_s, self.last_byte_at_s + duration_s)
        self.chunk_began_at_s = min(now_s, self.chunk_began_at_s + duration_s)
        self.window_began_at_s = min(now_s, self.window_began_at_s + duration_s)

    def written(self, bit: int, now_s: float) -> float:
        """A chunk is in; how long it took from its first byte."""
        spent_s = 0.0 if self.first_byte_at_s is None else now_s - self.chunk_began_at_s
        self.claimed ^= bit
        self.chunk_began_at_s, self.chunk_bytes = now_s, 0
        return spent_s

    def silence_s(self, now_s: float) -> float:
        """How long nothing has come, in the queue or later."""
        return now_s - (self.asked_at_s if self.first_byte_at_s is None else self.last_byte_at_s)

    def is_measured(self, now_s: float) -> bool:
        """Whether it has run long enough to be called slow."""
        return now_s - self.window_began_at_s >= self.measured_over_s

    @property
    def measured_bytes_s(self) -> float:
        """How quickly it comes, as measured when that was long enough."""
        return self.window_bytes / self.measured_over_s

    def impatience(self, now_s: float, *, is_best_source: bool = False) -> str:
        """Why this fetch is given up, or nothing.

        `is_best_source` where nobody else would bring sooner what it fetches: then slow is
        better than not at all, and what has come would be lost.
        """
        if self.first_byte_at_s is None:
            return ""
        if now_s - self.last_byte_at_s > STALL_S:
            return f"sent nothing for {STALL_S:.0f} s"
        if self.is_measured(now_s):
            slow = self.measured_bytes_s < MINIMUM_RATE_BYTES_S
            self.window_began_at_s, self.window_bytes = now_s, 0
            if slow and not is_best_source:
                return f"slower than {MINIMUM_RATE_BYTES_S // 1024} KiB/s"
        return ""


class Source(msgspec.Struct):
    """One source: what it has, how it did, what it does now."""

    id: SourceId
    stage: Stage = Stage.FOUND
    bits: int = 0
    grew_at_s: float = 0.0
    """When it last told of chunks that it had not told of."""
    had: int = 0
    """What it had when it was last in touch."""
    fetch: RunningFetch | None = None
    bytes: int = 0
    has_sent: bool = False
    """Whether bytes ever came, or were held back: else there is nothing to smooth."""
    rate_bytes_s: float = 0.0
    """Smoothed over ticks, for people."""
    fetch_rate_bytes_s: float = 0.0
    """Smoothed over finished fetches, for deciding how much to ask for."""
    wait_s: float = 0.0
    """How long it lets requests wait for their first byte, smoothed."""
    failures: int = 0
    misbehaviours: int = 0
    may_choose: bool = True
    """Until it says that it has sent each chunk once, or does not know how to choose."""
    lost: int = 0
    """Requests taken from it, or ended since too little came, since it last brought a chunk."""
    queues_left: int = 0
    """How often it made room for another while it was asked, since it last brought a chunk."""
    is_taking: bool = False
    """What another was asked for is about to become free for it."""
    rests_until_s: float = 0.0
    reason: str = ""
    last_seen_s: float | None = None
    helped_at_s: float = 0.0
    """When it last sent bytes; before that, when it was asked what it has."""
    held_share: float = 0.0
    """How much of the time our own limit holds it back, smoothed over ticks."""
    first_lead: int = 0
    """How many chunks more than we it had when it told what it has."""
    near_since_s: float = 0.0
    """When it last became a neighbour."""
    is_named: bool = False
    """Whether the tracker named it when it was last asked."""
    called_back_at_s: float | None = None
    """When its pause was last ended before its time."""
    zone: Zone = NO_ZONE
    _tick_bytes: int = 0
    _tick_held_s: float = 0.0

    @property
    def peer(self) -> str:
        """The name in front of the address."""
        return self.id.partition("@")[0]

    def is_idle(self, now_s: float) -> bool:
        """Whether it can be asked for chunks now."""
        return self.stage is Stage.READY and self.fetch is None and self.rests_until_s <= now_s

    def call_back(self, now_s: float) -> bool:
        """It is said to be there anew: its pause is over, whatever its failures have earned."""
        known_s = self.called_back_at_s
        if self.stage is not Stage.AWAY or self.rests_until_s <= now_s:
            return False
        if known_s is not None and now_s - known_s < CALLED_BACK_EVERY_S:
            return False
        self.called_back_at_s = self.rests_until_s = now_s
        return True

    def count(self, count: int, now_s: float) -> None:
        """Bytes came in."""
        self.has_sent = True
        self.bytes += count
        self._tick_bytes += count
        self.last_seen_s = self.helped_at_s = now_s
        if (fetch := self.fetch) is not None:
            if fetch.first_byte_at_s is None:
                waited_s = now_s - fetch.asked_at_s
                known_s = self.wait_s if self.bytes > count else waited_s
                self.wait_s = known_s + _SMOOTHING * (waited_s - known_s)
            fetch.count(count, now_s)

    def held_back(self, duration_s: float, now_s: float) -> None:
        """Our own limit kept its bytes from coming."""
        self.has_sent = True
        self._tick_held_s += duration_s
        self.stood_still(duration_s, now_s)

    def stood_still(self, duration_s: float, now_s: float) -> None:
        """Our own disk took nothing: its clocks stood still for so long."""
        self.helped_at_s = min(now_s, self.helped_at_s + duration_s)
        if self.fetch is not None:
            self.fetch.held_back(duration_s, now_s)

    @property
    def setbacks(self) -> int:
        """Requests of it that brought no chunk since it last brought one."""
        return self.lost + self.failures

    @property
    def is_slow(self) -> bool:
        """Whether it is known to bring less than the least rate, waiting included."""
        return 0 < self.fetch_rate_bytes_s < MINIMUM_RATE_BYTES_S

    @property
    def measured_over_s(self) -> float:
        """How long its next request runs before it is called slow: ever longer, lest none ends."""
        return doubled(MINIMUM_RATE_OVER_S, self.lost)

    def may_bring(self, rate_bytes_s: float, now_s: float) -> bool:
        """Whether it would send so quickly: it does or did, or it is idle and was never tried."""
        fetch, known_bytes_s = self.fetch, self.fetch_rate_bytes_s
        if fetch is None and not known_bytes_s:
            return not self.setbacks
        if fetch is not None and (not known_bytes_s or now_s - fetch.asked_at_s > STALL_S):
            known_bytes_s = fetch.bytes / max(now_s - fetch.asked_at_s, 1e-4)
        return known_bytes_s >= rate_bytes_s

    def tick(self, elapsed_s: float) -> None:
        """Smooth the rate, and how much it is held back, over the time since the last tick."""
        if elapsed_s > 0:
            rate = self._tick_bytes / elapsed_s
            self.rate_bytes_s += _SMOOTHING * (rate - self.rate_bytes_s)
            held = min(1.0, self._tick_held_s / elapsed_s)
            self.held_share += _SMOOTHING * (held - self.held_share)
            self._tick_bytes, self._tick_held_s = 0, 0.0

    def fetch_done(self, now_s: float) -> None:
        """Learn from a finished fetch how fast this source is."""
        fetch, self.fetch = self.fetch, None
        if fetch is None or fetch.bytes == 0:
            return
        if not fetch.claimed and fetch.bytes < MINIMUM_RATE_BYTES_S:
            return  # a file's last bytes: they took as long as the way there and back
        # As it came in under the limit: more must not be asked for than comes.
        rate = fetch.bytes / max(now_s - fetch.asked_at_s + fetch.held_s, 1e-4)
        known = self.fetch_rate_bytes_s
        self.fetch_rate_bytes_s = rate if known == 0 else known + _SMOOTHING * (rate - known)

    def misbehaved(self) -> bool:
        """Once more, and whether that is too often."""
        self.misbehaviours += 1
        return self.misbehaviours >= MISBEHAVIOURS_BEFORE_BAN

    def back_off_s(self, jitter: float, failure: Failure) -> float:
        """How long to wait after one more failure; `jitter` is between 0 and 1."""
        self.failures += 1
        if failure is Failure.NOT_HERE_YET and self.failures >= FAILED_ASKS:
            return LONGEST_BACK_OFF_S
        longest_s = min(LONGEST_BACK_OFF_S, doubled(FIRST_BACK_OFF_S, self.failures - 1))
        return longest_s * (0.5 + jitter / 2)
