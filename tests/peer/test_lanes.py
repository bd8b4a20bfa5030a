"""Receivers take turns, one that goes leaves its place, and what waits holds no file."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from panal.errors import NotHereYet
from panal.peer import app, lanes
from panal.peer.contents import Contents, OpenContent
from panal.peer.lanes import BEHIND_AT_ONCE, OTHERS_AT_ONCE, PEERS_AT_ONCE, Lane, Lanes
from panal.store.shared_files import SharedFile
from panal.wire.bundle import encode_request
from panal.wire.chunk_request import head, range_fields
from panal.wire.ids import ContentId, parse_content_id
from panal.wire.ranges import ByteRange
from tests.support.network import Network, until
from tests.support.raw_http import connection, request

pytestmark = pytest.mark.p10

LARGE_BYTES = 64 * 1024 * 1024
"""More than any socket holds."""


class Receiver:
    """One that waits for its turn and holds it until it is let go."""

    def __init__(self, lane: Lane, host: str = "10.0.0.1") -> None:
        self.host = host
        self.is_served = False
        self.let_go = asyncio.Event()
        self.task = asyncio.create_task(self._take(lane))

    async def _take(self, lane: Lane) -> None:
        async with lane.turn(self.host):
            self.is_served = True
            await self.let_go.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_come_in_order_and_as_many_at_once_as_there_are_slots() -> None:
    lane = Lane(2)
    receivers = [Receiver(lane) for _ in range(5)]
    await settle()
    assert [r.is_served for r in receivers] == [True, True, False, False, False]
    receivers[1].let_go.set()
    await settle()
    assert [r.is_served for r in receivers] == [True, True, True, False, False]
    for receiver in receivers:
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in receivers))


async def test_who_goes_away_leaves_its_place_waiting_or_served_or_just_called() -> None:
    lane = Lane(1)
    served, waiting, called, last = (Receiver(lane) for _ in range(4))
    await settle()
    waiting.task.cancel()
    await settle()
    served.let_go.set()
    await asyncio.sleep(0)  # its turn ends in this step, which calls the next
    await asyncio.sleep(0)
    called.task.cancel()
    await settle()
    assert last.is_served
    last.let_go.set()
    await last.task


async def test_who_is_called_and_cancelled_in_one_moment_is_cancelled_and_no_more() -> None:
    lane = Lane(1)
    served, waiting, last = (Receiver(lane) for _ in range(3))
    await settle()
    served.task.cancel()
    waiting.task.cancel()
    done = await asyncio.gather(served.task, waiting.task, return_exceptions=True)
    assert [type(error) for error in done] == [asyncio.CancelledError] * 2
    await settle()
    assert last.is_served
    last.let_go.set()
    await last.task


async def test_too_many_that_wait_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 2)
    lane = Lane(1)
    receivers = [Receiver(lane) for _ in range(3)]
    await settle()
    with pytest.raises(NotHereYet):
        await Receiver(lane).task
    for receiver in receivers:
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in receivers))


async def test_one_address_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 4)
    lane = Lane(8)
    greedy = [Receiver(lane) for _ in range(8 + 4)]
    await settle()
    assert sum(receiver.is_served for receiver in greedy) == 8
    other = Receiver(lane, "10.0.0.2")
    await settle()
    assert other.is_served
    with pytest.raises(NotHereYet):  # the last in the full room had to go for the newcomer
        await greedy[-1].task
    for receiver in (*greedy, other):
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in (*greedy[:-1], other)))


async def test_all_addresses_of_a_v6_network_are_one() -> None:
    lane = Lane(4)
    greedy = [Receiver(lane, f"2a00::{n:x}") for n in range(1, 9)]
    other = Receiver(lane, "2a00:0:0:1::1")
    await settle()
    assert [sum(receiver.is_served for receiver in greedy), other.is_served] == [4, True]
    for receiver in (*greedy, other):
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in (*greedy, other)))


def held_open(path: Path) -> int:
    """How many descriptors of this process lie on a file."""
    return [Path(f"/proc/self/fd/{fd}").resolve() for fd in os.listdir("/proc/self/fd")].count(path)


@pytest.mark.parametrize("kind", ["by id", "by path", "of its choice"])
async def test_who_waits_holds_no_file_and_gets_what_is_there_when_its_turn_comes(
    network: Network, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(lanes, "PEERS_AT_ONCE", 1)
    monkeypatch.setattr(lanes, "OTHERS_AT_ONCE", 1)
    peer = await network.peer("one", shares_folder=False)
    large = (await peer.upload("large", bytes(LARGE_BYTES)))["id"]
    small = (await peer.upload("small", b"small"))["id"]
    asking = {
        "by id": request("GET", f"/content/{small}", "Panal-Protocol: 1"),
        "by path": request("GET", "/files/small", "Panal-Protocol: 1"),
        "of its choice": request("POST", f"/content/{small}/next", body=b"\1"),
    }[kind]
    path = peer.folder / "small"
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(connection(peer.app.port))
        await slow.send(request("GET", f"/content/{large}", "Panal-Protocol: 1"))
        assert (await slow.head()).status == 200
        waiting = [await stack.enter_async_context(connection(peer.app.port)) for _ in range(3)]
        opens = 0
        open_path = Contents.open_path

        def counted(self: Contents, shared: SharedFile) -> OpenContent:
            nonlocal opens
            opens += 1
            return open_path(self, shared)

        monkeypatch.setattr(Contents, "open_path", counted)
        for wire in waiting:
            await wire.send(asking)
        await until(lambda: opens == 3, "all were looked at")
        assert held_open(path) == 0
        path.write_bytes(b"other")
        slow.writer.close()
        for wire in waiting:
            # The first finds it changed, and then it is withdrawn.
            assert (await wire.answer()).status in {404, 410}


@pytest.mark.parametrize("kind", ["by id", "by path", "of its choice", "bundle"])
async def test_slow_receivers_at_one_address_keep_nobody_else_waiting(
    network: Network, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(lanes, "PEERS_AT_ONCE", 4)
    peer = await network.peer("one", shares_folder=False)
    large = (await peer.upload("large", bytes(LARGE_BYTES)))["id"]
    small = (await peer.upload("small", b"small"))["id"]
    ids = encode_request([parse_content_id(small)])
    asking = {
        "by id": request("GET", f"/content/{small}", "Panal-Protocol: 1"),
        "by path": request("GET", "/files/small", "Panal-Protocol: 1"),
        "of its choice": request("POST", f"/content/{small}/next", body=b"\1"),
        "bundle": request("POST", "/api/v1/bundle", "Panal-Protocol: 1", body=ids),
    }[kind]
    async with AsyncExitStack() as stack:
        for _ in range(4):
            slow = await stack.enter_async_context(connection(peer.app.port))
            await slow.send(request("GET", f"/content/{large}", "Panal-Protocol: 1"))
            assert (await slow.head()).status == 200
        other = await stack.enter_async_context(connection(peer.app.port, source="127.0.0.2"))
        await other.send(asking)
        assert b"small" in (await other.answer()).body


async def test_others_have_a_lane_of_their_own() -> None:
    lanes = Lanes()
    peers = [Receiver(lanes.of(is_peer=True)) for _ in range(PEERS_AT_ONCE + 3)]
    browser = Receiver(lanes.of(is_peer=False))
    others = [Receiver(lanes.of(is_peer=False)) for _ in range(OTHERS_AT_ONCE)]
    await settle()
    assert sum(peer.is_served for peer in peers) == PEERS_AT_ONCE
    assert browser.is_served
    assert sum(other.is_served for other in others) == OTHERS_AT_ONCE - 1
    for receiver in (*peers, browser, *others):
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in (*peers, browser, *others)))


async def test_chunks_of_a_content_that_falls_behind_go_to_few_at_a_time() -> None:
    lanes = Lanes()
    behind, other = ContentId(bytes(32)), ContentId(bytes([1] * 32))
    lanes.serve_few(behind, is_so=True)
    lanes.serve_few(behind, is_so=True)
    few = [Receiver(lanes.of_chunks(behind), f"10.0.0.{n}") for n in range(6)]
    many = [Receiver(lanes.of_chunks(other), f"10.0.0.{n}") for n in range(6)]
    await settle()
    assert [r.is_served for r in few] == [True] * BEHIND_AT_ONCE + [False] * (6 - BEHIND_AT_ONCE)
    assert all(r.is_served for r in many)
    lanes.serve_few(behind, is_so=False)
    lanes.serve_few(behind, is_so=False)
    await settle()
    assert all(r.is_served for r in few)
    assert lanes.of_chunks(behind) is lanes.of(is_peer=True)
    for receiver in (*few, *many):
        receiver.let_go.set()
    await asyncio.gather(*(r.task for r in (*few, *many)))


async def test_requests_for_chunks_wait_in_the_lane_of_their_content(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Lanes] = []

    def make() -> Lanes:
        made.append(Lanes())
        return made[-1]

    monkeypatch.setattr(app, "Lanes", make)
    monkeypatch.setattr(lanes, "BEHIND_AT_ONCE", 1)
    peer = await network.peer("one", shares_folder=False)
    large = (await peer.upload("large", bytes(LARGE_BYTES)))["id"]
    small = (await peer.upload("small", b"small"))["id"]
    content = parse_content_id(large)
    made[0].serve_few(content, is_so=True)

    def asking(content: str, length: int) -> bytes:
        return head("GET", f"/content/{content}", "127.0.0.1", range_fields(ByteRange(0, length)))

    async with (
        connection(peer.app.port) as first,
        connection(peer.app.port) as second,
        connection(peer.app.port) as third,
    ):
        await first.send(asking(large, LARGE_BYTES))
        assert (await first.head()).status == 206
        await second.send(asking(large, 10))
        waiting = made[0].of_chunks(content)
        await until(lambda: waiting.waiting == 1, "the second waits")
        await third.send(asking(small, 5))
        assert (await third.answer()).body == b"small"
        made[0].serve_few(content, is_so=False)
        assert (await second.answer()).body == bytes(10)
