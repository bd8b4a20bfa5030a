"""Where a peer answers: its own port, and that for guests."""

import socket

from panal.peer.config import ANY_HOST, LOOPBACK, PeerSettings
from panal.peer.doors import bind
from panal.peer.lifetime import Lifetime
from panal.peer.own_ways import way_to
from panal.wire.address import authority

ELSEWHERE = "192.0.2.1"
"""An address that is nobody's: the way to it is the way out."""


class Ports:
    """The bound sockets of a peer, and the URLs that lead to them."""

    def __init__(self, settings: PeerSettings, lifetime: Lifetime) -> None:
        """Bind them; PortTaken."""
        self._settings = settings
        self.sockets = bind(settings.bind_hosts(), settings.port)
        self._close_at_end(self.sockets, lifetime)
        self.port: int = self.sockets[0].getsockname()[1]
        self.guest_sockets: list[socket.socket] = []
        self.guest_port = 0
        """0: guests come in nowhere."""
        if settings.guest_port is not None:
            self.guest_sockets = bind(settings.guest_hosts(), settings.guest_port)
            self._close_at_end(self.guest_sockets, lifetime)
            self.guest_port = self.guest_sockets[0].getsockname()[1]

    @staticmethod
    def _close_at_end(sockets: list[socket.socket], lifetime: Lifetime) -> None:
        for bound in sockets:
            lifetime.at_end(bound.close)

    def urls(self) -> list[str]:
        """Where this peer answers."""
        return [f"http://{authority(host, self.port)}" for host in self._settings.bind_hosts()]

    def given_url(self) -> str:
        """Where others fetch without being members, if they may; else where the owner does."""
        host = self._settings.bind_hosts()[-1] if self._settings.open else LOOPBACK
        return _url(host, self.port)

    def guest_url(self) -> str | None:
        """Where guests come in, if they do."""
        if not self.guest_port:
            return None
        return _url(self._settings.guest_hosts()[0], self.guest_port)


def _url(host: str, port: int) -> str:
    if host == ANY_HOST:
        host = way_to(ELSEWHERE) or LOOPBACK
    return f"http://{authority(host, port)}"
