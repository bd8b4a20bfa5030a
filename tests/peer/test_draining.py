"""A slot is held while an answer waits in its socket, and no longer than anybody wants it."""

import asyncio
import socket
from contextlib import AsyncExitStack
from random import Random

import pytest

from panal.peer import lanes
from panal.peer.draining import Draining
from panal.peer.lanes import Lane
from panal.peer.limits import SLOW_S
from panal.peer.request_connection import RequestConnection
from panal.wire import bitfield
from panal.wire.chunk_request import choice_fields, head, range_fields
from panal.wire.ranges import ByteRange
from tests.support.loop_clock import LoopClock
from tests.support.network import Network, RunningPeer, until
from tests.support.raw_http import connection

DATA = Random(9).randbytes(400_000)
PART = ByteRange(1_000, 251_000)
"""More than may be left, and less than is handed over at one go."""


@pytest.fixture(autouse=True)
def one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PEERS_AT_ONCE", 1)


async def sharing(network: Network) -> tuple[RunningPeer, bytes]:
    """A peer, and a request for the part."""
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", DATA))["id"]
    return peer, head("GET", f"/content/{content}", "127.0.0.1", range_fields(PART))


def used(peer: RunningPeer) -> tuple[int, int]:
    """Slots that are held, and how many wait for one."""
    facts = peer.app.lanes.facts()["peers"]
    return facts.used, facts.waiting


def client(stack: AsyncExitStack, peer: RunningPeer, question: bytes) -> socket.socket:
    """One that has asked, and takes nothing by itself."""
    one = stack.enter_context(socket.socket())
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", peer.app.port))
    one.sendall(question)
    one.setblocking(False)
    return one


async def taken(one: socket.socket, part: ByteRange) -> bytes:
    """The body of an answer that a client takes in the end."""
    answer = b""
    while len(answer.partition(b"\r\n\r\n")[2]) < part.length:
        answer += await asyncio.get_running_loop().sock_recv(one, 65_536)
    return answer.partition(b"\r\n\r\n")[2]


@pytest.fixture
def drainings(monkeypatch: pytest.MonkeyPatch) -> list[Draining]:
    """All that begin to drain."""
    begun: list[Draining] = []
    run = Draining.run

    async def noted(self: Draining, lane: Lane) -> None:
        begun.append(self)
        await run(self, lane)

    monkeypatch.setattr(Draining, "run", noted)
    return begun


async def test_who_has_taken_all_leaves_the_slot_to_who_comes(
    network: Network, drainings: list[Draining]
) -> None:
    peer, question = await sharing(network)
    async with connection(peer.app.port) as first, connection(peer.app.port) as second:
        for wire in (first, second, first, second):
            await wire.send(question)
            assert (await wire.answer()).body == DATA[PART.start : PART.stop]
    await until(lambda: used(peer) == (0, 0), "both have gone")
    assert len(drainings) == 4


async def test_what_waits_in_a_socket_holds_the_slot(
    network: Network, drainings: list[Draining]
) -> None:
    peer, question = await sharing(network)
    async with AsyncExitStack() as stack:
        slow = client(stack, peer, question)
        await until(lambda: len(drainings) == 1, "all of it is handed over")
        next_one = client(stack, peer, question)
        await until(lambda: used(peer) == (1, 1), "the next one waits")
        for _ in range(20):
            await asyncio.sleep(0)
        assert used(peer) == (1, 1)
        for one in (slow, next_one):
            assert await taken(one, PART) == DATA[PART.start : PART.stop]


async def test_who_comes_while_others_wait_has_the_slot_until_its_own_has_left(
    network: Network, drainings: list[Draining]
) -> None:
    peer, question = await sharing(network)
    async with AsyncExitStack() as stack:
        waiting = [client(stack, peer, question) for _ in range(3)]
        for number, one in enumerate(waiting, 1):
            await until(lambda n=number: len(drainings) == n, "one more is handed over")  # type: ignore[misc]
            assert used(peer) == (1, 3 - number)
            assert await taken(one, PART) == DATA[PART.start : PART.stop]


async def test_without_anybody_else_the_slot_is_free_a_moment_later(
    network: Network, drainings: list[Draining]
) -> None:
    peer, question = await sharing(network)
    clock = LoopClock()
    async with connection(peer.app.port) as wire:
        await wire.send(question)
        await wire.answer()
        await until(lambda: len(drainings) == 1, "all of it is handed over")
        await clock.run_for(2)
        assert used(peer) == (0, 0)
        await wire.send(question)
        assert (await wire.answer()).body == DATA[PART.start : PART.stop]


async def test_who_takes_nothing_is_cut_off_though_all_was_handed_over(
    network: Network, drainings: list[Draining]
) -> None:
    peer, question = await sharing(network)
    clock = LoopClock()
    async with AsyncExitStack() as stack:
        client(stack, peer, question)
        await until(lambda: len(drainings) == 1, "all of it is handed over")
        await clock.run_for(SLOW_S / 2)
        assert used(peer) == (1, 0)
        await clock.run_for(SLOW_S)
        await until(lambda: used(peer) == (0, 0), "its slot is free")


async def test_what_a_seed_chose_has_gone_out_though_its_receiver_leaves(
    network: Network, drainings: list[Draining]
) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", DATA))["id"]
    body = bitfield.to_bytes(0b01, 2)
    question = head("POST", f"/content/{content}/next?max=1", "127.0.0.1", choice_fields(body))
    async with connection(peer.app.port) as wire:
        await wire.send(question + body)
        assert (await wire.answer()).status == 200
        await until(lambda: len(drainings) == 1, "all of it is handed over")
    await until(lambda: used(peer) == (0, 0), "its receiver has left")
    async with connection(peer.app.port) as wire:
        await wire.send(question + body)
        assert (await wire.answer()).status == 204


async def test_a_peer_that_stops_does_not_wait_for_what_was_handed_over(
    network: Network, drainings: list[Draining], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[RequestConnection] = []
    begin = RequestConnection.connection_made

    def noted(self: RequestConnection, transport: asyncio.BaseTransport) -> None:
        made.append(self)
        begin(self, transport)

    monkeypatch.setattr(RequestConnection, "connection_made", noted)
    peer, question = await sharing(network)
    async with AsyncExitStack() as stack:
        client(stack, peer, question)
        await until(lambda: len(drainings) == 1, "all of it is handed over")
        made[-1].end_if_idle()
        await until(lambda: used(peer) == (0, 0), "its slot is free")
