"""What goes out, by connection and content: counted as it goes, looked at by whoever wants to."""

import asyncio
from collections.abc import Iterator

import msgspec

from panal.peer.visitors import member_at
from panal.wire.ids import ContentId, PeerName

MOST_KEPT = 1_000
"""So many connections and contents are told apart; then those known are forgotten."""


class Taking(msgspec.Struct):
    """What one connection has taken of one content."""

    host: str
    port: int
    member: PeerName | None
    """Whose connection it is, by its certificate."""
    content: ContentId | None
    size_bytes: int = 0


class Traffic:
    """The counters of one peer; the loop's own."""

    def __init__(self) -> None:
        self.up_bytes = 0
        """Of contents, to everybody, since the start."""
        self._taking: dict[tuple[object, ContentId | None], Taking] = {}

    def sent(
        self, transport: asyncio.BaseTransport, content: ContentId | None, size_bytes: int
    ) -> None:
        """A connection has taken some bytes of a content, or of several together (None)."""
        self.up_bytes += size_bytes
        place = transport.get_extra_info("peername") or ("", 0)
        known = self._taking.get((place, content))
        if known is None:
            if len(self._taking) >= MOST_KEPT:
                self._taking.clear()
            host, port, *_ = place
            known = Taking(host, port, member_at(transport), content)
            self._taking[place, content] = known
        known.size_bytes += size_bytes

    def taken(self) -> Iterator[Taking]:
        """What each has taken since it was last asked for; it is forgotten then."""
        taking, self._taking = self._taking, {}
        return iter(taking.values())
