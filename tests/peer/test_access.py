"""Who may call what: the live route table, walked over real sockets."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from panal.audit import AuditLog
from panal.clock import SystemClock
from panal.errors import NotFound, PanalError, WrongHost
from panal.peer import doorkeeper, http_rooms
from panal.peer.access import Route, application
from panal.peer.browser_rules import check_host
from panal.peer.contents import UNKNOWN
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.owner_token import SESSION_S, owner_token
from panal.peer.roles import Asker, Role
from panal.wire.ids import PeerName
from tests.support.clock import VirtualClock
from tests.support.network import Network, RunningPeer
from tests.support.raw_http import RawAnswer, connection, request

pytestmark = pytest.mark.p9

ROLES = {
    ("GET", "/"): Role.MEMBER,
    ("GET", "/api/v1/browse"): Role.OWNER,
    ("GET", "/api/v1/disk"): Role.OWNER,
    ("POST", "/api/v1/qr"): Role.OWNER,
    ("GET", "/api/v1/downloads"): Role.OWNER,
    ("POST", "/api/v1/downloads"): Role.OWNER,
    ("GET", "/api/v1/downloads/{id}"): Role.OWNER,
    ("PATCH", "/api/v1/downloads/{id}"): Role.OWNER,
    ("DELETE", "/api/v1/downloads/{id}"): Role.OWNER,
    ("POST", "/api/v1/downloads/{id}/pause"): Role.OWNER,
    ("POST", "/api/v1/downloads/{id}/resume"): Role.OWNER,
    ("GET", "/api/v1/downloads/{id}/why"): Role.OWNER,
    ("GET", "/api/v1/events"): Role.OWNER,
    ("OPTIONS", "/api/v1/uploads"): Role.OWNER,
    ("GET", "/api/v1/uploads"): Role.OWNER,
    ("POST", "/api/v1/uploads"): Role.OWNER,
    ("HEAD", "/api/v1/uploads/{id}"): Role.OWNER,
    ("PATCH", "/api/v1/uploads/{id}"): Role.OWNER,
    ("DELETE", "/api/v1/uploads/{id}"): Role.OWNER,
    ("GET", "/api/v1/unfinished"): Role.OWNER,
    ("GET", "/api/v1/log"): Role.OWNER,
    ("GET", "/api/v1/settings"): Role.OWNER,
    ("PATCH", "/api/v1/settings"): Role.OWNER,
    ("POST", "/api/v1/verify"): Role.OWNER,
    ("POST", "/api/v1/page-link"): Role.OWNER,
    ("POST", "/api/v1/plan"): Role.OWNER,
    ("POST", "/api/v1/folders"): Role.OWNER,
    ("GET", "/api/v1/files"): Role.OWNER,
    ("POST", "/api/v1/files"): Role.OWNER,
    ("DELETE", "/api/v1/files/{path}"): Role.OWNER,
    ("GET", "/api/v1/guest-links"): Role.OWNER,
    ("POST", "/api/v1/guest-links"): Role.OWNER,
    ("DELETE", "/api/v1/guest-links/{id}"): Role.OWNER,
    ("POST", "/api/v1/links"): Role.OWNER,
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
    ("GET", "/page/{name}"): Role.MEMBER,
    ("GET", "/files/"): Role.MEMBER,
    ("HEAD", "/files/"): Role.MEMBER,
    ("GET", "/files/{path}"): Role.MEMBER,
    ("HEAD", "/files/{path}"): Role.MEMBER,
    ("GET", "/healthz"): Role.PUBLIC,
    ("GET", "/metrics"): Role.OWNER,
    ("GET", "/docs"): Role.MEMBER,
    ("GET", "/docs.css"): Role.MEMBER,
    ("GET", "/openapi.json"): Role.MEMBER,
    ("GET", "/readyz"): Role.PUBLIC,
    ("GET", "/session"): Role.PUBLIC,
    ("POST", "/session"): Role.PUBLIC,
    ("GET", "/session.js"): Role.PUBLIC,
    ("POST", "/upload"): Role.OWNER,
    ("PUT", "/upload/{path}"): Role.OWNER,
}
ENDLESS = ("/have", "/events")
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
    ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
    ("Sec-Fetch-Site: none", "Sec-Fetch-Site: none"),
    ("Origin: http://127.0.0.1", "Origin: https://evil.example"),
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
    ("Via: 1.1 proxy",),
    ("X-Client-IP: 127.0.0.1",),
    ("CF-Connecting-IP: 127.0.0.1",),
    ("True-Client-IP: 127.0.0.1",),
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
    is_only_noting = False
    called: list[Route]
    """Whose handlers were called: what is refused calls none."""

    def watched(self, route: Route) -> Route:
        self.called = []

        async def handle(request: web.Request) -> web.StreamResponse:
            self.called.append(route)
            return web.Response() if self.is_only_noting else await route.handler(request)

        return replace(route, handler=handle)

    def addresses(self, *roles: Role) -> Iterable[tuple[str, str]]:
        return ((r.method, address(r)) for r in self.routes if r.role in roles)


def address(route: Route, content: str = "0" * 64) -> str:
    path = route.path.replace("{path:.+}", "x.txt").replace("{name}", "x.txt")
    path = path.replace("{nonce}", "0" * 32)
    return path.replace("{id}", "0" * 16 if "downloads" in path else content)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    noted = Table()

    def noting(routes: Iterable[Route], keeper: Doorkeeper, audit: AuditLog) -> web.Application:
        noted.routes = list(routes)
        noted.application = application([noted.watched(r) for r in noted.routes], keeper, audit)
        return noted.application

    monkeypatch.setattr(http_rooms, "application", noting)
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
                assert method == "HEAD" or is_problem(answer, "refused")
                assert await wire.is_in_step()
    assert list(peer.folder.glob("[!.]*")) == []


STRANGER = Asker(on_loopback=True, place="user 1001")
SELF = Asker(on_loopback=True, is_same_user=True, place="user 1000")
AWAY = Asker(place="address 192.0.2.1")
MEMBER = Asker(certificate_name=PeerName("two"))
BASIC = "Authorization: Basic eDp5"
WHO: dict[str, tuple[Asker, bool, list[str], Role]] = {
    "its user": (SELF, False, [], Role.OWNER),
    "its user, on an open network": (SELF, True, [], Role.OWNER),
    "its user, with the token": (SELF, False, ["{right}"], Role.OWNER),
    "its user, with another token": (SELF, False, ["{wrong}"], Role.PUBLIC),
    "its user, with another token, open": (SELF, True, ["{wrong}"], Role.PUBLIC),
    "its user, with a password": (SELF, False, [BASIC], Role.PUBLIC),
    "its user, forwarded": (SELF, False, ["Forwarded: for=::1"], Role.PUBLIC),
    "its user, forwarded, open": (SELF, True, ["X-Forwarded-For: ::1"], Role.MEMBER),
    "another user": (STRANGER, False, [], Role.PUBLIC),
    "another user, on an open network": (STRANGER, True, [], Role.MEMBER),
    "another user, with the token": (STRANGER, False, ["{right}"], Role.OWNER),
    "another user, with another token": (STRANGER, False, ["{wrong}"], Role.PUBLIC),
    "another user, with an empty token": (STRANGER, False, ["Authorization: Bearer "], Role.PUBLIC),
    "another user, in a session of its own": (STRANGER, False, ["{session}"], Role.OWNER),
    "another user, in its user's session": (STRANGER, False, ["{elsewhere}"], Role.PUBLIC),
    "another machine, in its user's session": (AWAY, False, ["{elsewhere}"], Role.PUBLIC),
    "another user, in a session that is over": (STRANGER, False, ["{over}"], Role.PUBLIC),
    "another user, in no session": (STRANGER, False, ["Cookie: panal-80=x"], Role.PUBLIC),
    "another machine": (AWAY, False, [], Role.PUBLIC),
    "another machine, on an open network": (AWAY, True, [], Role.MEMBER),
    "another machine, with the token": (AWAY, False, ["{right}"], Role.OWNER),
    "a member": (MEMBER, False, [], Role.MEMBER),
    "a member, with another token": (MEMBER, False, ["{wrong}"], Role.PUBLIC),
}
MAY = {
    Role.PUBLIC: {Role.PUBLIC},
    Role.MEMBER: {Role.PUBLIC, Role.MEMBER},
    Role.OWNER: {Role.PUBLIC, Role.MEMBER, Role.OWNER},
}


@pytest.mark.parametrize("who", WHO)
async def test_every_route_is_called_by_whom_it_is_for_alone(
    who: str, table: Table, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each route of the live router, without, with wrong, expired and lesser credentials."""
    asker, is_open, lines, role = WHO[who]
    clock = VirtualClock()
    peer = await network.peer("one", shares_folder=False, open=is_open)
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: asker)
    credentials = peer.app.credentials
    monkeypatch.setattr(credentials, "_clock", clock)
    over = credentials.begin_session(credentials.new_link(), asker.place)
    clock.advance(SESSION_S)
    token = (peer.folder / ".panal" / "owner-token").read_text().strip()
    cookie = "Cookie: " + credentials.cookie_name("127.0.0.1") + "="
    shown = {
        "right": f"Authorization: Bearer {token}",
        "wrong": f"Authorization: Bearer {owner_token(network.place)}",
        "session": cookie + credentials.begin_session(credentials.new_link(), asker.place),
        "over": cookie + over,
        "elsewhere": cookie + credentials.begin_session(credentials.new_link(), "user 1000"),
    }
    table.is_only_noting = True
    for route in table.routes:
        table.called.clear()
        async with connection(peer.app.port) as wire:
            given = [line.format(**shown) for line in lines]
            answer = await wire.ask(route.method, address(route), *given)
        is_called = route.role in MAY[role]
        # The tracker may be calling back meanwhile, to the public route for that.
        called = [one for one in table.called if one is route or one.role is not Role.PUBLIC]
        assert (called == [route]) is is_called, route
        assert (answer.status == 200) is is_called, route
        assert answer.status in {200, 403, 404}


