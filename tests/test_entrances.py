"""Both live routers, a peer's and its tracker's, walked with every kind of credential but the right
one; and that what nobody registered is closed.

Real sockets, HTTP in plain and over TLS, gRPC over TLS. Whether somebody came in is seen by the
handlers of HTTP, and by the codes of gRPC.
"""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from aiohttp import web

from panal.audit import AuditLog
from panal.entrances import Entrances, Role
from panal.errors import Refused
from panal.peer import access, http_rooms
from panal.peer.access import Route
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.local_user import LocalUser
from panal.peer.network_owner import NetworkOwner
from panal.peer.owner_token import SESSION_S, owner_token
from panal.peer.tracker_channel import tls_channel
from panal.tracker.gate import ENTRANCES
from panal.trust.owner_files import read_access
from panal.wire.certified_names import peer_host
from panal.wire.ids import PeerName
from tests.support.clock import VirtualClock
from tests.support.network import Network, RunningPeer
from tests.support.patience import PATIENCE_S
from tests.tracker.test_network import every_call

pytestmark = pytest.mark.p9

MAY = {
    Role.PUBLIC: {Role.PUBLIC},
    Role.MEMBER: {Role.PUBLIC, Role.MEMBER},
    Role.OWNER: {Role.PUBLIC, Role.MEMBER, Role.OWNER},
}


class Registered:
    """What `Entrances.register` was called with, and whose handlers were called."""

    def __init__(self) -> None:
        self.entrances: list[Entrances] = []
        self.applications: list[web.Application] = []
        self.came_in: list[Route] = []

    def application(
        self, routes: Iterable[Route], keeper: Doorkeeper, audit: AuditLog
    ) -> web.Application:
        made = access.application(map(self._watched, routes), keeper, audit)
        self.applications.append(made)
        return made

    def _watched(self, route: Route) -> Route:
        async def note(_: web.Request) -> web.StreamResponse:
            self.came_in.append(route)
            return web.Response()

        return replace(route, handler=note)

    def names(self) -> dict[str, Role]:
        return {name: role for entrances in self.entrances for name, role in entrances}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Registered:
    noted = Registered()

    class Noted(Entrances):
        def __init__(self) -> None:
            super().__init__()
            noted.entrances.append(self)

    monkeypatch.setattr(access, "Entrances", Noted)
    monkeypatch.setattr(http_rooms, "application", noted.application)
    return noted


@pytest.fixture
async def network(tmp_path: Path, registered: Registered) -> AsyncIterator[Network]:
    async with Network(tmp_path, has_members=True) as made:
        yield made


def address(route: Route) -> str:
    path = route.path.replace("{path:.+}", "x").replace("{path:.*}", "x").replace("{any:.*}", "x")
    path = path.replace("{nonce}", "0" * 32).replace("{name}", "x").replace("{capability}", "x")
    return path.replace("{id}", "0" * (16 if "downloads" in path else 64))


@dataclass
class Caller:
    """How somebody calls a peer: what it shows, and what it is."""

    port: int
    role: Role
    fields: dict[str, str]
    tls: dict[str, Any]


def callers(network: Network, peer: RunningPeer, member: RunningPeer) -> dict[str, Caller]:
    """Whoever has no, a wrong, an expired, or a lesser credential, and the owner."""
    port, credentials = peer.app.port, peer.app.credentials
    clock = VirtualClock()
    credentials._clock = clock
    over = credentials.begin_session(credentials.new_link(), f"user {os.getuid()}")
    clock.advance(SESSION_S)
    cookie = credentials.cookie_name("127.0.0.1")
    wrong = {"Authorization": f"Bearer {owner_token(network.place)}"}
    right = {"Authorization": f"Bearer {owner_token(peer.app.settings.state)}"}
    line, context = network.join_line, member.app.calling.context
    assert line is not None
    tls = {"ssl": context, "server_hostname": peer_host(PeerName("a"), line.pin)}
    return {
        "no credential": Caller(port, Role.PUBLIC, {}, {}),
        "a wrong token": Caller(port, Role.PUBLIC, wrong, {}),
        "a session that is over": Caller(port, Role.PUBLIC, {"Cookie": f"{cookie}={over}"}, {}),
        "a member": Caller(port, Role.MEMBER, {}, tls),
        "a member, with a wrong token": Caller(port, Role.PUBLIC, wrong, tls),
        "the owner": Caller(port, Role.OWNER, right, {}),
        "a guest without a link": Caller(peer.app.ports.guest_port, Role.PUBLIC, {}, {}),
        "the owner, where guests come in": Caller(
            peer.app.ports.guest_port, Role.PUBLIC, right, {}
        ),
    }


