"""Who may call what: the live route table, walked over real sockets."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from panal.errors import NotFound, PanalError, WrongHost
from panal.peer import access, app
from panal.peer.access import Role, Route, application
from tests.support.network import Network, RunningPeer
from tests.support.raw_http import RawAnswer, connection, request

ROLES = {
    ("GET", "/"): Role.MEMBER,
    ("GET", "/api/v1/downloads"): Role.OWNER,
    ("POST", "/api/v1/downloads"): Role.OWNER,
    ("GET", "/api/v1/downloads/{id}"): Role.OWNER,
    ("PATCH", "/api/v1/downloads/{id}"): Role.OWNER,
    ("DELETE", "/api/v1/downloads/{id}"): Role.OWNER,
    ("POST", "/api/v1/downloads/{id}/pause"): Role.OWNER,
    ("POST", "/api/v1/downloads/{id}/resume"): Role.OWNER,
    ("GET", "/api/v1/downloads/{id}/why"): Role.OWNER,
    ("GET", "/api/v1/unfinished"): Role.OWNER,
    ("GET", "/api/v1/settings"): Role.OWNER,
    ("PATCH", "/api/v1/settings"): Role.OWNER,
    ("POST", "/api/v1/verify"): Role.OWNER,
    ("POST", "/api/v1/plan"): Role.OWNER,
    ("POST", "/api/v1/folders"): Role.OWNER,
    ("GET", "/api/v1/files"): Role.OWNER,
    ("POST", "/api/v1/files"): Role.OWNER,
    ("DELETE", "/api/v1/files/{path}"): Role.OWNER,
    ("GET", "/api/v1/peers"): Role.OWNER,
    ("GET", "/api/v1/search"): Role.OWNER,
    ("GET", "/api/v1/status"): Role.OWNER,
    ("POST", "/api/v1/bundle"): Role.MEMBER,
    ("GET", "/content/{id}"): Role.MEMBER,
    ("HEAD", "/content/{id}"): Role.MEMBER,
    ("GET", "/content/{id}/have"): Role.MEMBER,
    ("POST", "/content/{id}/next"): Role.MEMBER,
    ("GET", "/content/{id}/peers"): Role.MEMBER,
    ("GET", "/content/{id}/manifest"): Role.MEMBER,
    ("GET", "/content/{id}/{name}"): Role.MEMBER,
    ("HEAD", "/content/{id}/{name}"): Role.MEMBER,
    ("GET", "/dialback/{nonce}"): Role.PUBLIC,
    ("GET", "/files/"): Role.MEMBER,
    ("HEAD", "/files/"): Role.MEMBER,
    ("GET", "/files/{path}"): Role.MEMBER,
    ("HEAD", "/files/{path}"): Role.MEMBER,
    ("GET", "/healthz"): Role.PUBLIC,
    ("GET", "/readyz"): Role.PUBLIC,
    ("POST", "/upload"): Role.OWNER,
    ("PUT", "/upload/{path}"): Role.OWNER,
}
OTHER_PAGES = [
    ("Origin: https://evil.example",),
    ("Origin: null",),
    ("Origin: http://127.0.0.1:1",),
    ("Origin: http://localhost",),
    ("Origin: file://",),
    ("Origin: ",),
    ("Sec-Fetch-Site: cross-site",),
    ("Sec-Fetch-Site: same-site",),
    ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"),
    ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"),
    ("Sec-Fetch-Site: nonsense",),
]
NAVIGATION = (
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-User: ?1",
)
NOT_OWNERS = [
    ("Forwarded: for=127.0.0.1",),
    ("X-Forwarded-For: 127.0.0.1",),
    ("X-Forwarded-Host: 127.0.0.1",),
    ("X-Real-IP: 127.0.0.1",),
    ("x-forwarded-for:",),
    NAVIGATION,
]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:5000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "files.lan.evil.example",
    "[::1]evil.example",
    "[::1]evil.example:80",
    "[::1",
    "127.0.0.1:80:evil.example",
    "127.0.0.1:evil.example",
    "user@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1/evil.example",
    "127.0.0.1,evil.example",
    "2130706433",
    "0x7f000001",
    "127.1",
    "localhost.",
    "ñ.example",
    "",
]
OWN_HOSTS = [
    "127.0.0.1",
    "127.0.0.1:5000",
    "192.0.2.7",
    "[::1]",
    "[::1]:5000",
    "[2001:db8::7]:80",
    "localhost",
    "LOCALHOST:5000",
    "files.lan",
    "Files.LAN:5000",
]


class Table:
    """The routes that a peer really registered, and the application made of them."""

    routes: list[Route]
    application: web.Application

    def addresses(self, *roles: Role) -> Iterable[tuple[str, str]]:
        for route in self.routes:
            if route.role in roles:
                path = route.path.replace("{path:.+}", "x.txt").replace("{name}", "x.txt")
                path = path.replace("{nonce}", "0" * 32)
                identifier = "0" * (16 if "downloads" in path else 64)
                yield route.method, path.replace("{id}", identifier)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    noted = Table()

    def noting(routes: Iterable[Route], allowed_hosts: frozenset[str]) -> web.Application:
        noted.routes = list(routes)
        noted.application = application(noted.routes, allowed_hosts)
        return noted.application

    monkeypatch.setattr(app, "application", noting)
    return noted


@pytest.fixture
async def peer(table: Table, network: Network) -> RunningPeer:
    allowed = frozenset({"files.lan"})
    return await network.peer("one", shares_folder=False, allowed_hosts=allowed)


def is_problem(answer: RawAnswer, slug: str) -> bool:
    return (
        answer.headers["content-type"] == "application/problem+json"
        and f'"type":"urn:panal:error:{slug}"'.encode() in answer.body
    )


async def one(peer: RunningPeer, method: str, path: str, *lines: str) -> RawAnswer:
    async with connection(peer.app.port) as wire:
        answer = await wire.ask(method, path, *lines)
        assert await wire.is_in_step()
        return answer


async def test_every_route_has_its_role(table: Table, peer: RunningPeer) -> None:
    assert {(r.method, r.path.replace(":.+", "")): r.role for r in table.routes} == ROLES
    served = set()
    for route in table.application.router.routes():
        assert route.resource is not None
        served.add((route.method, route.resource.canonical))
    assert served == ROLES.keys()


async def test_owner_routes_are_nobody_elses(table: Table, peer: RunningPeer) -> None:
    addresses = list(table.addresses(Role.OWNER))
    assert len(addresses) == list(ROLES.values()).count(Role.OWNER)
    async with connection(peer.app.port) as wire:
        for method, path in addresses:
            for lines in NOT_OWNERS + OTHER_PAGES:
                answer = await wire.ask(method, path, *lines, body=b"{}")
                assert answer.status == 403, (method, path, lines)
                assert is_problem(answer, "refused")
                assert await wire.is_in_step()
    assert list(peer.folder.glob("[!.]*")) == []


async def test_member_routes_are_not_for_other_sites_pages(table: Table, peer: RunningPeer) -> None:
    async with connection(peer.app.port) as wire:
        for method, path in table.addresses(Role.MEMBER):
            for lines in OTHER_PAGES:
                answer = await wire.ask(method, path, *lines)
                assert answer.status == 403, (method, path, lines)
            for lines in NOT_OWNERS[:-1]:
                body = b'{"ids": []}' if path.endswith("/bundle") else b""
                answer = await wire.ask(method, path, *lines, body=body)
                assert answer.status in {200, 303, 404}, (method, path, lines)


async def test_a_link_from_elsewhere_opens_the_pages_and_changes_nothing(
    peer: RunningPeer,
) -> None:
    assert (await one(peer, "GET", "/files/", *NAVIGATION)).status == 200
    home = await one(peer, "GET", "/", *NAVIGATION)
    assert (home.status, home.headers["location"]) == (303, "/files/")
    for method, path in (("POST", "/upload"), ("PUT", "/upload/x"), ("GET", "/api/v1/status")):
        assert (await one(peer, method, path, *NAVIGATION)).status == 403
    async with connection(peer.app.port) as wire:
        head = b'Content-Disposition: form-data; name="file"; filename="x"'
        form = b"--b\r\n" + head + b"\r\n\r\nx\r\n--b--\r\n"
        kind = "Content-Type: multipart/form-data; boundary=b"
        answer = await wire.ask("POST", "/upload", kind, *NAVIGATION, body=form)
        assert answer.status == 403
        answer = await wire.ask("POST", "/upload", kind, "Origin: null", body=form)
        assert answer.status == 403
        answer = await wire.ask("POST", "/upload", kind, body=form)  # no page: a tool
        assert answer.status == 201


async def test_the_peers_own_page_may(table: Table, peer: RunningPeer) -> None:
    port = peer.app.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"):
        lines = (f"Host: {host}", f"Origin: http://{host}", "Sec-Fetch-Site: same-origin")
        assert (await one(peer, "GET", "/api/v1/status", *lines)).status == 200
    typed = ("Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert (await one(peer, "GET", "/api/v1/status", *typed)).status == 200


async def test_foreign_hosts_reach_nothing(table: Table, peer: RunningPeer) -> None:
    addresses = [*table.addresses(*Role), ("GET", "/nowhere"), ("OPTIONS", "/api/v1/status")]
    async with connection(peer.app.port) as wire:
        for method, path in addresses:
            host = "Host: evil.example"
            answer = await wire.ask(method, path, host, "Origin: http://evil.example")
            assert answer.status == 421, (method, path)
            assert method == "HEAD" or is_problem(answer, "wrong-host")
        for foreign in FOREIGN_HOSTS:
            answer = await wire.ask("GET", "/healthz", f"Host: {foreign}")
            assert answer.status == 421, foreign
        for own in OWN_HOSTS:
            answer = await wire.ask("GET", "/healthz", f"Host: {own}")
            assert answer.status == 200, own


async def test_allowed_hosts_are_names_in_any_case() -> None:
    access.check_host(["files.lan"], frozenset({"Files.LAN"}))
    with pytest.raises(WrongHost):
        access.check_host(["other.lan"], frozenset({"Files.LAN"}))


async def test_a_request_has_one_host(peer: RunningPeer) -> None:
    rows = [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ]
    for row, status in zip(rows, [400, 400, 400, 400, 400, 421], strict=True):
        async with connection(peer.app.port) as wire:
            await wire.send(row)
            assert (await wire.answer()).status == status, row


async def test_malformed_requests_end_the_connection(peer: RunningPeer) -> None:
    rows = [
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /upload/x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 130 + b"\r\n",
        b"PUT /upload/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /upload/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\nab",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
    ]
    for row in rows:
        async with connection(peer.app.port) as wire:
            await wire.send(row + request("GET", "/healthz"))
            answer = await wire.rest()
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), row[:80]
            assert b"Traceback" not in answer
            assert answer.count(b"HTTP/1.") == 1, row[:80]
    assert list(peer.folder.glob("[!.]*")) == []


async def test_no_other_origin_is_ever_let_in_by_a_header(table: Table, peer: RunningPeer) -> None:
    preflight = (
        "Origin: https://evil.example",
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: content-type",
        "Access-Control-Request-Private-Network: true",
    )
    async with connection(peer.app.port) as wire:
        addresses = [(m, p) for m, p in table.addresses(*Role) if not p.endswith("/have")]
        for method, path in [*addresses, *(("OPTIONS", p) for _, p in addresses)]:
            for lines in (preflight, ("Origin: http://127.0.0.1",), ()):
                answer = await wire.ask(method, path, *lines)
                allowing = [name for name in answer.headers if name.startswith("access-control")]
                assert allowing == [], (method, path)
                if method == "OPTIONS":
                    assert answer.status == 405
                    assert is_problem(answer, "http")


async def test_an_upgrade_is_not_taken(peer: RunningPeer) -> None:
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAA")
    assert (await one(peer, "GET", "/healthz", *lines)).status == 200


async def test_errors_have_their_slug_and_type(peer: RunningPeer) -> None:
    rows = [
        ("GET", "/nowhere", 404, "http"),
        ("GET", "/files/nothing", 404, "not-found"),
        ("GET", "/files/a%00", 400, "unsafe-name"),
        ("GET", "/content/x", 400, "bad-request"),
        ("DELETE", "/files/", 405, "http"),
    ]
    for method, path, status, slug in rows:
        answer = await one(peer, method, path)
        assert answer.status == status
        assert is_problem(answer, slug), answer.body
        assert answer.headers["panal-protocol"] == "1"
    assert (await one(peer, "DELETE", "/files/")).headers["allow"] == "GET,HEAD"


# What a handler does not foresee ----------------------------------------------------------


@asynccontextmanager
async def serving(*routes: Route) -> AsyncIterator[int]:
    runner = web.AppRunner(application(routes, frozenset()), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_an_unforeseen_failure_shows_nothing() -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        raise ValueError("/home/somebody/secret.key")

    async with serving(Route("GET", "/fail", Role.PUBLIC, fail)) as port, connection(port) as wire:
        answer = await wire.ask("GET", "/fail")
        assert answer.status == 500
        assert is_problem(answer, "failed")
        assert b"secret" not in answer.body
        assert (await wire.ask("GET", "/fail")).status == 500


@pytest.mark.parametrize(
    "error", [ValueError("secret"), PanalError("x"), NotFound("x"), OSError(5)]
)
async def test_a_failure_in_the_middle_is_no_second_answer(error: Exception) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_length = 1_000
        await answer.prepare(request)
        await answer.write(b"begun")
        raise error

    async with serving(Route("GET", "/fail", Role.PUBLIC, fail)) as port, connection(port) as wire:
        await wire.send(request("GET", "/fail") * 2)
        assert (await wire.head()).status == 200
        assert await wire.rest() == b"begun"


# From elsewhere ---------------------------------------------------------------------------


def outer_address() -> str | None:
    """This machine's own address on another network than loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


async def test_others_may_fetch_and_nothing_else(table: Table, network: Network) -> None:
    outer = outer_address()
    if outer is None:
        pytest.skip("this machine has no address but loopback")
    peer = await network.peer("one", hosts=(outer,), open=True, shares_folder=False)
    shared = await peer.upload("data.bin", b"data")
    async with connection(peer.app.port, outer) as wire:
        host = f"Host: {outer}:{peer.app.port}"
        for path in (f"/content/{shared['id']}", "/files/data.bin"):
            answer = await wire.ask("GET", path, host)
            assert (answer.status, answer.body) == (200, b"data")
        for method, path in table.addresses(Role.OWNER):
            for lines in ((host,), ("Host: 127.0.0.1",), ("Host: localhost",)):
                answer = await wire.ask(method, path, *lines, body=b"{}")
                assert answer.status == 403, (method, path)
        answer = await wire.ask("GET", "/healthz", "Host: evil.example")
        assert answer.status == 421
    assert [file.name for file in peer.folder.glob("[!.]*")] == ["data.bin"]
