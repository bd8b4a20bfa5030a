"""What every answer tells a browser: to run nothing of it, to keep nothing, to say nothing on."""

import re
from urllib.parse import quote

import pytest
from yarl import URL

from panal.peer.access import Route
from tests.support.network import Network, RunningPeer
from tests.support.raw_http import RawAnswer, connection, request

KEPT = ("/content/", "/files/")
"""Bytes that caches may keep, or ask for again."""


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    peer = await network.peer("one", hosts=("127.0.0.1",), guest_port=0, shares_folder=False)
    await peer.upload("x.html", b"<script>alert(1)</script>")
    return peer


def check_is_safe(answer: RawAnswer) -> None:
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["server"] == "Panal"
    assert "set-cookie" not in headers


def filled(route: Route, content: str) -> str:
    path = route.path.replace("{path:.+}", "x.html").replace("{nonce}", "0" * 32)
    path = path.replace("{name}", "x.html").replace("{any:.*}", "x")
    path = path.replace("{capability}", "A" * 43).replace("{path:.*}", "")
    return path.replace("{id}", content if "content" in path else "0" * 16)


async def test_every_answer_of_every_route(peer: RunningPeer) -> None:
    content = (await peer.node.link("x.html")).id
    guests = (peer.app.ports.guest_port, peer.app.guest_routes)
    for port, routes in ((peer.app.port, peer.app.routes), guests):
        for route in routes:
            async with connection(port) as wire:
                await wire.send(request(route.method, filled(route, content)))
                answer = await wire.head()
            check_is_safe(answer)
            if not (route.path.startswith(KEPT) and answer.status < 300):
                kept = "no-cache" if route.path == "/" else "no-store"
                assert answer.headers["cache-control"] == kept, route


async def test_refusals_too(peer: RunningPeer) -> None:
    rows = [
        request("GET", "/nowhere"),
        request("TRACE", "/healthz"),
        request("GET", "/healthz", "Host: evil.example"),
        request("GET", "/api/v1/status", "Origin: http://evil.example"),
        request("GET", "/api/v1/status", "Authorization: Bearer x"),
        request("GET", "/files/", "Range: bytes=9-"),
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ]
    for row in rows:
        async with connection(peer.app.port) as wire:
            await wire.send(row)
            answer = await wire.head()
            check_is_safe(answer)
            assert answer.headers["cache-control"] == "no-store", row


async def test_shared_bytes_are_saved_and_never_run(peer: RunningPeer) -> None:
    content = (await peer.node.link("x.html")).id
    guest = URL((await peer.node.make_guest_link("x.html")).url or "", encoded=True).raw_path
    rows = [
        (peer.app.port, f"/content/{content}"),
        (peer.app.port, f"/content/{content}/x.html"),
        (peer.app.port, "/files/x.html"),
        (peer.app.ports.guest_port, guest),
    ]
    for port, path in rows:
        async with connection(port) as wire:
            answer = await wire.ask("GET", path, "Accept: text/html")
        check_is_safe(answer)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"].startswith("sandbox")


async def test_a_name_cannot_break_out_of_its_header(peer: RunningPeer) -> None:
    name = "a\"; filename=evil.html; x='é<b>.txt"
    uploaded = await peer.request("PUT", "/upload/" + quote(name, safe=""), data=b"x")
    assert uploaded.status == 201
    content = uploaded.json()["files"][0]["id"]
    listed = await peer.request("GET", "/files/")
    assert "<b>" not in listed.body.decode().partition("<ul>")[2]
    answer = await peer.request("GET", "/files/" + quote(name, safe=""))
    assert answer.status == 200
    disposition = answer.headers["content-disposition"]
    assert re.fullmatch(r"attachment; filename\*=UTF-8''[A-Za-z0-9%._~-]+", disposition)
    for bad in ("a%0D%0AX-Evil:%201", "a%1B[31m", "a%E2%80%AEb"):
        assert (await peer.request("GET", f"/content/{content}/{bad}")).status == 400
        assert (await peer.request("PUT", f"/upload/{bad}", data=b"x")).status in {400, 404}
