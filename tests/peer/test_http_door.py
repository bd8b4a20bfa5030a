"""The HTTP server of a command that fetches: there as soon as somebody needs it, and once."""

import asyncio

import pytest

from panal.peer.http_door import HttpDoor, Make
from panal.peer.limits import MOST_AHEAD_BYTES
from panal.wire.dialback import hash_secret, proof_of
from tests.support.network import Network
from tests.support.raw_http import connection

PROOF = (
    b"GET /dialback/%b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Accept-Encoding: identity\r\nPanal-Protocol: 1\r\nConnection: close\r\n\r\n"
)


async def test_it_opens_once_and_who_asked_first_may_go() -> None:
    opened: list[int] = []
    may_open = asyncio.Event()

    async def open_up() -> Make:
        opened.append(1)
        await may_open.wait()
        return asyncio.Protocol

    door = HttpDoor(open_up)
    first, second = (asyncio.create_task(door.open()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not door.is_open
    may_open.set()
    await second
    assert door.is_open
    await door.open()
    assert opened == [1]
    assert isinstance(door.protocol(), asyncio.Protocol)


async def test_a_get_opens_it_for_what_is_no_chunk(network: Network) -> None:
    get = await network.peer("get", asked_anew=True)
    assert get.app.routes == []
    body = bytes(4 * MOST_AHEAD_BYTES)
    answers = await asyncio.gather(
        get.upload("large.bin", body), get.request("GET", "/healthz"), get.request("GET", "/none")
    )
    assert answers[0]["size"] == len(body)
    assert [answer.status for answer in answers[1:]] == [200, 404]
    assert get.app.routes


async def test_a_get_proves_itself_to_its_tracker_without(network: Network) -> None:
    get = await network.peer("get", asked_anew=True)
    nonce = bytes(16)
    async with connection(get.app.port) as wire:
        await wire.send(PROOF % nonce.hex().encode())
        answer = await wire.answer()
    assert answer.status == 200
    secret = get.app.announcer._caller.secret
    assert answer.body.decode() == proof_of(nonce, hash_secret(secret))
    assert get.app.routes == []  # nothing that the tracker asked needed it either
    async with connection(get.app.port) as wire:
        await wire.send(PROOF.replace(b"127.0.0.1", b"example.org") % nonce.hex().encode())
        assert (await wire.answer()).status == 421
