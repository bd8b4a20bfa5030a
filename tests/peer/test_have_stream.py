"""A provider that tells more than there is to tell."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from panal.errors import IntegrityError
from panal.peer.have_stream import follow
from panal.wire.catalogue import Provider
from panal.wire.have import HEARTBEAT, MAX_HEARTBEATS_AHEAD, index_frame, opening
from panal.wire.ids import PeerName
from tests.support.patience import PATIENCE_S


@asynccontextmanager
async def telling(frames: bytes) -> AsyncIterator[Provider]:
    """A provider of nine chunks that tells this and then no more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + opening(0, 9) + frames)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Provider(PeerName("one"), "127.0.0.1", port, complete=True)


async def followed(provider: Provider) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await follow(provider, "/content/x/have", 9, lambda *_: None)


async def test_heartbeats_without_a_pause_end_the_stream() -> None:
    async with telling(index_frame(HEARTBEAT) * MAX_HEARTBEATS_AHEAD) as provider:
        await followed(provider)
    async with telling(index_frame(HEARTBEAT) * 10 * MAX_HEARTBEATS_AHEAD) as provider:
        with pytest.raises(IntegrityError, match="without a pause"):
            await followed(provider)


async def test_the_same_chunks_again_and_again_end_the_stream() -> None:
    async with telling(b"".join(map(index_frame, range(9))) * 3) as provider:
        with pytest.raises(IntegrityError, match="again and again"):
            await followed(provider)
