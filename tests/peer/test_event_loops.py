"""What a peer needs of its event loop, on both that it may have."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from panal.cli.programs import peer_loop
from panal.peer.config import PeerSettings
from panal.peer.visitors import unsent_bytes
from panal.wire.join_line import JoinLine

LOOPS = pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, uvloop.new_event_loop])
LoopOf = Callable[[], asyncio.AbstractEventLoop]
MANY_BYTES = 16 * 1024 * 1024


class Lost(asyncio.Protocol):
    """Notes that its connection is lost."""

    def __init__(self) -> None:
        self.is_lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()


def run(
    loop_of: LoopOf, check: Callable[[asyncio.Transport, socket.socket], Awaitable[None]]
) -> None:
    """With a connection of that loop, and its other end."""

    async def connected() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            transport, _ = await loop.create_connection(
                asyncio.Protocol, *listening.getsockname()[:2]
            )
            client, _ = listening.accept()
        with client:
            client.setblocking(False)
            try:
                await check(transport, client)
            finally:
                transport.abort()

    with asyncio.Runner(loop_factory=loop_of) as runner:
        runner.run(connected())


@LOOPS
def test_what_a_receiver_in_plain_has_not_taken_is_seen(loop_of: LoopOf) -> None:
    async def check(transport: asyncio.Transport, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        transport.write(bytes(MANY_BYTES))
        transport.write(b"more")
        left_bytes = unsent_bytes(transport)
        assert 4 < left_bytes < MANY_BYTES
        taken_bytes = 0
        while taken_bytes < MANY_BYTES + 4:
            taken_bytes += len(await loop.sock_recv(client, 1 << 20))
        while unsent_bytes(transport):
            await asyncio.sleep(0)

    run(loop_of, check)


@LOOPS
def test_who_does_not_take_the_end_is_seen_and_cut_off(loop_of: LoopOf) -> None:
    async def check(transport: asyncio.Transport, client: socket.socket) -> None:
        protocol = Lost()
        transport.set_protocol(protocol)
        transport.write(bytes(MANY_BYTES))
        transport.close()
        left_bytes = unsent_bytes(transport)
        await asyncio.sleep(0)
        assert transport.is_closing()
        assert unsent_bytes(transport) == left_bytes > 0
        assert not protocol.is_lost.is_set()
        transport.abort()
        await protocol.is_lost.wait()

    run(loop_of, check)


@LOOPS
def test_what_a_descriptor_of_our_own_sends_comes_behind_what_was_written(loop_of: LoopOf) -> None:
    async def check(transport: asyncio.Transport, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        transport.write(b"head")
        assert transport.get_write_buffer_size() == 0  # else it would have to wait for that
        with transport.get_extra_info("socket").dup() as own:
            assert not own.get_inheritable()
            own.send(b"body")
        said = b""
        while len(said) < len(b"headbody"):
            said += await loop.sock_recv(client, 100)
        assert said == b"headbody"
        transport.write(b".")  # the connection is still there
        assert await loop.sock_recv(client, 100) == b"."

    run(loop_of, check)


def test_only_who_is_in_no_network_has_the_faster_loop(tmp_path: Path) -> None:
    alone = PeerSettings("a", 0, tmp_path)
    assert peer_loop(alone) is uvloop.new_event_loop
    joining = PeerSettings("a", 0, tmp_path, join=JoinLine(bytes(32), ("t:1",), bytes(16), 0))
    assert peer_loop(joining) is asyncio.new_event_loop
    alone.network.mkdir(parents=True)
    (alone.network / "member.json").write_text(json.dumps({}))
    assert peer_loop(alone) is asyncio.new_event_loop
