"""A whole swarm in virtual time: the same core, queues and choices, on links that share fairly.

What a link carries is divided by weighted max-min; the weights are drawn, since no two
connections fare alike, and a swarm of equal ones would move in step. Packet headers are counted
as Ethernet's. A full link has a queue, which delays requests and the last byte of a chunk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random

from benchmarks.hosts import Link as Line
from benchmarks.scenarios import Scenario
from benchmarks.simulated.conduct import Conduct
from benchmarks.simulated.fair_links import FairLinks, Flow, Link
from benchmarks.simulated.machine import CHUNK_CPU_S, FOLLOW_CPU_S, WORD_CPU_S, Machine
from benchmarks.simulated.peer import CONTENT, SimulatedPeer
from benchmarks.simulated.timeline import Timeline
from benchmarks.simulated.transfer import Transfer
from panal.swarm.messages import TrackerAnswered
from panal.wire.manifest import chunk_size_for

BESIDES_SHARE = 0.007
"""So much of what a link carries is acknowledgements of what goes the other way, packets that are
not full, requests and words: counted by the shapers of sym8. Slower flows have more."""
PAYLOAD_SHARE = 1448 / 1514 * (1 - BESIDES_SHARE)
"""What is left of a link when Ethernet's, IP's and TCP's headers are taken off, too."""
LATENCY_S = 0.0005
"""One way, where nothing queues."""
QUEUED_BYTES = 4 * 1514
"""Of one flow, in the queue of a full link: no congestion control keeps less on its way."""
QUEUE_S = 0.05
"""No queue is longer, as in benchmarks.hosts."""
LOST = 0.08
"""Of the packets, where the queue is as long as it may be; it falls with the square of its length.
Fitted to what the kernel sent again: 4.8 % in sym16, 0.06 % in sym8."""
MOST_LOST = 0.5
RETRANSMIT_S = 0.2
"""The kernel's shortest timeout for what was lost at the end, doubled each time."""
BEGIN_EVERY_S = 0.01
LONGEST_BEGIN_S = 0.2
"""All are told to fetch one after the other, in so much time at most."""
STARTING_S = 0.03
"""From there to the first request for a chunk: the tracker's answer and the manifest."""
LOCATED = 50
SAMPLED_S = 0.1
WELL_USED = 0.9
SPREAD = 0.3
"""Weights of flows are between 1 less this and 1 more this, drawn for each request,"""
PAIR_SPREAD = 0.8
"""times one that is drawn once for each two peers: the standard deviation of its logarithm. On
shaped networks one peer of drawn1 sent others alike 5, 25 and 33 chunks in the same 8 s."""
MOST_APART = 5.0
"""No such weight is more than this, or less than one over it."""
BESIDES_QUEUES_S = 0.005
"""Of a round trip. What one flow may have on its way at a full link is little, so that it comes the
more slowly the longer its packets and their acknowledgements wait in queues."""
TOLERANCE = 0.05
"""How far a link's level may be from max-min."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run depends on, besides its seed number."""

    scenario: Scenario
    conducts: tuple[Conduct, ...] = ()
    """By receiver; those left out are honest."""
    latency_s: float = LATENCY_S
    tracker_gone_s: float = inf
    seed_leaves: bool = False
    """As soon as every chunk is with somebody else."""
    cores: int = 0
    """All computing on so many; 0: each peer has its own machine."""
    is_checked: bool = False
    """The core's rules, after every step."""
    spread: float = SPREAD
    pair_spread: float = PAIR_SPREAD
    tolerance: float = TOLERANCE

    def conduct(self, number: int) -> Conduct:
        """Of a receiver, counted from 0."""
        return self.conducts[number] if number < len(self.conducts) else Conduct()


