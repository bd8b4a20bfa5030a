"""Asking a provider who else fetches a content: peers know each other without the tracker.

What a provider names is believed as little as what it sends: addresses that may be called,
few of them, and each has to show its chunks.
"""

import asyncio
from collections.abc import Callable

import msgspec

from panal.errors import IntegrityError, PanalError
from panal.peer.calling import Calling
from panal.peer.own_ways import way_to
from panal.peer.questions import asked
from panal.wire.address import hearsay_problem, is_loopback, is_private
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId, parse_peer_name, parse_zone

MOST_PEERS = 50
_MAX_BYTES = 64 * 1024
_ANSWER_S = 10.0


class NamedPeer(msgspec.Struct, omit_defaults=True):
    """A peer that fetches the content too."""

    peer: str
    """Its name."""
    host: str
    """The address that it came from."""
    port: int
    """Where it says that it answers."""
    zone: str = ""
    """Which zone it says that it is in."""


class NamedPeers(msgspec.Struct):
    """Some of them, drawn by chance."""

    peers: list[NamedPeer]
    """At most 50."""


async def ask_for_peers(calling: Calling, provider: Provider, content: ContentId) -> list[Provider]:
    """Whom a provider names that may be called; nobody where it does not answer well."""
    path = f"/content/{content.hex()}/peers"
    try:
        async with asyncio.timeout(_ANSWER_S), asked(calling, provider, path) as answer:
            if answer.status != 200:
                return []
            raw = await answer.body(_MAX_BYTES)
        named = msgspec.json.decode(raw, type=NamedPeers).peers
    except (OSError, IntegrityError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [known for peer in named[:MOST_PEERS] if (known := believed(peer, provider))]


def believed(
    named: NamedPeer, by: Provider, way: Callable[[str], str | None] = way_to
) -> Provider | None:
    """A named peer as a provider, where it may be called and is one that `by` could reach.

    An address of a private network is in the same one as `by`: this machine would call both
    by the same `way`. Else a peer could send others into networks that it is not in.
    """
    if hearsay_problem(named.host, named.port, by.host) is not None:
        return None
    is_beside = is_loopback(by.host) or not is_private(named.host)
    if not is_beside and way(named.host) != way(by.host):
        return None
    try:
        name, zone = parse_peer_name(named.peer), parse_zone(named.zone)
    except PanalError:
        return None
    return Provider(name, named.host, named.port, complete=False, zone=zone)
