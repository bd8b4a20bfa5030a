"""A real tracker and real peers in this process, on loopback ports that the system chooses."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from aiohttp import web_app
from yarl import URL

from panal.answers import DownloadAnswer
from panal.api import Node
from panal.clock import Clock, SystemClock
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.web.control import owner_routes
from panal.wire.join_line import JoinLine
from tests.support.patience import PATIENCE_S

NOT_EXPECTED: dict[str, float] = {}
"""What a test takes never to happen, by how `what` begins, and for how long it looks."""


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to become true; fails, naming it, when it does not."""
    patience_s = min((s for w, s in NOT_EXPECTED.items() if what.startswith(w)), default=PATIENCE_S)
    try:
        async with asyncio.timeout(patience_s):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


@dataclass
class Answer:
    """One HTTP answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RunningPeer:
    """One peer and its owner's hands."""

    def __init__(self, app: PeerApp, session: aiohttp.ClientSession) -> None:
        self.app = app
        self.node = Node(app)
        self.session = session
        self.folder = app.settings.folder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.app.port}"

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        # The path as written: what it decodes to is the peer's question.
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **options) as answer:
            headers = {key.lower(): value for key, value in answer.headers.items()}
            return Answer(answer.status, headers, await answer.read())

    async def upload(self, name: str, data: bytes) -> dict[str, Any]:
        answer = await self.request("PUT", f"/upload/{name}", data=BytesIO(data))
        assert answer.status in {200, 201}, answer.body
        told = self.app.announcer
        while told.is_heard and not await told.announced(0.1):
            pass  # the answer does not wait for long, a search right after it shall find it
        file: dict[str, Any] = answer.json()["files"][0]
        return file

    async def fetched(self, what: str, name: str | None = None) -> DownloadAnswer:
        """Download to the end, whatever the end is."""
        download_id = self.node.get(what, name).id
        await until(
            lambda: self.node.download(download_id).state in {"done", "failed"}, f"end of {what}"
        )
        return self.node.download(download_id)


class Network:
    """One tracker and any number of peers; use it as a context."""

    def __init__(
        self,
        place: Path,
        *,
        renew_s: float = 20.0,
        lease_s: float = 60.0,
        has_members: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """`has_members`: TLS, and each peer joins by `join_line`. `clock` is everybody's."""
        self.place = place
        self._clock = clock or SystemClock()
        self._settings = TrackerSettings(
            port=0,
            lease_s=lease_s,
            renew_s=renew_s,
            network=has_members,
            state_dir=place / "tracker" if has_members else None,
        )
        self.join_line: JoinLine | None = None
        self._stack = AsyncExitStack()
        self.tracker: TrackerServer | None = None
        self.peers: dict[str, RunningPeer] = {}

    async def __aenter__(self) -> "Network":
        self.session = await self._stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False)
        )
        await self.start_tracker()
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self.peers):
            await self.stop_peer(name)
        await self.stop_tracker()
        await self._stack.aclose()
        # It keeps the last 1,024 handlers, and with each its whole peer: some 400 MB in the end.
        web_app._cached_build_middleware.cache_clear()

    async def start_tracker(self) -> None:
        """Start it, or start it again on the same port with nothing in it."""
        self.tracker = TrackerServer(self._settings, self._clock)
        await self.tracker.start()
        self._settings = replace(self._settings, port=self.tracker.port)
        if self.tracker.has_new_network:
            self.join_line = await self.tracker.mint()

    async def stop_tracker(self) -> None:
        if self.tracker is not None:
            await self.tracker.stop(0)
            self.tracker = None

    @property
    def tracker_address(self) -> str:
        return f"127.0.0.1:{self._settings.port}"

    async def peer(
        self, name: str, *, registered: bool = True, port: int = 0, **settings: Any
    ) -> RunningPeer:
        """Start a peer with a folder of its own."""
        folder = settings.pop("folder", self.place / name)
        settings = {"join": self.join_line, "trackers": (self.tracker_address,), **settings}
        wanted = PeerSettings(name, port, folder, **settings)
        app = PeerApp(wanted, self._clock, Random(f"7 {name}"))
        await app.start(owner_routes)
        peer = self.peers[name] = RunningPeer(app, self.session)
        if registered:
            await until(lambda: app.lease.problem == "", f"{name} registered")
        return peer

    async def stop_peer(self, name: str) -> None:
        await self.peers.pop(name).app.stop()
