"""Slow and greedy clients over real sockets, the loop's time moved on by hand."""

import asyncio
import os
import resource
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from panal.peer import app, doors
from panal.peer.connections import Connections
from panal.peer.http_connection import http_connections
from panal.peer.limits import (
    CONNECTIONS,
    DESCRIPTORS_PART,
    HEAD_BYTES,
    HEAD_S,
    IDLE_S,
    SESSION_BYTES,
    SLOW_S,
)
from tests.support.crowd import alive, all_end, clients, needs_descriptors, settle, what_comes
from tests.support.loop_clock import LoopClock
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S
from tests.support.raw_http import RawConnection, connection, request

MANY = 1_000
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
BODY_BEGUN = request("PUT", "/upload/slow.bin", "Content-Length: 1000000") + b"x"
BIG = os.urandom(8 << 20)


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one", shares_folder=False)


@pytest.mark.parametrize("data", [b"", b"G", HALF_A_HEAD], ids=["nothing", "a byte", "half a head"])
async def test_a_thousand_that_send_no_whole_head_are_ended(peer: RunningPeer, data: bytes) -> None:
    needs_descriptors(8 * MANY)
    clock = LoopClock()
    async with clients(peer.app.port, MANY, data) as made:
        assert alive(made) == MANY
        assert (await peer.request("GET", "/healthz")).status == 200
        await clock.run_for(HEAD_S + 1)
        await all_end(made)
    assert (await peer.request("GET", "/healthz")).status == 200


async def test_a_head_that_trickles_is_ended_all_the_same(peer: RunningPeer) -> None:
    clock = LoopClock()
    async with clients(peer.app.port, 1, HALF_A_HEAD) as made:
        for _ in range(int(HEAD_S)):
            made[0].send(b"x")
            await clock.run_for(1)
        await clock.run_for(2)
        await all_end(made)


async def test_idle_connections_are_ended_and_busy_ones_are_not(peer: RunningPeer) -> None:
    content = (await peer.upload("x.bin", b"x" * 300_000))["id"]
    clock = LoopClock()
    follow = request("GET", f"/content/{content}/have")
    async with (
        clients(peer.app.port, 5, request("GET", "/healthz")) as idle,
        clients(peer.app.port, 5, follow) as busy,
    ):
        await clock.run_for(IDLE_S - 2)
        assert (alive(idle), alive(busy)) == (5, 5)
        await clock.run_for(4)
        await all_end(idle)
        assert alive(busy) == 5
        await clock.run_for(100)
        assert alive(busy) == 5


async def test_slow_bodies_are_refused_in_words_and_leave_nothing(peer: RunningPeer) -> None:
    clock = LoopClock()
    uploads = peer.folder / ".panal" / "uploads"
    async with clients(peer.app.port, 100, BODY_BEGUN) as made:
        await clock.run_for(SLOW_S + 3)
        told = [await what_comes(client) for client in made]
        assert sum(answer.startswith(b"HTTP/1.1 408 ") for answer in told) == 100
        assert all(b"urn:panal:error:too-slow" in answer for answer in told)
        await clock.run_for(SLOW_S)
        await all_end(made)
    assert list(uploads.iterdir()) == []
    assert (await peer.request("PUT", "/upload/y.bin", data=b"y")).status == 201


async def test_a_form_that_trickles_is_refused_too(peer: RunningPeer) -> None:
    clock = LoopClock()
    begun = b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.bin"\r\n\r\nbegun'
    kind = "Content-Type: multipart/form-data; boundary=b"
    form = request("POST", "/upload", kind, "Content-Length: 1000000") + begun
    async with clients(peer.app.port, 1, form) as made:
        await clock.run_for(SLOW_S + 3)
        assert (await what_comes(made[0])).startswith(b"HTTP/1.1 408 ")
    assert list(peer.folder.glob("[!.]*")) == []


async def test_what_begins_a_session_is_small_and_comes_at_once(peer: RunningPeer) -> None:
    clock = LoopClock()
    kind = "Content-Type: application/json"
    begun = request("POST", "/session", kind, f"Content-Length: {SESSION_BYTES}") + b"{"
    async with clients(peer.app.port, 1, begun) as made:
        for _ in range(int(HEAD_S) + 1):
            with suppress(ConnectionError):
                made[0].send(b" " * 40)  # faster than the least rate
            await clock.run_for(1)
        assert (await what_comes(made[0])).startswith(b"HTTP/1.1 408 ")
    async with connection(peer.app.port) as wire:
        for size_bytes, status in ((SESSION_BYTES, 403), (SESSION_BYTES + 1, 413)):
            body = b'{"link": "x"}'.ljust(size_bytes)
            assert (await wire.ask("POST", "/session", kind, body=body)).status == status


async def test_a_long_upload_at_an_honest_rate_may_take_its_time(peer: RunningPeer) -> None:
    clock = LoopClock()
    async with connection(peer.app.port) as wire:
        await wire.send(request("PUT", "/upload/long.bin", "Content-Length: 400000"))
        for _ in range(200):
            await wire.send(b"x" * 2_000)
            await clock.run_for(1)
        assert (await wire.answer()).status == 201


async def test_slow_readers_of_a_file_are_ended(peer: RunningPeer) -> None:
    content = (await peer.upload("big.bin", BIG))["id"]
    clock = LoopClock()
    async with clients(peer.app.port, 10, request("GET", f"/content/{content}")) as made:
        for _ in range(2_000):
            await clock.run_for(1)
            for client in made:
                with suppress(BlockingIOError, ConnectionError):
                    client.recv(1)
            if not len(peer.app.connections):
                break  # their ends see that only when they have read what had been sent
            await asyncio.sleep(0.005)  # the threads that send have a clock of their own
        assert await all_ended_early(made)


