"""How a tracker stands: its message to domain values and back."""

import msgspec

from panal.wire import tracker_pb2 as pb

ACCESS = ("loopback", "open", "network")
"""Who may call: whoever is on its machine, whoever reaches it, a network's members."""


class TrackerDetails(msgspec.Struct, frozen=True):
    """What only a tracker's owner is told."""

    version: str
    up_s: float
    store: str
    """Which kind keeps the records."""
    store_answer_s: float
    store_waiting: int
    search_lag_entries: int
    leases_ended: int
    calls: int
    calls_failed: int
    calls_under_way: int
    calls_per_s: float


class TrackerStatus(msgspec.Struct, frozen=True):
    """How a tracker stands."""

    problem: str
    """Why it cannot do its work, in words; empty where it can."""
    access: str
    """One of `ACCESS`; empty where a newer tracker says something else."""
    peers: int
    """As the counts that follow: nothing is known of it while there is a problem."""
    peers_reachable: int
    entries: int
    holdings: int
    lease_s: float
    details: TrackerDetails | None = None


def status_to(status: TrackerStatus) -> pb.StatusResponse:
    """A status, as a message."""
    known = status.details
    details = None
    if known is not None:
        details = pb.StatusDetails(
            version=known.version,
            up_s=known.up_s,
            store=known.store,
            store_answer_s=known.store_answer_s,
            store_waiting=known.store_waiting,
            search_lag_entries=known.search_lag_entries,
            leases_ended=known.leases_ended,
            calls=known.calls,
            calls_failed=known.calls_failed,
            calls_under_way=known.calls_under_way,
            calls_per_s=known.calls_per_s,
        )
    return pb.StatusResponse(
        ready=not status.problem,
        problem=status.problem,
        access=status.access,
        peers=status.peers,
        peers_reachable=status.peers_reachable,
        entries=status.entries,
        holdings=status.holdings,
        lease_s=status.lease_s,
        details=details,
    )


def status_from(message: pb.StatusResponse) -> TrackerStatus:
    """What a tracker says of itself."""
    details = None
    if message.HasField("details"):
        said = message.details
        details = TrackerDetails(
            version=said.version,
            up_s=said.up_s,
            store=said.store,
            store_answer_s=said.store_answer_s,
            store_waiting=said.store_waiting,
            search_lag_entries=said.search_lag_entries,
            leases_ended=said.leases_ended,
            calls=said.calls,
            calls_failed=said.calls_failed,
            calls_under_way=said.calls_under_way,
            calls_per_s=said.calls_per_s,
        )
    return TrackerStatus(
        problem="" if message.ready else message.problem or "It does not say why.",
        access=message.access if message.access in ACCESS else "",
        peers=message.peers,
        peers_reachable=message.peers_reachable,
        entries=message.entries,
        holdings=message.holdings,
        lease_s=message.lease_s,
        details=details,
    )
