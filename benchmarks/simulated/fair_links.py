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
        self.flows: dict[Flow, Link] = {}
        """And the other link of each."""
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

    def __init__(self, changed: Callable[[Flow, float], None], tolerance: float) -> None:
        """`changed` is told of each flow that has another rate once all agree, and of its last."""
        self._changed = changed
        self._tolerance = max(tolerance, 1e-12)
        self._before: dict[Flow, float] = {}
        """The rates of those that have others now, until that is told."""
        self._queue: deque[Link] = deque()

    @property
    def is_unsettled(self) -> bool:
        """Whether there is anything to agree on."""
        return bool(self._queue)

    def add(self, flow: Flow) -> None:
        """One more flow."""
        up, down = flow.up, flow.down
        up.flows[flow], down.flows[flow] = down, up
        share = flow.weight * min(up.level, down.level)
        self._set(flow, min(share, up.capacity, down.capacity))
        self._look_again(up)
        self._look_again(down)

    def remove(self, flow: Flow) -> None:
        """One flow less; whoever sent it knows that it has ended."""
        self._set(flow, 0.0)
        del self._before[flow]
        for link in (flow.up, flow.down):
            del link.flows[flow]
            self._look_again(link)

    def set_capacity(self, link: Link, capacity: float) -> None:
        """A link has become faster or slower."""
        link.capacity = capacity
        self._look_again(link)

    def _set(self, flow: Flow, rate: float) -> None:
        self._before.setdefault(flow, flow.rate)
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
        queue = self._queue
        while queue:
            link = queue.popleft()
            link.is_queued = False
            level = level_of(link, self._tolerance)
            if level != link.level:
                self._set_level(link, level)
        self._tell()

    def _tell(self) -> None:
        told, self._before = self._before, {}
        for flow, rate in told.items():
            self._changed(flow, rate)

    def _set_level(self, link: Link, level: float) -> None:
        """What its flows get then; who is not full any more, or too full, is looked at again."""
        queue, before, tolerance = self._queue, self._before, self._tolerance
        link.level = level
        used = 0.0
        for flow, other in link.flows.items():
            other_level = other.level
            rate = flow.weight * (level if level < other_level else other_level)
            used += rate
            old_rate = flow.rate
            if rate == old_rate:
                continue
            if flow not in before:
                before[flow] = old_rate
            flow.rate = rate
            other.used += rate - old_rate
            if not other.is_queued:
                slack, least = other.capacity - other.used, tolerance * other.capacity
                if slack < -least or (slack > least and other_level < inf):
                    other.is_queued = True
                    queue.append(other)
        link.used = used

    def _is_off(self, link: Link) -> bool:
        slack = link.capacity - link.used
        return slack < -self._tolerance * link.capacity or (
            link.level < inf and slack > self._tolerance * link.capacity
        )


def level_of(link: Link, tolerance: float) -> float:
    """At which level a link is full, its flows' other links being as they are.

    The one that it has where that is near enough, as what it lacks or has too much tells.
    """
    level, capacity, slack = link.level, link.capacity, link.capacity - link.used
    if not link.flows:
        return inf
    if level < inf:
        limited_here = 0.0
        for flow, other in link.flows.items():
            if other.level > level:
                limited_here += flow.weight
        if abs(slack) <= tolerance * level * limited_here:
            return level
    elif slack > 1e-9 * capacity:
        return inf
    shares = [(flow.weight, other.level) for flow, other in link.flows.items()]
    return filling_level(capacity, shares, level)


def filling_level(capacity: float, shares: list[tuple[float, float]], near: float = inf) -> float:
    """The same of flows given as their weights and the least levels of their other links.

    Newton's steps, best from a level that is near: what is used grows with the level, ever more
    slowly, so after the first step all are upwards.
    """
    weight = sum([share[0] for share in shares])
    level = least = capacity / weight
    if least < near < inf:
        level = near
    for _ in range(len(shares) + 9):  # one a flow is enough, but for what rounding adds
        limited = 0.0
        open_weight = 0.0
        for own, other in shares:
            if other > level:
                open_weight += own
            else:
                limited += own * other
        if open_weight <= 1e-9 * weight:
            if limited <= capacity or level == least:
                return inf
            level = least
            continue
        next_level = (capacity - limited) / open_weight
        if abs(next_level - level) <= 1e-13 * level:
            return level
        level = max(least, next_level)
    return level


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
