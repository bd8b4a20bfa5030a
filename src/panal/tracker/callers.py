"""Who makes a call: from where, and what they call it."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio

from panal import request_ids
from panal.errors import UsageError
from panal.wire.address import parse_address

# Only the stubs know this class as generic; hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Metadata = Iterable[tuple[str, Any]] | None


def request_id_in(metadata: Metadata) -> str:
    """What a caller calls its request; empty where it has no name for it."""
    for key, value in metadata or ():
        if key == request_ids.METADATA:
            return request_ids.accepted(value)
    return ""


def caller_host(context: Context) -> str:
    """The IP literal that a call came from, an IPv4-mapped one unwrapped."""
    return host_in(context.peer())


@lru_cache(maxsize=16_384)
def host_in(peer: str) -> str:
    """The IP literal in gRPC's name for the other end, such as ``ipv6:%5B::1%5D:40000``."""
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        raise UsageError(f"The tracker is called over TCP, not over {family}.")
    literal = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    # A link-local caller has its interface appended, which is of the tracker's side only.
    return str(parse_address(literal.partition("%")[0]))
