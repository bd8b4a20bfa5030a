"""A peer that serves real bytes and does as a test tells it: lie, stall, die, wait."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

from aiohttp import web
from blake3 import blake3

from panal.clock import SystemClock
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.store.hashing import ContentHasher
from panal.wire import bitfield, have
from panal.wire.catalogue import Caller, Entry, Registration
from panal.wire.dialback import NONCE_BYTES, hash_secret, proof_of
from panal.wire.ids import NO_ZONE, ContentId, PeerName
from panal.wire.manifest import Manifest, chunk_size_for, content_id
from panal.wire.ranges import parse_range
from tests.support.patience import PATIENCE_S

SendRange = Callable[["ScriptedPeer", web.Request, int, int], Awaitable[web.StreamResponse]]


def manifest_of_bytes(data: bytes) -> tuple[Manifest, ContentId]:
    with ContentHasher(chunk_size_for(len(data))) as hasher:
        hasher.update(memoryview(data))
        manifest = hasher.finish()
    assert manifest is not None
    return manifest, content_id(manifest.encode())


async def honest(peer: "ScriptedPeer", request: web.Request, start: int, stop: int) -> web.Response:
    """The bytes that were asked for."""
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(peer.data)}"}
    return web.Response(status=206, body=peer.data[start:stop], headers=headers)


class ScriptedPeer:
    """Serves one content; `send_range` answers each request for bytes."""

    def __init__(self, name: str, data: bytes, send_range: SendRange = honest) -> None:
        self.name = name
        self.data = data
        self.send_range = send_range
        self.manifest, self.content = manifest_of_bytes(data)
        self.bits = bitfield.full(self.manifest.chunk_count)
        self.zone = NO_ZONE
        self.followed_from: list[str] = []
        """The zones of those that followed it, as they said."""
        self.asked: list[tuple[int, int]] = []
        self.named: list[dict[str, str | int]] = []
        """Whom it names as fetching too."""
        self.release = asyncio.Event()
        """For behaviours that wait for the test."""
        self.reached = asyncio.Event()
        """Set by such behaviours when they begin to wait."""
        self._ended = asyncio.Event()
        self._secret = blake3(name.encode()).digest()

    @asynccontextmanager
    async def running(self, tracker: str, path: str = "data.bin") -> AsyncIterator["ScriptedPeer"]:
        """Serve and be listed."""
        app = web.Application()
        app.router.add_get("/dialback/{nonce}", self._dialback)
        app.router.add_get("/content/{id}/manifest", self._manifest)
        app.router.add_get("/content/{id}/have", self._have)
        app.router.add_get("/content/{id}/peers", self._peers)
        app.router.add_get("/content/{id}", self._content)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        client = TrackerClient([tracker])
        caller = Caller(PeerName(self.name), self._secret, 1)
        registration = Registration(caller, port, ("127.0.0.1",), zone=self.zone)
        pages = [[Entry(path, self.content, len(self.data))]]
        clock = SystemClock()
        announcer = Announcer(client, caller, lambda: iter(pages), clock)
        lease = Lease(client, registration, announcer, clock, Random(1))
        announcer.change_entry(None, pages[0][0])
        task = asyncio.create_task(lease.run())
        try:
            assert await announcer.announced(PATIENCE_S)
            yield self
        finally:
            task.cancel()
            await lease.leave()
            await client.close()
            self.release.set()
            self._ended.set()
            await runner.cleanup()

    async def _dialback(self, request: web.Request) -> web.Response:
        nonce = bytes.fromhex(request.match_info["nonce"])
        assert len(nonce) == NONCE_BYTES
        return web.Response(text=proof_of(nonce, hash_secret(self._secret)))

    async def _manifest(self, request: web.Request) -> web.Response:
        return web.Response(body=self.manifest.encode())

    async def _have(self, request: web.Request) -> web.StreamResponse:
        self.followed_from.append(request.headers.get("Panal-Zone", ""))
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(have.opening(self.bits, self.manifest.chunk_count))
        await self._ended.wait()
        return answer

    async def _peers(self, request: web.Request) -> web.Response:
        return web.json_response({"peers": self.named})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        ranges = parse_range(request.headers.get("Range"), len(self.data))
        assert ranges is not None
        self.asked.append((ranges[0].start, ranges[0].stop))
        return await self.send_range(self, request, ranges[0].start, ranges[0].stop)
