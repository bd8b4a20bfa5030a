"""One connection with peers' requests: read, answered in turn, cut off where patience ends.

What an answer says is the server's; how it is sent is here. A connection with any other request is
handed over, with what has come, to the HTTP server.
"""

import asyncio
import logging
import socket
from http import HTTPStatus
from typing import Protocol, cast

from panal.errors import PanalError
from panal.peer.connections import Connections
from panal.peer.contents import OpenContent
from panal.peer.http_door import HttpDoor
from panal.peer.limits import MOST_AHEAD_BYTES
from panal.peer.patience import Moment, Patience, Phase, Verdict
from panal.peer.problems import PROBLEM, encoded_problem, problem_fields
from panal.peer.sending import Sender, keep_queue_short
from panal.peer.tcp_info import acknowledged_bytes
from panal.peer.visitors import is_over_tls, unsent_bytes, visitor_at
from panal.peer.warm_sending import MOST_BYTES, WarmSending, is_cached
from panal.wire.chunk_request import Request, goes_on, parse
from panal.wire.ranges import ByteRange

log = logging.getLogger(__name__)

LOOK_S = 1.0


class Server(Protocol):
    """What answers the requests, and what all of its connections share."""

    sender: Sender
    held: Connections
    door: HttpDoor
    connections: "set[RequestConnection]"
    gone_bytes: int
    """What the receivers of those had that are no more."""
    is_closing: bool

    async def answer(self, connection: "RequestConnection", request: Request) -> bool:
        """Whether it was answered; where not, nothing has been sent."""


