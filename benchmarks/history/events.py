"""What a history is made of; times are seconds of one clock, that of whoever records."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Started:
    """A peer begins to run, with the files that it has then."""

    peer: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A peer runs no more."""

    peer: str
    began_s: float
    """From when on nobody may count on it."""
    at_s: float
    was_told: bool
    """It left, and a tracker has said so; otherwise it just went."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A peer shares other content under a path from now on; None: none."""

    peer: str
    path: str
    content: bytes | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """A tracker has acknowledged what stands under a path."""

    peer: str
    path: str
    content: bytes | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A tracker has acknowledged a registration or renewal; the lease was granted in between."""

    peer: str
    asked_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """A tracker has refused a renewal: it does not know the peer, or no more."""

    peer: str
    asked_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class ClockRead:
    """What the clock by which leases run has said, between two times."""

    began_s: float
    ended_s: float
    clock_s: float


Record = tuple[str, str, bytes]
"""Peer, path and content."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a tracker listed, when it was asked between two times."""

    tracker: str
    began_s: float
    ended_s: float
    records: frozenset[Record]
    peers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Nothing has to be complete: the records were lost, or could not be written."""

    why: str
    began_s: float
    ended_s: float


Event = Started | Ended | Changed | Told | Confirmed | Unknown | ClockRead | Seen | Disturbed


@dataclass
class History:
    """Everything that happened, as it is recorded."""

    now_s: Callable[[], float]
    events: list[Event] = field(default_factory=list)

    def note(self, event: Event) -> None:
        """One more."""
        self.events.append(event)
