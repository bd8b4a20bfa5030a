"""What a process does while faults come to it: one real peer, or tracker, from start to end.

Each is asked again after the fault, and must then come to the end that its user wants.
"""

import asyncio
import contextlib
import errno
import logging
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from random import Random

import aiohttp

from panal.api import Node
from panal.clock import SystemClock
from panal.errors import PanalError
from panal.peer import downloads, watching
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings
from panal.store import publish
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.web.control import owner_routes
from soaks import defects

Say = Callable[[str], None]
_TUS = {"Tus-Resumable": "1.0.0"}
_BYTES = {"Content-Type": "application/offset+octet-stream"}
POLL_S = 0.005
LOOK_FOR_ROOM_S = 0.02
SCAN_EVERY_S = 0.5
"""In place of 5 s and 30 s: how long a user waits is not what is tried here."""


def play(scenario: str, given: Mapping[str, str], wrong: str, say: Say) -> None:
    """Run one; what it comes to is said."""
    logging.basicConfig(level=logging.ERROR)
    for name in ("LOOK_FOR_ROOM_S", "LONGEST_PAUSE_S", "TRY_AGAIN_S"):
        setattr(downloads, name, LOOK_FOR_ROOM_S)
    watching.WATCHED_SCAN_EVERY_S = SCAN_EVERY_S
    defects.put_in(wrong)
    _only_publish_by(given.get("way", _WAYS[0]))
    asyncio.run(_played(scenario, given, say))


_WAYS = ("rename_noreplace", "link_and_unlink", "placeholder_and_rename")


def _only_publish_by(way: str) -> None:
    """As on a file system that does not know the ways that would be tried before."""
    for other in _WAYS[: _WAYS.index(way)]:
        setattr(publish, other, _unsupported)


def _unsupported(*_: object) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


async def _played(scenario: str, given: Mapping[str, str], say: Say) -> None:
    try:
        await _SCENARIOS[scenario](given, say)
    except PanalError as error:
        say(f"refused {error.slug} {error}")


@contextlib.asynccontextmanager
async def _peer(given: Mapping[str, str], say: Say) -> AsyncIterator[PeerApp]:
    state = Path(given["state"]) if "state" in given else None
    settings = PeerSettings(
        given.get("name", "one"),
        int(given.get("port", "0")),
        Path(given["folder"]),
        (given["tracker"],),
        state_dir=state,
    )
    app = PeerApp(settings, SystemClock(), Random(7))
    await app.start(owner_routes)
    say("started")
    try:
        yield app
    finally:
        await app.stop()


async def _get(given: Mapping[str, str], say: Say) -> None:
    """Fetch a content under a name; where it fails it is asked for once more."""
    async with _peer(given, say) as app:
        node = Node(app)
        for _ in range(2):
            identity = node.get(given["what"], given["path"]).id
            while (answer := node.download(identity)).state not in {"done", "failed"}:
                if answer.state == "waiting":
                    say(f"waiting {answer.error} {answer.reason}")
                await asyncio.sleep(POLL_S)
            say(f"{answer.state} {answer.error} {answer.reason}")
            if answer.state == "done":
                say(f"resumed {answer.bytes_resumed}")
                return


async def _upload(given: Mapping[str, str], say: Say) -> None:
    """Send a file to the peer by HTTP and note its answer."""
    async with _peer(given, say) as app, aiohttp.ClientSession() as client:
        for _ in range(2):
            url = f"http://127.0.0.1:{app.port}/upload/{given['path']}"
            data = Path(given["source"]).read_bytes()
            async with client.put(url, data=data) as answer:
                say(f"answered {answer.status}")
                if answer.status in {200, 201}:
                    return


async def _resumable(given: Mapping[str, str], say: Say) -> None:
    """Send a file in two pieces by tus, and go on where an earlier run of the client stopped."""
    data = Path(given["source"]).read_bytes()
    async with _peer(given, say) as app, aiohttp.ClientSession(headers=_TUS) as client:
        for _ in range(4):
            status, offset, where = await _begun(client, app.port, given, len(data))
            if where and offset < len(data):
                stop = len(data) // 2 if offset < len(data) // 2 else len(data)
                fields = {**_BYTES, "Upload-Offset": str(offset)}
                async with client.patch(where, data=data[offset:stop], headers=fields) as answer:
                    status, offset = answer.status, stop
            if status < 300 and offset == len(data):
                say(f"placed {status}")
                return
            say(f"sent {status}" if status < 300 else f"answered {status}")


async def _begun(
    client: aiohttp.ClientSession, port: int, given: Mapping[str, str], size_bytes: int
) -> tuple[int, int, str]:
    """Status, how much is there, and where the upload goes on; the client has noted its place."""
    base, note = f"http://127.0.0.1:{port}", Path(given["note"])
    if note.exists():
        where = base + note.read_text("ascii")
        async with client.head(where) as answer:
            if answer.status == 200:
                return 200, int(answer.headers["Upload-Offset"]), where
    metadata = f"path {b64encode(given['path'].encode()).decode()}"
    fields = {"Upload-Length": str(size_bytes), "Upload-Metadata": metadata}
    async with client.post(f"{base}/api/v1/uploads", headers=fields) as answer:
        if answer.status != 201:
            return answer.status, 0, ""
        place = answer.headers["Location"]
    for _ in range(2):  # the client's own file, which a fault may come to as well
        with contextlib.suppress(OSError):
            note.write_text(place, "ascii")
    return 201, 0, base + place


async def _share(given: Mapping[str, str], say: Say) -> None:
    """Share a folder until so many of its files are indexed and the tracker knows of them."""
    async with _peer(given, say) as app:
        while len(app.index.files_after("", 1_000)) != int(given["files"]):
            await asyncio.sleep(POLL_S)
        while not await app.announcer.announced(1.0):
            pass
        say("shared")


async def _announce(given: Mapping[str, str], say: Say) -> None:
    """A tracker with records on the disk, and a peer that tells it of its folder."""
    settings = TrackerSettings(port=0, state_dir=Path(given["records"]))
    tracker = TrackerServer(settings)
    await tracker.start()
    try:
        here = {**given, "tracker": f"127.0.0.1:{tracker.port}"}
        await _share(here, say)
    finally:
        await tracker.stop(0)


_SCENARIOS = {
    "get": _get,
    "upload": _upload,
    "resumable": _resumable,
    "share": _share,
    "announce": _announce,
}
