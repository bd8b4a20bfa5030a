"""A peer's doors: to members and its owner, and to guests where it has them."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from panal.peer.chunk_server import ChunkServer
from panal.peer.connections import Connections
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.doors import listen
from panal.peer.granting import Granting
from panal.peer.http_door import HttpDoor, Make
from panal.peer.lifetime import Lifetime
from panal.peer.limits import DRAIN_S, GUEST_CONNECTIONS, GUEST_CONNECTIONS_PER_ADDRESS
from panal.peer.member_tls import MemberTls
from panal.peer.never_sent import NeverSent
from panal.peer.sending import Sender
from panal.wire.dialback import hash_secret

if TYPE_CHECKING:
    from panal.peer.access import Route
    from panal.peer.app import PeerApp


async def open_doors(
    app: "PeerApp",
    secret: bytes,
    more_routes: Callable[["PeerApp"], "Sequence[Route]"],
    lifetime: Lifetime,
    tls: MemberTls | None,
) -> None:
    """Serve on the peer's ports until its lifetime ends; `secret` is that of its name."""
    sender = Sender(app.upload_limit, app.traffic)
    lifetime.at_end(sender.close)
    never_sent = NeverSent(app.chance)
    granting = Granting(app.contents, app.lanes, never_sent)
    doorkeeper = Doorkeeper(
        is_open=app.settings.open,
        allowed_hosts=app.settings.allowed_hosts,
        credentials=app.credentials,
    )
    await _let_guests_in(app, sender, lifetime)
    behind = contextlib.AsyncExitStack()
    lifetime.at_end_await(behind.aclose)

    async def open_up() -> Make:
        from panal.peer import http_rooms  # it takes longer to load than a small get does

        content_routes = http_rooms.content_routes(app, sender, never_sent, granting, secret)
        app.routes = [*content_routes, *more_routes(app)]
        return await http_rooms.answering(
            app.routes, doorkeeper, app.audit, app.connections, behind
        )

    door = HttpDoor(open_up)
    if not app.settings.asked_anew:
        await door.open()
    server = ChunkServer(
        app.contents,
        sender,
        app.lanes,
        never_sent,
        granting,
        doorkeeper,
        app.connections,
        door,
        hash_secret(secret),
    )
    lifetime.at_end_await(server.close, DRAIN_S)
    await listen(app.ports.sockets, server.connection, lifetime.stack, tls)


async def _let_guests_in(app: "PeerApp", sender: Sender, lifetime: Lifetime) -> None:
    sockets = app.ports.guest_sockets
    if not sockets:
        return
    from panal.peer import http_rooms
    from panal.peer.guest_routes import GuestDoorkeeper, GuestRoutes

    keeper = GuestDoorkeeper(app.guest_links, app.settings.allowed_hosts)
    app.guest_routes = GuestRoutes(
        keeper, app.contents, app.texts, sender, app.chance, app.audit
    ).routes()
    connections = Connections(GUEST_CONNECTIONS, GUEST_CONNECTIONS_PER_ADDRESS)
    answered = await http_rooms.answering(
        app.guest_routes, keeper, app.audit, connections, lifetime.stack, enters=True
    )
    await listen(sockets, answered, lifetime.stack)
