"""A peer that has everything and serves it with one wrong byte in each chunk.

`python -m benchmarks.liar NAME ADDRESS PORT TRACKER PATH`; says READY once it is announced.
"""

import asyncio
import sys
from pathlib import Path
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
from panal.wire.dialback import hash_secret, proof_of
from panal.wire.ids import PeerName
from panal.wire.manifest import Manifest, chunk_size_for, content_id
from panal.wire.ranges import parse_range


def manifest_of(data: bytes) -> Manifest:
    """The true one: the lie is in the bytes."""
    with ContentHasher(chunk_size_for(len(data))) as hasher:
        hasher.update(memoryview(data))
        manifest = hasher.finish()
    assert manifest is not None
    return manifest


class Liar:
    """The routes that a downloader calls."""

    def __init__(self, name: str, path: Path) -> None:
        self.secret = blake3(name.encode()).digest()
        data = path.read_bytes()
        self.manifest = manifest_of(data)
        self.entry = Entry(path.name, content_id(self.manifest.encode()), len(data))
        wrong = bytearray(data)
        for place in range(0, len(wrong), self.manifest.chunk_bytes):
            wrong[place] ^= 1
        self._wrong = memoryview(wrong)

    async def dialback(self, request: web.Request) -> web.Response:
        """It is who it says it is."""
        nonce = bytes.fromhex(request.match_info["nonce"])
        return web.Response(text=proof_of(nonce, hash_secret(self.secret)))

    async def manifest_bytes(self, request: web.Request) -> web.Response:
        """The true manifest."""
        return web.Response(body=self.manifest.encode())

    async def have(self, request: web.Request) -> web.StreamResponse:
        """Everything, for ever."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        count = self.manifest.chunk_count
        await answer.write(have.opening(bitfield.full(count), count))
        while True:
            await asyncio.sleep(have.HEARTBEAT_S)
            await answer.write(have.index_frame(have.HEARTBEAT))

    async def content(self, request: web.Request) -> web.Response:
        """Wrong bytes."""
        size = len(self._wrong)
        ranges = parse_range(request.headers.get("Range"), size)
        start, stop = (ranges[0].start, ranges[0].stop) if ranges else (0, size)
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        return web.Response(status=206, body=bytes(self._wrong[start:stop]), headers=headers)


async def run(name: str, address: str, port: int, tracker: str, path: Path) -> None:
    """Serve until killed."""
    liar = Liar(name, path)
    app = web.Application()
    app.router.add_get("/dialback/{nonce}", liar.dialback)
    app.router.add_get("/content/{id}/manifest", liar.manifest_bytes)
    app.router.add_get("/content/{id}/have", liar.have)
    app.router.add_get("/content/{id}", liar.content)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    caller = Caller(PeerName(name), liar.secret, 1)
    pages = [[liar.entry]]
    client, clock = TrackerClient([tracker]), SystemClock()
    announcer = Announcer(client, caller, lambda: iter(pages), clock)
    lease = Lease(client, Registration(caller, port, (address,)), announcer, clock, Random(1))
    announcer.change_entry(None, liar.entry)
    running = asyncio.create_task(lease.run())
    await announcer.announced(30.0)
    print("READY", flush=True)
    await running


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5])))
