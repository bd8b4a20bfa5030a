"""A connection to a provider: what is asked arrives, and when who receives is woken."""

import os
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


@pytest.mark.parametrize("room_bytes", [0, 1, 70_000])
def test_a_request_arrives_whole_however_little_room_there_is(
    monkeypatch: pytest.MonkeyPatch, room_bytes: int
) -> None:
    body, write, came = bytes(range(256)) * KIB, os.write, bytearray()

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            while not came.endswith(body):
                came.extend(connection.recv(64 * KIB))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def write_some(descriptor: int, data: bytes) -> int:
        if not room_bytes:
            raise BlockingIOError
        return write(descriptor, data[:room_bytes])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        connection = ProviderConnection(Provider(PeerName("one"), host, port, True), 64 * KIB)
        answering = threading.Thread(target=answer)
        answering.start()
        monkeypatch.setattr(os, "write", write_some)
        assert connection.ask("POST", "/", "", body).status == 200
        connection.close()
        answering.join()
    head, _, rest = bytes(came).partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert rest == body
