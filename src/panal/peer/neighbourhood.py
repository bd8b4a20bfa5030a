"""Asking a provider who else fetches a content: peers know each other without the tracker.

What a provider names is believed as little as what it sends: addresses that may be called,
few of them, and each has to show its chunks.
"""

import aiohttp
import msgspec

from panal.errors import PanalError
from panal.peer.have_stream import CONNECT_S
from panal.wire.address import authority, hearsay_problem
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId, parse_peer_name

MOST_PEERS = 50
_MAX_BYTES = 64 * 1024
_ANSWER_S = 10.0


class NamedPeer(msgspec.Struct):
    """A peer that fetches the content too."""

    peer: str
    """Its name."""
    host: str
    """The address that it came from."""
    port: int
    """Where it says that it answers."""


class NamedPeers(msgspec.Struct):
    """Some of them, drawn by chance."""

    peers: list[NamedPeer]
    """At most 50."""


async def ask_for_peers(
    session: aiohttp.ClientSession, provider: Provider, content: ContentId
) -> list[Provider]:
    """Whom a provider names that may be called; nobody where it does not answer well."""
    at = authority(provider.host, provider.port)
    url = f"http://{at}/content/{content.hex()}/peers"
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S, connect=CONNECT_S)
    try:
        async with session.get(url, timeout=timeout, allow_redirects=False) as answer:
            if answer.status != 200:
                return []
            raw = bytearray()
            async for block in answer.content.iter_any():
                raw += block
                if len(raw) > _MAX_BYTES:
                    return []
        named = msgspec.json.decode(bytes(raw), type=NamedPeers).peers
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [known for peer in named[:MOST_PEERS] if (known := believed(peer, provider))]


def believed(named: NamedPeer, by: Provider) -> Provider | None:
    """A named peer as a provider, where it may be called and is one that `by` could reach."""
    if hearsay_problem(named.host, named.port, by.host) is not None:
        return None
    try:
        return Provider(parse_peer_name(named.peer), named.host, named.port, complete=False)
    except PanalError:
        return None
