"""Whose a TCP socket of this machine is, as Linux tells of a single one (sock_diag(7)).

One question and one answer, however many sockets there are: the tables under /proc grow with them.
"""

import socket
import struct
from ipaddress import IPv4Address

from panal.wire.address import parse_address

Endpoint = tuple[str, int]

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_EVERY_STATE = 0xFFFF_FFFF
_NO_COOKIE = 0xFFFF_FFFF
_ESTABLISHED = 1

_HEAD = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBxxI")
_PORTS = struct.Struct("!HH")
_ANSWER = struct.Struct("=BB2x48x12xI")
"""Family, state, the socket's name, its timers and queues, the uid (struct inet_diag_msg)."""
_MAX_ANSWER_BYTES = 4_096
_TIMEOUT_S = 1.0


def owner_told(client: Endpoint, server: Endpoint) -> int | None:
    """The uid that holds the client's end of an open connection; None where nothing is told.

    That is so for a socket that is none, and just the same where the kernel lacks the module.
    """
    question = _question(client, server)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
            asked.settimeout(_TIMEOUT_S)
            asked.sendto(question, (0, 0))
            return owner_in(asked.recv(_MAX_ANSWER_BYTES))
    except OSError:
        return None


def owner_in(answer: bytes) -> int | None:
    """The uid that an answer tells of an open connection."""
    if len(answer) < _HEAD.size + _ANSWER.size:
        return None
    _, kind, *_ = _HEAD.unpack_from(answer)
    _, state, uid = _ANSWER.unpack_from(answer, _HEAD.size)
    # A closed socket is listed as root's.
    is_open = kind == _SOCK_DIAG_BY_FAMILY and state == _ESTABLISHED
    return int(uid) if is_open else None


def _question(client: Endpoint, server: Endpoint) -> bytes:
    address = parse_address(client[0])
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    ends = (address.packed, parse_address(server[0]).packed)
    body = (
        _REQUEST.pack(family, socket.IPPROTO_TCP, _EVERY_STATE)
        + _PORTS.pack(client[1], server[1])
        + b"".join(end.ljust(16, b"\0") for end in ends)
        + struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    )
    length = _HEAD.size + len(body)
    return _HEAD.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body
