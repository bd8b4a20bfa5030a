"""One host's part in a flood: connections that are held open, and made again when they are ended.

`python -m benchmarks.flooding KIND HOST PORT COUNT PATH` prints a line when each of its connections
has been made once, and when told to stop, how many it made in all.
"""

import contextlib
import selectors
import socket
import ssl
import sys
import time

TRICKLE_EVERY_S = 2.0
AGAIN_S = 0.1
"""After a refusal: nobody floods faster by waiting less for the kernel."""
KINDS = ("heads", "bodies", "receivers", "handshakes", "silence", "connections", "calls")


class Flood:
    """So many connections of one kind."""

    def __init__(self, kind: str, at: tuple[str, int], path: str) -> None:
        self._kind, self._at = kind, at
        self._first, self._trickle = _words(kind, at[0], path)
        self._waiting = selectors.DefaultSelector()
        self._held: set[socket.socket] = set()
        self.made = 0

    def open_one(self) -> None:
        """One more; what cannot be made now is made later."""
        connection = socket.socket()
        connection.setblocking(False)
        if self._kind == "receivers":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with contextlib.suppress(BlockingIOError):
            connection.connect(self._at)
        self._waiting.register(connection, selectors.EVENT_WRITE)
        self._held.add(connection)

    def run(self, until_s: float) -> int:
        """Until then; how many were ended at the other end."""
        ended = 0
        while (left_s := until_s - time.monotonic()) > 0:
            for key, ready in self._waiting.select(left_s):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if not self._goes_on(connection, ready):
                    self._waiting.unregister(connection)
                    self._held.discard(connection)
                    connection.close()
                    ended += 1
        return ended

    def trickle(self) -> None:
        """A byte more on each, of what is never whole."""
        for connection in self._held if self._trickle else ():
            with contextlib.suppress(OSError):
                connection.send(self._trickle)

    def _goes_on(self, connection: socket.socket, ready: int) -> bool:
        try:
            if ready & selectors.EVENT_WRITE:
                connection.send(self._first) if self._first else connection.getpeername()
                self.made += 1
                if self._kind == "connections":
                    return False
                # Whoever receives slowly takes nothing, and so sees no end either.
                events = selectors.EVENT_READ if self._kind != "receivers" else 0
                if events:
                    self._waiting.modify(connection, events)
                else:
                    self._waiting.unregister(connection)
                return True
            return bool(connection.recv(65_536))
        except OSError:
            return False


def _words(kind: str, host: str, path: str) -> tuple[bytes, bytes]:
    """What is said at once, and what again and again."""
    head = f" {path} HTTP/1.1\r\nHost: {host}\r\n"
    if kind == "heads":
        return f"GET{head}X: ".encode(), b"x"
    if kind == "bodies":
        return f"POST{head}Content-Length: 1000000\r\n\r\n".encode(), b"x"
    if kind == "receivers":
        return f"GET{head}\r\n".encode(), b""
    if kind == "handshakes":
        return _hello(), b""
    if kind == "calls":  # an HTTP/2 preface, settings, and the head of a call without a message
        return _half_a_call(path), b""
    return b"", b""


def _hello() -> bytes:
    goes = ssl.MemoryBIO()
    context = ssl.create_default_context()
    caller = context.wrap_bio(ssl.MemoryBIO(), goes, server_hostname="tracker.panal")
    with contextlib.suppress(ssl.SSLWantReadError):
        caller.do_handshake()
    return goes.read()


def _half_a_call(path: str) -> bytes:
    """RFC 9113, 3.4, 6.2, 6.5; a header block of literals without indexing (RFC 7541, 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "tracker",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    calls = b"".join(
        len(block).to_bytes(3) + b"\x01\x04" + (2 * number + 1).to_bytes(4) + block
        for number in range(95)
    )
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0" + calls


def main() -> None:
    """The command; it ends when its input does."""
    kind, host, port, count, path = sys.argv[1:]
    flood = Flood(kind, (host, int(port)), path)
    stopped = selectors.DefaultSelector()
    stopped.register(sys.stdin, selectors.EVENT_READ)
    wanted, has_begun, trickled_s = int(count), False, time.monotonic()
    while not stopped.select(0):
        for _ in range(wanted):
            flood.open_one()
        wanted = flood.run(time.monotonic() + AGAIN_S)
        if not has_begun and flood.made >= int(count):
            has_begun = True
            print("flooding", flush=True)
        if time.monotonic() - trickled_s > TRICKLE_EVERY_S:
            flood.trickle()
            trickled_s = time.monotonic()
    print(f"made {flood.made}", flush=True)


if __name__ == "__main__":
    main()
