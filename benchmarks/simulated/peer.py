"""One simulated machine: its download, driven as the engine drives it, and what it sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from benchmarks.simulated.conduct import Conduct
from benchmarks.simulated.fair_links import Link
from benchmarks.simulated.transfer import Transfer
from panal.peer.availability import GATHERED_S, MOST_GATHERED_S
from panal.peer.giving_way import LOOK_S, MOST_WAIT_S, GivingWay
from panal.peer.lanes import BEHIND_AT_ONCE, MOST_WAITING, PEERS_AT_ONCE
from panal.peer.neighbourhood import MOST_PEERS
from panal.peer.never_sent import NeverSent
from panal.peer.turns import Turns
from panal.swarm import invariants
from panal.swarm.border import Border
from panal.swarm.engine import TICK_S
from panal.swarm.messages import (
    AskTracker,
    Ban,
    BytesArrived,
    CancelFetch,
    ChunkCorrupt,
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
    ServeFew,
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
)
from panal.swarm.peer_exchange import ASKED_FOR_PEERS
from panal.swarm.state import DownloadState
from panal.wire import bitfield
from panal.wire.ids import NO_ZONE, ContentId, Zone

if TYPE_CHECKING:
    from benchmarks.simulated.swarm import SimulatedSwarm

ANNOUNCED_S = 0.25
"""From the beginning until the tracker names who fetches."""
CONTENT = ContentId(bytes(32))
REQUEST_CPU_S = 0.0002


class SimulatedPeer:
    """One machine: its links, what it has, whom it sends to, and its download."""

    def __init__(
        self,
        number: int,
        rates_bytes_s: tuple[float, float],
        swarm: SimulatedSwarm,
        conduct: Conduct,
        *,
        is_seed: bool,
        zone: Zone = NO_ZONE,
        knows_zones: bool = True,
    ) -> None:
        """`rates_bytes_s` are those of its uplink and its downlink, headers taken off.

        Where it stands counts for its links; whether it fetches by that, `knows_zones` says.
        """
        self.zone = zone
        self.named_zone = zone if knows_zones else NO_ZONE
        self.id = SourceId(f"p{number}@sim")
        self.swarm = swarm
        self.conduct = conduct
        self.up, self.down = map(Link, rates_bytes_s)
        self.bits = bitfield.full(swarm.chunk_count) if is_seed or conduct.is_liar else 0
        self.state = DownloadState(
            swarm.chunk_bytes,
            swarm.chunk_count,
            self.bits,
            Random(swarm.chance.random()),
            Border(swarm.chunk_count, f"p{number}", self.named_zone),
        )
        self.is_dead = False
        self.is_done = bool(self.bits)
        self.done_s: float | None = None
        self.turns: Turns[Transfer] = Turns(PEERS_AT_ONCE, MOST_WAITING)
        self.never_sent = NeverSent(Random(swarm.chance.random()))
        self.asked: dict[SourceId, Transfer] = {}
        """What this peer has asked of others, and not seen the end of."""
        self.asking: dict[Transfer, None] = {}
        """What it is asked by others: what waits, and what is being sent."""
        self.weights: dict[SourceId, float] = {}
        """How well connections to others fare."""
        self.writing: dict[int, Transfer] = {}
        self.disk_free_s = 0.0
        self.followers: dict[SourceId, SimulatedPeer] = {}
        self.sent_bytes = 0.0
        self.giving_way = GivingWay()
        self.untold = 0
        self.told_at_s = -1.0
        self.is_telling = False
        self.asked_for_peers = 0
        self.to_ask: deque[SimulatedPeer] = deque()

    # The receiving side -------------------------------------------------------------------

    def begin(self) -> None:
        """Join, and fetch."""
        self.swarm.time.at(ANNOUNCED_S, lambda: self.swarm.listed.append(self))
        self.tick()

    def tick(self) -> None:
        """What the engine does four times a second."""
        if self.is_done or self.is_dead:
            return
        for transfer in list(self.asked.values()):
            self._count(transfer)
        self.ask_next()
        self.tell(Ticked())
        self.swarm.time.at(TICK_S, self.tick)

    def _count(self, transfer: Transfer) -> None:
        if transfer.indices:
            self.swarm.advance(transfer)
            came = int(self.swarm.chunk_bytes - transfer.left_bytes) - transfer.told_bytes
            if came > 0:
                transfer.told_bytes += came
                self.tell(BytesArrived(transfer.sender.id, came))

    def tell(self, fact: Fact) -> None:
        """One fact to the core; its orders are carried out."""
        if self.is_done or self.is_dead:
            return
        self.swarm.facts += 1
        for source in self.state.to_count(fact, self.swarm.time.now_s):
            if (transfer := self.asked.get(source)) is not None:
                self._count(transfer)
        for order in self.state.apply(fact, self.swarm.time.now_s):
            self._carry_out(order)
        if self.swarm.is_checked:
            invariants.check(self.state)
            assert self.state.written == self.bits, "what is written and what is told differ"

    def _carry_out(self, order: Order) -> None:
        """As the engine does."""
        swarm = self.swarm
        match order:
            case Follow(source):
                provider = swarm.peers[source]
                swarm.later(self, provider, lambda: provider.followed_by(self), swarm.follow_cpu_s)
            case Fetch(source) | FetchAny(source):
                assert source not in self.asked, "two requests to one source"
                provider = swarm.peers[source]
                transfer = Transfer(provider, self, order, swarm.weight(provider, self))
                self.asked[source] = transfer
                swarm.later(self, provider, lambda: provider.is_asked(transfer), REQUEST_CPU_S)
            case CancelFetch(source):
                self._hang_up(source, Failure.CANCELLED)
            case Drop(source):
                provider = swarm.peers[source]
                provider.followers.pop(self.id, None)
                self._hang_up(source, Failure.CANCELLED)
            case AskTracker():
                swarm.ask_tracker(self)
            case ServeFew(is_so):
                self.turns.resize(BEHIND_AT_ONCE if is_so else PEERS_AT_ONCE)
                self._let_in()
            case Ban(source):
                assert swarm.peers[source].conduct.is_liar, "an honest peer was banned"
            case Finish():
                self.is_done, self.done_s = True, swarm.time.now_s
                self.turns.resize(PEERS_AT_ONCE)
                self._let_in()
                swarm.finished(self)

    def _hang_up(self, source: SourceId, failure: Failure) -> None:
        """Our own end of a connection is closed at once; the other learns of it."""
        transfer = self.asked.get(source)
        if transfer is None or transfer.is_over:
            return
        self._is_over(transfer, failure)
        self.swarm.later(self, transfer.sender, lambda: transfer.sender.hung_up(transfer))

    def _is_over(self, transfer: Transfer, failure: Failure | None) -> None:
        """No more is waited for; the core is told once everything else has been."""
        transfer.is_over = True
        for index in [i for i, writer in self.writing.items() if writer is transfer]:
            del self.writing[index]
        fact = FetchEnded(transfer.sender.id, failure, "" if failure is None else failure.value)

        def tell() -> None:
            if self.asked.get(transfer.sender.id) is transfer:
                del self.asked[transfer.sender.id]
                self.tell(fact)

        self.swarm.time.at(0.0, tell)

    def opened(self, provider: SimulatedPeer, bits: int) -> None:
        """A provider told what it has; the first are asked who else fetches."""
        if provider.is_dead:
            return
        self.tell(SourceOpened(provider.id, bits))
        if self.asked_for_peers < ASKED_FOR_PEERS:
            self.to_ask.append(provider)
            if not self.asked_for_peers:
                self.ask_next()
            self.asked_for_peers += 1

    def ask_next(self) -> None:
        """One more is asked who else fetches."""
        if not self.to_ask:
            return
        provider = self.to_ask.popleft()
        known = [peer for peer in provider.followers.values() if peer is not self]
        chosen = self.swarm.chance.sample(known, min(MOST_PEERS, len(known)))
        self.swarm.later(provider, self, lambda: self.introduced(chosen))

    def introduced(self, others: Sequence[SimulatedPeer]) -> None:
        """Somebody named others."""
        for peer in others:
            if peer is not self:
                self.tell(SourceFound(peer.id, peer.named_zone))

    def may_write(self, transfer: Transfer, index: int) -> bool:
        """Whether a chunk that begins to come is wanted from there."""
        if self.bits >> index & 1 or index in self.writing:
            return False
        self.writing[index] = transfer
        return True

    def arrived(self, transfer: Transfer, index: int, untold_bytes: int, *, is_last: bool) -> None:
        """The last byte of a chunk: to the disk, one after the other."""
        if transfer.is_over or self.is_dead:
            return
        now_s = self.swarm.time.now_s
        self.tell(BytesArrived(transfer.sender.id, untold_bytes))
        disk_s = self.swarm.chunk_bytes / self.conduct.disk_bytes_s
        self.disk_free_s = max(now_s, self.disk_free_s) + disk_s
        self.swarm.time.at(
            self.disk_free_s - now_s, lambda: self._wrote(transfer, index, is_last=is_last)
        )

    def _wrote(self, transfer: Transfer, index: int, *, is_last: bool) -> None:
        if transfer.is_over or self.is_dead:
            return
        del self.writing[index]
        provider = transfer.sender
        if provider.conduct.is_liar:
            self.swarm.wrong += 1
            self.tell(ChunkCorrupt(provider.id, index))
            self._hang_up(provider.id, Failure.MISBEHAVED)
            return
        assert not self.bits >> index & 1, "a chunk is written twice"
        self.bits |= 1 << index
        self.swarm.spread |= 1 << index
        self.tell(ChunkWritten(provider.id, index))
        if is_last:
            self._is_over(transfer, None)
        self.has_more(1 << index)

    def has_more(self, bits: int) -> None:
        """Chunks of which the followers are told when it is time again."""
        if self.followers:
            if not self.untold and not self.is_telling:
                self._wait_to_tell()
            self.untold |= bits

    def _wait_to_tell(self) -> None:
        gather_s = min(MOST_GATHERED_S, GATHERED_S * len(self.followers))
        wait_s = max(0.0, self.told_at_s + gather_s - self.swarm.time.now_s)
        self.swarm.time.at(wait_s, self._tell_followers)

    def _tell_followers(self) -> None:
        """What gathered goes to all."""
        if self.is_dead:
            return
        bits, self.untold, self.told_at_s = self.untold, 0, self.swarm.time.now_s
        self.is_telling = self.swarm.machine.is_shared
        self.swarm.words += len(self.followers)
        fact = ChunksAvailable(self.id, bits)

        def told() -> None:
            for follower in list(self.followers.values()):
                follower.tell(fact)
            if self.is_telling:  # what gathered while no core was free goes together
                self.is_telling, self.told_at_s = False, self.swarm.time.now_s
                if self.untold:
                    self._wait_to_tell()

        self.swarm.later(self, None, told, self.swarm.word_cpu_s * len(self.followers))

    # The sending side ---------------------------------------------------------------------

    def followed_by(self, follower: SimulatedPeer) -> None:
        """An availability stream; each is then a source for the other."""
        if self.is_dead:
            closed = SourceClosed(self.id, "connection refused")
            self.swarm.later(self, follower, lambda: follower.tell(closed))
            return
        self.followers[follower.id] = follower
        bits = self.bits
        self.swarm.later(self, follower, lambda: follower.opened(self, bits))
        self.tell(SourceFound(follower.id, follower.named_zone))

    def is_asked(self, transfer: Transfer) -> None:
        """A request came."""
        if self.is_dead:
            self._refuse(transfer, Failure.BROKEN)
        elif transfer.is_over:
            return
        elif isinstance(transfer.order, FetchAny) and not self._can_choose(transfer.order):
            self._refuse(transfer, Failure.NOTHING_UNSENT)
        elif self._waits_for_others(transfer):
            self.swarm.time.at(LOOK_S, lambda: self.is_asked(transfer))
        else:
            self.asking[transfer] = None
            sent_away = self.turns.arrive(transfer.receiver.id, transfer)
            if sent_away is not None:
                del self.asking[sent_away]
                self._refuse(sent_away, Failure.NOT_HERE_YET)
            self._let_in()

    def _waits_for_others(self, transfer: Transfer) -> bool:
        """Whether it gives way, as `panal.peer.precedence` has it."""
        if not transfer.order.gives_way:
            return False
        now_s = self.swarm.time.now_s
        for asked in self.asking:
            if asked.indices:
                self.swarm.advance(asked)
        self.giving_way.look(now_s, int(self.sent_bytes))
        first = sum(one.holds_turn and not one.order.gives_way for one in self.asking)
        transfer.waits_until_s = min(transfer.waits_until_s, now_s + MOST_WAIT_S)
        return now_s < transfer.waits_until_s and self.giving_way.may_wait(now_s, first)

    def _refuse(self, transfer: Transfer, failure: Failure) -> None:
        def refused() -> None:
            if not transfer.is_over:
                transfer.receiver._is_over(transfer, failure)

        self.swarm.later(self, transfer.receiver, refused)

    def _can_choose(self, order: FetchAny) -> bool:
        """Whether anything that was asked for was never sent."""
        is_whole = self.bits == bitfield.full(self.swarm.chunk_count)
        return is_whole and self.never_sent.has_any(CONTENT, self.swarm.chunk_count, order.among)

    def _let_in(self) -> None:
        while (called := self.turns.call()) is not None:
            transfer = called[1]
            transfer.holds_turn = True
            self._send(transfer)

    def _send(self, transfer: Transfer) -> None:
        order = transfer.order
        if isinstance(order, FetchAny):
            chosen = self.never_sent.grant(CONTENT, self.swarm.chunk_count, order.among, order.most)
            if chosen is None:
                self.ended(transfer)
                self._refuse(transfer, Failure.NOTHING_UNSENT)
                return
            transfer.granted = first, chunks = chosen
            transfer.receiver.tell(ChunksGranted(self.id, first, chunks))
        else:
            first, chunks = order.first, order.count
        transfer.indices.extend(range(first, first + chunks))
        self.swarm.begin(transfer)

    def hung_up(self, transfer: Transfer) -> None:
        """The receiver has closed its end."""
        if transfer not in self.asking:
            return
        if not transfer.holds_turn:
            self.turns.leave(transfer.receiver.id, transfer)
        if transfer.granted is not None:
            self.never_sent.give_back(CONTENT, *transfer.granted)
        self.swarm.stop(transfer)
        self.ended(transfer)

    def taken(self, transfer: Transfer) -> None:
        """The receiver has the chunk that comes now from another, and closes its end."""
        if transfer.granted is not None:
            self.never_sent.give_back(CONTENT, *transfer.granted)
        self.ended(transfer)
        self._refuse(transfer, Failure.TAKEN)

    def ended(self, transfer: Transfer) -> None:
        """Nothing more is sent of it; its turn is another's."""
        self.asking.pop(transfer, None)
        if transfer.holds_turn:
            transfer.holds_turn = False
            self.turns.end(transfer.receiver.id)
            if not self.is_dead:
                self._let_in()

    # Its end ------------------------------------------------------------------------------

    def die(self) -> None:
        """Everything to it breaks; the tracker names it all the same."""
        if self.is_dead:
            return
        self.is_dead = True
        closed = SourceClosed(self.id, "connection reset")
        for transfer in list(self.asking):
            self.swarm.stop(transfer)
            self.ended(transfer)
            self._refuse(transfer, Failure.BROKEN)
        for source, transfer in self.asked.items():
            transfer.is_over = True
            self.swarm.peers[source].hung_up(transfer)
        for follower in self.followers.values():
            self.swarm.later(self, follower, partial(follower.tell, closed))
        for peer in self.swarm.peers.values():
            peer.followers.pop(self.id, None)
