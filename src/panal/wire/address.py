"""Which addresses a peer may be called under: the rule against making others call inward.

Addresses are IP literals, never names, so nothing is looked up twice. Loopback belongs to
the machine it is used on: it is accepted from a caller on loopback and named to askers on
loopback only.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from panal.errors import UsageError
from panal.wire.names import brief

Address = IPv4Address | IPv6Address
_THIS_NETWORK = ip_network("0.0.0.0/8")
_SIX_TO_FOUR = ip_network("2002::/16")
FIRST_FREE_PORT = 1_024


@lru_cache(maxsize=4_096)
def parse_address(literal: str) -> Address:
    """The address that an IP literal means, an IPv4-mapped one unwrapped; UsageError else."""
    try:
        address = ip_address(literal)
    except ValueError:
        raise UsageError(f"{brief(literal)} is no IP address.") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise UsageError(f"{brief(literal)} names an interface; only plain addresses go.")
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
    return address


@lru_cache(maxsize=4_096)
def is_loopback(literal: str) -> bool:
    """Whether an IP literal is this machine's own loopback."""
    return parse_address(literal).is_loopback


@lru_cache(maxsize=1024)
def place_of(literal: str) -> str:
    """Where an address belongs, when shares are dealt out: an IPv6 host has all of its /64."""
    try:
        address = parse_address(literal)
    except UsageError:
        return literal
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, 64), strict=False))


def dialling_problem(host: str, port: int, *, over_loopback: bool = True) -> str | None:
    """Why nobody may be sent to this address, in words, or None.

    `over_loopback` is whether the one who named it was reached over loopback: only then may
    it name a loopback address, which is always the listener's own machine.
    """
    try:
        address = parse_address(host)
    except UsageError as error:
        return str(error)
    if port < 1 or port > 65_535:
        return f"{port} is no port"
    if address.is_loopback and not over_loopback:
        return f"{host} is this machine itself, and was named by another"
    return _address_problem(address)


def naming_problem(host: str, port: int, namer: str) -> str | None:
    """Why an address that a tracker or peer named may not be called, in words, or None.

    `namer` is the address of whoever named it. It may name only what it could itself reach:
    loopback from loopback, and addresses of private networks not from a public one.
    """
    named_by = parse_address(namer)
    problem = dialling_problem(host, port, over_loopback=named_by.is_loopback)
    if problem is None and named_by.is_global and is_private(host):
        return f"{host} is in a private network, and was named from outside"
    return problem


def hearsay_problem(host: str, port: int, teller: str) -> str | None:
    """The same where nobody has dialled the address before: a peer's word alone.

    Then the ports are left out, too, on which a machine's own services are.
    """
    problem = naming_problem(host, port, teller)
    if problem is None and port < FIRST_FREE_PORT:
        return f"{port} is a port of the machine's own services"
    return problem


def is_private(literal: str) -> bool:
    """Whether an address means another machine in another network, or none at all."""
    return not parse_address(literal).is_global


def _address_problem(address: Address) -> str | None:
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return f"{address} is not the address of one machine"
    # IPv6 loopback lies in a reserved network and is none the less a machine's own.
    if address in _THIS_NETWORK or (address.is_reserved and not address.is_loopback):
        return f"{address} is reserved"
    if address in _SIX_TO_FOUR:
        wrapped = IPv4Address(address.packed[2:6])
        if wrapped.is_multicast or not wrapped.is_global:
            return f"{address} wraps an IPv4 address that is not public"
    return None


def host_for_asker(
    asker: str, observed: str, bound: Sequence[str], tracker_towards_asker: str | None
) -> str | None:
    """The host under which an asker can call a peer, or None where there is none.

    `observed` is where the peer's calls came from, `bound` what it listens on. A peer seen
    on loopback stands beside its tracker: others are told `tracker_towards_asker`, the
    tracker's own address on the interface they came by, where the peer listens on it, or
    else one of the peer's outer addresses.
    """
    seen, asking = parse_address(observed), parse_address(asker)
    if asking.is_loopback or not seen.is_loopback:
        return str(seen) if _listens_on(seen, bound) else None
    if tracker_towards_asker is not None:
        beside = parse_address(tracker_towards_asker)
        if not beside.is_loopback and _listens_on(beside, bound):
            return str(beside)
    for outer in map(parse_address, bound):
        same_family = outer.version == asking.version
        if same_family and not outer.is_loopback and _address_problem(outer) is None:
            return str(outer)
    return None


def _listens_on(address: Address, bound: Sequence[str]) -> bool:
    """Whether a peer bound to these answers there; 0.0.0.0 and :: stand for their family."""
    listening = [parse_address(literal) for literal in bound]
    return any(
        own == address or (own.is_unspecified and own.version == address.version)
        for own in listening
    )


def authority(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
