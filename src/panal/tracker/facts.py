"""What there is to say of a running tracker at a moment: one set for whoever asks; pure."""

from dataclasses import dataclass, field

from panal.tracker.call_counts import Durations
from panal.tracker.storage import Totals
from panal.wire.tracker_status import ACCESS, TrackerDetails, TrackerStatus

LOOPBACK, OPEN, NETWORK = ACCESS
_NO_WORDS = "It cannot do its work now."
_OUR_FAULT = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS"}
"""Statuses of calls that failed by nobody's wrong request; RESOURCE_EXHAUSTED may be a limit."""


@dataclass(frozen=True, slots=True)
class TrackerFacts:
    """One moment."""

    version: str
    up_s: float
    """Since it began to listen."""
    access: str
    """`LOOPBACK`, `OPEN` or `NETWORK`."""
    store: str
    """Which kind keeps the records."""
    problem: str
    """Why it cannot do its work, in words; empty where it can."""
    totals: Totals | None
    """None where the records do not answer."""
    store_answer_s: float
    """How long the records took to say that."""
    store_waiting: int
    """Questions to the records that are not answered yet."""
    leases_ended: int
    """Peers that went without a word, since the start."""
    lease_s: float
    calls_under_way: int
    calls_per_s: float
    """Over the last minute."""
    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    """Those that ended, by method and gRPC's name of the status."""
    calls_without_room: int = 0
    """Of these, those for which the store had no room."""
    durations: dict[str, Durations] = field(default_factory=dict)
    """By method."""
    authority_ends_at_s: float | None = None
    """In a network: until when its authority counts, in seconds since 1970."""

    def status(self, *, for_owner: bool) -> TrackerStatus:
        """What whoever asks is told: only the owner more than counts."""
        totals = self.totals or Totals(0, 0, 0, 0)
        return TrackerStatus(
            problem=self.problem if for_owner else self.problem and _NO_WORDS,
            access=self.access,
            peers=totals.peers,
            peers_reachable=totals.reachable,
            entries=totals.entries,
            holdings=totals.holdings,
            lease_s=self.lease_s,
            details=self._details(totals) if for_owner else None,
        )

    def _details(self, totals: Totals) -> TrackerDetails:
        return TrackerDetails(
            version=self.version,
            up_s=self.up_s,
            store=self.store,
            store_answer_s=self.store_answer_s,
            store_waiting=self.store_waiting,
            search_lag_entries=totals.unsearchable,
            leases_ended=self.leases_ended,
            calls=sum(self.calls.values()),
            calls_failed=self.calls_without_room
            + sum(n for (_, code), n in self.calls.items() if code in _OUR_FAULT),
            calls_under_way=self.calls_under_way,
            calls_per_s=self.calls_per_s,
        )
