"""Weighted max-min shares of links, kept up as flows come and go.

A flow uses two links, its sender's up and its receiver's down. Of a full link each flow has its
weight times the link's level, or less where its other link gives it less. Levels that agree with
each other so are the max-min fair ones (Bertsekas and Gallager, Data Networks, 6.5.2). So a change
is carried on only from link to link, and only while it moves a level by more than the tolerance:
with 0 the result is exact, with 0.01 a change goes little further than its neighbours.
"""

from collections import deque
from collections.abc import Callable
from math import inf


class Link:
    """One direction of one machine's line."""

    __slots__ = ("capacity", "flows", "is_queued", "level", "used")

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        """Bytes a second."""
        self.flows: dict[Flow, None] = {}
        """In order: a set's would differ from run to run."""
        self.level = inf
        """Bytes a second for each unit of weight; infinite where not all of it is used."""
        self.used = 0.0
        self.is_queued = False


class Flow:
    """Bytes from one machine to another; what is sent is for whoever derives from it."""

    __slots__ = ("down", "rate", "up", "weight")

    def __init__(self, up: Link, down: Link, weight: float) -> None:
        self.up = up
        self.down = down
        self.weight = weight
        self.rate = 0.0


class FairLinks:
    """The rates of all flows."""

    def __init__(self, changing: Callable[[Flow, float], None], tolerance: float) -> None:
        """`changing` is told of a flow and its next rate while it still has the one before."""
        self._changing = changing
        self._tolerance = max(tolerance, 1e-12)
        self._queue: deque[Link] = deque()

    def add(self, flow: Flow) -> None:
        """One more flow."""
        flow.up.flows[flow] = flow.down.flows[flow] = None
        share = flow.weight * min(flow.up.level, flow.down.level)
        self._set(flow, min(share, flow.up.capacity, flow.down.capacity))
        self._look_again(flow.up)
        self._look_again(flow.down)

    def remove(self, flow: Flow) -> None:
        """One flow less."""
        self._set(flow, 0.0)
        for link in (flow.up, flow.down):
            del link.flows[flow]
            self._look_again(link)

    def set_capacity(self, link: Link, capacity: float) -> None:
        """A link has become faster or slower."""
        link.capacity = capacity
        self._look_again(link)

    def _set(self, flow: Flow, rate: float) -> None:
        self._changing(flow, rate)
        change = rate - flow.rate
        flow.up.used += change
        flow.down.used += change
        flow.rate = rate

    def _look_again(self, link: Link) -> None:
        if not link.is_queued:
            link.is_queued = True
            self._queue.append(link)

    def settle(self) -> None:
        """What came and went since the last time: links agree on all of it at once."""
        queue, tolerance, changing = self._queue, self._tolerance, self._changing
        while queue:
            link = queue.popleft()
            link.is_queued = False
            before = link.level
            others = other_links(link)
            level = level_of(link, others)
            if level == before or abs(level - before) <= tolerance * before < inf:
                continue
            link.level = level
            used = 0.0
            for flow, other in zip(link.flows, others, strict=True):
                rate = flow.weight * (level if level < other.level else other.level)
                change = rate - flow.rate
                if change:
                    changing(flow, rate)
                    flow.rate = rate
                    other.used += change
                    if not other.is_queued:
                        slack, least = other.capacity - other.used, tolerance * other.capacity
                        if slack < -least or (slack > least and other.level < inf):
                            other.is_queued = True
                            queue.append(other)
                used += rate
            link.used = used

    def _is_off(self, link: Link) -> bool:
        slack = link.capacity - link.used
        return slack < -self._tolerance * link.capacity or (
            link.level < inf and slack > self._tolerance * link.capacity
        )


def other_links(link: Link) -> list[Link]:
    """Of each of its flows; all use it in the same direction."""
    flows = link.flows
    if flows and next(iter(flows)).up is link:
        return [flow.down for flow in flows]
    return [flow.up for flow in flows]


def level_of(link: Link, others: list[Link]) -> float:
    """At which level a link is full, its flows' other links being as they are.

    Newton's steps from below: what is used grows with the level, ever more slowly.
    """
    if not others:
        return inf
    flows = zip(link.flows, others, strict=True)
    return filling_level(link.capacity, [(flow.weight, other.level) for flow, other in flows])


def filling_level(capacity: float, shares: list[tuple[float, float]]) -> float:
    """The same of flows given as their weights and the least levels of their other links."""
    weight = sum([share[0] for share in shares])
    level = capacity / weight
    while True:
        limited = 0.0
        open_weight = 0.0
        for own, other in shares:
            if other > level:
                open_weight += own
            else:
                limited += own * other
        if open_weight <= 1e-9 * weight:
            return inf
        next_level = (capacity - limited) / open_weight
        if next_level <= level * (1 + 1e-13):
            return level
        level = next_level


def filled(links: list[tuple[float, list[int]]], weights: list[float]) -> list[float]:
    """The rates by progressive filling, as textbooks have it: what the above must agree with.

    Links are their capacity and the numbers of their flows, weights those of the flows.
    """
    rates = [0.0] * len(weights)
    left = [capacity for capacity, _ in links]
    growing = set(range(len(weights)))
    while growing:
        step, full = min(
            (left[number] / weight, number)
            for number, (_, flows) in enumerate(links)
            if (weight := sum(weights[flow] for flow in flows if flow in growing)) > 0
        )
        for flow in growing:
            rates[flow] += step * weights[flow]
        for number, (_, flows) in enumerate(links):
            left[number] -= step * sum(weights[flow] for flow in flows if flow in growing)
        growing -= set(links[full][1])
    return rates
