"""Bodies that are not what their headers say: refused in words, and no line of the log each."""

import logging

import pytest
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from panal.peer.access import Route
from panal.peer.roles import Role
from tests.peer.test_access import serving
from tests.support.network import Network
from tests.support.raw_http import connection

NEXT = f"/content/{'0' * 64}/next"
JSON = "Content-Type: application/json"


@pytest.mark.parametrize("path", ["/session", NEXT, "/api/v1/bundle", "/nowhere"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity, gzip", "x"])
async def test_an_encoded_body_is_refused(
    network: Network, caplog: pytest.LogCaptureFixture, path: str, coding: str
) -> None:
    peer = await network.peer("one")
    async with connection(peer.app.port) as wire:
        answer = await wire.ask(
            "POST", path, JSON, f"Content-Encoding: {coding}", body=b"this is no gzip"
        )
        assert answer.status == 415
        assert b"without Content-Encoding" in answer.body
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    async with connection(peer.app.port) as wire:
        answer = await wire.ask("POST", "/session", JSON, "Content-Encoding: identity", body=b"{}")
        assert answer.status == 400


@pytest.mark.parametrize("error", [web.RequestPayloadError("x"), ContentEncodingError("x")])
async def test_a_body_that_aiohttp_cannot_read_is_refused(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def fail(_: web.Request) -> web.StreamResponse:
        raise error

    async with serving(Route("GET", "/", Role.PUBLIC, fail)) as port, connection(port) as wire:
        assert (await wire.ask("GET", "/")).status == 400
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
