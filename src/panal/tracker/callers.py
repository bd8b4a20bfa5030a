"""Who makes a call: from where, and what they call it.

Both are asked of gRPC once a call: it makes them anew each time.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
import msgspec

from panal import request_ids
from panal.errors import UsageError
from panal.wire.address import is_loopback, parse_address, place_of

# Only the stubs know this class as generic; hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Metadata = Iterable[tuple[str, Any]] | None


class Call(msgspec.Struct, gc=False):
    """One call, as it is counted; handlers of ours are given it in place of gRPC's context."""

    method: str
    """The last part of its path."""
    request_id: str
    """Its caller's, or one of ours where it fails; empty for none."""
    began_s: float
    metadata: Metadata = None
    host: str = ""
    """The IP literal that it came from, an IPv4-mapped one unwrapped."""
    place: str = ""
    """Where it counts; empty for loopback."""
    code: str = "CANCELLED"
    """How it ended, unless its caller went first."""


def request_id_in(metadata: Metadata) -> str:
    """What a caller calls its request; empty where it has no name for it."""
    for key, value in metadata or ():
        if key == request_ids.METADATA:
            return request_ids.accepted(value)
    return ""


@lru_cache(maxsize=16_384)
def host_and_place(peer: str) -> tuple[str, str]:
    """Where a call comes from by gRPC's name for the other end, and where it counts."""
    host = host_in(peer)
    return host, "" if is_loopback(host) else place_of(host)


def host_in(peer: str) -> str:
    """The IP literal in gRPC's name for the other end, such as ``ipv6:%5B::1%5D:40000``."""
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        raise UsageError(f"The tracker is called over TCP, not over {family}.")
    literal = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    # A link-local caller has its interface appended, which is of the tracker's side only.
    return str(parse_address(literal.partition("%")[0]))
