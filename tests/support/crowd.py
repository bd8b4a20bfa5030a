"""Many clients at once that send a little and no more."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.patience import PATIENCE_S


@asynccontextmanager
async def clients(port: int, count: int, data: bytes) -> AsyncIterator[list[socket.socket]]:
    """Many connections, each of which has sent something."""
    loop = asyncio.get_running_loop()
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            client = socket.socket()
            client.setblocking(False)
            made.append(client)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, data)
        for _ in range(20):
            await asyncio.sleep(0)
        yield made
    finally:
        for client in made:
            client.close()


def alive(made: list[socket.socket]) -> int:
    """How many are still open at the other end, whatever came before."""
    count = 0
    for client in made:
        try:
            while client.recv(1 << 20):
                pass
        except BlockingIOError:
            count += 1
        except ConnectionError:
            pass
    return count


async def all_end(made: list[socket.socket]) -> None:
    """Wait until the other end has ended each, whatever comes before."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S):
        for client in made:
            with suppress(ConnectionError):
                while await loop.sock_recv(client, 1 << 20):
                    pass


async def what_comes(client: socket.socket) -> bytes:
    """The next bytes, which may still be on their way."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.get_running_loop().sock_recv(client, 10_000)


async def settle() -> None:
    """Let the loop do what is ready."""
    for _ in range(50):
        await asyncio.sleep(0)


def needs_descriptors(count: int) -> None:
    """Skip the test where this process may not have so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        pytest.skip(f"this process may have {hard} descriptors only")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
