"""A swarm in virtual time: one download among peers that send, queue, lie, stall and die.

It drives the pure DownloadState as the engine does, without sockets, threads or files: each
order has its effect a little later, on one heap of events. The same peers and the same seed
give the same run to the last digit.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

from panal.swarm import invariants
from panal.swarm.border import Border
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
    SourceClosed,
    SourceFound,
    SourceId,
    SourceOpened,
    Ticked,
    TrackerAnswered,
)
from panal.swarm.picker import pick_run
from panal.swarm.progress import progress_of
from panal.swarm.state import DownloadState
from panal.wire import bitfield
from panal.wire.ids import NO_ZONE, Zone

KIB = 1024
MIB = 1024 * KIB
CHUNK_BYTES = 256 * KIB
TICK_S = 0.25
BYTES_TOLD_EVERY_S = 0.25
TRACKER_S = 0.02
CANCEL_S = 0.002


@dataclass(frozen=True, slots=True)
class SimulatedPeer:
    """How one peer behaves; as it stands, an honest seed that answers at once."""

    name: str
    rate_bytes_s: float = 1.0 * MIB
    latency_s: float = 0.01
    queue_s: float = 0.0
    """How long each request waits before its first byte."""
    has: int | None = None
    """The chunks it says it has from the start; None for all."""
    gains_every_s: float | None = None
    """How often it comes to have one chunk more, in order."""
    joins_at_s: float = 0.0
    """From when on it is reachable, and named by the tracker."""
    leaves_at_s: float | None = None
    """From when on it is not reachable; the tracker names it all the same."""
    lies: int = 0
    """So many of the chunks that it sends are wrong; the first ones."""
    silent_after_bytes: int | None = None
    """Each answer stops there, and the connection stays."""
    never_answers: bool = False
    is_absent: bool = False
    """It says that it has all, and has none."""
    dies_after_bytes: int | None = None
    """It breaks off after so many bytes, and again so many after it came back."""
    comes_back_after_s: float | None = None
    sent_before: int | None = None
    """The chunks that it has sent to others already; None if it cannot choose at all."""

    @property
    def id(self) -> SourceId:
        return SourceId(f"{self.name}@sim")

    @property
    def is_honest(self) -> bool:
        """Whether nothing at all is wrong with it."""
        faults = (self.lies, self.never_answers, self.is_absent)
        breaks = (self.silent_after_bytes, self.dies_after_bytes, self.leaves_at_s)
        return not any(faults) and all(value is None for value in breaks)


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    done_s: float | None = None
    """When the last chunk was written; None where that never came."""
    written: dict[SourceId, int] = field(default_factory=Counter)
    wrong: dict[SourceId, int] = field(default_factory=Counter)
    """Chunks that did not agree with their hash."""
    bytes: dict[SourceId, int] = field(default_factory=Counter)
    asked: dict[SourceId, int] = field(default_factory=Counter)
    banned: dict[SourceId, str] = field(default_factory=dict)
    cancelled: dict[SourceId, int] = field(default_factory=Counter)
    asked_tracker_at_s: list[float] = field(default_factory=list)
    longest_untold_s: float = 0.0
    """The longest time without bytes and without a reason in words."""


class _PeerAtWork:
    """One simulated peer while the run lasts."""

    def __init__(self, peer: SimulatedPeer, swarm: "SimulatedSwarm") -> None:
        self._peer = peer
        self._swarm = swarm
        self._session = 0
        """Changes whenever the availability stream or what is told by it is void."""
        self._request = 0
        """Changes whenever the running fetch is void."""
        self._fetching = False
        self._lies_left = peer.lies
        self._sent_since_birth = 0
        self._dead_until_s = peer.joins_at_s
        self._sent = peer.sent_before

    def _is_up(self) -> bool:
        now_s, leaves_at_s = self._swarm.now_s, self._peer.leaves_at_s
        return now_s >= self._dead_until_s and (leaves_at_s is None or now_s < leaves_at_s)

    def _has(self) -> int:
        everything = bitfield.full(self._swarm.state.chunk_count)
        has = everything if self._peer.has is None else self._peer.has
        if self._peer.gains_every_s is not None:
            gained = int((self._swarm.now_s - self._peer.joins_at_s) / self._peer.gains_every_s)
            has |= bitfield.full(gained) & everything
        return has

    def _later(self, delay_s: float, then: Callable[[], None], *, of_request: bool) -> None:
        session, request = self._session, self._request

        def unless_void() -> None:
            if (request == self._request) if of_request else (session == self._session):
                then()

        self._swarm.at(delay_s, unless_void)

    # Availability -------------------------------------------------------------------------

    def follow(self) -> None:
        self._session += 1
        self._later(self._peer.latency_s * 2, self._open, of_request=False)

    def _open(self) -> None:
        if not self._is_up():
            self._swarm.tell(SourceClosed(self._peer.id, "connection refused"))
            return
        told = self._has()
        self._swarm.tell(SourceOpened(self._peer.id, told))
        self._watch(told)

    def _watch(self, told: int) -> None:
        def look() -> None:
            if not self._is_up():
                self.die()
                return
            has = self._has()
            if fresh := has & ~told:
                self._swarm.tell(ChunksAvailable(self._peer.id, fresh))
            self._watch(has)

        self._later(self._peer.gains_every_s or 0.5, look, of_request=False)

    def drop(self) -> None:
        self._session += 1
        self.cancel()

    def die(self) -> None:
        """Everything to it breaks; whether the stream or the fetch is noticed first varies."""
        self._session += 1
        closed = SourceClosed(self._peer.id, "connection reset")
        stream_first = self._swarm.chance.randrange(2) == 0
        if stream_first:
            self._swarm.tell(closed)
        if self._fetching:
            self._end(Failure.BROKEN, "connection reset")
        if not stream_first:
            self._swarm.tell(closed)

    # Chunks -------------------------------------------------------------------------------

    def fetch(self, order: Fetch | FetchAny) -> None:
        assert not self._fetching, f"{self._peer.name} is asked for two things at once"
        self._fetching = True
        self._request += 1
        if self._peer.never_answers:
            return
        refuses = isinstance(order, FetchAny) and not self._can_choose(order)
        wait_s = self._peer.latency_s * 2 + (0 if refuses else self._peer.queue_s)
        self._later(wait_s, lambda: self._answer(order), of_request=True)

    def _answer(self, order: Fetch | FetchAny) -> None:
        if not self._is_up():
            self._end(Failure.BROKEN, "connection refused")
        elif isinstance(order, FetchAny):
            self._choose(order)
        elif self._peer.is_absent:
            self._end(Failure.NOT_HERE_YET, "answered 404")
        else:
            self._send_all(order.first, order.count)

    def _can_choose(self, order: FetchAny) -> bool:
        return self._sent is not None and bool(order.among & ~self._sent)

    def _choose(self, order: FetchAny) -> None:
        if self._sent is None or not (left := order.among & ~self._sent):
            self._end(Failure.NOTHING_UNSENT, "answered 204")
            return
        first, chunks = pick_run(left, order.most, self._swarm.chance)
        self._sent |= bitfield.full(chunks) << first
        self._swarm.granted(self._peer.id, first, chunks)
        self._send_all(first, chunks)

    def _send_all(self, first: int, chunks: int) -> None:
        self._send(first, first + chunks, self._swarm.bytes_of(first), 0)

    def _send(self, index: int, stop: int, left: int, sent: int) -> None:
        """Send what is left of a chunk, telling of it piece by piece, then the next one."""
        if index == stop:
            self._end(None, "")
            return
        piece = min(left, max(1, int(self._peer.rate_bytes_s * BYTES_TOLD_EVERY_S)))
        limit = self._peer.silent_after_bytes
        if limit is not None and sent + piece > limit:
            piece = limit - sent
            if piece == 0:
                return  # and nothing more, ever
        delay_s = piece / self._peer.rate_bytes_s

        def arrive() -> None:
            self._arrived(piece)
            if not self._fetching:
                return
            if piece < left:
                self._send(index, stop, left - piece, sent + piece)
            elif self._chunk_is_right(index):
                self._send(index + 1, stop, self._swarm.bytes_of(index + 1), sent + piece)

        self._later(delay_s, arrive, of_request=True)

    def _arrived(self, piece: int) -> None:
        self._swarm.outcome.bytes[self._peer.id] += piece
        self._sent_since_birth += piece
        self._swarm.tell(BytesArrived(self._peer.id, piece))
        limit = self._peer.dies_after_bytes
        if limit is not None and self._sent_since_birth >= limit:
            back_s = self._peer.comes_back_after_s
            self._dead_until_s = self._swarm.now_s + (1e9 if back_s is None else back_s)
            self._sent_since_birth = 0
            self.die()

    def _chunk_is_right(self, index: int) -> bool:
        if self._lies_left:
            self._lies_left -= 1
            self._swarm.outcome.wrong[self._peer.id] += 1
            self._swarm.tell(ChunkCorrupt(self._peer.id, index))
            self._end(Failure.MISBEHAVED, f"wrong chunk {index}")
            return False
        self._swarm.wrote(self._peer.id, index)
        return True

    def cancel(self) -> None:
        if self._fetching:
            self._request += 1
            self._later(
                CANCEL_S, lambda: self._end(Failure.CANCELLED, "cancelled"), of_request=True
            )

    def _end(self, failure: Failure | None, reason: str) -> None:
        self._request += 1
        self._fetching = False
        self._swarm.ended(FetchEnded(self._peer.id, failure, reason))


class SimulatedSwarm:
    """One download and its peers; `run` may be called again to go on."""

    def __init__(
        self,
        peers: Sequence[SimulatedPeer],
        *,
        chunk_count: int,
        seed: int = 0,
        written: int = 0,
        checked: bool = True,
        tracker_is_down: Callable[[float], bool] = lambda now_s: False,
        zone: Zone = NO_ZONE,
        zones: Mapping[str, Zone] = {},
        last_chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """`zone` is the downloader's, `zones` are those of peers by name."""
        self.now_s = 0.0
        self.chance = Random(seed)
        border = Border(chunk_count, "own", zone)
        self.state = DownloadState(CHUNK_BYTES, chunk_count, written, self.chance, border)
        self._zones = zones
        self._last_chunk_bytes = last_chunk_bytes
        self.outcome = Outcome()
        self._peers = [
            replace(peer, latency_s=peer.latency_s * (0.8 + 0.4 * self.chance.random()))
            for peer in peers
        ]
        self._at_work = {peer.id: _PeerAtWork(peer, self) for peer in self._peers}
        self._checked = checked
        self._tracker_is_down = tracker_is_down
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._outstanding: dict[SourceId, int] = {}
        """What each source was asked for and has not yet written or given back."""
        self._silent_since_s = 0.0
        self.at(0.0, self._tick)

    def run(self, until_s: float) -> Outcome:
        """Let time pass until the download is done, or `until_s`."""
        while self.outcome.done_s is None and self._events[0][0] <= until_s:
            self.now_s, _, then = heapq.heappop(self._events)
            then()
        return self.outcome

    # For the peers ------------------------------------------------------------------------

    def at(self, delay_s: float, then: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), then))

    def bytes_of(self, index: int) -> int:
        """How long a chunk is."""
        is_last = index == self.state.chunk_count - 1
        return self._last_chunk_bytes if is_last else CHUNK_BYTES

    def tell(self, fact: Fact) -> None:
        """Tell the download a fact, check all rules, and begin what it orders."""
        orders = self.state.apply(fact, self.now_s)
        if self._checked:
            invariants.check(self.state)
        self._watch_words(fact)
        for order in orders:
            self._carry_out(order)

    def granted(self, source: SourceId, first: int, chunks: int) -> None:
        """A source says what it sends; of what another sends too it may write nothing."""
        chosen = bitfield.full(chunks) << first
        for other in self._outstanding.values():
            chosen &= ~other
        self._outstanding[source] = chosen & ~self.state.written
        self.tell(ChunksGranted(source, first, chunks))

    def wrote(self, source: SourceId, index: int) -> None:
        """A right chunk is in place."""
        assert self._outstanding[source] >> index & 1, f"{source} was not asked for {index}"
        assert not self.state.written >> index & 1, f"chunk {index} is written twice"
        self._outstanding[source] ^= 1 << index
        self.outcome.written[source] += 1
        self.tell(ChunkWritten(source, index))

    def ended(self, fact: FetchEnded) -> None:
        """A fetch is over; only now others may have its chunks."""
        del self._outstanding[fact.source]
        self.tell(fact)

    # Orders -------------------------------------------------------------------------------

    def _carry_out(self, order: Order) -> None:
        match order:
            case Follow(source):
                self._at_work[source].follow()
            case Drop(source):
                self._at_work[source].drop()
            case Fetch(source, first, chunks):
                asked = bitfield.full(chunks) << first
                assert not any(asked & other for other in self._outstanding.values()), (
                    f"chunks {first} to {first + chunks - 1} are asked of two sources"
                )
                self._outstanding[source] = asked
                self.outcome.asked[source] += 1
                self._at_work[source].fetch(order)
            case FetchAny(source):
                self._outstanding[source] = 0
                self.outcome.asked[source] += 1
                self._at_work[source].fetch(order)
            case CancelFetch(source):
                self.outcome.cancelled[source] += 1
                self._at_work[source].cancel()
            case AskTracker():
                self.outcome.asked_tracker_at_s.append(self.now_s)
                self.at(TRACKER_S, self._answer_as_tracker)
            case Ban(source, _, reason):
                assert source not in self.outcome.banned, f"{source} is banned twice"
                self.outcome.banned[source] = reason
            case Finish():
                assert self.outcome.done_s is None, "finished twice"
                self.outcome.done_s = self.now_s

    def _answer_as_tracker(self) -> None:
        if self._tracker_is_down(self.now_s):
            self.tell(TrackerAnswered("The tracker does not answer."))
            return
        for peer in self._peers:
            if peer.joins_at_s <= self.now_s:
                self.tell(SourceFound(peer.id, self._zones.get(peer.name, NO_ZONE)))
        self.tell(TrackerAnswered())

    def _tick(self) -> None:
        self.tell(Ticked())
        self.at(TICK_S, self._tick)

    def _watch_words(self, fact: Fact) -> None:
        if isinstance(fact, BytesArrived) or progress_of(self.state, self.now_s).reason:
            self._silent_since_s = self.now_s
        untold_s = self.now_s - self._silent_since_s
        self.outcome.longest_untold_s = max(self.outcome.longest_untold_s, untold_s)


def run_swarm(
    peers: Sequence[SimulatedPeer],
    *,
    chunk_count: int,
    seed: int = 0,
    until_s: float = 3_600.0,
    checked: bool = True,
) -> Outcome:
    """One download among these peers, from nothing."""
    return SimulatedSwarm(peers, chunk_count=chunk_count, seed=seed, checked=checked).run(until_s)
