"""The port for metrics and probes: a few pages, for whoever asks, and for nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from panal.errors import PortTaken, Unreachable, UsageError
from panal.monitoring import listener
from panal.monitoring.listener import MonitoringListener, Told, alive


@asynccontextmanager
async def listening(**pages: listener.Page) -> AsyncIterator[int]:
    made = MonitoringListener({f"/{name}": page for name, page in pages.items()})
    port = await made.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await made.close()


async def asked(port: int, *lines: str) -> tuple[bytes, bytes]:
    """The head and the body of one answer, read until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join((*lines, "", "")).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, body


async def test_a_page_is_told_with_its_form_and_its_length() -> None:
    async def numbers(accept: str) -> Told:
        return Told(200, f"for {accept}".encode(), "text/special")

    async with listening(metrics=numbers) as port:
        head, body = await asked(port, "GET /metrics?x=1 HTTP/1.1", "Accept: a/b", "accept: c/d")
        assert body == b"for a/b,c/d"
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/special\r\nContent-Length: 11\r\n" in head
        assert (await asked(port, "HEAD /metrics HTTP/1.1"))[1] == b""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1", b"404"),
        ("GET /metrics/ HTTP/1.1", b"404"),
        ("GET /../etc/passwd HTTP/1.1", b"404"),
        ("POST /healthz HTTP/1.1", b"405"),
        ("nonsense", b"404"),
        ("GET /healthz HTTP/1.1\r\nX: " + "x" * 9_000, b"400"),
    ],
)
async def test_nothing_else_is_told(line: str, status: bytes) -> None:
    async with listening(healthz=alive) as port:
        head, _ = await asked(port, line)
        assert head.split(b" ")[1] == status


async def test_a_page_that_fails_says_so_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def away(_: str) -> Told:
        raise Unreachable("It is stopping.")

    async def broken(_: str) -> Told:
        raise ZeroDivisionError

    async with listening(away=away, broken=broken, healthz=alive) as port:
        assert (await asked(port, "GET /away HTTP/1.1"))[1] == b"It is stopping.\n"
        head, body = await asked(port, "GET /broken HTTP/1.1")
        assert head.startswith(b"HTTP/1.1 500")
        assert b"Zero" not in body
        assert "ZeroDivisionError" in caplog.text
        assert (await asked(port, "GET /healthz HTTP/1.1"))[1] == b"ok\n"


async def test_whoever_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_S", 0.02)
    async with listening(healthz=alive) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def _connected(port: int, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))


async def _is_closed(port: int, host: str) -> None:
    reader, writer = await _connected(port, host)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def test_more_than_a_few_connections_are_closed_and_those_that_are_there_served() -> None:
    async with listening(healthz=alive) as port:
        kept = []
        for host in ("127.0.0.2", "127.0.0.3"):
            for _ in range(listener.CONNECTIONS_PER_ADDRESS):
                kept.append(await _connected(port, host))
            await _is_closed(port, host)  # and others are not
        await _is_closed(port, "127.0.0.4")
        for reader, writer in kept:
            writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert (await reader.read()).endswith(b"ok\n")
            writer.close()


async def test_a_place_that_cannot_be_listened_at_is_said_in_words() -> None:
    made = MonitoringListener({"/healthz": alive})
    async with listening(healthz=alive) as port:
        with pytest.raises(PortTaken, match=r"--metrics"):
            await made.start("127.0.0.1", port)
    for host, wrong in (("192.0.2.7", 0), ("127.0.0.1", 70_000), ("prometheus.example", 0)):
        with pytest.raises(UsageError):
            await made.start(host, wrong)
    await made.close()
