"""What the download core is told and what it orders; all values, no behaviour.

Facts are in the past tense, orders in the imperative. Bitfields are integers (wire.bitfield).
"""

from enum import Enum
from typing import NewType

import msgspec

from panal.wire.ids import NO_ZONE, Zone

SourceId = NewType("SourceId", str)
"""One provider at one address, such as `peer_2@127.0.0.1:5001`."""


class Failure(Enum):
    """Why a fetch ended without all it was asked for, and so what to do with its source."""

    CANCELLED = "cancelled"
    """We ended it."""
    NOT_HERE_YET = "not here yet"
    """The source does not have those chunks after all: ask anew what it has, a little later."""
    BROKEN = "connection broken"
    """Refused, reset or cut: try again, ever later."""
    TAKEN = "taken"
    """A chunk comes from another, who was left the choice: nobody's fault."""
    NOTHING_UNSENT = "nothing unsent"
    """The source has sent each of those chunks once: we choose ourselves from now on."""
    MISBEHAVED = "broke the protocol"
    """Another range, another length, no status we know: three times and it is out."""


# Facts ------------------------------------------------------------------------------------


class SourceFound(msgspec.Struct, frozen=True):
    """Somebody is said to hold the content, or part of it."""

    source: SourceId
    zone: Zone = NO_ZONE


class SourceOpened(msgspec.Struct, frozen=True):
    """A source told which chunks it has; it will tell of more."""

    source: SourceId
    bits: int


class ChunksAvailable(msgspec.Struct, frozen=True):
    """A source has further chunks."""

    source: SourceId
    bits: int


class SourceClosed(msgspec.Struct, frozen=True):
    """A source's availability stream ended, or could not be opened."""

    source: SourceId
    reason: str
    misbehaved: bool = False


class BytesArrived(msgspec.Struct, frozen=True):
    """Bytes of a running fetch came in since this was last said."""

    source: SourceId
    count: int


class HeldBack(msgspec.Struct, frozen=True):
    """For so long since this was last said, our own rate limit kept bytes from coming."""

    source: SourceId
    duration_s: float


class DiskStoodStill(msgspec.Struct, frozen=True):
    """For so long since this was last said, our own disk took nothing; 0: it takes again."""

    duration_s: float


class ChunksGranted(msgspec.Struct, frozen=True):
    """A source that was left the choice sends these."""

    source: SourceId
    first: int
    count: int


class ChunkWritten(msgspec.Struct, frozen=True):
    """A chunk agreed with its hash and is at its offset."""

    source: SourceId
    index: int


class ChunksCompared(msgspec.Struct, frozen=True):
    """What an earlier run has left of these agrees with its hashes, or does not; as bits."""

    right: int
    wrong: int


class ChunkCorrupt(msgspec.Struct, frozen=True):
    """A source sent bytes that are not the chunk."""

    source: SourceId
    index: int


class FetchEnded(msgspec.Struct, frozen=True):
    """A fetch runs no more; what it had not written is free again."""

    source: SourceId
    failure: Failure | None = None
    reason: str = ""


class TrackerAnswered(msgspec.Struct, frozen=True):
    """The tracker was asked for sources; `problem` says in words why it did not answer."""

    problem: str = ""
    named: frozenset[SourceId] = frozenset()
    """Everybody whom it named."""


class NewsHeard(msgspec.Struct, frozen=True):
    """A tracker tells that peers have come, by name, or that somebody shares the content."""

    joined: frozenset[str] = frozenset()
    is_announced: bool = False


class SourceCalled(msgspec.Struct, frozen=True):
    """A source has called this peer by itself: it runs."""

    source: SourceId


class Ticked(msgspec.Struct, frozen=True):
    """Time has passed."""


Fact = (
    SourceFound
    | SourceOpened
    | ChunksAvailable
    | SourceClosed
    | BytesArrived
    | HeldBack
    | DiskStoodStill
    | ChunksGranted
    | ChunkWritten
    | ChunksCompared
    | ChunkCorrupt
    | FetchEnded
    | TrackerAnswered
    | NewsHeard
    | SourceCalled
    | Ticked
)

# Orders -----------------------------------------------------------------------------------


class Follow(msgspec.Struct, frozen=True):
    """Open a source's availability stream."""

    source: SourceId


class Drop(msgspec.Struct, frozen=True):
    """Close everything to a source."""

    source: SourceId


class Fetch(msgspec.Struct, frozen=True):
    """Ask a source for consecutive chunks."""

    source: SourceId
    first: int
    count: int
    gives_way: bool = False
    """Those who have less may be sent to before."""


class FetchAny(msgspec.Struct, frozen=True):
    """Ask a source for consecutive chunks of its choice, among some; ChunksGranted will follow."""

    source: SourceId
    among: int
    most: int
    gives_way: bool = False


class CancelFetch(msgspec.Struct, frozen=True):
    """End a source's running fetch; FetchEnded will follow."""

    source: SourceId


class AskTracker(msgspec.Struct, frozen=True):
    """Ask who holds the content; say who did not answer."""

    suspects: tuple[SourceId, ...]


class HearNews(msgspec.Struct, frozen=True):
    """Listen to a tracker's news of peers and of the content from now on, or no more."""

    is_so: bool


class Ban(msgspec.Struct, frozen=True):
    """Never use a source again in this run; the chunk is the evidence."""

    source: SourceId
    index: int | None
    reason: str


class ServeFew(msgspec.Struct, frozen=True):
    """Send chunks of this content to few at a time from now on, or again to many."""

    is_so: bool


class Finish(msgspec.Struct, frozen=True):
    """All chunks are written."""


Order = (
    Follow | Drop | Fetch | FetchAny | CancelFetch | AskTracker | HearNews | Ban | ServeFew | Finish
)

# Progress ---------------------------------------------------------------------------------


class SourceProgress(msgspec.Struct, frozen=True):
    """One source as a person sees it."""

    source: SourceId
    state: str
    rate_bytes_s: float
    bytes: int


class Progress(msgspec.Struct, frozen=True):
    """One download at one moment; safe to show, nothing secret in it."""

    chunks_written: int
    chunk_count: int
    rate_bytes_s: float
    sources: tuple[SourceProgress, ...]
    reason: str
    """Why nothing moves, in words; empty while something does."""
    held_back: bool = False
    """Our own rate limit is what holds it back."""
