"""A peer that shares a folder whose list and files a test makes up, true or not."""

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
from panal.store.texts import manifest_of_text
from panal.wire import bitfield, have
from panal.wire.bundle import END, header, padding, parse_request
from panal.wire.catalogue import Caller, Entry, Registration
from panal.wire.dialback import hash_secret, proof_of
from panal.wire.ids import ContentId, PeerName, parse_content_id
from panal.wire.manifest import Kind, Manifest, content_id
from panal.wire.ranges import parse_range
from tests.support.patience import PATIENCE_S
from tests.support.scripted_peer import manifest_of_bytes

Send = Callable[["FolderPeer", web.Request, bytes], Awaitable[web.StreamResponse]]
SendBundle = Callable[
    ["FolderPeer", web.Request, dict[ContentId, bytes]], Awaitable[web.StreamResponse]
]


async def whole(peer: "FolderPeer", request: web.Request, data: bytes) -> web.StreamResponse:
    """What was asked for."""
    ranges = parse_range(request.headers.get("Range"), len(data))
    if ranges is None:
        return web.Response(body=data)
    start, stop = ranges[0].start, ranges[0].stop
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
    return web.Response(status=206, body=data[start:stop], headers=headers)


def tar(members: dict[ContentId, bytes]) -> bytes:
    """A bundle of these."""
    parts = [header(c, len(data)) + data + padding(len(data)) for c, data in members.items()]
    return b"".join((*parts, END))


async def all_of_them(
    peer: "FolderPeer", request: web.Request, wanted: dict[ContentId, bytes]
) -> web.StreamResponse:
    """The bundle that was asked for."""
    return web.Response(body=tar(wanted))


def line(path: str, data: bytes, *, size: int | None = None, kind: str = "f") -> str:
    """An entry of a list; `size` where it is to be wrong."""
    _, content = manifest_of_bytes(data)
    return f"{content.hex()} {len(data) if size is None else size} {kind} 0 {path}\n"


class FolderPeer:
    """Shares the folder that `lines` list; `send` answers each request for a file's bytes."""

    def __init__(
        self,
        name: str,
        lines: list[str],
        files: list[bytes],
        send: Send = whole,
        bundle: SendBundle | None = None,
    ) -> None:
        """Without `bundle` it is a peer that does not know such requests."""
        self.name = name
        self.send = send
        self.bundle = bundle
        self.text = ("panal-collection 1\n" + "".join(lines)).encode()
        manifest = manifest_of_text(self.text)
        self.content = content_id(manifest.encode())
        self.contents: dict[ContentId, tuple[Manifest, bytes]] = {
            self.content: (manifest, self.text)
        }
        for data in files:
            made, identity = manifest_of_bytes(data)
            self.contents[identity] = (made, data)
        self.asked: list[ContentId] = []
        """Files whose bytes were asked for, the list aside."""
        self.bundles: list[list[ContentId]] = []
        """What was asked for in bundles."""
        self.reached = asyncio.Event()
        self.release = asyncio.Event()
        self.health_asked = 0
        self.released_after = 1 << 30
        """`release` is set when its health was asked for so often."""
        self.seems_dead = False
        """Whether it breaks off when its health is asked for."""
        self._ended = asyncio.Event()
        self._secret = blake3(name.encode()).digest()

    @asynccontextmanager
    async def running(self, tracker: str, path: str = "tree") -> AsyncIterator["FolderPeer"]:
        """Serve and be listed, the folder as `path`."""
        app = web.Application()
        app.router.add_get("/dialback/{nonce}", self._dialback)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/content/{id}/manifest", self._manifest)
        app.router.add_get("/content/{id}/have", self._have)
        app.router.add_get("/content/{id}", self._content)
        if self.bundle is not None:
            app.router.add_post("/api/v1/bundle", self._bundle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = TrackerClient([tracker])
        caller = Caller(PeerName(self.name), self._secret, 1)
        registration = Registration(caller, runner.addresses[0][1], ("127.0.0.1",))
        entries = [
            Entry(path, content, manifest.size_bytes, Kind.COLLECTION)
            if content == self.content
            else Entry(f"files/{content.hex()}", content, manifest.size_bytes)
            for content, (manifest, _) in self.contents.items()
        ]
        clock = SystemClock()
        announcer = Announcer(client, caller, lambda: iter([entries]), clock)
        lease = Lease(client, registration, announcer, clock, Random(1))
        for entry in entries:
            announcer.change_entry(None, entry)
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

    def _found(self, request: web.Request) -> tuple[ContentId, Manifest, bytes]:
        content = parse_content_id(request.match_info["id"])
        if content not in self.contents:
            raise web.HTTPNotFound
        return content, *self.contents[content]

    async def _dialback(self, request: web.Request) -> web.Response:
        nonce = bytes.fromhex(request.match_info["nonce"])
        return web.Response(text=proof_of(nonce, hash_secret(self._secret)))

    async def _healthz(self, request: web.Request) -> web.Response:
        self.health_asked += 1
        if self.health_asked >= self.released_after:
            self.release.set()
        if self.seems_dead:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(text="ok\n")

    async def _manifest(self, request: web.Request) -> web.Response:
        return web.Response(body=self._found(request)[1].encode())

    async def _have(self, request: web.Request) -> web.StreamResponse:
        _, manifest, _ = self._found(request)
        answer = web.StreamResponse()
        await answer.prepare(request)
        count = manifest.chunk_count
        await answer.write(have.opening(bitfield.full(count), count))
        await self._ended.wait()
        return answer

    async def _content(self, request: web.Request) -> web.StreamResponse:
        content, _, data = self._found(request)
        if content == self.content:
            return await whole(self, request, data)
        self.asked.append(content)
        return await self.send(self, request, data)

    async def _bundle(self, request: web.Request) -> web.StreamResponse:
        assert self.bundle is not None
        wanted = parse_request(await request.read())
        self.bundles.append(wanted)
        here = {c: self.contents[c][1] for c in wanted if c in self.contents}
        return await self.bundle(self, request, here)
