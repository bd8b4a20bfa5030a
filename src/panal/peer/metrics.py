"""A peer's facts as metrics: names, units and meanings; pure.

No label ever is a peer's name, a path, an id or an address: a label's values are few, and known
beforehand. docs/OPERATING.md lists them.
"""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from panal.monitoring.exposition import build_info, counter, gauge, gauges
from panal.peer.facts import DiskFacts, PeerFacts
from panal.peer.readiness import problems


def families(facts: PeerFacts) -> list[Metric]:
    """Every family of a peer."""
    return [
        build_info("peer", facts.version),
        *_membership(facts),
        *_transfers(facts),
        *_sending(facts),
        *_sharing(facts),
        *([] if facts.disk is None else _disk(facts.disk)),
    ]


def _membership(facts: PeerFacts) -> Iterator[Metric]:
    standing = facts.standing
    is_ready = not any(problems(standing))
    yield gauge("panal_peer_ready", "1 while it can do its work, as /readyz says.", is_ready)
    yield gauge("panal_peer_registered", "1 while a tracker lists it.", standing.is_registered)
    yield gauge(
        "panal_peer_reachable", "1 where the tracker's call to it came through.", facts.is_reachable
    )
    if facts.lease_age_s is not None:
        yield gauge(
            "panal_peer_lease_age_seconds",
            "Since the tracker has confirmed the lease.",
            facts.lease_age_s,
        )
    yield counter("panal_peer_registrations", "How often it has registered.", facts.registrations)
    yield counter(
        "panal_peer_full_announcements",
        "How often it had to tell a tracker everything.",
        facts.times_told_everything,
    )


def _transfers(facts: PeerFacts) -> Iterator[Metric]:
    received = facts.received
    yield counter(
        "panal_peer_sent_bytes", "Bytes of contents that were sent, to anybody.", facts.sent_bytes
    )
    yield counter(
        "panal_peer_received_bytes",
        "Bytes of contents that came from other peers.",
        received.size_bytes,
    )
    yield counter(
        "panal_peer_chunks_verified",
        "Chunks from other peers that are what their hash says.",
        received.chunks_verified,
    )
    yield counter(
        "panal_peer_chunks_refused",
        "Chunks from other peers that were something else; whoever sent one is not asked again.",
        received.chunks_refused,
    )
    yield gauges("panal_peer_downloads", "Downloads on its list.", "state", facts.downloads)
    yield gauge(
        "panal_peer_unfinished_files",
        "Unfinished files, of downloads and of uploads.",
        facts.unfinished,
    )
    yield gauge(
        "panal_peer_unfinished_bytes", "What they take of the disk.", facts.unfinished_bytes
    )


def _sending(facts: PeerFacts) -> Iterator[Metric]:
    slots, used, waiting = (
        GaugeMetricFamily(f"panal_peer_upload_{name}", meaning, labels=["lane"])
        for name, meaning in (
            ("slots", "How many are sent to at a time; each address has a share beyond that."),
            ("slots_used", "How many are being sent to."),
            ("waiting", "Requests that wait for a slot."),
        )
    )
    for lane, known in facts.lanes.items():
        slots.add_metric([lane], known.slots)
        used.add_metric([lane], known.used)
        waiting.add_metric([lane], known.waiting)
    yield from (slots, used, waiting)
    yield gauge("panal_peer_connections", "Connections to its port.", facts.connections)
    yield gauge(
        "panal_peer_connections_limit", "How many it takes at most.", facts.connections_at_most
    )


def _sharing(facts: PeerFacts) -> Iterator[Metric]:
    yield gauge("panal_peer_shared_files", "Files that it shares.", facts.files)
    yield gauge("panal_peer_shared_bytes", "Bytes in them.", facts.size_bytes)
    yield gauge("panal_peer_files_to_hash", "Files that are still to be hashed.", facts.to_hash)
    yield gauges("panal_peer_files_skipped", "Files and folders left out.", "reason", facts.skipped)
    yield gauge("panal_peer_roots", "The folder, and what is shared beside it.", facts.roots)
    yield gauge("panal_peer_roots_there", "How many of them are there.", facts.roots_there)


def _disk(disk: DiskFacts) -> Iterator[Metric]:
    yield gauge("panal_peer_disk_size_bytes", "The folder's disk.", disk.total)
    yield gauge("panal_peer_disk_free_bytes", "What is free on it.", disk.free)
    yield gauge(
        "panal_peer_disk_usable_bytes",
        "What is free beyond the reserve that is left alone; 0 where nothing is.",
        max(0, disk.usable),
    )
