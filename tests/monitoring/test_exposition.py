"""Families of metrics as pages that Prometheus' own reader understands."""

from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from panal.monitoring.exposition import build_info, counter, exposition, gauge, gauges

FAMILIES = [
    build_info("tracker", "1.2.3"),
    counter("panal_things", "Things that happened.", 3),
    gauge("panal_level_bytes", "How high it stands.", 1.5),
    gauges("panal_rooms", "Rooms by colour.", "colour", {"red": 1, "blue": 2}),
]


def test_both_formats_say_the_same() -> None:
    page = exposition(FAMILIES)
    assert page.content_type.startswith("text/plain; version=0.0.4")
    newer = exposition(FAMILIES, "application/openmetrics-text; version=1.0.0")
    assert newer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    read: Any = open_metrics  # the library's own reader, without types
    for found in (plain(page.body.decode()), read(newer.body.decode())):
        samples = {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in found
            for sample in family.samples
        }
        assert samples["panal_build_info", ("tracker", "1.2.3")] == 1
        assert samples["panal_things_total", ()] == 3
        assert samples["panal_level_bytes", ()] == 1.5
        assert samples["panal_rooms", ("blue",)] == 2
        assert samples["process_resident_memory_bytes", ()] > 0


def test_nothing_is_kept_from_one_page_to_the_next() -> None:
    for value in (1, 2):
        page = exposition([counter("panal_things", "Things that happened.", value)])
        assert f"panal_things_total {value:.1f}".encode() in page.body