async def all_ended_early(made: list[socket.socket]) -> bool:
    loop, received = asyncio.get_running_loop(), []
    async with asyncio.timeout(PATIENCE_S):
        for client in made:
            count = 0
            with suppress(ConnectionError):
                while block := await loop.sock_recv(client, 1 << 20):
                    count += len(block)
            received.append(count)
    return all(count < len(BIG) for count in received)


async def test_a_head_has_a_size_in_all(peer: RunningPeer) -> None:
    fields = [f"X-{number}: {'x' * 1_000}" for number in range(HEAD_BYTES // 1_000 + 2)]
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", "/healthz", *fields)[:-2])
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 431 ")
    async with connection(peer.app.port) as wire:  # and behind another request
        await wire.send(request("GET", "/healthz"))
        assert (await wire.answer()).status == 200
        await wire.send(request("GET", "/healthz", *fields)[:-2])
        assert (await wire.rest()).startswith(b"HTTP/1.1 431 ")


async def test_at_the_cap_whoever_asks_at_once_is_served(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of connections, four times as many as may be: honest work moves meanwhile."""
    for module in (app, doors):
        monkeypatch.setattr(module, "connections_at_most", lambda: 50)
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("big.bin", BIG))["id"]
    async with clients(peer.app.port, 200, HALF_A_HEAD) as made:
        await settle()
        assert alive(made) <= 50
        for _ in range(3):
            answer = await peer.request("GET", f"/content/{content}")
            assert (answer.status, answer.body == BIG) == (200, True)
        assert (await peer.request("PUT", "/upload/new.bin", data=b"new")).status == 201


def test_a_process_with_few_descriptors_takes_few_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for descriptors, most in (
        (64, 64 // DESCRIPTORS_PART),
        (1 << 20, CONNECTIONS),
        (-1, CONNECTIONS),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=descriptors: (soft, soft))
        assert doors.connections_at_most() == most


@pytest.mark.parametrize("takes_bytes", [0, 2_000])
async def test_who_does_not_take_the_end_of_a_last_answer_holds_no_place(takes_bytes: int) -> None:
    """The answer is done for its handler, the connection closing, and some of it waits here."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=bytes(200_000))

    held = Connections()
    loop = asyncio.get_running_loop()
    with socket.socket() as bound, socket.socket() as client:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        bound.bind(("127.0.0.1", 0))
        make = http_connections(web.Server(answer), held, enters=True)
        async with await loop.create_server(make, sock=bound):
            client.setblocking(False)
            await loop.sock_connect(client, bound.getsockname())
            await loop.sock_sendall(client, request("GET", "/", "Connection: close"))
            taken_bytes = 0
            while taken_bytes < 184_000:
                taken_bytes += len(await loop.sock_recv(client, 1_000))
            clock = LoopClock()
            for _ in range(2 * int(SLOW_S)):
                await clock.run_for(1)
                await settle()
                with suppress(BlockingIOError):
                    taken_bytes += len(client.recv(takes_bytes)) if takes_bytes else 0
            await until(lambda: len(held) == 0, "its place is free")
            # Whoever takes it at an honest rate gets all of it.
            assert (taken_bytes > 200_000) is bool(takes_bytes)


@asynccontextmanager
async def served(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[RawConnection]:
    """A connection to what answers so."""
    loop = asyncio.get_running_loop()
    make = http_connections(web.Server(answer), Connections(), enters=True)
    async with (
        await loop.create_server(make, "127.0.0.1", 0) as server,
        connection(server.sockets[0].getsockname()[1]) as wire,
    ):
        yield wire


async def test_what_is_no_request_is_held_once_while_an_answer_is_due() -> None:
    """aiohttp keeps an error for each block that comes behind it, with the block."""
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(_: web.BaseRequest) -> web.Response:
        is_asked.set()
        await may_answer.wait()
        return web.Response(text="due")

    garbage = b"\0no request\r\n\r\n" * 20_000
    async with served(answer) as wire:
        await wire.send(request("GET", "/"))
        await is_asked.wait()
        tracemalloc.start()
        try:
            async with asyncio.timeout(PATIENCE_S):  # where it is kept, reading ends at last
                for _ in range(50):
                    await wire.send(garbage)
                    await settle()
            held_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held_bytes < 1 << 20
        may_answer.set()
        assert (await wire.answer()).body == b"due"
        assert (await wire.answer()).status == 400
        assert await wire.rest() == b""


async def test_a_head_that_is_too_large_spoils_no_answer_that_is_due() -> None:
    may_answer = asyncio.Event()

    async def answer(asked: web.BaseRequest) -> web.StreamResponse:
        begun = web.StreamResponse()
        begun.content_length = 1_000
        await begun.prepare(asked)
        await begun.write(b"begun")
        await may_answer.wait()
        return begun

    async with served(answer) as wire:
        await wire.send(request("GET", "/"))
        assert (await wire.head()).status == 200
        fields = [f"X-{number}: {'x' * 1_000}" for number in range(HEAD_BYTES // 1_000 + 2)]
        await wire.send(request("GET", "/", *fields)[:-2])
        assert await wire.rest() == b"begun"
    may_answer.set()


async def test_few_requests_wait_behind_others() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with served(answer) as wire:
        wire.writer.write(request("GET", "/", f"X: {'x' * 8_000}") * 31)
        assert await wire.rest() == b""
        assert wire.reader.at_eof() or wire.reader.exception() is not None
