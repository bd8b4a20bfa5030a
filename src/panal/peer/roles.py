"""Who is asking, and what each may do: facts of one request in, a role out; pure.

Deny is what is left over: whoever is not proven to be more is the public.
"""

from enum import Enum

import msgspec

from panal.entrances import Role as Role
from panal.wire.ids import PeerName

_MAY = {
    Role.PUBLIC: {Role.PUBLIC},
    Role.GUEST: {Role.PUBLIC, Role.GUEST},
    Role.MEMBER: {Role.PUBLIC, Role.MEMBER},
    Role.OWNER: {Role.PUBLIC, Role.MEMBER, Role.OWNER},
}


class Token(Enum):
    """What a request shows of the owner's token or a session of the page."""

    NONE = "none"
    WRONG = "wrong"
    RIGHT = "right"


class Asker(msgspec.Struct, frozen=True):
    """What is known of who asks."""

    on_loopback: bool = False
    """Whether the connection comes over loopback."""
    is_same_user: bool = False
    """Whether it belongs to this peer's user or to root; only known on loopback."""
    is_forwarded: bool = False
    """Whether a proxy says that it asks for somebody else."""
    certificate_name: PeerName | None = None
    """The member that a checked certificate names."""
    token: Token = Token.NONE
    has_capability: bool = False
    """Whether the address opens something, on the guests' listener."""
    place: str = ""
    """Where the connection comes from, as sessions know it."""


def role_of(asker: Asker, *, is_open: bool) -> Role:
    """The role of whoever asks; `is_open` where everybody who gets here may fetch.

    A wrong token is never made good by something else: its sender believes to be the owner,
    and learns that it is not. A certificate is a member's, whoever runs it.
    """
    if asker.has_capability:
        return Role.GUEST
    if asker.token is Token.RIGHT:
        return Role.OWNER
    if asker.token is Token.WRONG:
        return Role.PUBLIC
    if asker.certificate_name is not None:
        return Role.MEMBER
    if asker.on_loopback and asker.is_same_user and not asker.is_forwarded:
        return Role.OWNER
    return Role.MEMBER if is_open else Role.PUBLIC


def may(role: Role, wanted: Role) -> bool:
    """Whether a role may call a route that is for `wanted`."""
    return wanted in _MAY[role]


def refusal(asker: Asker, wanted: Role) -> str:
    """Why somebody is refused, and what would help, in words."""
    if asker.token is Token.WRONG:
        return "That is not the token of this peer's owner; its file in the state directory has it."
    if wanted is Role.GUEST:
        return "That address opens nothing, or nothing any more."
    if wanted is Role.MEMBER:
        return (
            "This peer gives its files to its own user only; started with --join it gives them to "
            "members of that network too, with --open to everybody who reaches it."
        )
    if asker.certificate_name is not None:
        return (
            "Only this peer's owner may do that, and a member is another: show the owner's token."
        )
    if asker.is_forwarded:
        return "A forwarded request is not the owner's: show the owner's token."
    if asker.on_loopback and not asker.is_same_user:
        return (
            "Only this peer's owner may do that, and you are another user: show the owner's token."
        )
    return (
        "Only this peer's owner may do that: on the machine it runs on, or with the owner's token."
    )
