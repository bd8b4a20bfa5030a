"""A whole swarm in virtual time: the same core, slots and choices, on links that share fairly.

`python -m benchmarks.simulated [SCENARIO…] [--peers N] [--seed N]`. A link gives each of its
transfers the same share; a transfer has the smaller of the shares at its two ends. Packet headers
are counted as Ethernet's, computing is not. The same seed gives the same run.
"""

import argparse
import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from benchmarks.hosts import Link
from benchmarks.scenarios import SCENARIOS, Scenario
from panal.peer.availability import GATHERED_S, MOST_GATHERED_S
from panal.peer.lanes import MOST_WAITING, PEERS_AT_ONCE
from panal.peer.neighbourhood import MOST_PEERS
from panal.peer.never_sent import NeverSent
from panal.peer.turns import Turns
from panal.swarm.engine import ASKED_FOR_PEERS, TICK_S
from panal.swarm.messages import (
    AskTracker,
    BytesArrived,
    CancelFetch,
    ChunksAvailable,
    ChunksGranted,
    ChunkWritten,
    Drop,
    Fact,
    Failure,
    Fetch,
    FetchAny,
    FetchEnded,
    Finish,
    Follow,
    Order,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.state import DownloadState
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import chunk_size_for

PAYLOAD_SHARE = 1448 / 1514
"""What Ethernet, IP and TCP headers leave of a link."""
LATENCY_S = 0.001
PROCESSING_S = 0.002
"""From the last byte of a chunk to the next request, and from a request to its first byte."""
ANNOUNCED_S = 0.25
LOCATED = 50
CONTENT = ContentId(bytes(32))


class Transfer:
    """Chunks on their way from one peer to another."""

    def __init__(self, sender: "SimulatedPeer", receiver: "SimulatedPeer") -> None:
        self.sender = sender
        self.receiver = receiver
        self.indices: deque[int] = deque()
        self.granted: tuple[int, int] | None = None
        self.left_bytes = 0.0
        """Of the chunk that is on its way."""
        self.untold_bytes = 0.0
        self.rate_bytes_s = 0.0
        self.since_s = 0.0
        self.version = 0

    def advance(self, now_s: float) -> None:
        """Let time pass at the rate so far."""
        came = min(self.left_bytes, self.rate_bytes_s * (now_s - self.since_s))
        self.left_bytes -= came
        self.untold_bytes += came
        self.since_s = now_s


class SimulatedPeer:
    """One machine: its link, what it has, whom it sends to, and its download."""

    def __init__(self, number: int, link: Link, swarm: "SimulatedSwarm", *, is_seed: bool) -> None:
        self.id = SourceId(f"p{number}@sim")
        self.swarm = swarm
        self.up_bytes_s = (link.up_mbit or 1e6) * 125_000 * PAYLOAD_SHARE
        self.down_bytes_s = (link.down_mbit or 1e6) * 125_000 * PAYLOAD_SHARE
        self.bits = bitfield.full(swarm.chunk_count) if is_seed else 0
        self.state = DownloadState(
            swarm.chunk_bytes, swarm.chunk_count, self.bits, Random(swarm.chance.random())
        )
        self.done_s: float | None = 0.0 if is_seed else None
        self.turns: Turns[SourceId] = Turns(PEERS_AT_ONCE, MOST_WAITING)
        self.asking: dict[SourceId, tuple[SimulatedPeer, Fetch | FetchAny]] = {}
        """Who waits for its turn, each at an address of its own."""
        self.never_sent = NeverSent(Random(swarm.chance.random()))
        self.sending: dict[Transfer, None] = {}
        """In order: a set's would differ from run to run."""
        self.receiving: dict[SourceId, Transfer] = {}
        self.followers: dict[SourceId, SimulatedPeer] = {}
        self.untold = 0
        self.told_at_s = -1.0
        self.asked_for_peers = 0

    # The receiving side -------------------------------------------------------------------

    def begin(self) -> None:
        """Join, and fetch."""
        self.swarm.at(ANNOUNCED_S, lambda: self.swarm.listed.append(self))
        self.tick()

    def tick(self) -> None:
        """What the engine does four times a second."""
        if self.done_s is not None:
            return
        for transfer in list(self.receiving.values()):
            transfer.advance(self.swarm.now_s)
            self.count(transfer)
        self.tell(Ticked())
        self.swarm.at(TICK_S, self.tick)

    def count(self, transfer: Transfer) -> None:
        """Tell the core of bytes that came."""
        came = int(transfer.untold_bytes)
        if came:
            transfer.untold_bytes -= came
            self.tell(BytesArrived(transfer.sender.id, came))

    def tell(self, fact: Fact) -> None:
        """One fact to the core; its orders are carried out."""
        if self.done_s is None:
            for order in self.state.apply(fact, self.swarm.now_s):
                self.carry_out(order)

    def carry_out(self, order: Order) -> None:
        """As the engine does."""
        swarm = self.swarm
        match order:
            case Follow(source):
                swarm.at(2 * LATENCY_S, lambda: swarm.peers[source].followed_by(self))
            case Fetch(source) | FetchAny(source):
                delay_s = LATENCY_S + PROCESSING_S
                swarm.at(delay_s, lambda: swarm.peers[source].asked(self, order))
            case CancelFetch(source):
                swarm.at(LATENCY_S, lambda: swarm.peers[source].cancelled_by(self))
            case Drop(source):
                swarm.peers[source].followers.pop(self.id, None)
                swarm.at(LATENCY_S, lambda: swarm.peers[source].cancelled_by(self))
            case AskTracker():
                swarm.at(4 * LATENCY_S, self.located)
            case Finish():
                self.done_s = swarm.now_s
                swarm.finished(self)

    def located(self) -> None:
        """The tracker's answer: the seed and some others."""
        others = self.swarm.listed[1:]
        chosen = self.swarm.chance.sample(others, min(LOCATED - 1, len(others)))
        for peer in (self.swarm.listed[0], *chosen):
            if peer is not self:
                self.tell(SourceFound(peer.id))
        self.tell(TrackerAnswered())

    def opened(self, provider: "SimulatedPeer") -> None:
        """A provider told what it has; the first are asked who else fetches."""
        self.tell(SourceOpened(provider.id, provider.bits))
        if self.asked_for_peers < ASKED_FOR_PEERS:
            self.asked_for_peers += 1
            known = [peer for peer in provider.followers.values() if peer is not self]
            chosen = self.swarm.chance.sample(known, min(MOST_PEERS, len(known)))
            self.swarm.at(2 * LATENCY_S, lambda: self.introduced(chosen))

    def introduced(self, others: "Sequence[SimulatedPeer]") -> None:
        """A provider named others."""
        for peer in others:
            self.tell(SourceFound(peer.id))

    def wrote(self, provider: "SimulatedPeer", index: int) -> None:
        """A chunk is in: told to the core, and to followers together with others."""
        fresh = not self.bits >> index & 1
        self.bits |= 1 << index
        self.tell(ChunkWritten(provider.id, index))
        if fresh and self.followers:
            if not self.untold:
                gather_s = min(MOST_GATHERED_S, GATHERED_S * len(self.followers))
                due_s = max(self.swarm.now_s, self.told_at_s + gather_s)
                self.swarm.at(due_s - self.swarm.now_s + LATENCY_S, self.tell_followers)
            self.untold |= 1 << index

    def tell_followers(self) -> None:
        """What gathered goes to all."""
        bits, self.untold, self.told_at_s = self.untold, 0, self.swarm.now_s
        for follower in list(self.followers.values()):
            follower.tell(ChunksAvailable(self.id, bits))

    # The sending side ---------------------------------------------------------------------

    def followed_by(self, follower: "SimulatedPeer") -> None:
        """An availability stream; each is then a source for the other."""
        self.followers[follower.id] = follower
        follower.opened(self)
        self.tell(SourceFound(follower.id))

    def asked(self, receiver: "SimulatedPeer", order: Fetch | FetchAny) -> None:
        """A request came."""
        if isinstance(order, FetchAny) and not self.can_choose(order):
            self.swarm.end(self, receiver, Failure.NOTHING_UNSENT)
            return
        if self.turns.arrive(receiver.id, receiver.id) is not None:
            self.swarm.end(self, receiver, Failure.NOT_HERE_YET)
            return
        self.asking[receiver.id] = receiver, order
        self.serve()

    def can_choose(self, order: FetchAny) -> bool:
        """Whether anything that was asked for was never sent."""
        is_whole = self.bits == bitfield.full(self.swarm.chunk_count)
        return is_whole and self.never_sent.has_any(CONTENT, self.swarm.chunk_count, order.among)

    def serve(self) -> None:
        """Let the next ones in."""
        while (called := self.turns.call()) is not None:
            receiver, order = self.asking.pop(called[1])
            transfer = Transfer(self, receiver)
            if isinstance(order, FetchAny):
                chosen = self.never_sent.grant(
                    CONTENT, self.swarm.chunk_count, order.among, order.most
                )
                if chosen is None:
                    self.turns.end(receiver.id)
                    self.swarm.end(self, receiver, Failure.NOTHING_UNSENT)
                    continue
                transfer.granted = chosen
                receiver.tell(ChunksGranted(self.id, *chosen))
                first, chunks = chosen
            else:
                first, chunks = order.first, order.count
            transfer.indices.extend(range(first, first + chunks))
            self.swarm.begin(transfer)

    def cancelled_by(self, receiver: "SimulatedPeer") -> None:
        """A receiver hung up."""
        if self.asking.pop(receiver.id, None) is not None:
            self.turns.leave(receiver.id, receiver.id)
            self.swarm.end(self, receiver, Failure.CANCELLED)
            return
        transfer = receiver.receiving.get(self.id)
        if transfer is not None:
            if transfer.granted is not None:
                self.never_sent.give_back(CONTENT, *transfer.granted)
            self.swarm.stop(transfer, Failure.CANCELLED)


class SimulatedSwarm:
    """Everybody, their links, and time."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.chance = Random(seed)
        self.now_s = 0.0
        size_bytes = scenario.size_bytes
        self.chunk_bytes = chunk_size_for(size_bytes)
        self.chunk_count = -(-size_bytes // self.chunk_bytes)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self.left = len(scenario.peers)
        seed_peer = SimulatedPeer(0, scenario.seed, self, is_seed=True)
        receivers = [
            SimulatedPeer(number, link, self, is_seed=False)
            for number, link in enumerate(scenario.peers, 1)
        ]
        self.receivers = receivers
        self.listed = [seed_peer]
        self.peers = {peer.id: peer for peer in (seed_peer, *receivers)}

    def run(self, limit_s: float) -> list[float | None]:
        """When each receiver was done."""
        for peer in self.receivers:
            self.at(self.chance.random() * 0.05, peer.begin)
        while self.left and self._events[0][0] < limit_s:
            self.now_s, _, then = heapq.heappop(self._events)
            then()
        return [peer.done_s for peer in self.receivers]

    def at(self, delay_s: float, then: Callable[[], object]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), then))

    def finished(self, peer: SimulatedPeer) -> None:
        """One has all of it."""
        self.left -= 1

    def begin(self, transfer: Transfer) -> None:
        """Bytes begin to flow."""
        transfer.left_bytes = float(self.chunk_bytes)
        transfer.since_s = self.now_s
        transfer.sender.sending[transfer] = None
        transfer.receiver.receiving[transfer.sender.id] = transfer
        self._share(transfer)

    def _share(self, changed: Transfer) -> None:
        sender, receiver = changed.sender, changed.receiver
        for transfer in dict.fromkeys((*sender.sending, *receiver.receiving.values())):
            transfer.advance(self.now_s)
            rate = min(
                transfer.sender.up_bytes_s / len(transfer.sender.sending),
                transfer.receiver.down_bytes_s / len(transfer.receiver.receiving),
            )
            if rate != transfer.rate_bytes_s or transfer is changed:
                transfer.rate_bytes_s = rate
                self._expect(transfer)

    def _expect(self, transfer: Transfer) -> None:
        transfer.version += 1
        version = transfer.version

        def arrive() -> None:
            if transfer.version == version:
                self._arrived(transfer)

        self.at(transfer.left_bytes / transfer.rate_bytes_s, arrive)

    def _arrived(self, transfer: Transfer) -> None:
        transfer.advance(self.now_s)
        transfer.untold_bytes += transfer.left_bytes
        transfer.left_bytes = 0.0
        sender, receiver = transfer.sender, transfer.receiver
        receiver.count(transfer)
        index = transfer.indices.popleft()
        if not transfer.indices:
            self.stop(transfer, None, wrote=index)
            return
        transfer.left_bytes = float(self.chunk_bytes)
        self._expect(transfer)
        receiver.wrote(sender, index)

    def stop(self, transfer: Transfer, failure: Failure | None, wrote: int | None = None) -> None:
        """A transfer is over; its slot is free."""
        sender, receiver = transfer.sender, transfer.receiver
        transfer.version += 1
        sender.sending.pop(transfer, None)
        del receiver.receiving[sender.id]
        for other in (*list(sender.sending)[:1], *list(receiver.receiving.values())[:1]):
            self._share(other)
        if wrote is not None:
            sender.never_sent.sent(CONTENT, wrote, 1)
            receiver.wrote(sender, wrote)
        self.end(sender, receiver, failure)
        sender.turns.end(receiver.id)
        sender.serve()

    def end(self, sender: SimulatedPeer, receiver: SimulatedPeer, failure: Failure | None) -> None:
        """Tell a receiver that its request is over."""
        fact = FetchEnded(sender.id, failure, "" if failure is None else failure.value)
        self.at(LATENCY_S, lambda: receiver.tell(fact))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    ratio: float
    first_ratio: float
    finished: int
    cpu_s_per_peer: float


def simulate(scenario: Scenario, seed: int) -> Outcome:
    """One run of a scenario."""
    began_s = time.process_time()
    done = SimulatedSwarm(scenario, seed).run(20 * scenario.bound_s())
    finished = sorted(done_s for done_s in done if done_s is not None)
    whole = len(finished) == len(done)
    return Outcome(
        finished[-1] / scenario.bound_s() if whole else float("inf"),
        finished[0] / scenario.bound_s() if finished else float("inf"),
        len(finished),
        (time.process_time() - began_s) / len(done),
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print a line a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", help="names; none: all")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    parser.add_argument("--rounds", type=int, default=1, help="seeds from there on")
    parser.add_argument("--peers", type=int, default=0, help="so many alike, up and down 100")
    parser.add_argument("--mib", type=int, default=128)
    asked = parser.parse_args(words)
    scenarios = [s for s in SCENARIOS if not asked.scenario or s.name in asked.scenario]
    if asked.peers:
        link = Link(100, 100)
        scenarios = [Scenario(f"{asked.peers} peers", asked.mib, link, (link,) * asked.peers, 1.2)]
    for scenario in scenarios:
        for seed in range(asked.seed, asked.seed + asked.rounds):
            outcome = simulate(scenario, seed)
            print(
                f"{scenario.name:<12} seed {seed:<6} {outcome.ratio:.3f} (first "
                f"{outcome.first_ratio:.3f})  {outcome.finished}/{len(scenario.peers)} whole  "
                f"{1_000 * outcome.cpu_s_per_peer:.0f} ms of computing a peer",
                flush=True,
            )


if __name__ == "__main__":
    main()
