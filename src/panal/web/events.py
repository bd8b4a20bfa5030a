"""The stream of server-sent events: everything that moves, over one connection.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import UNSET

from panal import __version__
from panal.answers import (
    DownloadsEvent,
    HelloEvent,
    PeersEvent,
    StreamedEvents,
    UploadsEvent,
)
from panal.api import Node
from panal.clock import Clock
from panal.errors import Busy
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.documented import Body
from panal.peer.http_answers import PROTOCOL_HEADER
from panal.peer.limits import LISTENERS
from panal.peer.query import read_query
from panal.peer.roles import Role, Token
from panal.peer.visitors import visitor_at
from panal.web.board import Board
from panal.web.chunk_events import WatchedContent, chunks_event
from panal.web.live_facts import LiveFacts, WatchedChunks

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
"""What changes in between is told once."""
COPIES_EVERY_S = 1.0
"""How many have each chunk takes more to tell than what came."""
COMMENT_EVERY_S = 15.0
"""A sign of life where nothing happens."""
STILL_MAY_EVERY_S = 1.0
RETRY_MS = 2_000
_ROWS = {"downloads": DownloadsEvent, "uploads": UploadsEvent, "peers": PeersEvent}


class Facts(Protocol):
    """Where what is told comes from."""

    def look(self, board: Board) -> None:
        """Put what changes often on the board, as it is now."""
        ...

    def follow_peers(self, board: Board) -> Coroutine[None, None, None]:
        """Put everybody who is here on the board, again and again, until cancelled."""
        ...


class Watched(Protocol):
    """The chunks of one download."""

    def look(self) -> WatchedContent | None:
        """As they are now; None where there is nothing to see."""
        ...


class EventStream:
    """Looks while somebody listens, and not at all while nobody does."""

    def __init__(self, facts: Facts, clock: Clock, stopping: asyncio.Event) -> None:
        """It ends when `stopping` is set."""
        self.board = Board()
        self.epoch = secrets.token_hex(4)
        self.listeners = 0
        self._facts = facts
        self._clock = clock
        self._stopping = stopping
        self._looked = asyncio.Event()
        self._told: tuple[int, dict[int, bytes]] = 0, {}
        """What listeners were told at a number of the board, by what they had been told until."""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Look, and go on looking; Busy where there are too many already."""
        if self.listeners >= LISTENERS:
            raise Busy("So many pages listen to this peer already. Close one of them.")
        self.listeners += 1
        try:
            if self.listeners == 1:
                self._begin()
            self._facts.look(self.board)
            yield
        finally:
            self.listeners -= 1
            if self.listeners == 0:
                await self._end()

    def _begin(self) -> None:
        works = (
            self._look_again(),
            self._facts.follow_peers(self.board),
            self._wake_at_the_end(),
        )
        self._tasks = [asyncio.ensure_future(work) for work in works]
        for task in self._tasks:
            task.add_done_callback(_note_fault)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_again(self) -> None:
        try:
            while True:
                await self._clock.sleep(LOOK_EVERY_S)
                self._facts.look(self.board)
                self._wake()
        finally:
            self._wake()  # nobody waits for ever for what has failed

    async def _wake_at_the_end(self) -> None:
        await self._stopping.wait()
        self._wake()

    def _wake(self) -> None:
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()

    async def next_look(self) -> bool:
        """Wait until it was looked again; whether that goes on."""
        if not self._stopping.is_set():
            await self._looked.wait()
        return not (self._stopping.is_set() or self._tasks[0].done())

    def since(self, number: int) -> bytes:
        """What changed after a number of the board, as events."""
        board = self.board
        if self._told[0] != board.number:
            self._told = board.number, {}
        known = self._told[1].get(number)
        if known is None:
            known = self._told[1][number] = b"".join(_events_since(board, number))
        return known


def _events_since(board: Board, number: int) -> Iterator[bytes]:
    for kind, value in board.values_since(number):
        yield event(kind, value)
    for kind, make in _ROWS.items():
        if (changes := board.rows_since(kind, number)) is not None:
            yield event(kind, make(changes.whole, changes.rows, changes.removed))
    for kind, line in board.lines_since(number):
        yield event(kind, line)


