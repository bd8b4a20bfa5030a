"""A port for those who watch over a program: its metrics and probes by HTTP, and nothing else.

No names, paths, ids or files are ever told here, so it takes whoever reaches it; nothing is read
from a request but its first line and what formats its sender takes. One answer a connection, few
connections at a time: a scraper comes every few seconds, and needs no more.
"""

import asyncio
import contextlib
import errno
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from panal.entrances import Entrances, Role
from panal.errors import PanalError, PortTaken, Refused, UsageError
from panal.wire.address import parse_address, place_of

_log = logging.getLogger(__name__)

CONNECTIONS = 16
"""At a time; more are closed."""
CONNECTIONS_PER_ADDRESS = 8
"""Of them: who never finishes a request leaves room for those that scrape from elsewhere."""
HEAD_BYTES = 8 * 1024
HEAD_S = 10.0
"""From a connection until its request's head is whole."""
ANSWER_S = 20.0
"""For finding the answer, and again for taking it."""
TEXT = "text/plain; charset=utf-8"
_WORDS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    body: bytes
    content_type: str = TEXT


Page = Callable[[str], Awaitable[Told]]
"""Makes an answer; it is given the request's Accept."""


def ready_told(problem: str) -> Told:
    """The answer of a readiness probe; empty where nothing is wrong."""
    return Told(503, f"{problem}\n".encode()) if problem else Told(200, b"ready\n")


async def alive(_: str) -> Told:
    """The answer of a liveness probe: whoever answers is alive."""
    return Told(200, b"ok\n")


class MonitoringListener:
    """One port with a few pages, from `start` to `close`."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.entrances = Entrances()
        self._pages = dict(pages)
        for path in pages:
            self.entrances.register(f"GET {path}", Role.PUBLIC)
        self._server: asyncio.Server | None = None
        self._under_way: dict[asyncio.Task[None], str] = {}
        """What is served, and the place that it came from."""

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which for 0 is one that the system chose. PortTaken, UsageError."""
        literal = str(parse_address("127.0.0.1" if host == "localhost" else host))
        try:
            self._server = await asyncio.start_server(
                self._connected, literal, port, limit=HEAD_BYTES
            )
        except OSError as error:
            raise _problem(error, literal, port) from None
        except OverflowError:
            raise UsageError(f"{port} is no port.") from None
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    def change(self, pages: Mapping[str, Page]) -> None:
        """From now on, these are told at paths that it has."""
        self._pages.update(pages)

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        if self._server is not None:
            self._server.close()
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = (writer.get_extra_info("peername") or [""])[0]
        place = place_of(host.partition("%")[0])
        of_one = sum(one == place for one in self._under_way.values())
        if len(self._under_way) >= CONNECTIONS or of_one >= CONNECTIONS_PER_ADDRESS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._under_way[task] = place
        task.add_done_callback(self._under_way.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError):
                told, is_head = await self._answer(reader)
                writer.write(_head(told) + (b"" if is_head else told.body))
                async with asyncio.timeout(ANSWER_S):
                    await writer.drain()
                    writer.write_eof()
                    await reader.read(HEAD_BYTES)  # until it has it all and goes
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[Told, bool]:
        try:
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return Told(408, b"The request did not come in time.\n"), False
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            return Told(400, b"That is no request.\n"), False
        first, *fields = head.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        told = await self._told(method, path, _accept(fields))
        return told, method == "HEAD"

    async def _told(self, method: str, path: str, accept: str) -> Told:
        try:
            self.entrances.role_of(f"GET {path}")
        except Refused:
            return Told(404, b"Here are: " + ", ".join(sorted(self._pages)).encode() + b"\n")
        if method not in {"GET", "HEAD"}:
            return Told(405, b"Only GET.\n")
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._pages[path](accept)
        except PanalError as error:
            return Told(503, f"{error}\n".encode())
        except TimeoutError:
            return Told(503, f"There was no answer within {ANSWER_S:g} s.\n".encode())
        except Exception:
            _log.exception("A page for monitoring failed.")
            return Told(500, b"It failed; the log says why.\n")


def _accept(fields: list[str]) -> str:
    named = (field.partition(":") for field in fields)
    return ",".join(value.strip() for name, _, value in named if name.lower() == "accept")


def _head(told: Told) -> bytes:
    return (
        f"HTTP/1.1 {told.status} {_WORDS[told.status]}\r\n"
        f"Content-Type: {told.content_type}\r\nContent-Length: {len(told.body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def _problem(error: OSError, host: str, port: int) -> PanalError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"Port {port} for metrics is taken by another program; choose another with --metrics."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host}, for metrics, is not an address of this machine.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PanalError(f"This user may not listen on port {port}. Choose one from 1024 on.")
    return PanalError(f"Metrics cannot be told on {host}, port {port}: {error.strerror}.")
