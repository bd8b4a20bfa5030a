"""What there is to count of a running peer at a moment; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from panal.peer.readiness import PeerStanding
from panal.peer.received import ReceivedTotals
from panal.peer.turns import LaneFacts


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The room on the folder's disk, in bytes."""

    total: int
    free: int
    usable: int
    """What is free beyond the reserve; below 0 where others have used of that."""


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """One moment."""

    version: str
    standing: PeerStanding
    is_reachable: bool
    """Whether the tracker's call came through."""
    lease_age_s: float | None
    """Since the tracker has confirmed the lease; None before it did."""
    registrations: int
    times_told_everything: int
    sent_bytes: int
    received: ReceivedTotals
    downloads: Mapping[str, int]
    """By state; every state is there."""
    lanes: Mapping[str, LaneFacts]
    connections: int
    connections_at_most: int
    files: int
    size_bytes: int
    to_hash: int
    skipped: Mapping[str, int]
    """By reason."""
    roots: int
    roots_there: int
    disk: DiskFacts | None
    """None while the folder's disk is away."""
    unfinished: int
    unfinished_bytes: int
