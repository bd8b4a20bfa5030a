"""Ways to send one file over TLS on loopback, beside the plain one: what a network is built from.

As `benchmarks.ways`: every way receives all bytes in two threads, hashes each chunk and writes it
at its offset; the other end sends a file from tmpfs. The ratio is the plain time in its own. The
kernel's own TLS would be one more; Python's library does not offer it, nor does every kernel.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.places import SHARED_MEMORY, make_file
from benchmarks.rows import Row, table
from benchmarks.scenarios import MIB
from benchmarks.ways import KIB, LOWAT, PART, Chunks, Way, least, sent_and_received
from panal.trust.certificates import Authority, new_key, signing_request
from panal.trust.tls import client_context, server_context
from panal.wire.certified_names import peer_host
from panal.wire.ids import PeerName

CONNECTIONS = 2
PLAIN = Way("plain: sendfile in threads")


@dataclass(frozen=True, slots=True)
class Identity:
    """Both ends are one member."""

    authority: Path
    certificate: Path
    key: Path
    host_name: str

    @classmethod
    def made(cls, folder: Path) -> "Identity":
        """A fresh one, in a folder."""
        name, key = PeerName("one"), new_key()
        authority_key, authority_pem = Authority.made(time.time())
        authority = Authority(authority_key, authority_pem)
        issued = authority.issue_member(name, signing_request(key), time.time())
        made = cls(
            folder / "a.pem", folder / "b.pem", folder / "b.key", peer_host(name, authority.pin)
        )
        made.authority.write_bytes(authority_pem)
        made.certificate.write_bytes(issued.pem)
        made.key.write_bytes(key)
        return made

    def server(self) -> ssl.SSLContext:
        """As a peer's."""
        return server_context(self.authority, self.certificate, self.key)

    def client(self) -> ssl.SSLContext:
        """As a peer's."""
        return client_context(self.authority, self.certificate, self.key)


Serve = Callable[[Identity, socket.socket, Path], None]


def _serve_plainly(_: Identity, listening: socket.socket, path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        at, stop = PART.unpack(connection.recv(PART.size, socket.MSG_WAITALL))
        with connection, path.open("rb", buffering=0) as file:
            while at < stop:
                at += os.sendfile(connection.fileno(), file.fileno(), at, min(4 * MIB, stop - at))

    _in_threads(serve, listening)


def _serve_in_threads(
    block_kib: int, identity: Identity, listening: socket.socket, path: Path
) -> None:
    context = identity.server()

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            at, stop = PART.unpack(secured.recv(PART.size))
            with path.open("rb", buffering=0) as file:
                while at < stop:
                    block = os.pread(file.fileno(), min(block_kib * KIB, stop - at), at)
                    secured.sendall(block)
                    at += len(block)

    _in_threads(serve, listening)


def _in_threads(serve: Callable[[socket.socket], None], listening: socket.socket) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(serve, [listening.accept()[0] for _ in range(CONNECTIONS)]))


def _serve_on_loop(
    block_kib: int, identity: Identity, listening: socket.socket, path: Path
) -> None:
    asyncio.run(_on_loop(block_kib * KIB, identity, listening, path))


async def _on_loop(block: int, identity: Identity, listening: socket.socket, path: Path) -> None:
    served = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at, stop = PART.unpack(await reader.readexactly(PART.size))
        with path.open("rb", buffering=0) as file:
            while at < stop:
                writer.write(os.pread(file.fileno(), min(block, stop - at), at))
                at = min(stop, at + block)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):  # the receiver has it, and does not wait
            await writer.wait_closed()
        served.release()

    async with await asyncio.start_server(serve, sock=listening, ssl=identity.server()):
        for _ in range(CONNECTIONS):
            await served.acquire()


WAYS: dict[str, Serve] = {
    PLAIN.name: _serve_plainly,
    "TLS on the loop, blocks of 512 KiB (as Panal)": partial(_serve_on_loop, 512),
    "TLS on the loop, blocks of 64 KiB": partial(_serve_on_loop, 64),
    "TLS on blocking sockets in threads, 512 KiB": partial(_serve_in_threads, 512),
    "TLS on blocking sockets in threads, 64 KiB": partial(_serve_in_threads, 64),
}


def _receive(identity: Identity | None, port: int, into: Path, size_bytes: int) -> None:
    descriptor = os.open(into, os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(descriptor, size_bytes)
    each = size_bytes // CONNECTIONS
    context = None if identity is None else identity.client()

    def receive(at: int) -> None:
        chunks = Chunks(PLAIN, descriptor, at, at + each)
        buffer = memoryview(bytearray(256 * KIB))
        connection = socket.create_connection(("127.0.0.1", port))
        if context is not None and identity is not None:
            connection = context.wrap_socket(connection, server_hostname=identity.host_name)
        with connection:
            connection.settimeout(60.0)
            connection.sendall(PART.pack(chunks.at, chunks.stop))
            while left := chunks.stop - chunks.at:
                if context is None:
                    connection.setsockopt(*LOWAT, min(32 * KIB, left))
                filled, want = 0, min(left, len(buffer))
                while filled < want:
                    if (count := connection.recv_into(buffer[filled:want])) == 0:
                        raise EOFError
                    filled += count
                    if context is None and want == left:
                        connection.setsockopt(*LOWAT, 1)
                chunks.take(buffer[:want])

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(receive, range(0, size_bytes, each)))


def _measured(name: str, identity: Identity, file: Path, into: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one way; Broken as `sent_and_received`."""
    ours = None if name == PLAIN.name else identity
    serve = partial(WAYS[name], identity)
    return sent_and_received(name, serve, partial(_receive, ours), file, into)


def rows(rounds: int, size_mib: int) -> Iterator[Row]:
    """A row for each way over TLS: the plain one's time in its own, CPU in the note."""
    with tempfile.TemporaryDirectory(prefix="panal-bench-", dir=SHARED_MEMORY) as folder:
        place = Path(folder)
        identity = Identity.made(place)
        file = make_file(place / "sent", size_mib * MIB)
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
        names = list(WAYS)
        for number in range(rounds):
            at = number % len(names)
            for name in names[at:] + names[:at]:
                spent[name].append(_measured(name, identity, file, place / "received"))
    plain_wall_s, plain_cpu_s = least(spent[PLAIN.name])
    for name in names[1:]:
        wall_s, cpu_s = least(spent[name])
        note = f"CPU {cpu_s / plain_cpu_s:.2f}, {cpu_s * 1024 / size_mib:.2f} s/GiB"
        plain = f"plain {plain_wall_s:.2f} s"
        yield Row(name, f"{wall_s:.2f} s", plain, plain_wall_s / wall_s, None, note)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.secure_ways", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512)
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.mib))))


if __name__ == "__main__":
    main()
