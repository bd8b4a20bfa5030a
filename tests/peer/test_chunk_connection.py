"""One connection to a provider: what is read of it counts, and what nobody reads ends it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from panal.clock import SystemClock
from panal.peer.calling import Calling
from panal.peer.chunk_connection import ChunkConnection, quick_bytes, words_of
from panal.peer.provider_connection import WAKE_BYTES, ProviderConnection
from panal.peer.rate_limit import RateLimit, Waits
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import SourceFailure
from panal.swarm.messages import Failure
from panal.wire import bitfield
from panal.wire.chunk_request import ChoiceRequest, RangeRequest, Request, parse
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.ranges import ByteRange
from tests.peer.test_http_source import CONTENT, DATA, MANIFEST, NO_LIMIT, serving

pytestmark = pytest.mark.p7

ALL = bitfield.full(MANIFEST.chunk_count)


class Provider:
    """Answers `next` with what it was told, and each range rightly; counts connections."""

    def __init__(self, next_answer: bytes) -> None:
        self.next_answer = next_answer
        self.connections = 0
        self.asked: list[Request | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head, body = await reader.readuntil(b"\r\n\r\n"), b""
            if is_choice := head.startswith(b"POST"):
                body = await reader.readexactly(len(bitfield.to_bytes(ALL, MANIFEST.chunk_count)))
            self.asked.append(parse(head + body))
            writer.write(self.next_answer if is_choice else part(head))
            await writer.drain()


def part(head: bytes) -> bytes:
    """The answer to a request for a range."""
    first, _, last = head.partition(b"bytes=")[2].partition(b"\r\n")[0].partition(b"-")
    body = DATA[int(first) : int(last) + 1]
    fields = f"Content-Range: bytes {int(first)}-{int(last)}/{len(DATA)}\r\n"
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"HTTP/1.1 206 Partial Content\r\n{fields}{length}".encode() + body


@asynccontextmanager
async def connected(
    provider: Provider, folder: Path, limit: RateLimit = NO_LIMIT
) -> AsyncIterator[tuple[ChunkConnection, PartialFile]]:
    partial = PartialFile(folder, CONTENT, MANIFEST)
    async with serving(provider.serve) as address:
        connection = ChunkConnection(address, CONTENT, MANIFEST, limit)
        yield connection, partial
        connection.cancel()
    partial.close()


def nothing(*_: int) -> None:
    """For who does not want to know."""


NOTHING_HERE = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
WITH_TEXT = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}"
NOTHING_LEFT = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "connections"), [(NOTHING_LEFT, 1), (NOTHING_HERE, 1), (WITH_TEXT, 2)]
)
async def test_a_text_that_nobody_reads_is_never_taken_for_the_next_answer(
    answer: bytes, connections: int, tmp_path: Path
) -> None:
    provider = Provider(answer)
    async with connected(provider, tmp_path) as (connection, partial):

        def both() -> None:
            with pytest.raises(SourceFailure) as refused:
                connection.fetch_any(ALL, 2, partial, nothing, nothing)
            assert refused.value.failure is Failure.NOTHING_UNSENT
            connection.fetch(0, 1, partial, nothing)

        await asyncio.to_thread(both)
        assert partial.written == 1
    assert provider.connections == connections
    choice, ranged = provider.asked  # each in the exact form that is read
    assert isinstance(choice, ChoiceRequest)
    assert (choice.content, choice.most) == (CONTENT, 2)
    assert choice.body == bitfield.to_bytes(ALL, MANIFEST.chunk_count)
    assert isinstance(ranged, RangeRequest)
    assert (ranged.content, ranged.part) == (CONTENT, ByteRange(0, MIN_CHUNK_BYTES))


class Slow(RateLimit):
    """Lets a piece through at a time, after two short waits."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.is_on = True
        self.passed: list[tuple[str, int]] = []
        self.asked_for: set[str] = set()

    def piece_bytes(self, peer: str, most: int) -> int:
        self.asked_for.add(peer)
        return min(most, PIECE_BYTES)

    def waits(self, size_bytes: int, peer: str) -> Waits:
        self.passed.append((peer, size_bytes))
        yield WAIT_S
        yield WAIT_S


PIECE_BYTES = 100_000
WAIT_S = 0.001


async def test_each_chunk_is_told_and_each_byte_counted(tmp_path: Path) -> None:
    told: list[int] = []
    async with connected(Provider(b""), tmp_path) as (connection, partial):
        await asyncio.to_thread(connection.fetch, 0, 2, partial, told.append)
        await asyncio.to_thread(connection.fetch, 2, 2, partial, told.append)
        assert partial.is_whole
        assert (connection.bytes_received, connection.held_s) == (len(DATA), 0.0)
    assert told == [0, 1, 2, 3]