class SimulatedSwarm:
    """Everybody, their links, and time."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.chance = Random(seed)
        self.time = Timeline()
        self.is_checked = setting.is_checked
        scenario = setting.scenario
        self.chunk_bytes = chunk_size_for(scenario.size_bytes)
        self.chunk_count = -(-scenario.size_bytes // self.chunk_bytes)
        self.machine = Machine(setting.cores)
        self.word_cpu_s = WORD_CPU_S if setting.cores else 0.0
        self.follow_cpu_s = FOLLOW_CPU_S if setting.cores else 0.0
        self.links = self._links()
        self.facts = self.words = self.wrong = 0
        self.sent_bytes = 0.0
        self.uplinks_used: list[tuple[float, float]] = []
        """Seconds, and what share of all uplinks together is used then."""
        self.spread = 0
        """Chunks that somebody has besides the seed."""
        self.seed = self._peer(0, scenario.seed, Conduct())
        self.receivers = [
            self._peer(number, line, setting.conduct(number - 1))
            for number, line in enumerate(scenario.peers, 1)
        ]
        self.listed = [self.seed, *(peer for peer in self.receivers if peer.conduct.is_liar)]
        self.peers = {peer.id: peer for peer in (self.seed, *self.receivers)}
        self.waited_for = {
            peer.id: peer
            for peer in self.receivers
            if not peer.is_done and peer.conduct.killed_s == inf
        }

    def _links(self) -> FairLinks:
        return FairLinks(self._changed, self.setting.tolerance)

    def _peer(self, number: int, line: Line, conduct: Conduct) -> SimulatedPeer:
        return SimulatedPeer(number, rates_of(line), self, conduct, is_seed=number == 0)

    def _way(self, sender: SimulatedPeer, receiver: SimulatedPeer) -> tuple[Link, ...]:
        """The links that bytes take from one to the other."""
        return sender.up, receiver.down

    def run(self, limit_s: float) -> None:
        """Until all are done who can be."""
        together_s = min(LONGEST_BEGIN_S, BEGIN_EVERY_S * len(self.receivers))
        for number, peer in enumerate(self.receivers):
            if peer.conduct.is_liar:
                continue
            joins_s = peer.conduct.joins_s
            if joins_s is None:
                joins_s = together_s * number / len(self.receivers)
            self.time.at(joins_s + STARTING_S, peer.begin)
            if peer.conduct.killed_s < inf:
                self.time.at(peer.conduct.killed_s, peer.die)
        self._sample()
        links, step = self.links, self.time.step
        while self.waited_for and step(limit_s):
            if links.is_unsettled:
                links.settle()
            if self.setting.seed_leaves and self.spread.bit_count() == self.chunk_count:
                self.seed.die()

    def _sample(self) -> None:
        links = [peer.up for peer in self.peers.values()]
        used = sum(link.used for link in links) / sum(link.capacity for link in links)
        self.uplinks_used.append((self.time.now_s, used))
        self.time.at(SAMPLED_S, self._sample)

    def finished(self, peer: SimulatedPeer) -> None:
        """One has all of it."""
        self.waited_for.pop(peer.id, None)

    # Between peers ------------------------------------------------------------------------

    def later(
        self,
        sender: SimulatedPeer,
        receiver: SimulatedPeer | None,
        then: Callable[[], object],
        cpu_s: float = 0.0,
    ) -> None:
        """Something arrives from a peer, at one or at several alike."""
        way = (sender.up,) if receiver is None else self._way(sender, receiver)
        delay_s = self.setting.latency_s
        for link in way:
            delay_s += queue_s(link)
        if receiver is not None:
            lost = min(MOST_LOST, sum(map(lost_share, way)))
            again_s = RETRANSMIT_S
            while self.chance.random() < lost:
                delay_s += again_s
                again_s *= 2
        if not (cpu_s and self.machine.is_shared):
            self.time.at(delay_s + cpu_s, then)
            return

        def compute() -> None:
            self.time.at(self.machine.delay_s(self.time.now_s, cpu_s), then)

        self.time.at(delay_s, compute)  # no core is kept for what has not arrived

    def ask_tracker(self, peer: SimulatedPeer) -> None:
        """Its answer names the seed and some others."""
        delay_s = 4 * self.setting.latency_s
        if self.time.now_s >= self.setting.tracker_gone_s:
            problem = TrackerAnswered("The tracker does not answer.")
            self.time.at(delay_s, lambda: peer.tell(problem))
            return

        def located() -> None:
            others = self.listed[1:]
            chosen = self.chance.sample(others, min(LOCATED - 1, len(others)))
            peer.introduced([self.listed[0], *chosen])
            peer.tell(TrackerAnswered())

        self.time.at(delay_s, located)

    def weight(self, sender: SimulatedPeer, receiver: SimulatedPeer) -> float:
        """How one flow fares beside others now: the same two peers' always better or worse."""
        of_pair = receiver.weights.get(sender.id)
        if of_pair is None:
            drawn = self.chance.lognormvariate(0.0, self.setting.pair_spread)
            of_pair = min(MOST_APART, max(1 / MOST_APART, drawn))
            receiver.weights[sender.id] = of_pair
        luck = 1 + self.setting.spread * (2 * self.chance.random() - 1)
        queues = (sender.up, receiver.down, receiver.up, sender.down)
        return of_pair * luck * BESIDES_QUEUES_S / (BESIDES_QUEUES_S + sum(map(queue_s, queues)))

    # Bytes on their way -------------------------------------------------------------------

    def begin(self, transfer: Transfer) -> None:
        """Bytes begin to flow."""
        if self._next_chunk(transfer):
            transfer.since_s = self.time.now_s
            self.links.add(transfer)

    def stop(self, transfer: Transfer) -> None:
        """No more bytes flow."""
        transfer.wakes_s = inf
        if transfer.indices:
            self.advance(transfer)
            transfer.indices.clear()
            self.links.remove(transfer)

    def advance(self, transfer: Transfer, rate: float | None = None) -> None:
        """Let time pass at the rate that it had, or has still."""
        now_s = self.time.now_s
        came = (transfer.rate if rate is None else rate) * (now_s - transfer.since_s)
        transfer.left_bytes -= came
        self.sent_bytes += came
        transfer.sender.sent_bytes += came
        transfer.since_s = now_s

    def _changed(self, flow: Flow, rate: float) -> None:
        assert isinstance(flow, Transfer)
        now_s = self.time.now_s
        if flow.since_s != now_s:
            self.advance(flow, rate)
        left_bytes = flow.left_bytes
        due_s = now_s + left_bytes / flow.rate if left_bytes > 0.0 else now_s
        if due_s < flow.wakes_s:
            self._wake(flow, due_s)

    def _wake(self, transfer: Transfer, due_s: float) -> None:
        transfer.wakes_s = due_s
        self.time.at_time(due_s, transfer.look)

    def look(self, transfer: Transfer) -> None:
        """Time has come for what is due; in vain where that has changed since."""
        if transfer.wakes_s != self.time.now_s:
            return
        self.advance(transfer)
        if transfer.left_bytes > 1.0:
            self._wake(transfer, self.time.now_s + transfer.left_bytes / transfer.rate)
            return
        index = transfer.indices[0]
        receiver, untold_bytes = transfer.receiver, self.chunk_bytes - transfer.told_bytes
        is_last = len(transfer.indices) == 1
        arrived = partial(receiver.arrived, transfer, index, untold_bytes, is_last=is_last)
        self.later(transfer.sender, receiver, arrived, CHUNK_CPU_S)
        if is_last:
            transfer.wakes_s = inf
            self.links.remove(transfer)
            transfer.indices.clear()
            transfer.sender.never_sent.sent(CONTENT, index, 1)
            transfer.sender.ended(transfer)
            return
        transfer.indices.popleft()
        if self._next_chunk(transfer):
            self._wake(transfer, self.time.now_s + transfer.left_bytes / transfer.rate)
        else:
            self.links.remove(transfer)

    def _next_chunk(self, transfer: Transfer) -> bool:
        """Whether the receiver takes the chunk that comes now; else the transfer is over."""
        transfer.left_bytes, transfer.told_bytes = float(self.chunk_bytes), 0
        if transfer.is_over or transfer.receiver.may_write(transfer, transfer.indices[0]):
            return True
        transfer.indices.clear()
        transfer.wakes_s = inf
        transfer.sender.taken(transfer)
        return False