async def test_every_route_and_call_is_registered_and_closed_to_whom_it_is_not_for(
    network: Network, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("a", guest_port=0)
    member = await network.peer("b")
    monkeypatch.setattr("panal.peer.visitors.user_at", lambda *_: LocalUser(65_534))
    served = {
        f"{route.method} {route.resource.canonical}"
        for application in registered.applications
        for route in application.router.routes()
        if route.resource is not None
    }
    assert served == registered.names().keys()
    assert len(served) > 50
    routes = {False: peer.app.routes, True: peer.app.guest_routes}
    async with aiohttp.ClientSession() as session:
        for who, caller in callers(network, peer, member).items():
            scheme = "https" if caller.tls else "http"
            for route in routes[caller.port == peer.app.ports.guest_port]:
                registered.came_in.clear()
                url = f"{scheme}://127.0.0.1:{caller.port}{address(route)}"
                async with session.request(
                    route.method, url, headers=caller.fields, **caller.tls
                ) as answer:
                    is_in = answer.status == 200
                wanted = registered.names()[f"{route.method} {canonical(route)}"]
                assert is_in is (wanted in MAY[caller.role]), (who, route)
                # The tracker may be calling back meanwhile, to the public route for that.
                others = [one for one in registered.came_in if one.role is not Role.PUBLIC]
                assert others == ([route] if is_in and wanted is not Role.PUBLIC else []), who
    await _walk_the_tracker(network)


def canonical(route: Route) -> str:
    return route.path.replace(":.+}", "}").replace(":.*}", "}")


async def _walk_the_tracker(network: Network) -> None:
    access_of_owner = read_access(network.place / "tracker")
    kept = (network.place / name / ".panal" / "network" / "member.json" for name in ("a", "b"))
    member, removed = (_credential(path) for path in kept)
    async with NetworkOwner(access_of_owner) as owner:
        await owner.remove("b")
    shown = {
        "no credential": (b"", Role.PUBLIC),
        "a wrong one": (secrets.token_bytes(32), Role.PUBLIC),
        "that of a removed member": (removed, Role.PUBLIC),
        "a member": (member, Role.MEMBER),
    }
    rules = dict(ENTRANCES)
    # The library describes the first, and does not serve it; the second is closed to everybody.
    closed = {f"/grpc.health.v1.Health/{call}" for call in ("List", "Watch")}
    assert rules.keys() == every_call().keys() - closed
    for who, (credential, role) in shown.items():
        pem = access_of_owner.authority_pem
        async with tls_channel(access_of_owner.address, pem, credential) as channel:
            for method in every_call():
                if rules.get(method) not in MAY[role]:
                    assert await _is_refused(channel, method), (who, method)


def _credential(path: Path) -> bytes:
    return bytes.fromhex(json.loads(path.read_text())["credential"])


async def _is_refused(channel: grpc.aio.Channel, method: str) -> bool:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()  # a message that is on its way when it ends is another failure
        yield b""

    called: Any = channel.stream_stream(method)
    try:
        async for _ in called(silent(), timeout=PATIENCE_S):
            return False
    except grpc.aio.AioRpcError as error:
        return error.code().name in {"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"}
    return False


async def test_a_route_that_came_onto_the_router_otherwise_is_closed(
    network: Network, registered: Registered
) -> None:
    peer = await network.peer("a", shares_folder=False)

    async def leak(_: web.Request) -> web.Response:
        return web.Response(text="secret")

    router = registered.applications[0].router
    router._frozen = False  # as if somebody had added it before the start
    router.add_get("/leak", leak)
    answer = await peer.request("GET", "/leak")
    assert answer.status == 403
    assert b"secret" not in answer.body


def test_nobody_comes_in_where_nothing_was_registered_and_nothing_is_so_twice() -> None:
    entrances = Entrances()
    entrances.register("GET /x", Role.MEMBER)
    assert entrances.role_of("GET /x") is Role.MEMBER
    with pytest.raises(Refused):
        entrances.role_of("POST /x")
    with pytest.raises(ValueError, match="twice"):
        entrances.register("GET /x", Role.PUBLIC)
    assert dict(entrances) == {"GET /x": Role.MEMBER}


def test_each_call_of_the_tracker_is_for_whom_it_should_be() -> None:
    """Those of a peer's routes stand in tests/peer/test_access.py."""
    by_role: dict[Role, set[str]] = {}
    for name, role in ENTRANCES:
        by_role.setdefault(role, set()).add(name.rpartition(".")[2])
    assert by_role == {
        Role.PUBLIC: {"Network/Authority", "Network/Enrol", "Health/Check"},
        Role.MEMBER: {
            *(f"Tracker/{call}" for call in ("Register", "Announce", "Renew", "Leave", "Locate")),
            *(
                "Tracker/Search",
                "Tracker/ListFolder",
                "Tracker/ListPeers",
                "Tracker/Watch",
                "Tracker/Status",
                "Network/RenewCertificate",
            ),
            "ServerReflection/ServerReflectionInfo",
        },
        Role.OWNER: {
            *("Network/ListMembers", "Network/MintJoinLine"),
            *("Network/RevokeJoinLine", "Network/RemoveMember", "Network/Status"),
        },
    }
