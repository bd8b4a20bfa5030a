"""The port of a tracker: its address, what gRPC is to limit there, and why it cannot be had."""

import errno
import resource
import socket

import grpc
import grpc.aio

from panal.errors import PanalError, PortTaken, UsageError
from panal.tracker import limits
from panal.wire.address import Address, authority, parse_address

_MOST_CONNECTIONS = 2**31 - 1
"""What gRPC can count."""


def listen_address(host: str) -> Address:
    """What a setting names: an IP literal or "localhost"; UsageError."""
    return parse_address("127.0.0.1" if host == "localhost" else host)


def near(address: Address) -> Address:
    """How this machine reaches what listens at an address."""
    if not address.is_unspecified:
        return address
    return parse_address("::1" if address.version == 6 else "127.0.0.1")


def check_port(address: Address, port: int) -> None:
    """Find out in words what gRPC would only call a failure."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((str(address), port))
    except OverflowError:
        raise UsageError(f"{port} is no port.") from None
    except OSError as error:
        raise _listen_problem(error, address, port) from error


def _listen_problem(error: OSError, address: Address, port: int) -> PanalError:
    target = authority(str(address), port)
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"Port {port} is taken: another program listens on {target}, perhaps another "
            "tracker. Stop it, or choose another port with --listen."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{address} is not an address of this machine.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PanalError(f"This user may not listen on port {port}. Choose one from 1024 on.")
    return PanalError(f"The tracker cannot listen on {target}: {error.strerror}.")


def bind(
    server: grpc.aio.Server,
    address: Address,
    port: int,
    credentials: "grpc.ServerCredentials | None",
) -> int:
    """Take the port; which it is. PortTaken."""
    try:
        if credentials is not None:
            return server.add_secure_port(authority(str(address), port), credentials)
        return server.add_insecure_port(authority(str(address), port))
    except RuntimeError as error:
        # Free a moment ago, when it was checked.
        raise _listen_problem(OSError(errno.EADDRINUSE, ""), address, port) from error


def options() -> list[tuple[str, int]]:
    """What gRPC itself is to limit."""
    return [
        # Otherwise a second tracker takes the same port without an error.
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", connections_at_most()),
        ("grpc.max_concurrent_streams", limits.STREAMS_PER_CONNECTION),
        ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
        ("grpc.max_metadata_size", limits.METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", limits.METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", int(1_000 * limits.HANDSHAKE_S)),
        ("grpc.max_connection_idle_ms", int(1_000 * limits.IDLE_S)),
        ("grpc.keepalive_time_ms", int(1_000 * limits.PING_AFTER_S)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", int(1_000 * limits.PINGS_FROM_S)),
    ]


def connections_at_most() -> int:
    """How many the port takes in all, by the descriptors that this process may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not 0 < descriptors < _MOST_CONNECTIONS:
        return _MOST_CONNECTIONS
    return max(1, descriptors - descriptors // limits.DESCRIPTORS_KEPT_PART)