def lost_share(link: Link) -> float:
    """Of the packets at a link, how many find its queue full."""
    if link.level == inf:
        return 0.0
    return min(MOST_LOST, LOST * (len(link.flows) * QUEUED_BYTES / (QUEUE_S * link.capacity)) ** 2)


def queue_s(link: Link) -> float:
    """How long what is sent now waits at a link."""
    if link.level == inf:
        return 0.0
    return min(QUEUE_S, len(link.flows) * QUEUED_BYTES / link.capacity)


def rates_of(line: Line) -> tuple[float, float]:
    """Up and down in bytes a second, headers taken off."""
    up, down = (
        (rate_mbit or 1e6) * 125_000 * PAYLOAD_SHARE for rate_mbit in (line.up_mbit, line.down_mbit)
    )
    return up, down


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    ratio: float
    first_ratio: float
    finished: int
    chunk_count: int
    waste: float
    """Bytes sent over bytes needed."""
    steps: int
    facts: int
    lost_s: tuple[float, float, float]
    """Of all uplinks' time, in units of the bound: before they are first used to 0.9, from there
    until the first receiver is done, and from there on."""
    machine_s: float
    """Of computing, as it is modelled."""
    cpu_s: float
    """What the run itself took."""


def _lost(
    swarm: SimulatedSwarm, finished: list[float], bound_s: float
) -> tuple[float, float, float]:
    parts = [0.0, 0.0, 0.0]
    part = 0
    for at_s, used in swarm.uplinks_used:
        if part == 0 and used >= WELL_USED:
            part = 1
        if finished and at_s >= finished[0]:
            part = 2
        parts[part] += SAMPLED_S * (1 - used) / bound_s
    return parts[0], parts[1], parts[2]


def simulate(setting: Setting, seed: int, bound_s: float | None = None) -> Outcome:
    """One run; the bound is the clean run's where none is given."""
    return outcome_of(SimulatedSwarm(setting, seed), bound_s or setting.scenario.bound_s())


def outcome_of(swarm: SimulatedSwarm, bound_s: float) -> Outcome:
    """Run a swarm that has not begun; what came of it."""
    began_s = time.process_time()
    setting = swarm.setting
    swarm.run(max(60.0, 20 * bound_s))
    finished = sorted(peer.done_s for peer in swarm.receivers if peer.done_s is not None)
    return Outcome(
        inf if swarm.waited_for else finished[-1] / bound_s,
        finished[0] / bound_s if finished else inf,
        len(finished),
        swarm.chunk_count,
        swarm.sent_bytes / (setting.scenario.size_bytes * max(1, len(finished))),
        swarm.time.steps,
        swarm.facts,
        _lost(swarm, finished, bound_s),
        swarm.machine.spent_s,
        time.process_time() - began_s,
    )
