"""A peer's ports: bound before anything else, listened on when everything else is there."""

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Callable, Sequence

from panal.errors import PanalError, PortTaken
from panal.peer.limits import BACKLOG, CONNECTIONS, DESCRIPTORS_PART
from panal.peer.listening import TlsListener
from panal.peer.member_tls import MemberTls
from panal.wire.address import parse_address


async def listen(
    sockets: list[socket.socket],
    connection: Callable[[], asyncio.Protocol],
    cleanup: contextlib.AsyncExitStack,
    tls: MemberTls | None = None,
) -> None:
    """Take connections of bound sockets until `cleanup`; in a network as `tls` says."""
    if tls is not None:
        listener = TlsListener(sockets, connection, tls.server)
        tls.ended = listener.end
        cleanup.callback(listener.close)
        return
    loop = asyncio.get_running_loop()
    # The stock loop accepts as many at one go as the system holds, before any of them can be turned
    # away: with few descriptors, none would be left. uvloop's closes what it has none for.
    at_one_go = max(1, connections_at_most() // DESCRIPTORS_PART)
    for bound in sockets:
        listening = await loop.create_server(
            connection, sock=bound, backlog=min(BACKLOG, at_one_go)
        )
        bound.listen(BACKLOG)
        cleanup.callback(listening.close)


def connections_at_most() -> int:
    """How many a peer takes in all, by the descriptors that it may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS
    return min(CONNECTIONS, descriptors // DESCRIPTORS_PART)


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A listening-ready socket per host, all on one port; PortTaken names the port.

    Before anything else is done, so that a taken port is found before registering. Port 0
    takes what the system gives for the first host.
    """
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            family = socket.AF_INET6 if parse_address(host).version == 6 else socket.AF_INET
            bound = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((host, port))
            bound.listen(BACKLOG)  # two may bind with SO_REUSEADDR; only one may listen
            port = bound.getsockname()[1]
    except OSError as error:
        for bound in sockets:
            bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} is taken by another program; stop it or choose another port."
            ) from None
        if error.errno == errno.EACCES:
            raise PortTaken(f"Port {port} needs special rights; choose one above 1023.") from None
        raise PanalError(f"Cannot listen on {', '.join(hosts)}: {error.strerror}.") from None
    return sockets
