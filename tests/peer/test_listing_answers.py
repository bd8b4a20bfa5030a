"""Long listings: the same bytes as at once, page by page, and few of them at a time."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import cast

import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.test_utils import make_mocked_request

from panal.peer import listing_answers
from panal.peer.lanes import OTHERS_AT_ONCE
from panal.peer.listing_answers import Form, ListingAnswers, in_pages
from tests.peer.test_guests import ask, link_to
from tests.support.network import Network, until
from tests.support.raw_http import connection, request

FORM = Form("text/plain", b"<", b",", b">")
JSON = {"Accept": "application/json"}


async def test_in_pages_it_is_the_same(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = await network.peer("one", guest_port=0)
    for name in ("d/a", "d/a-/x", "d/a-b", "d/sub/1", "d/sub/2", "d/z&z", "d/ñ"):
        (peer.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (peer.folder / name).write_bytes(name.encode())
    (peer.folder / "d/empty").mkdir()
    guests = await link_to(peer, "d")

    async def bodies() -> list[bytes]:
        paths = [("/files/d/", {}), ("/files/d/", JSON), ("/files/", {}), ("/files/", JSON)]
        answers = [await peer.request("GET", path, headers=headers) for path, headers in paths]
        answers.append(await ask(guests))
        assert all(answer.status == 200 for answer in answers)
        kinds = [answer.headers["content-type"].encode() for answer in answers]
        return [answer.body for answer in answers] + kinds

    whole = await bodies()
    assert (whole[4].count(b"<li>"), whole[4].count(b">sub/<")) == (7, 1)
    assert b">empty/<" in whole[4]
    async with connection(peer.app.port) as wire:
        assert "content-length" in (await wire.ask("GET", "/files/d/")).headers
        for size in (1, 2, 3):
            monkeypatch.setattr(listing_answers, "NAMES_AT_ONCE", size)
            assert await bodies() == whole
        monkeypatch.setattr(listing_answers, "NAMES_AT_ONCE", 2)
        answer = await wire.ask("GET", "/files/d/")
        assert (answer.headers["transfer-encoding"], answer.body) == ("chunked", whole[0])
        assert (await wire.ask("HEAD", "/files/d/")).status == 200
        assert await wire.is_in_step()
        assert (await wire.ask("GET", "/files/nothing/")).status == 404
        await wire.send(request("GET", "/files/d/").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await wire.rest()).endswith(b"\r\n\r\n" + whole[0])


class SlowAnswer:
    """An answer whose reader takes nothing until it is told to."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.body = b""

    async def write(self, data: bytes) -> None:
        self.body += data
        await self.taken.wait()

    async def write_eof(self, data: bytes) -> None:
        self.body += data


async def test_nothing_is_read_ahead_of_a_slow_reader() -> None:
    given: list[int] = []

    def pages() -> Iterator[bytes]:
        for number in range(5):
            given.append(number)
            yield b"%d" % number

    answer = SlowAnswer()
    writing = asyncio.create_task(
        listing_answers._write(cast(web.StreamResponse, answer), FORM, pages())
    )
    await until(lambda: answer.body != b"", "the first page was written")
    for _ in range(100):
        await asyncio.sleep(0)
    assert given == [0]
    answer.taken.set()
    await writing
    assert answer.body == b"<0,1,2,3,4>"


async def test_long_ones_wait_for_a_turn_and_short_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing_answers, "NAMES_AT_ONCE", 2)
    answers = ListingAnswers()

    def send(count: int) -> asyncio.Task[web.StreamResponse]:
        def pages() -> Iterator[bytes]:
            return in_pages([b"x"] * count, b",".join)

        asked = make_mocked_request("GET", "/files/")
        return asyncio.create_task(answers.send(asked, FORM, pages))

    async with AsyncExitStack() as held:
        for _ in range(OTHERS_AT_ONCE):
            await held.enter_async_context(answers._lane.turn(""))
        long = send(3)
        await until(lambda: answers._lane.waiting == 1, "it waits")
        short = await send(2)
        assert isinstance(short, web.Response)
        assert short.body == b"<x,x>"
        assert not long.done()
    assert (await long).status == 200


@pytest.mark.parametrize(("version", "is_kept"), [(HttpVersion10, False), (HttpVersion11, True)])
async def test_where_only_the_connections_end_tells_the_end_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, version: HttpVersion, is_kept: bool
) -> None:
    monkeypatch.setattr(listing_answers, "NAMES_AT_ONCE", 2)
    asked = make_mocked_request("GET", "/files/", version=version)
    asked._message = asked._message._replace(should_close=False)  # as who asks to keep it is read
    answer = await ListingAnswers().send(asked, FORM, lambda: in_pages([b"x"] * 3, b",".join))
    assert answer.keep_alive is is_kept
