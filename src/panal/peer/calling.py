"""How other peers are called: plainly, or in a network over TLS, each by its name.

One context for all; whom a call means is compared within the handshake.
"""

import socket
import ssl
from collections.abc import Callable

import msgspec

from panal.trust.tls import HANDSHAKE_S
from panal.wire.certified_names import peer_host
from panal.wire.ids import PeerName


class Calling(msgspec.Struct, frozen=True):
    """Plain where there is no context."""

    context: ssl.SSLContext | None = None
    pin: bytes = b""
    """Of the network's authority."""

    def host_name(self, peer: PeerName) -> str | None:
        """What a peer's certificate must be for; None where there is none."""
        return None if self.context is None else peer_host(peer, self.pin)

    def secure(
        self,
        connection: socket.socket,
        peer: PeerName,
        keep: Callable[[socket.socket], None],
    ) -> socket.socket:
        """A blocking connection as it is to be used; `keep` gets it before anything is waited for.

        ssl.SSLError where the other end is not that peer.
        """
        if self.context is None:
            keep(connection)
            return connection
        secured = self.context.wrap_socket(
            connection, server_hostname=self.host_name(peer), do_handshake_on_connect=False
        )
        keep(secured)
        secured.settimeout(HANDSHAKE_S)
        secured.do_handshake()
        return secured


PLAIN = Calling()
