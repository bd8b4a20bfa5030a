"""A tracker's facts as metrics: names, units and meanings; pure.

No label ever is a peer's name, a path, an id or an address: a label's values are few, and known
before anybody calls. docs/OPERATING.md lists them.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from panal.monitoring.exposition import build_info, counter, gauge, gauges
from panal.tracker.facts import LOOPBACK, NETWORK, OPEN, TrackerFacts
from panal.tracker.storage import Totals


def families(facts: TrackerFacts) -> list[Metric]:
    """Every family of a tracker."""
    return [
        build_info("tracker", facts.version),
        gauge("panal_tracker_up_seconds", "Since it began to listen.", facts.up_s),
        gauge(
            "panal_tracker_ready",
            "1 while its records answer, take writes and have room, and it is not stopping.",
            not facts.problem,
        ),
        gauges(
            "panal_tracker_access",
            "1 for who may call: this machine, everybody, or a network's members.",
            "to",
            {known: facts.access == known for known in (LOOPBACK, OPEN, NETWORK)},
        ),
        *_calls(facts),
        *_records(facts),
        *([] if facts.totals is None else _totals(facts.totals)),
        *_authority(facts),
    ]


def _calls(facts: TrackerFacts) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "panal_tracker_calls", "Calls that ended, by how.", labels=["method", "code"]
    )
    for (method, code), count in sorted(facts.calls.items()):
        ended.add_metric([method, code], count)
    yield ended
    took = HistogramMetricFamily(
        "panal_tracker_call_seconds",
        "How long calls took, the sending of an announcement's messages included.",
        labels=["method"],
    )
    for method, durations in sorted(facts.durations.items()):
        took.add_metric([method], durations.buckets(), durations.total_s)
    yield took
    yield gauge(
        "panal_tracker_calls_under_way", "Calls that have not ended yet.", facts.calls_under_way
    )


def _records(facts: TrackerFacts) -> Iterator[Metric]:
    yield gauges("panal_tracker_store", "1; the label is the store.", "kind", {facts.store: 1})
    if facts.totals is not None:
        yield gauge(
            "panal_tracker_store_answer_seconds",
            "How long the records took to count what they have.",
            facts.store_answer_s,
        )
    yield gauge(
        "panal_tracker_store_waiting",
        "Questions to the records that are not answered yet.",
        facts.store_waiting,
    )
    yield gauge("panal_tracker_lease_seconds", "How long a lease counts.", facts.lease_s)
    yield counter(
        "panal_tracker_leases_ended",
        "Leases that ended because nobody renewed them.",
        facts.leases_ended,
    )


def _totals(totals: Totals) -> Iterator[Metric]:
    yield gauge("panal_tracker_peers", "Peers with a lease.", totals.peers)
    yield gauge(
        "panal_tracker_peers_reachable",
        "Of those, the ones whose port answered the tracker's call.",
        totals.reachable,
    )
    yield gauge("panal_tracker_entries", "Entries of peers with a lease.", totals.entries)
    yield gauge(
        "panal_tracker_holdings",
        "Contents without an entry that they hold, whole or in part.",
        totals.holdings,
    )
    yield gauge(
        "panal_tracker_search_lag_entries",
        "Entries that were acknowledged and that a search does not find yet.",
        totals.unsearchable,
    )


def _authority(facts: TrackerFacts) -> Iterator[Metric]:
    if facts.authority_ends_at_s is not None:
        yield gauge(
            "panal_tracker_authority_expiry_timestamp_seconds",
            "Until when the network's authority counts, in seconds since 1970.",
            facts.authority_ends_at_s,
        )
