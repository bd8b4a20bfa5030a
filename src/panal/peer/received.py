"""What has come in of contents since the start, of all downloads together; the loop's own.

A download that runs counts for itself, and is only looked at here; once it has ended, what it came
to is added up.
"""

from typing import Protocol

import msgspec


class Tally(Protocol):
    """A running download, as this file sees it."""

    bytes_received: int
    chunks_refused: int

    @property
    def chunks_verified(self) -> int:
        """How many have come and were right."""
        ...


class ReceivedTotals(msgspec.Struct, frozen=True):
    """Numbers that only grow."""

    size_bytes: int
    """Of chunks, those that were wrong and what broke off included."""
    chunks_verified: int
    chunks_refused: int
    """Bytes that were not the chunk."""


class Received:
    """The counters of one peer."""

    def __init__(self) -> None:
        self._ended = ReceivedTotals(0, 0, 0)
        self._running: list[Tally] = []

    def begin(self, tally: Tally) -> None:
        """A download runs from now on."""
        self._running.append(tally)

    def end(self, tally: Tally) -> None:
        """It runs no more."""
        self._running = [other for other in self._running if other is not tally]
        self.add(tally.bytes_received, tally.chunks_verified, tally.chunks_refused)

    def add(self, size_bytes: int, chunks_verified: int, chunks_refused: int = 0) -> None:
        """Small contents have come, each one chunk."""
        before = self._ended
        self._ended = ReceivedTotals(
            before.size_bytes + size_bytes,
            before.chunks_verified + chunks_verified,
            before.chunks_refused + chunks_refused,
        )

    def totals(self) -> ReceivedTotals:
        """All until now."""
        ended, running = self._ended, self._running
        return ReceivedTotals(
            ended.size_bytes + sum(tally.bytes_received for tally in running),
            ended.chunks_verified + sum(tally.chunks_verified for tally in running),
            ended.chunks_refused + sum(tally.chunks_refused for tally in running),
        )
