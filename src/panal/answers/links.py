"""Links: to a content for whoever has Panal, and for guests, who need only a browser."""

import msgspec

from panal.answers.found import KindWord


class LinkAnswer(msgspec.Struct):
    """A shared file or folder, as others ask for it."""

    name: str
    """What it is called."""
    id: str
    """Its content id."""
    kind: KindWord
    """file, or collection for a folder as it is now."""
    link: str
    """For chats and mails, and for `get`."""
    url: str | None
    """Where this peer gives the bytes to whom it gives anything; null for a folder."""
    curl: str | None
    """What fetches them in a shell, and goes on where it broke off; null for a folder."""


class QrAnswer(msgspec.Struct):
    """A text as a QR code."""

    rows: list[str]
    """From above, a character a module: 1 is dark, 0 light."""
    border: int
    """How many light modules must stand around them."""


class GuestLinkAnswer(msgspec.Struct):
    """One link for guests."""

    id: str
    """What it is revoked by; no part of its address opens anything."""
    name: str
    """What it gives is called."""
    content: str
    """The content id of what it gives."""
    kind: KindWord
    """file, or collection for a folder as it was then."""
    expires: int
    """When it counts no more; seconds since 1970."""
    url: str | None = None
    """The address, told only when the link is made."""


class GuestLinksAnswer(msgspec.Struct):
    """Every link for guests that counts."""

    links: list[GuestLinkAnswer]
    """The next to expire first."""
    listening: str | None
    """Where guests come in; null: nowhere, until the peer is started with `--guest-port`."""
