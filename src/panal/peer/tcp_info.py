"""What the kernel counts of a TCP connection; tcp(7)."""

import socket
import sys
from contextlib import suppress

_INFO_BYTES = 128
_ACKNOWLEDGED = slice(120, 128)
"""tcpi_bytes_acked in `struct tcp_info`: RFC 4898, tcpEStatsAppHCThruOctetsAcked."""


def acknowledged_bytes(connection: socket.socket) -> int | None:
    """What its other end has said to have of all that was sent; None where that is not told."""
    if not hasattr(socket, "TCP_INFO"):
        return None  # elsewhere than on Linux
    with suppress(OSError):
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        if len(info) == _INFO_BYTES:
            return int.from_bytes(info[_ACKNOWLEDGED], sys.byteorder)
    return None
