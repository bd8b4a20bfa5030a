"""A real tracker on a loopback port, real channels to it, and tiny peers to dial back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from aiohttp import web

from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.wire import tracker as wire
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Announcement, Caller, Registration
from panal.wire.dialback import hash_secret, proof_of
from panal.wire.tracker_pb2_grpc import TrackerStub
from tests.support.clock import VirtualClock
from tests.tracker.makers import caller


@dataclass
class Tracker:
    """A running tracker, its clock and a stub to call it with."""

    server: TrackerServer
    clock: VirtualClock
    channel: grpc.aio.Channel
    stub: Any

    async def register(
        self,
        who: Caller,
        port: int,
        bound: tuple[str, ...] = ("127.0.0.1",),
        digest: bytes = b"",
    ) -> pb.RegisterResponse:
        request = wire.registration_to(Registration(who, port, bound, digest))
        answer: pb.RegisterResponse = await self.stub.Register(request)
        return answer

    async def announce(self, who: Caller, *messages: Announcement) -> bytes:
        async def stream() -> AsyncIterator[pb.AnnounceRequest]:
            for number, message in enumerate(messages):
                yield catalogue.announcement_to(message, who if number == 0 else None)

        digest: bytes = (await self.stub.Announce(stream())).digest
        return digest

    async def renew(self, who: Caller, digest: bytes) -> pb.RenewResponse:
        answer: pb.RenewResponse = await self.stub.Renew(
            pb.RenewRequest(caller=wire.caller_to(who), digest=digest)
        )
        return answer

    async def leave(self, who: Caller) -> bool:
        answer = await self.stub.Leave(pb.LeaveRequest(caller=wire.caller_to(who)))
        return bool(answer.was_known)

    async def providers(
        self, content: bytes, asker: str = "", suspects: Iterable[str] = (), limit: int = 0
    ) -> dict[str, tuple[str, int, bool]]:
        answer = await self.stub.Locate(
            pb.LocateRequest(
                contents=[content], asker=asker, suspects=suspects, max_providers=limit
            )
        )
        found = answer.located[0].providers
        return {one.peer: (one.host, one.port, one.complete) for one in found}

    async def search(self, words: str = "", **more: Any) -> pb.SearchResponse:
        answer: pb.SearchResponse = await self.stub.Search(pb.SearchRequest(words=words, **more))
        return answer

    async def paths(self, words: str = "") -> set[str]:
        return {named.path for hit in (await self.search(words)).hits for named in hit.names}


@asynccontextmanager
async def running_tracker(
    clock: VirtualClock | None = None, state_dir: Path | None = None, **settings: Any
) -> AsyncIterator[Tracker]:
    clock = clock or VirtualClock()
    server = TrackerServer(TrackerSettings(port=0, state_dir=state_dir, **settings), clock=clock)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = TrackerStub(channel)  # type: ignore[no-untyped-call]  # generated
            yield Tracker(server, clock, channel, stub)
    finally:
        await server.stop(grace_s=0)


@asynccontextmanager
async def cuttable_way_to(port: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """Another port that leads to `port`, and what cuts its connections without a goodbye."""
    writers: list[asyncio.StreamWriter] = []
    pumps: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(65_536):
            writer.write(block)

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, onward_writer))
        pumps.append(asyncio.create_task(pump(reader, onward_writer)))
        pumps.append(asyncio.create_task(pump(onward_reader, writer)))

    def cut() -> None:
        for writer in writers:
            writer.transport.abort()

    way = await asyncio.start_server(lead, "127.0.0.1", 0)
    try:
        yield way.sockets[0].getsockname()[1], cut
    finally:
        cut()
        way.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


class TinyPeer:
    """An HTTP server that answers dial-backs with a proof, or as it is told to."""

    def __init__(self, who: Caller | None = None, host: str = "127.0.0.1") -> None:
        self.who = who or caller()
        self.host = host
        self.port = 0
        self.asked: list[str] = []
        self.answer: web.StreamResponse | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        assert site._server is not None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.answer is not None:
            return self.answer
        nonce = bytes.fromhex(request.path.removeprefix("/dialback/"))
        return web.Response(text=proof_of(nonce, hash_secret(self.who.secret)))

    async def __aenter__(self) -> "TinyPeer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
