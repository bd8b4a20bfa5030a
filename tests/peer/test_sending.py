"""Sending: few threads serve many receivers, none of whom can hold one."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from panal.clock import SystemClock
from panal.errors import ContentChanged
from panal.peer import sending
from panal.peer.contents import OpenContent
from panal.peer.outgoing import COPIED_BYTES
from panal.peer.rate_limit import RateLimit
from panal.peer.sending import SENDING_THREADS, Sender
from panal.store.fingerprints import Fingerprint
from panal.wire.ranges import ByteRange
from tests.support.loop_clock import LoopClock
from tests.support.patience import PATIENCE_S

ENDLESS = 1 << 40
SMALL = ByteRange(0, 1_000)


@asynccontextmanager
async def pipe() -> AsyncIterator[tuple[asyncio.Transport, asyncio.StreamReader]]:
    """A connection: where to send, and where to read."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(
        lambda _, writer: accepted.set_result(writer), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    other = await accepted
    try:
        yield other.transport, reader  # type: ignore[misc]
    finally:
        writer.transport.abort()
        other.transport.abort()
        server.close()


@asynccontextmanager
async def sparse(place: Path, size: int) -> AsyncIterator[OpenContent]:
    """An open file of zeros that takes no space."""
    file = place / "sparse"
    with file.open("wb") as made:
        made.truncate(size)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        yield OpenContent(descriptor, size, 0, None, Fingerprint.of(os.fstat(descriptor)))
    finally:
        os.close(descriptor)


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    made = Sender(RateLimit(SystemClock()))
    yield made
    made.close()


async def begin(
    stack: AsyncExitStack, sender: Sender, opened: OpenContent
) -> tuple[asyncio.Task[None], asyncio.StreamReader]:
    """An endless sending that has begun to arrive."""
    transport, reader = await stack.enter_async_context(pipe())
    task = asyncio.create_task(sender.send(transport, opened, ByteRange(0, ENDLESS)))
    assert await reader.readexactly(1)
    return task, reader


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def send_small(sender: Sender, opened: OpenContent) -> None:
    async with pipe() as (transport, reader), asyncio.timeout(PATIENCE_S):
        await sender.send(transport, opened, SMALL)
        assert await reader.readexactly(SMALL.length) == bytes(SMALL.length)


async def test_receivers_that_read_nothing_hold_no_thread(tmp_path: Path, sender: Sender) -> None:
    async with AsyncExitStack() as stack, sparse(tmp_path, ENDLESS) as opened:
        stopped = [await begin(stack, sender, opened) for _ in range(2 * SENDING_THREADS)]
        await send_small(sender, opened)
        assert not any(task.done() for task, _ in stopped)
        await end([task for task, _ in stopped])


async def test_receivers_that_keep_up_hold_no_thread(tmp_path: Path, sender: Sender) -> None:
    """Else as many of them as there are threads shut out all others until they are done."""

    async def read_on(reader: asyncio.StreamReader, has_much: asyncio.Event) -> None:
        left = 8 << 20
        while data := await reader.read(1 << 20):
            left -= len(data)
            if left < 0:
                has_much.set()

    async with AsyncExitStack() as stack, sparse(tmp_path, ENDLESS) as opened:
        greedy = [await begin(stack, sender, opened) for _ in range(SENDING_THREADS + 2)]
        much = [asyncio.Event() for _ in greedy]
        readers = [
            asyncio.create_task(read_on(reader, has_much))
            for (_, reader), has_much in zip(greedy, much, strict=True)
        ]
        async with asyncio.timeout(PATIENCE_S):
            for has_much in much:
                await has_much.wait()
        await send_small(sender, opened)
        assert not any(task.done() for task, _ in greedy)
        await end([task for task, _ in greedy])
        await end(readers)


