"""Which addresses a peer may be called under: the rule against making others call inward.

Addresses are IP literals, never names, so nothing is looked up twice. Loopback belongs to
the machine it is used on: it is accepted from a caller on loopback and named to askers on
loopback only.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from panal.errors import UsageError

Address = IPv4Address | IPv6Address
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 (compared with, not bound)
_SIX_TO_FOUR = 0x2002


def parse_address(literal: str) -> Address:
    """The address that an IP literal means, an IPv4-mapped one unwrapped; UsageError else."""
    try:
        address = ip_address(literal)
    except ValueError:
        raise UsageError(f"{literal!r} is no IP address.") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise UsageError(f"{literal!r} names an interface; only plain addresses are taken.")
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
    return address


def is_loopback(literal: str) -> bool:
    """Whether an IP literal is this machine's own loopback."""
    return parse_address(literal).is_loopback


def dialling_problem(host: str, port: int) -> str | None:
    """Why nobody may be sent to this address, in words, or None."""
    try:
        address = parse_address(host)
    except UsageError as error:
        return str(error)
    if port < 1 or port > 65_535:
        return f"{port} is no port"
    if isinstance(address, IPv6Address) and address.packed[:2] == _SIX_TO_FOUR.to_bytes(2):
        address = IPv4Address(address.packed[2:6])
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return f"{host} is not the address of one machine"
    if address.is_reserved or address == IPv4Address("255.255.255.255"):
        return f"{host} is reserved"
    return None


def host_for_asker(
    asker: str, observed: str, bound: Sequence[str], tracker_towards_asker: str | None
) -> str | None:
    """The host under which an asker can call a peer, or None where there is none.

    `observed` is where the peer's calls came from, `bound` what it listens on. A peer seen
    on loopback stands beside its tracker: others are told one of its outer addresses, or,
    where it listens on all, `tracker_towards_asker`, the tracker's own address on the
    interface they came by.
    """
    if not is_loopback(observed):
        return observed if _listens_on(observed, bound) else None
    if is_loopback(asker):
        return observed if _listens_on(observed, bound) else None
    family = parse_address(asker).version
    outer = [host for host in bound if host not in WILDCARDS and not is_loopback(host)]
    for host in outer:
        if parse_address(host).version == family:
            return host
    if tracker_towards_asker is not None and _listens_on(tracker_towards_asker, bound):
        return tracker_towards_asker
    return None


def _listens_on(host: str, bound: Sequence[str]) -> bool:
    address = parse_address(host)
    if WILDCARDS[0 if address.version == 4 else 1] in bound:
        return True
    return any(literal not in WILDCARDS and parse_address(literal) == address for literal in bound)
