"""By which of its own addresses this machine would reach another, as its routes tell."""

import socket

from panal.errors import UsageError
from panal.wire.address import parse_address


def way_to(host: str) -> str | None:
    """The address of this machine that it would call another from; None where it cannot.

    Nothing is sent: a datagram socket only learns its own address.
    """
    try:
        address = parse_address(host)
    except UsageError:
        return None
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
            return str(probe.getsockname()[0])
        except OSError:
            return None