async def test_what_is_here_and_what_is_not_are_refused_alike(
    table: Table, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = (await peer.upload("x.txt", b"here"))["id"]
    of_contents = [r for r in table.routes if r.path.startswith("/content/") and r.method == "GET"]
    assert len(of_contents) == 5
    for route in of_contents:
        to_the_owner = await one(peer, "GET", address(route))
        with monkeypatch.context() as patched:
            patched.setattr(doorkeeper, "_facts", lambda _: STRANGER)
            heads = []
            for content in (here, "0" * 64, "x"):
                table.called.clear()
                refused = await one(peer, "GET", address(route, content))
                assert refused.status == 404
                own = {"date", "x-request-id"}  # another at each time
                heads.append({k: v for k, v in refused.headers.items() if k not in own})
                # Nothing is looked up for whoever is refused: so it takes as long, too.
                assert all(called.role is Role.PUBLIC for called in table.called)
                if "peers" not in route.path:  # of an unknown content nobody is known
                    assert refused.body == to_the_owner.body
            assert heads[0] == heads[1] == heads[2]
    assert {r.unknown for r in table.routes} == {"", UNKNOWN}


async def test_member_routes_are_not_for_other_sites_pages(table: Table, peer: RunningPeer) -> None:
    async with connection(peer.app.port) as wire:
        for method, path in table.addresses(Role.MEMBER):
            for lines in OTHER_PAGES:
                answer = await wire.ask(method, path, *lines)
                assert answer.status == 403, (method, path, lines)


async def test_a_link_from_elsewhere_opens_the_pages_and_changes_nothing(
    peer: RunningPeer,
) -> None:
    assert (await one(peer, "GET", "/files/", *NAVIGATION)).status == 200
    assert (await one(peer, "GET", "/", *NAVIGATION)).status == 200
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
    check_host(["files.lan"], frozenset({"Files.LAN"}))
    with pytest.raises(WrongHost):
        check_host(["other.lan"], frozenset({"Files.LAN"}))


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
            assert b"nonsense" not in answer
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
        addresses = [(m, p) for m, p in table.addresses(*Role) if not p.endswith(ENDLESS)]
        for method, path in [*addresses, *(("OPTIONS", p) for _, p in addresses)]:
            for lines in (preflight, ("Origin: http://127.0.0.1",), ()):
                answer = await wire.ask(method, path, *lines)
                allowing = [name for name in answer.headers if name.startswith("access-control")]
                assert allowing == [], (method, path)
                if method == "OPTIONS" and path != "/api/v1/uploads":
                    assert answer.status == 405
                    assert is_problem(answer, "http")
                elif lines == preflight:
                    assert answer.status == 403


async def test_an_upgrade_is_not_taken(peer: RunningPeer) -> None:
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAA")
    assert (await one(peer, "GET", "/healthz", *lines)).status == 200


async def test_errors_have_their_slug_and_type(peer: RunningPeer) -> None:
    rows = [
        ("GET", "/nowhere", 404, "http"),
        ("GET", "/files/nothing", 404, "not-found"),
        ("GET", "/files/a%00", 400, "unsafe-name"),
        ("GET", "/files/a%0Ab", 400, "unsafe-name"),
        ("PUT", "/upload/a%0Ab", 400, "unsafe-name"),
        ("DELETE", "/api/v1/files/a%0Ab", 400, "unsafe-name"),
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
    runner = web.AppRunner(
        application(routes, Doorkeeper(), AuditLog(None, SystemClock())), shutdown_timeout=0.1
    )
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


async def test_a_foreign_name_in_an_absolute_address_is_refused_too(peer: RunningPeer) -> None:
    own = [f"{host}:{peer.app.port}" for host in ("127.0.0.1", "[::1]", "localhost", "files.lan")]
    foreign = ["evil.example", "127.0.0.1@evil.example", "evil.example:80", "0x7f.1"]
    async with connection(peer.app.port) as wire:
        for host, status in [(host, 200) for host in own] + [(host, 421) for host in foreign]:
            answer = await wire.ask("GET", f"http://{host}/healthz")
            assert answer.status == status, host
        assert await wire.is_in_step()
        assert (await wire.ask("CONNECT", "evil.example:80")).status in {404, 421}
