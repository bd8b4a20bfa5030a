"""HTTP as bytes on a socket: for requests that no client library would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.patience import PATIENCE_S


@dataclass
class RawAnswer:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawConnection:
    """One connection; answers are read one by one, so that a wrong length shows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, has_body: bool = True) -> RawAnswer:
        """The next answer; EOFError or IncompleteReadError where the connection ends first."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.head()
            if not has_body or head.status in {204, 304}:
                return head
            if head.headers.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readline(), 16):
                    head.body += await self.reader.readexactly(size)
                    assert await self.reader.readexactly(2) == b"\r\n"
                assert await self.reader.readexactly(2) == b"\r\n"
            else:
                head.body = await self.reader.readexactly(int(head.headers["content-length"]))
            return head

    async def head(self) -> RawAnswer:
        """Status and headers, the body still to be read."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("utf-8").removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version in {"HTTP/1.0", "HTTP/1.1"}
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, f"{name} came twice"
            headers[name.lower()] = value.strip()
        return RawAnswer(int(status), headers, b"")

    async def ask(self, method: str, path: str, *lines: str, body: bytes = b"") -> RawAnswer:
        """One request with the right Host and the given header lines, and its answer."""
        await self.send(request(method, path, *lines, body=body))
        return await self.answer(has_body=method != "HEAD")

    async def is_in_step(self) -> bool:
        """Whether the next answer on this connection is the one to the next request."""
        answer = await self.ask("GET", "/healthz")
        return (answer.status, answer.body) == (200, b"ok\n")

    async def rest(self) -> bytes:
        """All that still comes, until the other side ends the connection."""
        gathered = b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while block := await self.reader.read(1 << 20):
                    gathered += block
        except ConnectionError:
            pass
        return gathered


def request(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    """A request's bytes; a Host is put in unless one is given, a length where there is a body."""
    head = [f"{method} {path} HTTP/1.1", *lines]
    if not any(line.lower().startswith("host:") for line in lines):
        head.append("Host: 127.0.0.1")
    if body and not any(line.lower().startswith("content-length:") for line in lines):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


@asynccontextmanager
async def connection(
    port: int, host: str = "127.0.0.1", source: str = ""
) -> AsyncIterator[RawConnection]:
    local = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(host, port, local_addr=local)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()
