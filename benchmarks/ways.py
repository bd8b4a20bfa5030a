"""Ways to receive and to serve one file on loopback, beside each other: what a peer is built from.

Every way receives all bytes, hashes each chunk and writes it at its offset; the other end sends a
file from tmpfs. No requests, no protocol: the least that each way costs. The first is how Panal
does it; the others change one thing. A ratio above 1 is slower than the first.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import resource
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from blake3 import blake3

from benchmarks.places import SHARED_MEMORY, make_file
from benchmarks.processes import Broken
from benchmarks.rows import Row, table
from benchmarks.scenarios import MIB

KIB = 1024
PART = struct.Struct("<QQ")  # what is asked for: first byte, and the one behind the last
LOWAT = (socket.SOL_SOCKET, socket.SO_RCVLOWAT)
UNSENT = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)


@dataclass(frozen=True, slots=True)
class Way:
    """One row."""

    name: str
    receive: str = "threads"
    serve: str = "sendfile in threads"
    connections: int = 2
    chunk_kib: int = 256
    buffer_kib: int = 256
    wake_kib: int = 32
    """SO_RCVLOWAT; 1 byte where 0."""
    socket_kib: int = 0
    """SO_RCVBUF and SO_SNDBUF; 0: as the kernel adapts them."""
    unsent_kib: int = 64
    """TCP_NOTSENT_LOWAT; 0: none."""


WAYS = (
    Way("as Panal: threads, recv_into, sendfile in threads, 2 connections"),
    Way("1 connection", connections=1),
    Way("4 connections", connections=4),
    Way("woken by every packet", wake_kib=0),
    Way("buffer of 64 KiB", buffer_kib=64),
    Way("buffer and chunk of 1 MiB", chunk_kib=1024, buffer_kib=1024),
    Way("chunk of 4 MiB, buffer of 256 KiB", chunk_kib=4096),
    Way("socket buffers of 256 KiB", socket_kib=256),
    Way("socket buffers of 4 MiB", socket_kib=4096),
    Way("no limit on what waits in the sender's socket", unsent_kib=0),
    Way("receive: asyncio streams", receive="streams"),
    Way("receive: asyncio Protocol", receive="protocol"),
    Way("receive: asyncio BufferedProtocol", receive="buffered"),
    Way("serve: sendfile on the loop", serve="sendfile on the loop"),
    Way("serve: bytes read and written in threads", serve="read and write"),
)


class Chunks:
    """One connection's part of the file: bytes in order are hashed by chunk and written."""

    def __init__(self, way: Way, descriptor: int, start: int, stop: int) -> None:
        self._descriptor, self._chunk_bytes = descriptor, way.chunk_kib * KIB
        self.at, self.stop = start, stop
        self._hash, self._left = blake3(), self._chunk_bytes

    def take(self, data: memoryview) -> None:
        """The next bytes."""
        while data:
            part, data = data[: self._left], data[self._left :]
            self._hash.update(part)
            self.at += os.pwrite(self._descriptor, part, self.at)
            self._left -= len(part)
            if self._left == 0:
                self._hash.digest()
                self._hash, self._left = blake3(), self._chunk_bytes


def _connected(way: Way, port: int, chunks: Chunks) -> socket.socket:
    made = socket.socket()
    if way.socket_kib:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, way.socket_kib * KIB)
    made.connect(("127.0.0.1", port))
    made.sendall(PART.pack(chunks.at, chunks.stop))
    return made


def _receive_in_threads(way: Way, port: int, parts: list[Chunks]) -> None:
    def receive(chunks: Chunks) -> None:
        buffer = memoryview(bytearray(way.buffer_kib * KIB))
        with _connected(way, port, chunks) as connection:
            connection.settimeout(60.0)  # else no poll waits for SO_RCVLOWAT
            connection.setsockopt(*LOWAT, max(1, way.wake_kib * KIB))
            while left := chunks.stop - chunks.at:
                want, filled = min(left, len(buffer)), 0
                if want == left:
                    connection.setsockopt(*LOWAT, 1)
                while filled < want:
                    if (count := connection.recv_into(buffer[filled:want])) == 0:
                        raise EOFError
                    filled += count
                chunks.take(buffer[:want])

    with ThreadPoolExecutor(len(parts)) as threads:
        list(threads.map(receive, parts))


async def _receive_by_stream(way: Way, port: int, chunks: Chunks) -> None:
    connection = _connected(way, port, chunks)
    reader, writer = await asyncio.open_connection(sock=connection, limit=way.buffer_kib * KIB)
    while chunks.at < chunks.stop:
        if not (data := await reader.read(way.buffer_kib * KIB)):
            raise EOFError
        await asyncio.to_thread(chunks.take, memoryview(data))
    writer.close()


class _Receiver(asyncio.BaseProtocol):
    """Hashes and writes on the loop."""

    def __init__(self, chunks: Chunks, buffer_bytes: int) -> None:
        self.chunks, self.buffer = chunks, memoryview(bytearray(buffer_bytes))
        self.ended = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


