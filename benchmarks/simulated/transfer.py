"""Chunks on their way from one simulated peer to another."""

from __future__ import annotations

from collections import deque
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from benchmarks.simulated.fair_links import Flow
from panal.swarm.messages import Fetch, FetchAny

if TYPE_CHECKING:
    from benchmarks.simulated.peer import SimulatedPeer


class Transfer(Flow):
    """What was asked of one peer by another, from the request to the last byte."""

    __slots__ = (
        "granted",
        "holds_turn",
        "indices",
        "is_over",
        "left_bytes",
        "look",
        "order",
        "receiver",
        "sender",
        "since_s",
        "told_bytes",
        "waits_until_s",
        "wakes_s",
    )

    def __init__(
        self,
        sender: SimulatedPeer,
        receiver: SimulatedPeer,
        order: Fetch | FetchAny,
        weight: float,
    ) -> None:
        super().__init__(sender.up, receiver.down, weight)
        self.sender = sender
        self.receiver = receiver
        self.order = order
        self.indices: deque[int] = deque()
        """The chunk that is on its way, and those after it."""
        self.look = partial(sender.swarm.look, self)
        self.granted: tuple[int, int] | None = None
        self.left_bytes = 0.0
        """Of the chunk that is on its way."""
        self.told_bytes = 0
        """Of that chunk, to the receiver's core."""
        self.since_s = 0.0
        self.wakes_s = inf
        """When it is looked at next."""
        self.holds_turn = False
        self.waits_until_s = inf
        """Until when it may give way to others."""
        self.is_over = False
        """The receiver waits for no more of it."""
