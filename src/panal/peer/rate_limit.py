"""A direction's rate limit, for all together and for each peer; changed while bytes move.

Where there is none, `is_on` says so and nothing else is looked at: no lock, no clock. A limit
that changes begins anew; whoever waits sees that within `LOOK_AGAIN_S`, and what it was
promised at the old rate, a piece, moves at once.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import closing

from panal.clock import Clock
from panal.peer.token_bucket import TokenBucket

LOOK_AGAIN_S = 0.25
"""The longest single wait: a change is followed, and time held back is told, so soon."""
PEERS_KEPT = 1_000
"""So many peers have a budget of their own before those who do not wait are forgotten."""

Waits = Generator[float, None, None]


class RateLimit:
    """The budgets of one direction; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        """Without a limit until `change` sets one."""
        self.is_on = False
        self._clock = clock
        self._lock = threading.Lock()
        self._all: TokenBucket | None = None
        self._per_peer_bytes_s = 0
        self._of_peer: dict[str, TokenBucket] = {}

    def change(self, all_bytes_s: int, per_peer_bytes_s: int) -> None:
        """Limit all together, and each peer, from now on; 0: not."""
        with self._lock:
            if all_bytes_s != (0 if self._all is None else self._all.rate_bytes_s):
                now_s = self._clock.now_s()
                self._all = TokenBucket(all_bytes_s, now_s) if all_bytes_s else None
            if per_peer_bytes_s != self._per_peer_bytes_s:
                self._per_peer_bytes_s = per_peer_bytes_s
                self._of_peer = {}
            self.is_on = bool(all_bytes_s or per_peer_bytes_s)

    def piece_bytes(self, peer: str, most: int) -> int:
        """How many of `most` bytes to move at once."""
        with self._lock:
            buckets = (self._bucket_of(peer), self._all)
            return min(most, *(b.piece_bytes if b is not None else most for b in buckets))

    async def admit(self, size_bytes: int, peer: str) -> None:
        """Wait on the event loop until so many bytes may move."""
        while size_bytes > 0 and self.is_on:
            piece = self.piece_bytes(peer, size_bytes)
            size_bytes -= piece
            with closing(self.waits(piece, peer)) as waits:
                for wait_s in waits:
                    await self._clock.sleep(wait_s)

    def give_back(self, size_bytes: int, peer: str) -> None:
        """Bytes that were admitted and did not move."""
        with self._lock:
            for bucket in (self._of_peer.get(peer), self._all):
                if bucket is not None:
                    bucket.give_back(size_bytes)

    def waits(self, size_bytes: int, peer: str) -> Waits:
        """The waits, one after the other, after which so many bytes may move, or have moved.

        First for the peer's budget, so that nobody keeps the others from the common one.
        """
        yield from self._waits(lambda: self._bucket_of(peer), size_bytes)
        yield from self._waits(lambda: self._all, size_bytes)

    def _waits(self, current: Callable[[], TokenBucket | None], size_bytes: int) -> Waits:
        with self._lock:
            if (bucket := current()) is None:
                return
            place = bucket.join(size_bytes, self._clock.now_s())
        try:
            while (wait_s := self._wait_s(current, bucket, place)) > 0:
                yield min(wait_s, LOOK_AGAIN_S)
        finally:
            with self._lock:
                bucket.leave()

    def _wait_s(
        self, current: Callable[[], TokenBucket | None], bucket: TokenBucket, place: float
    ) -> float:
        with self._lock:
            return bucket.wait_s(place, self._clock.now_s()) if current() is bucket else 0.0

    def _bucket_of(self, peer: str) -> TokenBucket | None:
        if not self._per_peer_bytes_s:
            return None
        if (known := self._of_peer.get(peer)) is not None:
            return known
        if len(self._of_peer) >= PEERS_KEPT:
            waiting = {name: bucket for name, bucket in self._of_peer.items() if bucket.waiting}
            self._of_peer = waiting
        made = TokenBucket(self._per_peer_bytes_s, self._clock.now_s())
        self._of_peer[peer] = made
        return made
