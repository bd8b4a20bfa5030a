"""Where a peer of a network listens: members over TLS, and on loopback its owner in plain too.

On loopback the first byte tells them apart: TLS begins with 0x16, HTTP with a letter. From
elsewhere nothing but TLS is taken. Every connection is known by the certificate it showed, so
those of a member that was removed can be ended.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Container
from weakref import WeakKeyDictionary

from panal.peer.connections import Connections
from panal.peer.limits import HANDSHAKES, HEAD_S
from panal.peer.sending import keep_queue_short
from panal.peer.visitors import visitor_between
from panal.wire.address import is_loopback
from panal.wire.certified_names import serial_in

log = logging.getLogger(__name__)

_TLS_HANDSHAKE = b"\x16"
EXHAUSTED_S = 1.0


class _Handshake:
    """A connection that has not shown who it is: idle, so that others get past it."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def is_idle(self) -> bool:
        """Always: nothing is owed to it yet."""
        return True

    def abort(self) -> None:
        """End it."""
        self._task.cancel()


class TlsListener:
    """Takes connections of listening sockets; `close` ends that, not what was taken."""

    def __init__(
        self,
        sockets: list[socket.socket],
        make: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext,
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._at_the_door = Connections(HANDSHAKES)
        self._handshakes: set[asyncio.Task[None]] = set()
        self._revoked: Container[int] = frozenset()
        self._serials: WeakKeyDictionary[asyncio.BaseTransport, int] = WeakKeyDictionary()
        for listening in sockets:
            listening.setblocking(False)
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def close(self) -> None:
        """Take no more."""
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()
        for task in self._handshakes:
            task.cancel()

    def end(self, revoked: Container[int]) -> None:
        """End the connections that are made with such certificates, from now on with no others."""
        self._revoked = revoked
        for transport, serial in list(self._serials.items()):
            if serial in revoked and isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptors are left
            log.warning("No connection can be taken: %s.", error.strerror)
            self._loop.remove_reader(listening.fileno())
            self._loop.call_later(EXHAUSTED_S, self._listen_again, listening)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._let_in(connection))
        seat = visitor_between(address[:2], connection.getsockname()[:2]).seat
        self._at_the_door.enter(task, seat, _Handshake(task))
        self._handshakes.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._at_the_door.leave(task)
        self._handshakes.discard(task)

    def _listen_again(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    async def _let_in(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(HEAD_S):
                is_tls = True
                if is_loopback(connection.getsockname()[0]):
                    is_tls = await self._first_byte(connection) == _TLS_HANDSHAKE
                if not is_tls:
                    await self._loop.connect_accepted_socket(self._make, connection)
                    return
                # What the kernel holds counts as taken: with megabytes there, a slow receiver
                # would seem to take nothing for longer than it may, and hold them when it is cut.
                keep_queue_short(connection)
                transport, _ = await self._loop.connect_accepted_socket(
                    self._make,
                    connection,
                    ssl=self._tls,
                    ssl_handshake_timeout=HEAD_S,
                )
                serial = serial_in(transport.get_extra_info("peercert"))
                if serial is not None:
                    self._serials[transport] = serial
                    if serial in self._revoked:  # since the handshake
                        transport.abort()
        except (OSError, TimeoutError):  # no member, or gone: nothing is owed to it
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _first_byte(self, connection: socket.socket) -> bytes:
        readable: asyncio.Future[None] = self._loop.create_future()
        descriptor = connection.fileno()

        def note() -> None:
            if not readable.done():
                readable.set_result(None)

        self._loop.add_reader(descriptor, note)
        try:
            await readable
        finally:
            self._loop.remove_reader(descriptor)
        return connection.recv(1, socket.MSG_PEEK)