class RequestConnection(asyncio.Protocol):
    """One connection, until something else than a chunk is asked for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self.host = ""
        self.task: asyncio.Task[None] | None = None
        """What answers, while something does."""
        self.transport: asyncio.Transport | None = None
        self._own: socket.socket | None = None
        self._ahead = b""
        """What has come of the next request."""
        self._is_secure = False
        self._written_bytes = 0
        """Over TLS, where all that is sent comes through here."""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._has_begun = False
        """Whether bytes of the running answer were sent."""
        self._warm: WarmSending | None = None
        self._patience = Patience(self._loop.time())
        self._requests = 0
        self._received_bytes = self._acknowledged_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    # What the transport calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.host, *_ = transport.get_extra_info("peername") or ("",)
        self._is_secure = is_over_tls(transport)
        if not self._server.held.enter(transport, visitor_at(transport).seat, self):
            self.transport.abort()
            return
        self._server.connections.add(self)
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, perhaps while something was being sent."""
        self._server.held.leave(self.transport)
        self.transport = None
        if self.task is not None:
            self.task.cancel()
        else:
            self._forget()

    def pause_writing(self) -> None:
        """The receiver is behind."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """It is no more."""
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        """A request, or a part of one."""
        self._received_bytes += len(data)
        self._ahead = self._ahead + data if self._ahead else data
        if self.transport is None:
            return
        if self.task is None:
            self._take(self.transport)
        elif len(self._ahead) > MOST_AHEAD_BYTES:
            self.abort()

    # Requests -------------------------------------------------------------------------------

    def _take(self, transport: asyncio.Transport) -> None:
        data = self._ahead
        request = parse(data)
        if request is not None:
            self._ahead = b""
            self._requests += 1
            self.task = self._loop.create_task(self._answer(request, data))
        elif not goes_on(data):
            self._hand_over(transport, data)

    async def _answer(self, request: Request, data: bytes) -> None:
        self._has_begun = False
        is_answered = True
        try:
            is_answered = await self._server.answer(self, request)
        except Exception as error:
            if not isinstance(error, PanalError | OSError):
                log.exception("A request for chunks failed.")
            if isinstance(error, PanalError) and not self._has_begun:
                self.say(_refusal(error))
            else:
                self.abort()  # what followed would count as the rest of the answer
        finally:
            self.task = None
            if self.transport is None:
                self._forget()
        self._go_on(b"" if is_answered else data)

    def _go_on(self, unanswered: bytes) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if unanswered:
            self._hand_over(transport, unanswered + self._ahead)
        elif self._server.is_closing:
            transport.close()
        elif self._ahead:
            self._take(transport)

    def _hand_over(self, transport: asyncio.Transport, data: bytes) -> None:
        if not self._server.door.is_open:
            transport.pause_reading()
            self._ahead = b""
            self.task = self._loop.create_task(self._open_door(data))
            return
        self._forget()
        other = self._server.door.protocol()
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(data)

    async def _open_door(self, data: bytes) -> None:
        try:
            await self._server.door.open()
        except Exception:
            log.exception("The HTTP server does not start.")
            self.abort()
        finally:
            self.task = None
            if self.transport is None:
                self._forget()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            self._hand_over(self.transport, data + self._ahead)

    # Answers --------------------------------------------------------------------------------

    def say(self, answer: bytes) -> None:
        """A short answer."""
        if self.transport is not None:
            self._has_begun = True
            self.transport.write(answer)

    async def send(self, head: bytes, opened: OpenContent, part: ByteRange) -> None:
        """Send an answer; ContentChanged or OSError, after which the connection must end."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The receiver is gone.")
        self._has_begun = True
        sender = self._server.sender
        if self._is_secure:
            await self._write(head)
            await sender.write(self._write, opened, part, transport)
            return
        is_short = part.length <= MOST_BYTES and not sender.is_limited
        if (
            is_short
            and not transport.get_write_buffer_size()
            and is_cached(opened.descriptor, part)
        ):
            self._warm = WarmSending(self._descriptor(transport), head, opened, part)
            try:
                await self._warm.run()
            finally:
                sender.traffic.sent(transport, opened.content, self._warm.sent_bytes)
                self._warm = None
        else:
            transport.write(head)
            await sender.send(transport, opened, part, is_verified=True)

    async def _write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("The receiver is gone.")
        self._written_bytes += len(data)
        self.transport.write(data)
        await self._may_write.wait()

    def _descriptor(self, transport: asyncio.Transport) -> socket.socket:
        # One of our own: the loop watches the transport's for what comes in.
        if self._own is None:
            self._own = transport.get_extra_info("socket").dup()
            keep_queue_short(self._own)
        return self._own

    def acknowledged_bytes(self) -> int:
        """What the receiver has said to have; once it is closed, as of the last look before."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            told = acknowledged_bytes(transport.get_extra_info("socket"))
            if told is not None:
                self._acknowledged_bytes = told
        return self._acknowledged_bytes

    # The end --------------------------------------------------------------------------------

    def end(self) -> None:
        """End it when all that was said has been sent."""
        if self.transport is not None:
            self.transport.close()

    def end_if_idle(self) -> None:
        """End it unless something is asked for."""
        if self.task is None:
            self.end()

    def abort(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def is_idle(self) -> bool:
        """Whether nothing is asked for."""
        return self.task is None

    def _look(self) -> None:
        # What a thread sends, and what waits for its turn, has a patience of its own.
        phase = Phase.HEAD if self.task is None else Phase.ANSWER
        sent_bytes = 0 if self._warm is None else self._warm.sent_bytes
        is_unsent = self._warm is not None
        if self._is_secure and self.transport is not None:
            left_bytes = unsent_bytes(self.transport)
            sent_bytes, is_unsent = self._written_bytes - left_bytes, left_bytes > 0
        moment = Moment(phase, self._requests, self._received_bytes, sent_bytes, is_unsent)
        if self._patience.look(moment, self._loop.time()) is Verdict.CUT:
            self.abort()
        else:
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def _forget(self) -> None:
        if self in self._server.connections:
            self._server.connections.remove(self)
            self._server.gone_bytes += self.acknowledged_bytes()
        if self._timer is not None:
            self._timer.cancel()
        if self._own is not None:
            self._own.close()
            self._own = None


def _refusal(error: PanalError) -> bytes:
    body = encoded_problem(error.http_status, error.slug, str(error))
    reason = HTTPStatus(error.http_status).phrase
    line = f"HTTP/1.1 {error.http_status} {reason}\r\nPanal-Protocol: 1\r\n"
    fields = {"Content-Type": PROBLEM, "Content-Length": len(body), **problem_fields(error.slug)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{line}{lines}\r\n".encode("ascii") + body
