"""Many peers that all hand on to one: as many sources of a file as are wanted, hashed only once.

`python -m benchmarks.relays COUNT TRACKER STATE PORT ENTRY`: ENTRY is what is shared, as JSON with
`path`, `id` and `size`; STATE has the secret of the peer at PORT, which answers for all of them.
Says READY once all are announced.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from random import Random

from panal.clock import SystemClock
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Caller, Entry, Registration
from panal.wire.ids import PeerName, parse_content_id

BLOCK_BYTES = 256 * 1024


async def _pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await source.read(BLOCK_BYTES):
            to.write(block)
            await to.drain()
    to.close()


async def relay(port: int) -> asyncio.Server:
    """Listens on a free port of loopback, and hands on to `port`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))

    return await asyncio.start_server(connected, "127.0.0.1", 0)


async def announced(name: str, port: int, tracker: str, secret: bytes, entry: Entry) -> Announcer:
    """A peer of that name and port, known to the tracker with what it has."""
    pages = [[entry]]
    client, clock = TrackerClient([tracker]), SystemClock()
    caller = Caller(PeerName(name), secret, 1)
    announcer = Announcer(client, caller, lambda: iter(pages), clock)
    registration = Registration(caller, port, ("127.0.0.1",))
    lease = Lease(client, registration, announcer, clock, Random(port))
    announcer.change_entry(None, entry)
    asyncio.get_running_loop().create_task(lease.run())
    await announcer.announced(60.0)
    return announcer


async def run(count: int, tracker: str, state: Path, port: int, entry: Entry) -> None:
    """Hand on until killed."""
    secret = bytes.fromhex((state / "owner-secret").read_text("ascii"))
    running = []
    for number in range(count):
        server = await relay(port)
        own_port = server.sockets[0].getsockname()[1]
        running.append(
            (server, await announced(f"relay{number}", own_port, tracker, secret, entry))
        )
    print("READY", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    told = json.loads(sys.argv[5])
    shared = Entry(told["path"], parse_content_id(told["id"]), told["size"])
    asyncio.run(run(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), shared))
