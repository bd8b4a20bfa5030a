"""Receivers wait for their turn; some are sent to at a time.

Many: each of fewer slots gives a receiver a whole chunk sooner, but a receiver that is busy with
others leaves its slot half used, and a fast uplink then idles. Few where the own download of what
is sent falls behind others': many at once keep a queue at the uplink, and what is received waits
in it for its acknowledgements. docs/DESIGN.md has the figures.
"""

import asyncio
from collections.abc import Callable

from panal.errors import NotHereYet
from panal.peer.turns import LaneFacts, Turns
from panal.wire.address import place_of
from panal.wire.ids import ContentId

PEERS_AT_ONCE = 16
BEHIND_AT_ONCE = 2
"""Of a content that falls behind: one may be slow, or be gone for a moment."""
OTHERS_AT_ONCE = 16
"""Clients that are no peers come one at a time, and wait for nobody's peers."""

MOST_WAITING = 256
"""In one lane; each holds a connection."""


class Lane:
    """One queue and its slots; the event loop's own."""

    def __init__(self, slots: int) -> None:
        self._turns: Turns[asyncio.Future[None]] = Turns(slots, MOST_WAITING)

    def turn(self, host: str, before_waiting: Callable[[], None] | None = None) -> "_Turn":
        """Wait for a slot and hold it; NotHereYet where too many wait already.

        `host` is the address that asks. `before_waiting` is called where no slot is free.
        """
        return _Turn(self, place_of(host), before_waiting)

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self._turns.waiting

    def facts(self) -> LaneFacts:
        """How it stands."""
        return self._turns.facts()

    async def enter(self, place: str, before_waiting: Callable[[], None] | None) -> None:
        """Wait for a slot, as `turn` does; `end` is to follow."""
        if self._turns.enter(place):
            return
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent_away = self._turns.arrive(place, called)
        if sent_away is not None and not sent_away.done():
            sent_away.set_exception(
                NotHereYet("Too many wait to be sent bytes; ask again in a moment.")
            )
        self._let_in()
        if not called.done() and before_waiting is not None:
            before_waiting()
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled() and called.exception() is None:
                self.end(place)
            else:
                self._turns.leave(place, called)
            raise

    def resize(self, slots: int) -> None:
        """So many slots from now on."""
        self._turns.resize(slots)
        self._let_in()

    def end(self, place: str) -> None:
        """Let a slot go."""
        self._turns.end(place)
        self._let_in()

    def _let_in(self) -> None:
        while (chosen := self._turns.call()) is not None:
            place, called = chosen
            if called.done():  # it has gone in this very moment
                self._turns.end(place)
            else:
                called.set_result(None)


class _Turn:
    """A slot waited for and held."""

    __slots__ = ("_before_waiting", "_lane", "_place")

    def __init__(self, lane: Lane, place: str, before_waiting: Callable[[], None] | None) -> None:
        self._lane = lane
        self._place = place
        self._before_waiting = before_waiting

    async def __aenter__(self) -> None:
        await self._lane.enter(self._place, self._before_waiting)

    async def __aexit__(self, *_: object) -> None:
        self._lane.end(self._place)


class Lanes:
    """The queues of one peer: other peers', and everybody else's."""

    def __init__(self) -> None:
        self._peers = Lane(PEERS_AT_ONCE)
        self._others = Lane(OTHERS_AT_ONCE)
        self._few: dict[ContentId, Lane] = {}
        """Of the contents that are sent to few at a time."""

    def of(self, *, is_peer: bool) -> Lane:
        """Where a request waits."""
        return self._peers if is_peer else self._others

    def of_chunks(self, content: ContentId) -> Lane:
        """Where another peer's request for chunks waits."""
        return self._few.get(content, self._peers)

    def facts(self) -> dict[str, LaneFacts]:
        """How they stand; what is sent to few counts as peers', within as many slots."""
        peers = self._peers.facts()
        few = [lane.facts() for lane in self._few.values()]
        used = peers.used + sum(lane.used for lane in few)
        waiting = peers.waiting + sum(lane.waiting for lane in few)
        return {
            "peers": LaneFacts(peers.slots, used, waiting),
            "others": self._others.facts(),
        }

    def serve_few(self, content: ContentId, *, is_so: bool) -> None:
        """Send its chunks to few peers at a time from now on, or again to as many as any."""
        if is_so:
            self._few.setdefault(content, Lane(BEHIND_AT_ONCE))
        elif (lane := self._few.pop(content, None)) is not None:
            lane.resize(PEERS_AT_ONCE)  # for those that wait there
