"""Many peers in one process, as cheap as can be: their messages are made before, and are bytes.

Each answers the tracker's dial-back at a port of its own.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from benchmarks.processes import PANAL, Program, family_cpu_s
from panal.wire import tracker_pb2 as pb
from panal.wire.dialback import hash_secret, proof_of
from tests.support.postgres_server import PostgresServer

SECRET = b"s" * 32
_SERVICE = "/panal.tracker.v1.Tracker/"
_NONCE = re.compile(rb"/dialback/([0-9a-f]{32}) ")
CHANNELS = 8
RENEW_S = 20.0


@dataclass(frozen=True)
class Cpu:
    """Processor time, user and system, all threads and processes."""

    tracker_s: float
    database_s: float
    """0 for SQLite, which is in the tracker."""

    def __sub__(self, before: Self) -> "Cpu":
        return Cpu(self.tracker_s - before.tracker_s, self.database_s - before.database_s)

    def each(self, count: float) -> str:
        """What each of so many things took, in words."""
        database = f", database {self.database_s / count * 1e6:.1f} µs" if self.database_s else ""
        return f"tracker {self.tracker_s / count * 1e6:.1f} µs{database} of processor each"

    def share(self, wall_s: float) -> str:
        """How busy it was, in words."""
        database = f", database {self.database_s / wall_s:.0%}" if self.database_s else ""
        return f"tracker {self.tracker_s / wall_s:.0%}{database} of one core"


class RunningTracker:
    """`panal tracker` in a process of its own, its records in a folder or in a database."""

    def __init__(
        self,
        state: Path,
        server: PostgresServer | None = None,
        database: str = "",
        listen: str = "127.0.0.1:0",
    ) -> None:
        """SQLite in `state` where no server is given."""
        self._server = server
        store = server.url(database) if server is not None else ""
        words = ["tracker", "--listen", listen, "--state", str(state)]
        self.program = Program([*PANAL, *words, *(["--store", store] if store else [])])
        try:
            line = self.program.wait_for("The tracker listens on")
        except BaseException:
            self.program.kill()
            raise
        self.address = line.split()[4].rstrip(".")

    def cpu(self) -> "Cpu":
        """Until now."""
        database_s = family_cpu_s(self._server.main_pid()) if self._server is not None else 0.0
        return Cpu(self.program.cpu_s(), database_s)


class Peers:
    """Registered peers of one tracker; a context manager."""

    def __init__(self, address: str, count: int, channels: int = CHANNELS) -> None:
        self._address = address
        self.count = count
        self._channels_wanted = channels
        self._channels: list[grpc.aio.Channel] = []
        self._servers: list[asyncio.Server] = []
        self._ports: list[int] = []
        self._sequences = [0] * count
        self._proving = hash_secret(SECRET)

    async def __aenter__(self) -> Self:
        for _ in range(self.count):
            server = await asyncio.start_server(self._answer_dial, "127.0.0.1", 0)
            self._servers.append(server)
            self._ports.append(server.sockets[0].getsockname()[1])
        self.connect(self._address)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for channel in self._channels:
            await channel.close()
        for peer in range(len(self._servers)):
            self.deafen(peer)

    def deafen(self, peer: int) -> None:
        """Answer none of its dial-backs any more: its descriptor is wanted for a connection."""
        self._servers[peer].close()

    def connect(self, address: str) -> None:
        """Call this tracker from now on."""
        options = [("grpc.use_local_subchannel_pool", 1)]  # else all share one connection
        self._channels = [
            grpc.aio.insecure_channel(address, options=options)
            for _ in range(self._channels_wanted)
        ]

    async def _answer_dial(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = _NONCE.search(head)
            proof = proof_of(bytes.fromhex(found[1].decode()), self._proving) if found else ""
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                % (len(proof), proof.encode())
            )
            writer.close()

    def caller(self, peer: int) -> pb.Caller:
        """Who a peer says it is."""
        return pb.Caller(name=f"peer-{peer:05}", secret=SECRET, epoch=1)

    async def call(self, peer: int, method: str, message: Any, answer: Any = None) -> Any:
        """One unary call, from the connection that this peer shares with others."""
        channel = self._channels[peer % len(self._channels)]
        call = channel.unary_unary(
            f"{_SERVICE}{method}",
            request_serializer=None if isinstance(message, bytes) else _serialized,
            response_deserializer=answer and answer.FromString,
        )
        return await call(message, timeout=120)

    async def register(self, peer: int) -> None:
        """Join."""
        await self.call(
            peer,
            "Register",
            pb.RegisterRequest(
                caller=self.caller(peer), http_port=self._ports[peer], bound=["127.0.0.1"]
            ),
        )

    async def register_all(self, at_once: int = 32) -> None:
        """All join."""
        await in_lanes(range(self.count), self.register, at_once)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """All renew meanwhile, as real ones do: else their leases end while others announce."""

        async def renew(peer: int) -> None:
            with contextlib.suppress(grpc.aio.AioRpcError):  # it may not have joined yet
                await self.call(peer, "Renew", self.renewal(peer))
            await asyncio.sleep(CHANNELS * RENEW_S / self.count)

        async def renew_for_ever() -> None:
            while True:
                await in_lanes(range(self.count), renew, CHANNELS)

        renewing = asyncio.create_task(renew_for_ever())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    def renewal(self, peer: int) -> bytes:
        """A renewal, as bytes; its digest is nobody's."""
        message = pb.RenewRequest(caller=self.caller(peer), digest=bytes(32))
        return message.SerializeToString()

    async def announce(self, peer: int, parts: Sequence[bytes], *, everything: bool) -> bytes:
        """One announce of these parts of messages; the digest that the tracker answers."""
        channel = self._channels[peer % len(self._channels)]
        call: Any = channel.stream_unary(f"{_SERVICE}Announce")
        heads = self._heads(peer, len(parts), everything)
        raw = await call(_stream(heads, parts), timeout=600)
        return bytes(pb.AnnounceResponse.FromString(raw).digest)

    def _heads(self, peer: int, parts: int, everything: bool) -> list[bytes]:
        """The caller and sequences that go before the parts, where all is told in three steps."""
        heads = []
        for number in range(parts + 2 * everything):
            self._sequences[peer] += 1
            heads.append(
                pb.AnnounceRequest(
                    caller=self.caller(peer) if number == 0 else None,
                    sequence=self._sequences[peer],
                    replace_all=everything and number == 0,
                    all_told=everything and number == parts + 1,
                ).SerializeToString()
            )
        return heads


async def _stream(heads: Sequence[bytes], parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    bare = len(heads) - len(parts)
    for number, head in enumerate(heads):
        place = number - bare // 2
        # Two messages behind each other are one that has the fields of both.
        yield head + parts[place] if 0 <= place < len(parts) else head


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())


async def in_lanes(things: Iterable[Any], do: Any, at_once: int) -> None:
    """`do` for each of them, so many at a time."""
    left = iter(things)

    async def lane() -> None:
        for thing in left:
            await do(thing)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(lane())
