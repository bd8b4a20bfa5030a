"""Channels to a tracker: plain, or TLS to the one authority that a member knows."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from panal.errors import PanalError, Refused, Unreachable
from panal.peer.config import parse_tracker
from panal.peer.marked_channel import marked
from panal.peer.membership import Membership
from panal.trust.tls import authority_context, identity_problem
from panal.wire.certified_names import TRACKER_HOST

CONNECT_S = 5.0
_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Whatever its name says: how long a connection may take, with TLS four ways through the wire.
    ("grpc.min_reconnect_backoff_ms", int(1_000 * CONNECT_S)),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # A machine that went without a word is noticed within half a lease, under an announcement too.
    # Where gRPC has a ping of its own under way, that one's patience counts: a minute otherwise.
    # A tracker takes no more pings than one in 9 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
]


def plain_channel(address: str) -> grpc.aio.Channel:
    """To a tracker on loopback or on an open network."""
    return marked(grpc.aio.insecure_channel(address, options=_OPTIONS))


def tls_channel(address: str, roots_pem: bytes, credential: bytes = b"") -> grpc.aio.Channel:
    """To a tracker whose certificate one of these signed, or is; calls show the credential."""
    credentials = grpc.ssl_channel_credentials(roots_pem)
    if credential:
        shown = grpc.access_token_call_credentials(credential.hex())
        credentials = grpc.composite_channel_credentials(credentials, shown)
    options: Sequence[tuple[str, int | str]] = [
        *_OPTIONS,
        ("grpc.ssl_target_name_override", TRACKER_HOST),
    ]
    return marked(grpc.aio.secure_channel(address, credentials, options=options))


class Channels:
    """One asker's channels to its trackers, each opened when it is first lent."""

    def __init__(self, membership: Membership | None) -> None:
        self._membership = membership
        self._open: dict[str, grpc.aio.Channel] = {}
        self._lent: Counter[str] = Counter()
        self._unwanted: set[str] = set()

    @asynccontextmanager
    async def lend(self, address: str) -> AsyncIterator[grpc.aio.Channel]:
        """The channel to an address, for one call."""
        self._unwanted.discard(address)
        if address not in self._open:
            self._open[address] = self._opened(address)
        self._lent[address] += 1
        try:
            yield self._open[address]
        finally:
            self._lent[address] -= 1
            if address in self._unwanted and not self._lent[address]:
                self._unwanted.discard(address)
                if (channel := self._open.pop(address, None)) is not None:
                    await channel.close()

    def let_go(self, address: str) -> None:
        """Close it once no call uses it: an open one tries to connect again and again, and all of
        them at once reach a tracker that comes back.
        """
        self._unwanted.add(address)

    async def close(self) -> None:
        """Close every channel, and end what still uses it."""
        while self._open:
            await self._open.popitem()[1].close()

    def _opened(self, address: str) -> grpc.aio.Channel:
        member = self._membership
        if member is None:
            return plain_channel(address)
        return tls_channel(address, member.authority_pem, member.credential)


async def why_no_answer(address: str, authority_pem: bytes) -> PanalError | None:
    """What is wrong with whoever answers at a tracker's address; None for nothing, or nobody.

    gRPC says only that no connection came about, so the handshake is tried once more by hand.
    """
    return await asyncio.to_thread(_try_handshake, address, authority_pem)


async def certificate_at(address: str) -> bytes:
    """The certificate that a tracker shows, in PEM, not verified; Unreachable."""
    try:
        pem = await asyncio.to_thread(
            ssl.get_server_certificate, parse_tracker(address), timeout=CONNECT_S
        )
    except ssl.SSLError:
        raise Unreachable(
            f"What answers at {address} is no tracker of a network: it does not speak TLS."
        ) from None
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        raise Unreachable(
            f"The tracker at {address} does not answer ({reason}). Is it running, and is its "
            "port let in by the firewall there?"
        ) from None
    return pem.encode("ascii")


async def has_network(address: str) -> Refused | None:
    """What to do about a tracker that only members may call; None where it is none, or silent."""
    try:
        await certificate_at(address)
    except Unreachable:
        return None
    return Refused(
        f"The tracker at {address} has a network, and only its members may call it. Join it with a "
        "join line: --join @FILE"
    )


def _try_handshake(address: str, authority_pem: bytes) -> PanalError | None:
    context = authority_context(authority_pem)
    # Who joins trusts what was shown, and nothing above it, until the pin has proved more.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with socket.create_connection(parse_tracker(address), timeout=CONNECT_S) as connection:
            context.wrap_socket(connection, server_hostname=TRACKER_HOST).close()
    except OSError as error:
        return identity_problem(error, f"What answers at {address}")
    return None
