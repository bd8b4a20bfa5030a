"""The plot: well-formed, and every program's band from its last receiver to its first."""

import xml.etree.ElementTree as ET
from typing import Any, cast

from benchmarks.curve import Curve, svg
from benchmarks.hosts import Host

NAMESPACE = "{http://www.w3.org/2000/svg}"


class Receiver:
    """A host whose interface counts as it is told."""

    def __init__(self) -> None:
        self.bytes = 40

    def received_bytes(self) -> int:
        return self.bytes


def test_a_sample_is_the_share_that_came_since_the_beginning() -> None:
    one, other = Receiver(), Receiver()
    curve = Curve(100)
    curve.begin(cast("list[Host]", [one, other]))
    one.bytes += 50
    other.bytes += 300
    curve.sample(0.0)
    curve.sample(0.0)  # a moment later
    assert [shares for _, shares in curve.points][:1] == [(0.5, 1.0)]


def test_the_plot_shows_bound_and_bands() -> None:
    curve = Curve(100, [(0.0, (0.0, 0.0)), (1.0, (0.5, 0.25)), (2.0, (1.0, 1.0))])
    root: Any = ET.fromstring(svg("sym8", {"Panal": curve, "libtorrent": curve}, 1.5))
    words = [text.text for text in root.iter(f"{NAMESPACE}text")]
    assert {"sym8", "bound", "Panal", "libtorrent", "100%", "2 s"} <= set(words)
    (band, _) = root.iter(f"{NAMESPACE}polygon")
    places = [tuple(map(float, place.split(","))) for place in band.get("points").split()]
    assert len(places) == 6
    assert places[1][1] < places[4][1]  # the first has more than the last, and y goes down