class _PlainReceiver(_Receiver, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.chunks.take(memoryview(data))


class _BufferedReceiver(_Receiver, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.chunks.take(self.buffer[:nbytes])


async def _receive_by_protocol(way: Way, port: int, chunks: Chunks) -> None:
    kind = _PlainReceiver if way.receive == "protocol" else _BufferedReceiver
    made = partial(kind, chunks, way.buffer_kib * KIB)
    connection = _connected(way, port, chunks)
    connection.setblocking(False)
    _, receiver = await asyncio.get_running_loop().create_connection(made, sock=connection)
    await receiver.ended


def _receive(way: Way, port: int, into: Path, size_bytes: int) -> None:
    descriptor = os.open(into, os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(descriptor, size_bytes)
    each = size_bytes // way.connections
    parts = [Chunks(way, descriptor, at, at + each) for at in range(0, size_bytes, each)]

    async def on_loop() -> None:
        receive = _receive_by_stream if way.receive == "streams" else _receive_by_protocol
        await asyncio.gather(*(receive(way, port, chunks) for chunks in parts))

    if way.receive == "threads":
        _receive_in_threads(way, port, parts)
    else:
        asyncio.run(on_loop())


def _serve_in_threads(way: Way, listening: socket.socket, path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        _prepare(way, connection)
        at, stop = PART.unpack(connection.recv(PART.size, socket.MSG_WAITALL))
        with connection, path.open("rb", buffering=0) as file:
            while at < stop:
                count = min(4 * MIB, stop - at)
                if way.serve == "read and write":
                    count = min(way.buffer_kib * KIB, count)
                    connection.sendall(os.pread(file.fileno(), count, at))
                else:
                    count = os.sendfile(connection.fileno(), file.fileno(), at, count)
                at += count

    with ThreadPoolExecutor(way.connections) as threads:
        list(threads.map(serve, [listening.accept()[0] for _ in range(way.connections)]))


async def _on_loop(way: Way, listening: socket.socket, path: Path) -> None:
    served = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _prepare(way, writer.get_extra_info("socket"))
        at, stop = PART.unpack(await reader.readexactly(PART.size))
        with path.open("rb", buffering=0) as file:
            await asyncio.get_running_loop().sendfile(writer.transport, file, at, stop - at)
        writer.close()
        await writer.wait_closed()
        served.release()

    async with await asyncio.start_server(serve, sock=listening):
        for _ in range(way.connections):
            await served.acquire()


def _prepare(way: Way, connection: socket.socket) -> None:
    if way.socket_kib:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, way.socket_kib * KIB)
    if way.unsent_kib:
        connection.setsockopt(*UNSENT, way.unsent_kib * KIB)


def _serve_on_loop(way: Way, listening: socket.socket, path: Path) -> None:
    asyncio.run(_on_loop(way, listening, path))


@contextlib.contextmanager
def forked(work: Callable[[], None]) -> Iterator[Connection]:
    """A fork that does it and tells its CPU seconds."""
    ours, theirs = multiprocessing.Pipe()

    def run() -> None:
        work()
        used = resource.getrusage(resource.RUSAGE_SELF)
        theirs.send(used.ru_utime + used.ru_stime)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def sent_and_received(
    name: str,
    serve: Callable[[socket.socket, Path], None],
    receive: Callable[[int, Path, int], None],
    file: Path,
    into: Path,
) -> tuple[float, float]:
    """Wall and CPU seconds of both ends; Broken where what came is not the file.

    `serve` gets the listening socket, `receive` its port, where to write and how many bytes.
    """
    into.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        began_s = time.monotonic()
        with (
            forked(lambda: serve(listening, file)) as serving,
            forked(lambda: receive(port, into, file.stat().st_size)) as receiving,
        ):
            cpu_s = receiving.recv()
            wall_s = time.monotonic() - began_s
            cpu_s += serving.recv()
    if blake3().update_mmap(into).digest() != blake3().update_mmap(file).digest():
        raise Broken(f"{name}: what came is not what was sent")
    return wall_s, cpu_s


def measured(way: Way, file: Path, into: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one way; Broken as `sent_and_received`."""
    serve = _serve_on_loop if way.serve == "sendfile on the loop" else _serve_in_threads
    return sent_and_received(way.name, partial(serve, way), partial(_receive, way), file, into)


def rows(rounds: int, size_mib: int) -> Iterator[Row]:
    """A row for each other way: its wall time in that of Panal's, its CPU time in the note."""
    with tempfile.TemporaryDirectory(prefix="panal-bench-", dir=SHARED_MEMORY) as name:
        file = make_file(Path(name, "sent"), size_mib * MIB)
        spent: dict[Way, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for number in range(rounds):
            at = number % len(WAYS)
            for way in WAYS[at:] + WAYS[:at]:
                spent[way].append(measured(way, file, Path(name, "received")))
    own_wall_s, own_cpu_s = least(spent[WAYS[0]])
    for way in WAYS[1:]:
        wall_s, cpu_s = least(spent[way])
        note = f"CPU {cpu_s / own_cpu_s:.2f}, {cpu_s * 1024 / size_mib:.2f} s/GiB"
        own, other = f"{own_wall_s:.2f} s", f"{wall_s:.2f} s"
        yield Row(f"way: {way.name}", own, other, wall_s / own_wall_s, None, note)


def least(spent: list[tuple[float, float]]) -> list[float]:
    """The least wall and CPU time."""
    return list(map(min, zip(*spent, strict=True)))  # what else runs only ever adds to them


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ways", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512)
    asked = parser.parse_args()
    print(table(list(rows(asked.rounds, asked.mib))))


if __name__ == "__main__":
    main()