def event(kind: str, data: msgspec.Struct) -> bytes:
    """One event as it is sent; JSON has no line break of its own."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode("ascii"), msgspec.json.encode(data))


class EventsQuery(msgspec.Struct):
    """What is looked at closely."""

    watch: str = ""
    """The id of the download whose chunks are told of; empty for none."""


class EventRoutes:
    """The route."""

    def __init__(
        self,
        stream: EventStream,
        watch: Callable[[str], Watched],
        clock: Clock,
        *,
        peer: str,
        may_still_listen: Callable[[web.Request], Callable[[], bool]],
    ) -> None:
        """`may_still_listen` makes what is asked again and again while a request is answered."""
        self._stream = stream
        self._watch = watch
        self._clock = clock
        self._peer = peer
        self._may_still_listen = may_still_listen

    def routes(self) -> Sequence[Route]:
        """The route, the owner's."""
        return [
            Route(
                "GET",
                "/api/v1/events",
                Role.OWNER,
                self.events,
                query=EventsQuery,
                gives=Body("text/event-stream", events=StreamedEvents),
                fails=(Busy,),
            )
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Everything that moves, as server-sent events, without end."""
        watched = read_query(request, EventsQuery).watch
        async with self._stream.listening():
            answer = web.StreamResponse(headers=PROTOCOL_HEADER)
            answer.content_type = "text/event-stream"
            answer.charset = "utf-8"
            await answer.prepare(request)
            await _Listener(
                self._stream,
                self._watch(watched) if watched else None,
                self._clock,
                self._may_still_listen(request),
            ).tell(request, answer, self._hello())
            with contextlib.suppress(ConnectionError):
                await answer.write_eof()
        return answer

    def _hello(self) -> bytes:
        hello = HelloEvent(self._stream.epoch, self._peer, __version__)
        return b"retry: %d\n" % RETRY_MS + event("hello", hello)


class _Listener:
    """One who listens: what it was told last."""

    def __init__(
        self,
        stream: EventStream,
        watched: Watched | None,
        clock: Clock,
        may_still: Callable[[], bool],
    ) -> None:
        self._stream = stream
        self._watched = watched
        self._seen: WatchedContent | None = None
        self._copies: tuple[int, ...] = ()
        self._clock = clock
        self._may_still = may_still
        self._number = 0
        self._copies_at_s = float("-inf")

    async def tell(self, request: web.Request, answer: web.StreamResponse, hello: bytes) -> None:
        """Tell all that changes until one side ends it; ConnectionError where it broke.

        Waits while the other side does not read: what changes meanwhile is told then, once.
        """
        self._number = _goes_on_at(self._stream, request.headers.get("Last-Event-ID", ""))
        await answer.write(hello)
        told_at_s = asked_at_s = self._clock.now_s()
        goes_on = True
        while goes_on and request.transport is not None:
            now_s = self._clock.now_s()
            if now_s - asked_at_s >= STILL_MAY_EVERY_S:
                asked_at_s = now_s
                if not self._may_still():
                    return
            news = self._news(now_s)
            if not news and now_s - told_at_s >= COMMENT_EVERY_S:
                news = b":\n\n"
            if news:
                await answer.write(news)
                told_at_s = self._clock.now_s()
            goes_on = await self._stream.next_look()

    def _news(self, now_s: float) -> bytes:
        """What has changed since it was last asked; nothing where nothing has."""
        board = self._stream.board
        news = b"" if board.number == self._number else self._stream.since(self._number)
        self._number = board.number
        chunks = b"".join(self._chunk_news(now_s))
        if not news:
            return chunks
        # With the last event only: who was cut off before is told all of it again.
        events, _, last = news.removesuffix(b"\n\n").rpartition(b"\n\n")
        number = b"id: %b-%d\n" % (self._stream.epoch.encode("ascii"), self._number)
        return events + b"\n\n" * bool(events) + number + last + b"\n\n" + chunks

    def _chunk_news(self, now_s: float) -> Iterator[bytes]:
        if self._watched is None or (now := self._watched.look()) is None:
            return
        is_due = now_s - self._copies_at_s >= COPIES_EVERY_S
        news = chunks_event(now, self._seen, self._copies if is_due else None)
        self._seen = now
        if news is None:
            return
        if news.copies is not UNSET:
            self._copies_at_s, self._copies = now_s, now.picture.by_copies
        yield event("chunks", news)


def _goes_on_at(stream: EventStream, last_id: str) -> int:
    epoch, _, digits = last_id.rpartition("-")
    if epoch != stream.epoch or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return 0
    return int(digits) if stream.board.goes_on_from(int(digits)) else 0


def _note_fault(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("What moves is told no more.", exc_info=error)


def event_routes(app: PeerApp, node: Node) -> Sequence[Route]:
    """The route of a peer."""
    stream = EventStream(LiveFacts(app, node), app.clock, app.stopping)
    app.audit.heard = lambda line: stream.board.add("log", line)

    def may_still_listen(request: web.Request) -> Callable[[], bool]:
        place = "" if request.transport is None else visitor_at(request.transport).place

        def shows_token() -> bool:
            return app.credentials.look(request.headers, place) is Token.RIGHT

        # Else the connection itself is the owner's.
        return shows_token if shows_token() else lambda: True

    return EventRoutes(
        stream,
        partial(WatchedChunks, app),
        app.clock,
        peer=app.settings.name,
        may_still_listen=may_still_listen,
    ).routes()
