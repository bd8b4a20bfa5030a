"""What receivers have, as the kernel tells it of the connections that sent it."""

import asyncio
import socket
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import request_connection
from panal.peer.chunk_server import ChunkServer
from panal.peer.tcp_info import acknowledged_bytes
from panal.wire.certified_names import peer_host
from panal.wire.chunk_request import head, range_fields
from panal.wire.ids import PeerName
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.ranges import ByteRange
from tests.support.network import Network, until
from tests.support.raw_http import RawConnection

DATA = Random(8).randbytes(16 * MIN_CHUNK_BYTES)
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells it")


def test_nothing_is_told_of_what_is_no_tcp_connection() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert acknowledged_bytes(one) is None
    assert acknowledged_bytes(one) is None  # closed
    with socket.socket() as unused:
        assert acknowledged_bytes(unused) == 0


@pytest.mark.parametrize("chunks", [1, 16])
@pytest.mark.parametrize("way", ["by the loop", "by a thread", "over TLS"])
async def test_what_was_received_counts_and_never_less_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, chunks: int
) -> None:
    servers: list[ChunkServer] = []
    made = ChunkServer.__init__

    def make(server: ChunkServer, *given: object) -> None:
        made(server, *given)  # type: ignore[arg-type]
        servers.append(server)

    monkeypatch.setattr(ChunkServer, "__init__", make)
    if way == "by a thread":
        monkeypatch.setattr(request_connection, "is_cached", lambda *_: False)
    async with Network(tmp_path, has_members=way == "over TLS") as network:
        peer = await network.peer("one", shares_folder=False)
        content = (await peer.upload("data.bin", DATA))["id"]
        counted = servers[0]._acknowledged_bytes
        part = ByteRange(0, chunks * MIN_CHUNK_BYTES)
        asking = head("GET", f"/content/{content}", "127.0.0.1", range_fields(part))
        secure: dict[str, Any] = {}
        if way == "over TLS":
            other = await network.peer("two", shares_folder=False)
            assert network.join_line is not None
            name = peer_host(PeerName("one"), network.join_line.pin)
            secure = {"ssl": other.app.calling.context, "server_hostname": name}
        before = counted()
        # As records of TLS have it; besides there are heads and a handshake.
        least, most = part.length, part.length + 16_384 + part.length // 50
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.app.port, **secure)
        wire = RawConnection(reader, writer)
        await wire.send(asking)
        assert (await wire.head()).status == 206
        told = [counted() - before]
        for _ in range(chunks):
            await reader.readexactly(MIN_CHUNK_BYTES)
            told.append(counted() - before)
        await until(lambda: counted() - before >= least, "all of it is acknowledged")
        writer.transport.abort()
        await until(lambda: not servers[0].connections, "the connection is gone")
        told.append(counted() - before)
        assert told == sorted(told)
        assert told[0] >= 0
        assert least <= told[-1] <= most
