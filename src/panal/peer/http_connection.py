"""aiohttp's connection with the limits that it does not have itself.

It uses what aiohttp keeps for itself: whether it waits for a request, those that came, whether
reading is paused. tests/peer/test_http_connection.py shows a change of those.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from panal.errors import TooSlow
from panal.peer import limits
from panal.peer.connections import Connections
from panal.peer.http_answers import SAFE_HEADERS, problem
from panal.peer.patience import Moment, Patience, Phase, Verdict
from panal.peer.visitors import unsent_bytes, visitor_at

LOOK_S = 1.0
OPTIONS: dict[str, Any] = {
    "keepalive_timeout": limits.IDLE_S,
    "lingering_time": limits.LINGER_S,
    "max_line_size": limits.REQUEST_LINE_BYTES,
    "max_field_size": limits.FIELD_BYTES,
    "max_headers": limits.FIELDS,
}
"""What aiohttp limits itself."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


def http_connections(
    server: web.Server, connections: Connections, *, enters: bool = False
) -> Callable[[], asyncio.Protocol]:
    """What makes them; `enters` where nobody else has let them in before."""
    loop = asyncio.get_running_loop()
    return lambda: HttpConnection(server, loop, connections, enters=enters)


def note_owed(request: web.Request, *, is_owed: bool) -> None:
    """Tell the connection of a request whether that makes it one to be kept."""
    if isinstance(request.protocol, HttpConnection):
        request.protocol.is_owed = is_owed


class HttpConnection(RequestHandler):
    """One connection; ended when it takes too long or sends too much."""

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        connections: Connections,
        *,
        enters: bool = False,
    ) -> None:
        super().__init__(server, loop=loop, access_log=None, **OPTIONS)  # type: ignore[arg-type]
        self._connections = connections
        self._enters = enters
        self._patience = Patience(loop.time())
        self._received_bytes = 0
        self._head_bytes = 0
        self._ahead_bytes = 0
        """Of requests that wait behind others."""
        self.is_owed = False
        """Whether the last request was for more than everybody's, and was let in."""
        self._is_garbled = False
        """Whether something came that is no request: what follows cannot be one either."""
        self._body: StreamReader = EMPTY_PAYLOAD
        """That of the last request whose head has come."""
        self._own: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected, or is handed over."""
        super().connection_made(transport)
        self._own = cast(asyncio.Transport, transport)
        if self._enters and not self._connections.enter(
            transport, visitor_at(transport).seat, self
        ):
            self._own.abort()
            return
        self._connections.pass_on(transport, self)
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has ended."""
        if self._timer is not None:
            self._timer.cancel()
        if self._own is not None:
            self._connections.leave(self._own)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        self._received_bytes += len(data)
        if self._is_garbled:
            return
        requests, was_open = self._request_count, not self._body.is_eof()
        super().data_received(data)
        if self._request_count > requests and self._messages:
            message, self._body = self._messages[-1]
            # Its answer ends the connection. aiohttp would keep each further block until then.
            self._is_garbled = not isinstance(message, RawRequestMessage)
        self._ahead_bytes = self._ahead_bytes + len(data) if len(self._messages) > 1 else 0
        if self._ahead_bytes > limits.MOST_AHEAD_BYTES:
            self.abort()
            return
        if self._request_count > requests or was_open:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > limits.HEAD_BYTES and self._own is not None:
            if self._waits() or not self._request_count:  # else it would stand in another answer
                self._own.write(_TOO_LARGE)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what cannot be read; aiohttp's own repeats it, secrets and all."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer had begun.")
        answer = problem(status, "http", "That is no HTTP request that this peer can read.")
        answer.headers.update(SAFE_HEADERS)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Nothing: what others send malformed is not worth a line, and may hold secrets."""

    def is_idle(self) -> bool:
        """Whether nothing is being answered to whom this peer is there for."""
        return not self.is_owed or self._waits()

    def _waits(self) -> bool:
        """Whether nothing is being asked or answered."""
        return self._waiter is not None and not self._waiter.done()

    def abort(self) -> None:
        """End it at once."""
        if self._own is not None:
            self._own.abort()

    def _moment(self, transport: asyncio.Transport) -> Moment:
        left_bytes = unsent_bytes(transport)
        if transport.is_closing():  # what was written is counted no more
            return Moment(
                Phase.ENDING,
                self._request_count,
                self._received_bytes,
                -left_bytes,
                is_unsent=left_bytes > 0,
            )
        is_paused = self._reading_paused or self._buffer_paused
        phase = Phase.HEAD if self._waits() else Phase.ANSWER
        if phase is Phase.ANSWER and not self._body.is_eof() and not is_paused:
            phase = Phase.BODY
        request = self._current_request
        written_bytes = 0 if request is None else request.writer.output_size
        return Moment(
            phase,
            self._request_count,
            self._received_bytes,
            written_bytes - left_bytes,
            is_unsent=left_bytes > 0,
        )

    def _look(self) -> None:
        if self._own is None:
            return
        verdict = self._patience.look(self._moment(self._own), self._loop.time())
        if verdict is Verdict.CUT:
            self.abort()
            return
        if verdict is Verdict.REFUSE:
            self._body.set_exception(
                TooSlow("The request comes too slowly; send it again over a better way.")
            )
        self._timer = self._loop.call_later(LOOK_S, self._look)
