"""What one provider may answer, and what becomes of it: nothing wrong counts, nothing hangs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from panal.clock import SystemClock
from panal.errors import IntegrityError, Unreachable
from panal.peer.calling import PLAIN
from panal.peer.http_source import HttpSource, fetch_manifest
from panal.peer.rate_limit import RateLimit
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import CorruptChunk, SourceFailure
from panal.swarm.messages import Failure
from panal.wire.catalogue import Provider
from panal.wire.have import GREETING
from panal.wire.ids import PeerName
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.scripted_peer import manifest_of_bytes

pytestmark = pytest.mark.p7

DATA = Random(5).randbytes(3 * MIN_CHUNK_BYTES + 7)
MANIFEST, CONTENT = manifest_of_bytes(DATA)
NO_LIMIT = RateLimit(SystemClock())
FIRST = DATA[:MIN_CHUNK_BYTES]
RANGE = f"Content-Range: bytes 0-{MIN_CHUNK_BYTES - 1}/{len(DATA)}\r\n".encode()
LENGTH = f"Content-Length: {MIN_CHUNK_BYTES}\r\n".encode()
GOOD = b"HTTP/1.1 206 Partial Content\r\n" + RANGE + LENGTH + b"\r\n" + FIRST

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Provider]:
    """A raw server that answers every connection with `serve`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield Provider(PeerName("evil"), "127.0.0.1", port, complete=True)
    finally:
        server.close()


def saying(answer: bytes) -> Serve:
    """Answers the first request with these bytes and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return serve


async def fetch_first(provider: Provider, folder: Path) -> tuple[BaseException | None, PartialFile]:
    """Fetch the first chunk; what was raised, and the partial file."""
    partial = PartialFile(folder, CONTENT, MANIFEST)
    source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)
    try:
        await asyncio.to_thread(source.fetch, 0, 1, partial, lambda index: None)
    except (SourceFailure, CorruptChunk) as error:
        return error, partial
    finally:
        source.cancel()
    return None, partial


async def test_the_right_answer_is_taken(tmp_path: Path) -> None:
    async with serving(saying(GOOD)) as provider:
        error, partial = await fetch_first(provider, tmp_path)
    assert (error, partial.written) == (None, 1)
    partial.close()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", Failure.BROKEN),
        (b"HTTP/1.1 206 Partial", Failure.BROKEN),
        (GOOD[:-1], Failure.BROKEN),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", Failure.MISBEHAVED),
        (b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + FIRST, Failure.MISBEHAVED),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", Failure.MISBEHAVED),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Failure.NOT_HERE_YET),
        (b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", Failure.NOT_HERE_YET),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Failure.BROKEN),
        (GOOD.replace(b"bytes 0-", b"bytes 1-"), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, b"Content-Length: 5\r\n"), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, b"Content-Length: -5\r\n"), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, b""), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, LENGTH + LENGTH), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, b"Transfer-Encoding: chunked\r\n"), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, LENGTH + b"Content-Encoding: gzip\r\n"), Failure.MISBEHAVED),
        (b"HTTP/1.1 206 x\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", Failure.MISBEHAVED),
    ],
)
async def test_every_other_answer_is_a_failure_and_counts_nothing(
    tmp_path: Path, answer: bytes, failure: Failure
) -> None:
    async with serving(saying(answer)) as provider:
        error, partial = await fetch_first(provider, tmp_path)
    assert isinstance(error, SourceFailure)
    assert (error.failure, partial.written) == (failure, 0)
    assert says_why(error)
    partial.begin_chunk(0).abandon()  # its writer was given back
    partial.close()


def says_why(error: SourceFailure) -> bool:
    """Whether the words are some; which, is nobody's promise."""
    return bool(str(error)) and "None" not in str(error)


async def test_wrong_bytes_are_a_corrupt_chunk(tmp_path: Path) -> None:
    async with serving(saying(GOOD[:-1] + bytes([GOOD[-1] ^ 1]))) as provider:
        error, partial = await fetch_first(provider, tmp_path)
    assert isinstance(error, CorruptChunk)
    assert (error.index, partial.written) == (0, 0)
    partial.close()


async def test_nobody_there(tmp_path: Path) -> None:
    async with serving(saying(b"")) as provider:
        pass
    error, partial = await fetch_first(provider, tmp_path)
    assert isinstance(error, SourceFailure)
    assert (error.failure, str(error)) == (Failure.BROKEN, "connection refused")
    partial.close()


async def test_cancelling_ends_a_fetch_that_waits_for_ever(tmp_path: Path) -> None:
    asked = threading.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    partial = PartialFile(tmp_path, CONTENT, MANIFEST)
    async with serving(never) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)
        running = asyncio.create_task(
            asyncio.to_thread(source.fetch, 0, 1, partial, lambda index: None)
        )
        await asyncio.to_thread(asked.wait)
        source.cancel()
        with pytest.raises(SourceFailure) as caught:
            await running
    assert caught.value.failure is Failure.CANCELLED
    partial.close()


async def test_a_kept_connection_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    async def one_answer_a_connection(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        start = int(request.partition(b"bytes=")[2].partition(b"-")[0])
        body = DATA[start : start + MIN_CHUNK_BYTES]
        writer.write(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes "
            + f"{start}-{start + len(body) - 1}/{len(DATA)}\r\n".encode()
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()

    partial = PartialFile(tmp_path, CONTENT, MANIFEST)
    async with serving(one_answer_a_connection) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)
        for index in range(MANIFEST.chunk_count):
            await asyncio.to_thread(source.fetch, index, 1, partial, lambda index: None)
        source.cancel()
    assert partial.is_whole
    partial.close()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Failure.BROKEN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot bits!", Failure.MISBEHAVED),
        (b"HTTP/1.1 200 OK\r\n\r\n" + GREETING + b"\xff\xff\xff\xff", Failure.MISBEHAVED),
        (b"HTTP/1.1 200 OK\r\n\r\n" + GREETING + b"\x01\0\0\0\xff", Failure.MISBEHAVED),
        (b"HTTP/1.1 301 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", Failure.BROKEN),
    ],
)
async def test_a_wrong_list_of_chunks(answer: bytes, failure: Failure) -> None:
    told: list[tuple[int, bool]] = []
    async with serving(saying(answer)) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)
        with pytest.raises(SourceFailure) as caught:
            await source.follow(lambda bits, opening: told.append((bits, opening)))
    assert (caught.value.failure, told) == (failure, [])


async def test_a_manifest_without_end_is_cut_off() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(1024 * 1024))
            await writer.drain()

    async with serving(endless) as provider:
        with pytest.raises(IntegrityError, match="without end"):
            await fetch_manifest(PLAIN, provider, CONTENT)


async def test_a_redirect_to_the_manifest_is_not_followed() -> None:
    called: list[bytes] = []

    async def canary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(await reader.read(1))

    async with serving(canary) as inside:
        location = f"Location: http://127.0.0.1:{inside.port}/\r\n".encode()
        answer = b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n"
        async with serving(saying(answer)) as provider:
            with pytest.raises(Unreachable):
                await fetch_manifest(PLAIN, provider, CONTENT)
    assert called == []


@pytest.mark.parametrize(
    ("status", "words"),
    [(b"404 No", "no longer shares it"), (b"410 Gone", "has another file there now")],
)
async def test_a_source_that_lost_the_file_says_so_in_words(status: bytes, words: str) -> None:
    answer = b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status
    async with serving(saying(answer)) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)
        with pytest.raises(SourceFailure, match=words):
            await source.follow(lambda bits, opening: None)
