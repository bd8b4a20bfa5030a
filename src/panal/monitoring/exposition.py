"""Numbers as Prometheus reads them: families of metrics in, a page out; nothing is kept here.

The two formats are Prometheus' text format 0.0.4 and OpenMetrics 1.0, as the reader asks for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Exposition:
    """One page of metrics."""

    content_type: str
    body: bytes


def exposition(families: Sequence[Metric], accept: str = "") -> Exposition:
    """The page of these families and of this process's own; `accept` is the reader's header."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Given(families))
    encode, content_type = choose_encoder(accept)
    return Exposition(content_type, encode(registry))


def gauge(name: str, meaning: str, value: float) -> Metric:
    """What may go up and down."""
    return GaugeMetricFamily(name, meaning, value=value)


def gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """The same for each of a few things."""
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for named, value in values.items():
        family.add_metric([named], value)
    return family


def counter(name: str, meaning: str, value: float) -> Metric:
    """What only goes up, from 0 at each start; `_total` is put behind its name."""
    return CounterMetricFamily(name, meaning, value=value)


def build_info(program: str, version: str) -> Metric:
    """Which program this is; the same family for both, so that one query finds all."""
    family = GaugeMetricFamily(
        "panal_build_info", "Always 1; the labels say what runs.", labels=["program", "version"]
    )
    family.add_metric([program, version], 1)
    return family


class _Given(Collector):
    """What gives a registry families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)
