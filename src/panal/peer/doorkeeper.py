"""The facts of who is asking, gathered from a connection and its request."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from panal.peer.browser_rules import is_host_allowed
from panal.peer.roles import Asker, Role, Token, role_of
from panal.peer.visitors import Connection, visitor_at

if TYPE_CHECKING:
    from aiohttp import web

_FORWARDED = (
    *("via", "forwarded", "x-forwarded-"),
    *("x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"),
)
"""How fields begin that proxies add; each has to add Via (RFC 9110, section 7.6.3)."""


class Credentials(Protocol):
    """What proves the owner where the connection does not."""

    def look(self, headers: Mapping[str, str], place: str) -> Token:
        """What the headers of a request that comes from a place show of it."""
        ...


class NoCredentials:
    """Where there are none."""

    def look(self, headers: Mapping[str, str], place: str) -> Token:
        """Whatever is shown is wrong."""
        return Token.WRONG if "Authorization" in headers else Token.NONE


class Doorkeeper:
    """Who is asking, of one peer."""

    def __init__(
        self,
        *,
        is_open: bool = False,
        allowed_hosts: frozenset[str] = frozenset(),
        credentials: Credentials | None = None,
    ) -> None:
        """`is_open` where everybody who gets here may fetch."""
        self.is_open = is_open
        self.allowed_hosts = allowed_hosts
        self._credentials = credentials or NoCredentials()
        self._connections: WeakKeyDictionary[Connection, Asker] = WeakKeyDictionary()
        """Whose each connection is; that is looked up once: the system's list may be long."""

    def asker(self, request: "web.Request") -> Asker:
        """Who asks."""
        known = self._of_connection(request.transport)
        return Asker(
            on_loopback=known.on_loopback,
            is_same_user=known.is_same_user,
            is_forwarded=any(name.lower().startswith(_FORWARDED) for name in request.headers),
            certificate_name=known.certificate_name,
            place=known.place,
            token=self._credentials.look(request.headers, known.place),
        )

    def role_of(self, asker: Asker) -> Role:
        """What somebody may do here."""
        return role_of(asker, is_open=self.is_open)

    def role_without_fields(self, connection: Connection) -> Role:
        """What a request may do that has no fields about who sends it."""
        return self.role_of(self._of_connection(connection))

    def is_host_allowed(self, host: str) -> bool:
        """Whether a request may call this peer so."""
        return is_host_allowed(host, self.allowed_hosts)

    def _of_connection(self, connection: Connection | None) -> Asker:
        if connection is None:  # it has gone
            return Asker()
        known = self._connections.get(connection)
        if known is None:
            known = self._connections[connection] = _facts(connection)
        return known


def _facts(connection: Connection) -> Asker:
    visitor = visitor_at(connection)
    return Asker(
        on_loopback=visitor.on_loopback,
        is_same_user=visitor.is_same_user,
        certificate_name=visitor.member,
        place=visitor.place,
    )
