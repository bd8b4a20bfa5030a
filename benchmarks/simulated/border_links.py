"""Max-min shares as in `fair_links`, of flows that use more links than their two ends'."""

from collections.abc import Callable
from math import inf

from benchmarks.simulated.fair_links import FairLinks, Flow, Link, filling_level


class BorderLinks(FairLinks):
    """The rates of all flows, each over any number of links."""

    def __init__(
        self,
        changed: Callable[[Flow, float], None],
        tolerance: float,
        way: Callable[[Flow], tuple[Link, ...]],
    ) -> None:
        """`way` names a flow's links; it is asked once."""
        super().__init__(changed, tolerance)
        self._way = way
        self._ways: dict[Flow, tuple[Link, ...]] = {}

    def add(self, flow: Flow) -> None:
        """One more flow."""
        way = self._ways[flow] = self._way(flow)
        for link in way:
            link.flows[flow] = link  # asked of its way, not of this
        share = flow.weight * min(link.level for link in way)
        self._set(flow, min(share, *(link.capacity for link in way)))
        for link in way:
            self._look_again(link)

    def remove(self, flow: Flow) -> None:
        """One flow less."""
        self._set(flow, 0.0)
        del self._before[flow]
        for link in self._ways.pop(flow):
            del link.flows[flow]
            self._look_again(link)

    def _set(self, flow: Flow, rate: float) -> None:
        self._before.setdefault(flow, flow.rate)
        change = rate - flow.rate
        for link in self._ways[flow]:
            link.used += change
        flow.rate = rate

    def settle(self) -> None:
        """What came and went since the last time: links agree on all of it at once."""
        queue, tolerance = self._queue, self._tolerance
        while queue:
            link = queue.popleft()
            link.is_queued = False
            others = {flow: self._others(flow, link) for flow in link.flows}
            before, level = link.level, inf
            if others:
                shares = [(flow.weight, other) for flow, other in others.items()]
                level = filling_level(link.capacity, shares)
            if level == before or abs(level - before) <= tolerance * before < inf:
                continue
            link.level = level
            for flow, other in others.items():
                rate = flow.weight * min(level, other)
                if rate == flow.rate:
                    continue
                self._set(flow, rate)
                for further in self._ways[flow]:
                    if further is not link and not further.is_queued and self._is_off(further):
                        further.is_queued = True
                        queue.append(further)
        self._tell()

    def _others(self, flow: Flow, link: Link) -> float:
        """The least level of a flow's other links."""
        return min(other.level for other in self._ways[flow] if other is not link)
