"""What a connection says of whoever is at its other end, and of what that has taken."""

import asyncio
from typing import Any, Protocol

import msgspec

from panal.peer.connections import OWNER
from panal.peer.local_user import user_at
from panal.peer.socket_diag import Endpoint
from panal.wire.address import is_loopback, place_of
from panal.wire.certified_names import name_in
from panal.wire.ids import PeerName


class Connection(Protocol):
    """What is asked of a transport."""

    def get_extra_info(self, name: str) -> Any:
        """`peername`, `sockname`, `peercert` and `ssl_object`, as asyncio has them."""
        ...


def is_over_tls(connection: Connection | None) -> bool:
    """Whether a connection is one over TLS."""
    return connection is not None and connection.get_extra_info("ssl_object") is not None


def member_at(connection: Connection | None) -> PeerName | None:
    """The member that called; None for the tracker, for plain connections and without one."""
    return None if connection is None else name_in(connection.get_extra_info("peercert"))


class Visitor(msgspec.Struct, frozen=True):
    """Who is at the other end of a connection, as far as that itself tells."""

    place: str = ""
    """The same for all connections of a member, of a user of this machine, or else of an address
    (an IPv6 /64); empty where nobody holds the other end any more."""
    on_loopback: bool = False
    """In plain: over TLS a member there need not be this machine's."""
    is_same_user: bool = False
    """Whether it is on loopback, and this peer's user or root."""
    member: PeerName | None = None

    @property
    def seat(self) -> str:
        """The place as limits on connections count it."""
        return OWNER if self.is_same_user else self.place


def visitor_between(client: Endpoint, server: Endpoint) -> Visitor:
    """Who has connected in plain, or has not shown more yet; the system is asked for one socket."""
    if not is_loopback(client[0]):
        return Visitor(f"address {place_of(client[0])}")
    user = user_at(client, server)
    return Visitor(user.place, on_loopback=True, is_same_user=user.is_ours)


def visitor_at(connection: Connection) -> Visitor:
    """Who has connected."""
    client, server = map(connection.get_extra_info, ("peername", "sockname"))
    if not (isinstance(client, tuple) and isinstance(server, tuple)):  # it has gone
        return Visitor()
    if (member := member_at(connection)) is not None:
        return Visitor(f"member {member.lower()}", member=member)
    if is_over_tls(connection):
        return Visitor(f"address {place_of(client[0])}")
    return visitor_between(client[:2], server[:2])


def unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """How much of what was written waits in this process.

    asyncio's transport over TLS only tells of what is not yet encrypted; the rest waits in the
    transport below it, which asyncio keeps for itself. tests/peer/test_members.py shows a change.
    """
    waiting_bytes = transport.get_write_buffer_size()
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return waiting_bytes + (below.get_write_buffer_size() if below is not None else 0)
