"""A peer's own page with a script in the peer's place: the stream tells what it is given.

For swarms that no machine could hold: the page is the built one, the events are those of the API.
"""

import asyncio
import contextlib
from random import Random
from typing import Any

import msgspec
from aiohttp import web

from panal.answers import (
    ChunksEvent,
    DownloadAnswer,
    DownloadsEvent,
    RateOfSource,
    RateOfTaker,
    SourceAnswer,
    TrafficEvent,
)
from panal.web.event_stream import event
from panal.web.page_files import PageRoutes

CHUNK_BYTES = 1024 * 1024
MISSING, ASKED, VERIFIED, CAME_WRONG = range(4)
FROM_BEFORE = 255


class ScriptedPage:
    """The page at `url`; `first` is what every new stream begins with. Use it as a context."""

    def __init__(self) -> None:
        self.first: list[bytes] = []
        self.watched: list[str] = []
        """What each stream asked to watch, the newest last."""
        self.status: bytes | None = None
        """As a real peer tells it, JSON; None: it is not told."""
        self.url = ""
        self._streams: set[asyncio.Queue[bytes | None]] = set()

    async def __aenter__(self) -> "ScriptedPage":
        page = PageRoutes()
        app = web.Application()
        app.router.add_get("/", page.page)
        app.router.add_get("/page/{name}", page.asset)
        app.router.add_get("/api/v1/events", self._events)
        app.router.add_get("/api/v1/log", self._log)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tell(None)
        await self._runner.cleanup()

    def tell(self, told: bytes | None) -> None:
        """To every stream that is open; None ends them."""
        for stream in self._streams:
            stream.put_nowait(told)

    async def _log(self, request: web.Request) -> web.Response:
        return web.json_response({"events": []})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.watched.append(request.query.get("watch", ""))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        stream = asyncio.Queue[bytes | None]()
        self._streams.add(stream)
        with contextlib.suppress(ConnectionError):
            if self.status is not None:
                await answer.write(b"event: status\ndata: %b\n\n" % self.status)
            for told in self.first:
                await answer.write(told)
            while (news := await stream.get()) is not None:
                await answer.write(news)
        self._streams.discard(stream)
        return answer


class ScriptedSwarm:
    """One download from many peers, which goes on as it is told."""

    def __init__(self, chunks: int, peers: int, name: str = "film.mkv", seed: int = 1) -> None:
        self.chance = Random(seed)
        self.name = name
        self.peers = [f"peer_{n + 1}" for n in range(peers)]
        self.states = bytearray(chunks)
        self.origins = bytearray([FROM_BEFORE]) * chunks
        self.copies = bytes(self.chance.randint(1, max(1, min(peers, 250))) for _ in range(chunks))
        self.state = "running"
        self.reason = ""
        self.at = 1_800_000_000.0

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return len(self.states) * CHUNK_BYTES

    def fill(self, share: float, failed: int = 0) -> None:
        """Make so much of it verified, from peers that differ in speed, and some of it wrong."""
        weights = [1 / (1 + n) ** 0.7 for n in range(len(self.peers))]
        for chunk in range(len(self.states)):
            if self.chance.random() < share:
                self.states[chunk] = VERIFIED
                self.origins[chunk] = self.chance.choices(range(len(self.peers)), weights)[0]
        missing = [n for n, state in enumerate(self.states) if state == MISSING]
        self.chance.shuffle(missing)
        for chunk in missing[:failed]:
            self.states[chunk] = CAME_WRONG
        for source, chunk in enumerate(missing[failed : failed + 2 * len(self.peers)]):
            self.states[chunk], self.origins[chunk] = ASKED, source % len(self.peers)

    def whole(self) -> bytes:
        """The event with all chunks."""
        return event(
            "chunks",
            ChunksEvent(
                download="d1",
                whole=True,
                path="",
                size_bytes=self.size_bytes,
                chunk_size=CHUNK_BYTES,
                chunk_count=len(self.states),
                sources=self.peers,
                states=bytes(self.states),
                origins=bytes(self.origins),
                copies=self.copies,
            ),
        )

    def arrive(self, how_many: int) -> bytes:
        """Some chunks come or go, somewhere: the event with their runs."""
        runs = []
        for _ in range(how_many):
            chunk = self.chance.randrange(len(self.states))
            state = VERIFIED if self.states[chunk] != VERIFIED else MISSING
            source = self.chance.randrange(len(self.peers)) if state == VERIFIED else FROM_BEFORE
            self.states[chunk], self.origins[chunk] = state, source
            runs.append((chunk, chunk, state, source))
        return event("chunks", ChunksEvent(download="d1", whole=False, runs=runs))

    def downloads(self, *more: DownloadAnswer) -> bytes:
        """The event with this download, and others before it."""
        return event("downloads", DownloadsEvent(True, [*more, self.download()], []))

    def download(self) -> DownloadAnswer:
        """As the list has it."""
        done = self.states.count(VERIFIED) * CHUNK_BYTES
        runs = self.state == "running"
        rate = 3e6 * len(self.peers) if runs else 0.0
        answer = download_answer(
            "d1",
            self.name,
            self.state,
            self.size_bytes,
            done,
            rate,
            (self.size_bytes - done) / rate if rate else None,
            [
                SourceAnswer(peer, 3e6 * runs, done // len(self.peers), "active")
                for peer in self.peers
            ],
        )
        answer.reason = self.reason
        return answer

    def traffic(self, at: float | None = None) -> bytes:
        """The event of one second: each peer gives and a few take."""
        self.at = self.at + 1 if at is None else at
        rates = [self.chance.uniform(1e5, 6e6) for _ in self.peers]
        takers = self.peers[:: max(1, len(self.peers) // 12)]
        return event(
            "traffic",
            TrafficEvent(
                self.at,
                sum(rates),
                sum(rates) / 3,
                0,
                0,
                [RateOfSource(peer, rate) for peer, rate in zip(self.peers, rates, strict=True)],
                [
                    RateOfTaker(peer, "192.0.2.1", 40_000 + n, rates[n] / 3, self.name, "")
                    for n, peer in enumerate(takers)
                ],
            ),
        )


def download_answer(
    download_id: str,
    name: str,
    state: str,
    size: int,
    done: int,
    rate: float,
    eta_s: float | None,
    sources: list[SourceAnswer],
) -> DownloadAnswer:
    """A download as a peer answers it; what pictures do not show is empty."""
    told: dict[str, Any] = {
        field.name: [] if field.name == "sources" else 0
        for field in msgspec.structs.fields(DownloadAnswer)
    }
    told |= {"id": download_id, "what": name, "content": "c" + download_id, "name": name}
    told |= {"state": state, "size": size, "bytes_done": done, "rate_bytes_s": rate}
    told |= {"eta_s": eta_s, "sources": sources, "reason": "", "error": None, "held_back": False}
    return DownloadAnswer(**told)
