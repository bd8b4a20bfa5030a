"""Where somebody can come in, and who may: each route of HTTP and each call of gRPC; pure.

One function registers them all, those of a peer and those of a tracker. What it has not registered
is closed to everybody, also where a router would find it.
"""

from collections.abc import Iterator
from enum import Enum

from panal.errors import Refused


class Role(Enum):
    """Who may come in by an entrance."""

    PUBLIC = "public"
    """Anybody: nothing is told of what is here or who, and nothing changed. Enrolment too, where
    what it is shown is looked at there."""
    GUEST = "guest"
    """Whoever has a link for guests: what that link names, on the guests' own listener."""
    MEMBER = "member"
    """Whoever may fetch: a member of the network, everybody on an open one, and a peer's owner."""
    OWNER = "owner"
    """Whoever this peer belongs to; at a tracker, whoever can read the owner's token in its state
    directory."""


class Entrances:
    """Those of one program, by name: `GET /path`, or `/package.Service/Call`."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}

    def register(self, name: str, role: Role) -> None:
        """Open one for a role; ValueError where it is open already."""
        if name in self._roles:
            raise ValueError(f"{name} is registered twice.")
        self._roles[name] = role

    def role_of(self, name: str) -> Role:
        """Whom one is for; Refused where it was not registered."""
        role = self._roles.get(name)
        if role is None:
            raise Refused("Nobody may come in here.")
        return role

    def __iter__(self) -> Iterator[tuple[str, Role]]:
        return iter(self._roles.items())
