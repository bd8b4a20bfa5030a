"""A folder's listing as an answer: a short one whole, a long one page by page as it is read."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from panal.errors import NotFound
from panal.peer.http_answers import PROTOCOL_HEADER
from panal.peer.lanes import OTHERS_AT_ONCE, Lane

NAMES_AT_ONCE = 1_000
Name = TypeVar("Name")


class Form(msgspec.Struct, frozen=True):
    """What stands around the names, and between two pages of them."""

    content_type: str
    head: bytes
    between: bytes
    tail: bytes


class ListingAnswers:
    """Sends listings; of a long one a reader holds one page in memory, however slow it is."""

    def __init__(self) -> None:
        self._lane = Lane(OTHERS_AT_ONCE)
        """Its own: no listing waits for downloads."""

    async def send(
        self,
        request: web.Request,
        form: Form,
        pages: Callable[[], Iterator[bytes]],
        none: str = "",
    ) -> web.StreamResponse:
        """What `pages` gives, in threads; NotFound in the words of `none` where that is nothing."""
        first = await asyncio.to_thread(lambda: list(islice(pages(), 2)))
        if not first and none:
            raise NotFound(none)
        headers = {**PROTOCOL_HEADER, hdrs.CONTENT_TYPE: form.content_type}
        if len(first) < 2:
            return web.Response(body=form.head + b"".join(first) + form.tail, headers=headers)
        del first  # nothing of it is held by whoever waits for a turn
        answer = web.StreamResponse(headers=headers)
        if request.version < HttpVersion11:  # it has no chunks: the end of the connection ends it
            answer.force_close()
        if request.method == "HEAD":
            await answer.prepare(request)
            return answer
        async with self._lane.turn(request.remote or ""):
            await answer.prepare(request)
            await _write(answer, form, pages())
        return answer


async def _write(answer: web.StreamResponse, form: Form, pages: Iterator[bytes]) -> None:
    before = form.head
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        await answer.write(before + page)
        before = form.between
    await answer.write_eof(form.tail)


def in_pages(names: Iterable[Name], encoded: Callable[[list[Name]], bytes]) -> Iterator[bytes]:
    """Names so many at a time, as bytes."""
    left = iter(names)
    while some := list(islice(left, NAMES_AT_ONCE)):
        yield encoded(some)