async def test_under_a_limit_each_byte_passes_it_and_the_waits_add_up(tmp_path: Path) -> None:
    slow = Slow()
    async with connected(Provider(b""), tmp_path, slow) as (connection, partial):
        await asyncio.to_thread(connection.fetch, 0, 4, partial, nothing)
        assert partial.is_whole
        assert connection.held_s == pytest.approx(2 * WAIT_S * len(slow.passed))
    assert sum(size_bytes for _, size_bytes in slow.passed) == len(DATA)
    assert all(peer == "evil" and size <= PIECE_BYTES for peer, size in slow.passed)
    assert slow.asked_for == {"evil"}


async def test_no_more_is_waited_for_than_will_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes of the next chunk are not taken with one; a wake for more than is left never comes."""
    receive, received, wakes = ProviderConnection.receive, list[int](), list[int]()
    async with connected(Provider(b""), tmp_path) as (connection, partial):

        def all_but_one(self: ProviderConnection, view: memoryview) -> int:
            came = connection.bytes_received
            assert len(view) <= min(MIN_CHUNK_BYTES - came % MIN_CHUNK_BYTES, len(DATA) - came)
            count = receive(self, view[: max(1, len(view) - 1)])
            received.append(came + count)
            return count

        def wake_at(self: ProviderConnection, count: int) -> None:
            assert 1 <= count <= max(1, len(DATA) - received[-1] if received else 1)
            wakes.append(count)

        monkeypatch.setattr(ProviderConnection, "receive", all_but_one)
        monkeypatch.setattr(ProviderConnection, "wake_at", wake_at)
        await asyncio.to_thread(connection.fetch, 0, 4, partial, nothing)
        assert partial.is_whole
    assert len(DATA) - 1 in received
    assert max(wakes) >= WAKE_BYTES


async def test_what_came_with_the_head_ends_the_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next wake is for more than a packet already."""
    said, receive, wake_at = list[str](), ProviderConnection.receive, ProviderConnection.wake_at

    def received(self: ProviderConnection, view: memoryview) -> int:
        said.append("receive")
        return receive(self, view)

    def woken(self: ProviderConnection, count: int) -> None:
        said.append("seldom" if count > 1 else "at once")
        wake_at(self, count)

    monkeypatch.setattr(ProviderConnection, "receive", received)
    monkeypatch.setattr(ProviderConnection, "wake_at", woken)
    async with connected(Provider(b""), tmp_path) as (connection, partial):
        await asyncio.to_thread(connection.fetch, 0, 1, partial, nothing)
    assert said[:3] == ["at once", "receive", "seldom"]


@pytest.mark.parametrize(
    ("size_bytes", "took_s", "wakes_at"),
    [
        (MIN_CHUNK_BYTES, 10.0, WAKE_BYTES),
        (MIN_CHUNK_BYTES, 0.1, MIN_CHUNK_BYTES // 2),
        (MIN_CHUNK_BYTES, 0.05, MIN_CHUNK_BYTES),
        (0, 0.0, WAKE_BYTES),  # all of it had come with the head
    ],
)
def test_a_quick_source_wakes_as_often_as_any(
    size_bytes: int, took_s: float, wakes_at: int
) -> None:
    assert quick_bytes(size_bytes, took_s) == wakes_at


async def test_who_is_to_be_known_by_name_is_asked_nothing_in_the_clear(tmp_path: Path) -> None:
    said: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.read(4))
        writer.write(NOTHING_HERE)
        await writer.drain()

    partial = PartialFile(tmp_path, CONTENT, MANIFEST)
    async with serving(plain) as address:
        calling = Calling(ssl.create_default_context(), pin=bytes(32))
        connection = ChunkConnection(address, CONTENT, MANIFEST, NO_LIMIT, calling)
        with pytest.raises(SourceFailure, match="it does not speak TLS as a member does"):
            await asyncio.to_thread(connection.fetch, 0, 1, partial, nothing)
    partial.close()
    assert said
    assert not any(word.startswith(b"GET") for word in said)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(), "connection refused"),
        (TimeoutError(), "no answer in time"),
        (OSError("no way"), "no way"),
        (ssl.SSLError(1, "odd"), "it does not speak TLS as a member does (odd)."),
        (EOFError(), "EOFError"),
    ],
)
def test_why_a_connection_failed_is_said_in_words(error: BaseException, words: str) -> None:
    assert words_of(error) == words


@pytest.mark.parametrize("status", [400, 403, 408, 421, 429, 431, 500])
async def test_a_refusal_is_no_lie(status: int, tmp_path: Path) -> None:
    class Refusing(Provider):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

    async with connected(Refusing(b""), tmp_path) as (connection, partial):
        for ask in (
            lambda: connection.fetch(0, 1, partial, nothing),
            lambda: connection.fetch_any(ALL, 2, partial, nothing, nothing),
        ):
            with pytest.raises(SourceFailure, match=f"answered {status}") as refused:
                await asyncio.to_thread(ask)
            assert refused.value.failure is Failure.BROKEN
