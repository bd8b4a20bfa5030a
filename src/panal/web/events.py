"""The stream of server-sent events: everything that moves, over one connection.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import UNSET

from panal import __version__
from panal.answers import (
    HelloEvent,
    StreamedEvents,
)
from panal.api import Node
from panal.clock import Clock
from panal.errors import Busy
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.documented import Body
from panal.peer.http_answers import PROTOCOL_HEADER
from panal.peer.query import read_query
from panal.peer.roles import Role, Token
from panal.peer.visitors import visitor_at
from panal.web.chunk_events import WatchedContent, chunks_event
from panal.web.event_stream import EventStream, event
from panal.web.live_facts import LiveFacts, WatchedChunks

log = logging.getLogger(__name__)

COPIES_EVERY_S = 1.0
"""How many have each chunk takes more to tell than what came."""
COMMENT_EVERY_S = 15.0
"""A sign of life where nothing happens."""
STILL_MAY_EVERY_S = 1.0
RETRY_MS = 2_000


class Watched(Protocol):
    """The chunks of one download."""

    def look(self) -> WatchedContent | None:
        """As they are now; None where there is nothing to see."""
        ...


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
