"""What a connection says of whoever is at its other end, and of what that has taken."""

import asyncio
from typing import Any, Protocol

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


def unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """How much of what was written waits in this process.

    asyncio's transport over TLS only tells of what is not yet encrypted; the rest waits in the
    transport below it, which asyncio keeps for itself. tests/peer/test_members.py shows a change.
    """
    waiting_bytes = transport.get_write_buffer_size()
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return waiting_bytes + (below.get_write_buffer_size() if below is not None else 0)
