"""This machine's own addresses, as others may reach it; the best first.

The way to an address of nobody shows which of its own the machine would use; Linux lists the rest.
Nothing is sent.
"""

import contextlib
import fcntl
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from panal.wire.address import dialling_problem, parse_address

_NOBODYS = {4: ("192.0.2.1", "10.255.255.254"), 6: ("2001:db8::1", "fd00::1")}
_SIOCGIFADDR = 0x8915
"""Linux: the IPv4 address of an interface."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/net")
_IPV6_TABLE = Path("/proc/net/if_inet6")


def own_addresses(version: int) -> list[str]:
    """Those of an IP version that others may be sent to."""
    towards = filter(None, map(own_host_towards, _NOBODYS[version]))
    listed = _ipv4() if version == 4 else _ipv6()
    found = dict.fromkeys(str(parse_address(host)) for host in (*towards, *listed))
    return [host for host in found if dialling_problem(host, 1, over_loopback=False) is None]


def own_host_towards(host: str) -> str | None:
    """This machine's address on the way to another one; None where there is no way.

    Connecting a datagram socket asks the routing table and sends nothing.
    """
    family = socket.AF_INET6 if parse_address(host).version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            own: str = probe.getsockname()[0]
    except OSError:
        return None
    return own


def own_loopback() -> str:
    """Which machine's loopback this process sees: another one's ``127.0.0.1`` is not ours.

    Of a Linux machine since its start, and of the network namespace, as containers have one;
    elsewhere of the machine's name.
    """
    with contextlib.suppress(OSError):
        return f"{_BOOT.read_text('ascii').strip()} {_NAMESPACE.readlink()}"
    return socket.gethostname()


def _ipv4() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without one, or another system
                asked = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, asked)
                yield socket.inet_ntop(socket.AF_INET, answer[20:24])


def _ipv6() -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in _IPV6_TABLE.read_text("ascii").splitlines():
            yield socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0]))
