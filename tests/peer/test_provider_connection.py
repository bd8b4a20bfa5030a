"""A connection to a provider: when who receives from it is woken."""

import socket
import threading

import pytest

from panal.peer.provider_connection import FAR_WAKE_BYTES, WAKE_BYTES, ProviderConnection
from panal.wire.catalogue import Provider
from panal.wire.ids import PeerName

KIB = 1024


def answer_once(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(4 * KIB)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("buffer_bytes", "left_bytes", "wakes_at"),
    [
        (64 * KIB, 4096 * KIB, WAKE_BYTES),  # as a new connection's, and a slow one's
        (400 * KIB, 4096 * KIB, 100 * KIB),  # its window is about half of it
        (6144 * KIB, 4096 * KIB, FAR_WAKE_BYTES),
        (6144 * KIB, 70_000, 70_000),  # more than is left never comes
        (64 * KIB, 1, 1),
    ],
)
def test_who_wants_all_of_it_is_woken_seldom_and_never_too_late(
    monkeypatch: pytest.MonkeyPatch, buffer_bytes: int, left_bytes: int, wakes_at: int
) -> None:
    def getsockopt(_: socket.socket, level: int, option: int) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
        return buffer_bytes

    monkeypatch.setattr(socket.socket, "getsockopt", getsockopt)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        connection = ProviderConnection(Provider(PeerName("one"), host, port, True), 64 * KIB)
        assert connection.far_wake_bytes(left_bytes) == 1  # not connected yet
        answering = threading.Thread(target=answer_once, args=(listening,))
        answering.start()
        connection.ask("GET", "/", "")
        assert connection.far_wake_bytes(left_bytes) == wakes_at
        connection.close()
        answering.join()
