"""Whose a TCP socket of this machine is, as Linux tells of a single one (sock_diag(7)).

One question and one answer, however many sockets there are: the tables under /proc grow with them.
"""

import socket
import struct
from ipaddress import IPv4Address

import msgspec

from panal.wire.address import parse_address

Endpoint = tuple[str, int]

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_EVERY_STATE = 0xFFFF_FFFF
_NO_COOKIE = 0xFFFF_FFFF
ESTABLISHED = 1
LISTENING = 10

_HEAD = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBxxI")
_PORTS = struct.Struct("!HH")
_ANSWER = struct.Struct("=BB2x48x12xII")
"""Family, state, the socket's name, its timers and queues, uid and inode (inet_diag_msg)."""
_MAX_ANSWER_BYTES = 4_096
_TIMEOUT_S = 1.0


class ToldSocket(msgspec.Struct, frozen=True):
    """What the kernel says of a socket."""

    state: int
    uid: int
    inode: int
    """0 for a connection that nobody holds: not accepted yet, or closed. Its uid is then root's."""


def owner_told(client: Endpoint, server: Endpoint) -> int | None:
    """The uid that holds the client's end of an open connection; None where nothing is told.

    That is so for a socket that is none, and just the same where the kernel lacks the module.
    """
    found = socket_told(client, server)
    # A closed socket is listed as root's.
    return found.uid if found is not None and found.state == ESTABLISHED else None


def socket_told(near: Endpoint, far: Endpoint) -> ToldSocket | None:
    """The socket of a connection that has these ends; without such a one, what listens there."""
    question = _question(near, far)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
            asked.settimeout(_TIMEOUT_S)
            asked.sendto(question, (0, 0))
            return socket_in(asked.recv(_MAX_ANSWER_BYTES))
    except OSError:
        return None


def socket_in(answer: bytes) -> ToldSocket | None:
    """What an answer tells."""
    if len(answer) < _HEAD.size + _ANSWER.size:
        return None
    _, kind, *_ = _HEAD.unpack_from(answer)
    _, state, uid, inode = _ANSWER.unpack_from(answer, _HEAD.size)
    return ToldSocket(state, uid, inode) if kind == _SOCK_DIAG_BY_FAMILY else None


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