async def test_a_cancelled_sending_keeps_its_descriptors_until_the_thread_is_done(
    tmp_path: Path, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the system gives their numbers to others while the thread still writes to them."""
    loop = asyncio.get_running_loop()
    entered, release = asyncio.Event(), threading.Event()
    used: list[int] = []
    sendfile = os.sendfile

    def held(out: int, source: int, offset: int, count: int) -> int:
        used.append(out)
        loop.call_soon_threadsafe(entered.set)
        assert release.wait(10.0)
        return sendfile(out, source, offset, count)

    async with pipe() as (transport, _), sparse(tmp_path, ENDLESS) as opened:
        monkeypatch.setattr(os, "sendfile", held)
        whole = ByteRange(0, 8 << 20)
        task = asyncio.create_task(sender.send(transport, opened, whole, is_verified=True))
        await entered.wait()
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        os.fstat(used[0])
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(OSError):
            os.fstat(used[0])


async def test_a_receiver_that_takes_nothing_for_long_is_left(
    tmp_path: Path, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SLOW_S", 0.05)
    async with pipe() as (transport, _), sparse(tmp_path, ENDLESS) as opened:
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                await sender.send(transport, opened, ByteRange(0, ENDLESS))


@pytest.mark.parametrize(("taken_bytes", "is_left"), [(5_000, True), (6_000, False)])
async def test_a_receiver_that_takes_too_little_for_long_is_left(
    monkeypatch: pytest.MonkeyPatch, taken_bytes: int, is_left: bool
) -> None:
    """Every five seconds it takes something."""
    clock = LoopClock()

    async def wait(_: int) -> None:
        await clock.run_for(5)

    monkeypatch.setattr(sending, "_until_writable", wait)
    patience = sending._ReceiverPatience()
    was_left = False
    for turn in range(1, 30):
        await clock.run_for(100)  # our own limits' time, not the receiver's
        try:
            await patience.until_writable(0, turn * taken_bytes)
        except ConnectionResetError:
            was_left = True
            break
    assert was_left is is_left


async def test_a_receiver_that_goes_is_noticed(tmp_path: Path, sender: Sender) -> None:
    async with AsyncExitStack() as stack, sparse(tmp_path, ENDLESS) as opened:
        transport, reader = await stack.enter_async_context(pipe())
        task = asyncio.create_task(sender.send(transport, opened, ByteRange(0, ENDLESS)))
        assert await reader.readexactly(1)
        reader._transport.abort()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                await task
        with pytest.raises(ConnectionError):
            await sender.send(transport, opened, SMALL)


async def test_bytes_written_before_stay_before(tmp_path: Path, sender: Sender) -> None:
    async with pipe() as (transport, reader), sparse(tmp_path, ENDLESS) as opened:
        head = bytes(range(1, 256)) * 40_000  # more than the system takes at once
        transport.write(head)
        assert transport.get_write_buffer_size() > 0
        task = asyncio.create_task(sender.send(transport, opened, SMALL))
        assert await reader.readexactly(len(head)) == head
        assert await reader.readexactly(SMALL.length) == bytes(SMALL.length)
        await task


async def test_an_edit_reaches_nothing_that_waits_to_be_read(
    tmp_path: Path, sender: Sender
) -> None:
    """What sendfile hands over are the file's own pages, in the receiver's socket too."""
    size_bytes = 100_000  # fits the sockets' buffers: the sending ends before anything is read
    async with pipe() as (transport, reader), sparse(tmp_path, size_bytes) as opened:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await sender.send(transport, opened, ByteRange(0, size_bytes))
        with (tmp_path / "sparse").open("r+b") as file:
            file.write(b"x" * size_bytes)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert await reader.readexactly(size_bytes) == bytes(size_bytes)


async def test_an_edit_while_a_block_is_copied_sends_none_of_it(
    tmp_path: Path, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    preadv = os.preadv

    def edited_first(descriptor: int, buffers: Any, offset: int) -> int:
        if offset:
            with (tmp_path / "sparse").open("r+b") as file:
                file.write(b"x" * size_bytes)
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", edited_first)
    size_bytes = 2 * COPIED_BYTES
    async with pipe() as (transport, reader), sparse(tmp_path, size_bytes) as opened:
        coming = asyncio.create_task(reader.read())
        with pytest.raises(ContentChanged):
            await sender.send(transport, opened, ByteRange(0, size_bytes))
        transport.close()
        assert await coming == bytes(COPIED_BYTES)


@pytest.mark.parametrize("is_verified", [False, True])
@pytest.mark.parametrize("change", ["edited", "cut", "cut unnoticed"])
async def test_a_changed_file_is_not_finished(
    tmp_path: Path, sender: Sender, change: str, is_verified: bool
) -> None:
    async with pipe() as (transport, _), sparse(tmp_path, 2_000) as opened:
        if change == "edited":
            (tmp_path / "sparse").write_bytes(b"x" * 2_000)
        else:
            os.truncate(tmp_path / "sparse", 500)
        if change == "cut unnoticed":
            opened.expected = None
        with pytest.raises(ContentChanged):
            await sender.send(transport, opened, SMALL, is_verified=is_verified)
