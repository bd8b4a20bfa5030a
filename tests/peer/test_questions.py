"""A question to another peer: what is sent, and which answers count."""

import asyncio

import pytest

from panal.errors import IntegrityError
from panal.peer.calling import PLAIN
from panal.peer.questions import asked
from panal.wire.response import MAX_HEAD_BYTES
from tests.peer.test_http_source import saying, serving

OK = b"HTTP/1.1 200 OK\r\n"


async def test_a_question_says_whom_it_means_and_nothing_of_who_asks() -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK + b"\r\nwhole")

    async with serving(answer) as provider, asked(PLAIN, provider, "/x?y=1") as answered:
        assert (answered.status, await answered.body(5)) == (200, b"whole")
    host = f"127.0.0.1:{provider.port}".encode()
    assert heard == [b"GET /x?y=1 HTTP/1.0\r\nHost: %b\r\nPanal-Protocol: 1\r\n\r\n" % host]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        OK,
        b"SSH-2.0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nwhole",
        OK + b"a: b\r\n" * MAX_HEAD_BYTES + b"\r\n",
        OK + b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
async def test_what_cannot_be_read_is_no_answer(said: bytes) -> None:
    async with serving(saying(said)) as provider:
        with pytest.raises(ConnectionError):
            async with asked(PLAIN, provider, "/x"):
                pass


async def test_a_body_has_the_length_that_was_said_and_no_more_than_is_wanted() -> None:
    said = OK + b"Content-Length: 5\r\n\r\n"
    async with serving(saying(said + b"who")) as provider, asked(PLAIN, provider, "/") as answer:
        with pytest.raises(ConnectionError, match="early"):
            await answer.body(100)
    async with serving(saying(said + b"whole, and")) as provider:
        async with asked(PLAIN, provider, "/") as answer:
            assert await answer.body(5) == b"whole"
        async with asked(PLAIN, provider, "/") as answer:
            with pytest.raises(IntegrityError, match="without end"):
                await answer.body(4)
