"""Requests of those who are ahead, among those of others, over real connections."""

import asyncio
from random import Random

import pytest

from panal.peer.giving_way import MOST_WAIT_S, GivingWay
from panal.peer.precedence import LOOKED_S, Precedence
from panal.wire import bitfield
from panal.wire.chunk_request import choice_fields, head, range_fields
from panal.wire.ids import ContentId
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.ranges import ByteRange
from tests.support.loop_clock import LoopClock
from tests.support.network import Network, until
from tests.support.raw_http import RawAnswer, connection

CONTENT, OTHER = ContentId(bytes(32)), ContentId(bytes([1] * 32))
CHUNKS = 64
DATA = Random(8).randbytes(CHUNKS * MIN_CHUNK_BYTES)


class Full(GivingWay):
    """An uplink that is full until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = True
        self.looks = 0

    def look(self, now_s: float, acknowledged_bytes: int) -> None:
        self.looks += 1

    def may_wait(self, now_s: float, others: int) -> bool:
        self._is_full = self.is_full
        return super().may_wait(now_s, others)


@pytest.fixture
async def uplink(monkeypatch: pytest.MonkeyPatch) -> Full:
    uplink = Full()
    monkeypatch.setattr("panal.peer.precedence.GivingWay", lambda: uplink)
    return uplink


async def is_let_in(precedence: Precedence, clock: LoopClock, after_s: float = 0.0) -> bool:
    """Whether who is ahead need not wait longer than that."""
    asked = asyncio.create_task(precedence.give_way(CONTENT, lambda: None))
    await asyncio.sleep(0)
    await clock.run_for(after_s)
    is_done = asked.done()
    asked.cancel()
    return is_done


async def test_two_others_of_the_same_content_go_first(uplink: Full) -> None:
    clock, precedence = LoopClock(), Precedence(lambda: 0)
    with precedence.sending(CONTENT, "10.0.0.1", gives_way=False):
        assert await is_let_in(precedence, clock)
        with precedence.sending(OTHER, "10.0.0.2", gives_way=False):
            assert await is_let_in(precedence, clock)
            with precedence.sending(CONTENT, "10.0.0.2", gives_way=True):
                assert await is_let_in(precedence, clock)
                with precedence.sending(CONTENT, "10.0.0.3", gives_way=False):
                    assert not await is_let_in(precedence, clock)
                assert await is_let_in(precedence, clock)


async def test_who_has_many_connections_is_one(uplink: Full) -> None:
    clock, precedence = LoopClock(), Precedence(lambda: 0)
    with (
        precedence.sending(CONTENT, "10.0.0.1", gives_way=False),
        precedence.sending(CONTENT, "10.0.0.1", gives_way=False),
        precedence.sending(CONTENT, "2001:db8::1", gives_way=False),
    ):
        assert not await is_let_in(precedence, clock)
    with (
        precedence.sending(CONTENT, "2001:db8::1", gives_way=False),
        precedence.sending(CONTENT, "2001:db8::2", gives_way=False),
    ):
        assert await is_let_in(precedence, clock)
    assert not precedence._first


async def test_nobody_waits_for_ever(uplink: Full) -> None:
    clock, precedence = LoopClock(), Precedence(lambda: 0)
    with (
        precedence.sending(CONTENT, "10.0.0.1", gives_way=False),
        precedence.sending(CONTENT, "10.0.0.2", gives_way=False),
    ):
        assert not await is_let_in(precedence, clock)
        assert await is_let_in(precedence, clock, MOST_WAIT_S + 1.0)


async def test_nobody_waits_where_the_uplink_is_not_full(uplink: Full) -> None:
    clock, precedence = LoopClock(), Precedence(lambda: 0)
    uplink.is_full = False
    with (
        precedence.sending(CONTENT, "10.0.0.1", gives_way=False),
        precedence.sending(CONTENT, "10.0.0.2", gives_way=False),
    ):
        assert await is_let_in(precedence, clock)


async def test_many_requests_are_one_look_at_all_connections(uplink: Full) -> None:
    clock, precedence = LoopClock(), Precedence(lambda: 0)
    for _ in range(10):
        await precedence.give_way(CONTENT, lambda: None)
    assert uplink.looks == 1
    await clock.run_for(LOOKED_S)
    await precedence.give_way(CONTENT, lambda: None)
    assert uplink.looks == 2


def ranged(content: str, part: ByteRange, *, gives_way: bool) -> bytes:
    fields = range_fields(part, gives_way=gives_way)
    return head("GET", f"/content/{content}", "127.0.0.1", fields)


def choice(content: str, *, gives_way: bool) -> bytes:
    body = bitfield.to_bytes(1, CHUNKS)
    fields = choice_fields(body, gives_way=gives_way)
    return head("POST", f"/content/{content}/next?max=1", "127.0.0.1", fields) + body


@pytest.mark.parametrize("is_choice", [False, True])
async def test_who_is_ahead_is_sent_to_when_the_uplink_idles(
    network: Network, uplink: Full, monkeypatch: pytest.MonkeyPatch, is_choice: bool
) -> None:
    monkeypatch.setattr("panal.peer.precedence.MOST_WAIT_S", 3_600.0)
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("data.bin", DATA))["id"]
    first = ByteRange(0, MIN_CHUNK_BYTES)
    whole = ranged(content, ByteRange(0, len(DATA)), gives_way=False)

    def asking(*, gives_way: bool) -> bytes:
        if is_choice:
            return choice(content, gives_way=gives_way)
        return ranged(content, first, gives_way=gives_way)

    def is_first(answer: RawAnswer) -> bool:
        return answer.status in {200, 206} and answer.body == DATA[:MIN_CHUNK_BYTES]

    async with (
        connection(peer.app.port, source="127.0.0.2") as one,
        connection(peer.app.port, source="127.0.0.3") as other,
        connection(peer.app.port) as ahead,
        connection(peer.app.port) as behind,
    ):
        for reader in (one, other):  # each reads no more than the head
            await reader.send(whole)
            assert (await reader.head()).status == 206
        await ahead.send(asking(gives_way=True))
        await until(lambda: uplink.looks > 1, "it waits, and looks again")
        await behind.send(asking(gives_way=False))
        assert is_first(await behind.answer())
        waiting = asyncio.create_task(ahead.answer())
        looks = uplink.looks
        await until(lambda: uplink.looks > looks, "it waits still")
        assert not waiting.done()
        uplink.is_full = False
        answer = await waiting
        assert answer.status == 204 if is_choice else is_first(answer)  # the other has it
