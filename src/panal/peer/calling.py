"""How other peers are called: plainly, or in a network over TLS, each by its name.

One context for all; whom a call means is compared within the handshake.
"""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from panal.trust.tls import HANDSHAKE_S
from panal.wire.address import authority
from panal.wire.catalogue import Provider
from panal.wire.certified_names import peer_host
from panal.wire.ids import PeerName


@dataclass(frozen=True, slots=True)
class Calling:
    """Plain where there is no context."""

    context: ssl.SSLContext | None = None
    pin: bytes = b""
    """Of the network's authority."""

    def url(self, provider: Provider, path: str) -> str:
        """Where a provider answers; `path` begins with a slash."""
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://{authority(provider.host, provider.port)}{path}"

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


def untrusting_session(
    connector: aiohttp.TCPConnector | None = None, *, keeps_connections: bool = False
) -> aiohttp.ClientSession:
    """A client that trusts nobody's answers: no decoding, no cookies, no proxy."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        trust_env=False,
        headers={"Accept-Encoding": "identity"},
        connector=connector or aiohttp.TCPConnector(limit=0, force_close=not keeps_connections),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class PeerSession:
    """An HTTP client for calls to peers, which follows no redirect."""

    def __init__(self, calling: Calling, *, keeps_connections: bool) -> None:
        self.calling = calling
        self._session = untrusting_session(keeps_connections=keeps_connections)

    async def __aenter__(self) -> "PeerSession":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def get(
        self, provider: Provider, path: str, timeout: aiohttp.ClientTimeout, **more: Any
    ) -> "aiohttp.client._RequestContextManager":
        """Ask a provider; a context manager, as aiohttp's."""
        calling = self.calling
        return self._session.get(
            calling.url(provider, path),
            timeout=timeout,
            allow_redirects=False,
            ssl=True if calling.context is None else calling.context,
            server_hostname=calling.host_name(provider.peer),
            **more,
        )


def client_session(calling: Calling = PLAIN, *, keeps_connections: bool = False) -> PeerSession:
    """A client for calls to peers."""
    return PeerSession(calling, keeps_connections=keeps_connections)
