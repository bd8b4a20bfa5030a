"""The stream of events over real sockets: its own time virtual, or a peer's real one."""

import asyncio
import gc
import os
import tracemalloc
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from panal.answers import UploadAnswer
from panal.audit import AuditLog
from panal.errors import NotFound
from panal.peer import announcer
from panal.peer.access import application
from panal.peer.connections import Connections
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.http_connection import http_connections
from panal.peer.limits import LISTENERS, SLOW_S
from panal.peer.owner_token import SESSION_S
from panal.swarm.chunk_picture import ChunkPicture
from panal.web.board import Board
from panal.web.chunk_events import WatchedContent
from panal.web.event_stream import LOOK_EVERY_S, EventStream
from panal.web.events import COMMENT_EVERY_S, RETRY_MS, EventRoutes
from tests.support.clock import VirtualClock
from tests.support.event_stream import EventReader, Told, listening
from tests.support.loop_clock import LoopClock
from tests.support.network import Network, RunningPeer, until

CHUNK_BYTES = 256 * 1024


def row(identity: str, offset: int = 0, path: str = "a.bin") -> UploadAnswer:
    return UploadAnswer(identity, path, None, offset, 0.0, "receiving", False, None)


class MadeUp:
    """Facts that a test makes up."""

    def __init__(self) -> None:
        self.uploads: dict[str, UploadAnswer] = {}
        self.looks = 0
        self.fails = False
        self.follows_peers = False
        self.content: WatchedContent | None = None

    def look(self, board: Board) -> None:
        self.looks += 1
        if self.fails:
            raise NotFound("gone")
        board.put_rows("uploads", self.uploads)

    async def follow_peers(self, board: Board) -> None:
        self.follows_peers = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.follows_peers = False


class MadeUpChunks:
    def __init__(self, facts: MadeUp) -> None:
        self._facts = facts

    def look(self) -> WatchedContent | None:
        return self._facts.content


class Stage:
    """A stream of made-up facts behind a real socket."""

    def __init__(self) -> None:
        self.facts = MadeUp()
        self.clock = VirtualClock()
        self.stopping = asyncio.Event()
        self.stream = EventStream(self.facts, self.clock, self.stopping)
        self.may_listen = True
        self.url = ""
        self.session: aiohttp.ClientSession

    async def tick(self, times: int = 1) -> None:
        """Let it look so often, and what comes of that be sent."""
        for _ in range(times):
            looks = self.facts.looks
            await until(lambda: self.stream.listeners > 0, "somebody listens")
            self.clock.advance(LOOK_EVERY_S)
            while self.facts.looks == looks and not self.facts.fails:
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)

    @asynccontextmanager
    async def listening(self, query: str = "", **headers: str) -> AsyncIterator[EventReader]:
        async with listening(self.session, self.url, query, **headers) as reader:
            yield reader

    async def quiet(self) -> None:
        """Let the time pass until nobody listens any more."""

        def is_quiet() -> bool:
            self.clock.advance(LOOK_EVERY_S)
            return self.stream.listeners == 0

        await until(is_quiet, "nobody listens")


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        stage = Stage()
        routes = EventRoutes(
            stage.stream,
            lambda download_id: MadeUpChunks(stage.facts),
            stage.clock,
            peer="one",
            may_still_listen=lambda request: lambda: stage.may_listen,
        ).routes()
        made = application(routes, Doorkeeper(), AuditLog(None, stage.clock))
        runner = web.AppRunner(made, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        loop = asyncio.get_running_loop()
        connections = http_connections(runner.server, Connections(), enters=True)
        server = await loop.create_server(connections, "127.0.0.1", 0)
        stack.callback(server.close)
        stage.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stage.session = await stack.enter_async_context(aiohttp.ClientSession())
        yield stage
        stage.stopping.set()
        await stage.quiet()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as made:
        yield made


def whole(told: Told) -> Any:
    assert told.data["whole"]
    return told.data["uploads"]


# What is told, and when -------------------------------------------------------------------


async def test_first_who_speaks_then_all_there_is_then_what_changes(stage: Stage) -> None:
    stage.facts.uploads = {"a": row("a"), "b": row("b")}
    async with stage.listening() as reader:
        hello, first = await reader.some(2)
        assert (hello.kind, hello.data["peer"], hello.retry) == ("hello", "one", str(RETRY_MS))
        assert [upload["id"] for upload in whole(first)] == ["a", "b"]
        assert first.id == f"{hello.data['epoch']}-{stage.stream.board.number}"
        stage.facts.uploads = {"b": row("b", 7), "c": row("c")}
        await stage.tick()
        change = await reader.next()
        assert not change.data["whole"]
        assert [(u["id"], u["offset"]) for u in change.data["uploads"]] == [("b", 7), ("c", 0)]
        assert change.data["removed"] == ["a"]


async def test_changes_within_a_look_are_told_once(stage: Stage) -> None:
    stage.facts.uploads = {"a": row("a")}
    async with stage.listening() as reader:
        await reader.some(2)
        for offset in range(1, 50):
            stage.facts.uploads = {"a": row("a", offset)}
        await stage.tick(3)
        assert (await reader.next()).data["uploads"][0]["offset"] == 49
        stage.facts.uploads = {}
        await stage.tick()
        assert (await reader.next()).data["removed"] == ["a"]


async def test_nobody_looks_while_nobody_listens(stage: Stage) -> None:
    assert not stage.facts.follows_peers
    async with stage.listening() as reader:
        await reader.some(2)
        await stage.tick(2)
        assert stage.facts.follows_peers
    await stage.quiet()
    assert not stage.facts.follows_peers
    looks = stage.facts.looks
    await stage.clock.run_for(60.0)
    assert stage.facts.looks == looks


async def test_a_sign_of_life_where_nothing_happens(stage: Stage) -> None:
    async with stage.listening() as reader:
        await reader.some(2)
        await stage.tick(int(COMMENT_EVERY_S / LOOK_EVERY_S))
        comment = await reader.next()
        assert (comment.kind, comment.data) == ("", None)


async def test_an_idle_stream_costs_no_patience(stage: Stage) -> None:
    loop_clock = LoopClock()
    async with stage.listening() as reader:
        await reader.some(2)
        await loop_clock.run_for(10 * SLOW_S)
        stage.facts.uploads = {"a": row("a")}
        await stage.tick()
        while (told := await reader.next()).kind != "uploads":
            pass
        assert told.data["uploads"][0]["id"] == "a"


# Those who come back, and those who do not read ---------------------------------------------


async def test_who_comes_back_is_told_what_it_missed(stage: Stage) -> None:
    stage.facts.uploads = {str(number): row(str(number)) for number in range(5)}
    async with stage.listening() as reader:
        await reader.some(2)
        last_id = reader.last_id
    await stage.quiet()
    stage.facts.uploads = {**stage.facts.uploads, "1": row("1", 1)}
    del stage.facts.uploads["2"]
    async with stage.listening(Last_Event_ID=last_id) as reader:
        _, change = await reader.some(2)
        assert not change.data["whole"]
        assert [u["id"] for u in change.data["uploads"]] == ["1"]
        assert change.data["removed"] == ["2"]
        last_id = reader.last_id
    await stage.quiet()
    async with stage.listening(Last_Event_ID=last_id) as reader:
        await reader.next()
        stage.facts.uploads = {}
        await stage.tick()
        assert len((await reader.next()).data["removed"]) == 4


@pytest.mark.parametrize(
    "last_id", ["", "x", "-", "{epoch}-", "{epoch}-0", "{epoch}-99999", "{epoch}-" + "9" * 40,
                "00000000-1", "{epoch}--1", "{epoch}-1x"]
)  # fmt: skip
async def test_who_comes_from_elsewhere_is_told_everything(stage: Stage, last_id: str) -> None:
    stage.facts.uploads = {"a": row("a")}
    last_id = last_id.replace("{epoch}", stage.stream.epoch)
    async with stage.listening(Last_Event_ID=last_id) as reader:
        _, first = await reader.some(2)
        assert [upload["id"] for upload in whole(first)] == ["a"]


async def test_a_batch_has_its_id_only_at_its_end(stage: Stage) -> None:
    class Two(msgspec.Struct):
        number: int

    async with stage.listening() as reader:
        await reader.some(2)
        stage.stream.board.put("status", Two(1))
        stage.stream.board.put("files", Two(2))
        stage.facts.uploads = {"a": row("a")}
        await stage.tick()
        ids = [told.id for told in await reader.some(3)]
        assert ids[:2] == ["", ""]
        assert ids[2].endswith(f"-{stage.stream.board.number}")


async def unread(stage: Stage) -> asyncio.StreamWriter:
    """A listener that never reads."""
    port = int(stage.url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await writer.drain()
    return writer


@pytest.mark.slow
async def test_memory_is_flat_over_100_000_events_whoever_reads(stage: Stage) -> None:
    rows, ticks = 200, 500
    names = [str(number) for number in range(rows)]

    def change(to: int) -> None:
        stage.facts.uploads = {name: row(name, to, "x" * 100) for name in names}

    async def read(reader: EventReader, done: Callable[[], bool]) -> int:
        told = 0
        while not done():
            told += len((await reader.until("uploads")).data["uploads"])
        return told

    change(0)
    slow = await unread(stage)
    async with stage.listening() as reader:
        reading = asyncio.ensure_future(read(reader, lambda: last))
        last = False
        sizes = []
        tracemalloc.start()
        for tick in range(1, ticks + 1):
            if tick == ticks:
                last = True
            change(tick)
            await stage.tick()
            if tick in {ticks // 5, ticks}:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert await reading >= rows * (ticks - 10)
    assert stage.stream.listeners >= 1  # the slow one is there still
    assert sizes[1] - sizes[0] < 300_000, sizes
    slow.transport.abort()


async def test_who_reads_at_last_is_told_how_things_are_now(stage: Stage) -> None:
    stage.facts.uploads = {"a": row("a", 0, "x" * 1_000_000)}
    slow = await unread(stage)
    await until(lambda: stage.stream.listeners == 1, "it listens")
    for tick in range(1, 60):
        stage.facts.uploads = {"a": row("a", tick, "x" * 1_000_000)}
        await stage.tick()
    slow.transport.resume_reading()  # type: ignore[attr-defined]
    reader = slow._protocol._stream_reader  # type: ignore[attr-defined]
    taken = b""
    while b'"offset":59' not in taken:
        await stage.tick()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                taken += await reader.read(1 << 20)
    assert taken.count(b"event: uploads") < 20
    slow.transport.abort()


async def test_who_takes_nothing_for_long_is_cut_off(stage: Stage) -> None:
    loop_clock = LoopClock()
    stage.facts.uploads = {"a": row("a", 0, "x" * 8_000_000)}
    slow = await unread(stage)
    await until(lambda: stage.stream.listeners == 1, "it listens")
    for _ in range(50):
        await asyncio.sleep(0)
    await loop_clock.run_for(3 * SLOW_S)
    await stage.quiet()
    slow.transport.abort()


# The end ----------------------------------------------------------------------------------


async def test_it_ends_cleanly_when_the_peer_stops(stage: Stage) -> None:
    async with stage.listening() as reader, stage.listening() as other:
        for each in (reader, other):
            await each.some(2)
        stage.stopping.set()
        assert await reader.end() == await other.end() == []
    await stage.quiet()


async def test_a_stream_that_is_begun_at_the_end_ends(stage: Stage) -> None:
    stage.stopping.set()
    async with stage.listening() as reader:
        assert [told.kind for told in await reader.end()] == ["hello", "uploads"]


async def test_who_may_listen_no_more_is_not_told_any_more(stage: Stage) -> None:
    async with stage.listening() as reader:
        await reader.some(2)
        stage.may_listen = False
        await stage.quiet()
        assert await reader.end() == []


async def test_who_has_gone_is_forgotten_though_nothing_happens(stage: Stage) -> None:
    async with stage.listening() as reader:
        await reader.some(2)
        reader.answer.close()
        async with stage.listening() as other:
            await other.some(2)
            await until(lambda: stage.stream.listeners == 2, "both are there")
            for _ in range(100):
                if stage.stream.listeners == 1:
                    break
                await stage.tick()
            assert stage.stream.listeners == 1


async def test_there_are_only_so_many_listeners(stage: Stage) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(LISTENERS):
            await (await stack.enter_async_context(stage.listening())).some(2)
        async with stage.session.get(f"{stage.url}/api/v1/events") as answer:
            assert answer.status == 503
            assert (await answer.json())["type"] == "urn:panal:error:busy"
    await stage.quiet()
    async with stage.listening() as reader:
        await reader.some(2)


async def test_a_fault_ends_the_streams_and_the_next_begins_anew(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage.listening() as reader:
        await reader.some(2)
        stage.facts.fails = True
        stage.clock.advance(LOOK_EVERY_S)
        assert await reader.end() == []
    assert "told no more" in caplog.text
    await stage.quiet()
    async with stage.session.get(f"{stage.url}/api/v1/events") as answer:
        assert answer.status == 404
    stage.facts.fails = False
    async with stage.listening() as reader:
        await reader.some(2)
        stage.facts.uploads = {"a": row("a")}
        await stage.tick()
        assert (await reader.next()).kind == "uploads"


# Chunks -----------------------------------------------------------------------------------


async def test_chunks_are_told_to_who_watches_a_download(stage: Stage) -> None:
    def content(picture: ChunkPicture) -> WatchedContent:
        return WatchedContent("d", "", 8 * CHUNK_BYTES, CHUNK_BYTES, picture)

    async with stage.listening("?watch=d") as reader, stage.listening() as other:
        for each in (reader, other):
            await each.some(2)
        await stage.tick()
        stage.facts.content = content(ChunkPicture(8, 0b1, origins=bytes(8), sources=("a",)))
        await stage.tick()
        first = await reader.next()
        assert (first.kind, first.data["whole"], first.id) == ("chunks", True, "")
        assert b64decode(first.data["states"]) == b"\x02" + bytes(7)
        stage.facts.content = content(ChunkPicture(8, 0b111, origins=bytes(8), sources=("a",)))
        await stage.tick(4)
        assert (await reader.next()).data == {
            "download": "d", "whole": False, "runs": [[1, 2, 2, 0]],
        }  # fmt: skip
        stage.facts.uploads = {"a": row("a")}
        await stage.tick()
        assert (await other.next()).kind == "uploads"


async def test_one_download_is_watched_at_a_time(stage: Stage) -> None:
    async with stage.session.get(f"{stage.url}/api/v1/events?watch=a&watch=b") as answer:
        assert answer.status == 400


# A peer's own -----------------------------------------------------------------------------


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path) as made:
        yield made


async def gathered(reader: EventReader, kinds: dict[str, list[Any]]) -> None:
    with suppress(EOFError):
        while True:
            told = await reader.next()
            kinds.setdefault(told.kind, []).append(told.data)


async def test_a_download_is_seen_from_both_ends(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    data = os.urandom(20 * CHUNK_BYTES + 5)
    await one.upload("a.bin", data)
    identity = two.node.get("a.bin").id
    seen: dict[str, list[Any]] = {}
    given: dict[str, list[Any]] = {}
    async with (
        listening(two.session, two.url, f"?watch={identity}") as reader,
        listening(one.session, one.url) as other,
    ):
        tasks = [asyncio.ensure_future(gathered(r, k)) for r, k in ((reader, seen), (other, given))]
        await until(lambda: two.node.download(identity).state == "done", "done")

        def last(kind: str) -> Any:
            return seen.get(kind, [{}])[-1]

        await until(
            lambda: any(d["state"] == "done" for d in last("downloads").get("downloads", [])),
            "the page sees that it is done",
        )
        await until(lambda: seen["files"][-1]["files"] == 1, "the page sees the file")
        await until(lambda: last("traffic").get("down_bytes") == len(data), "all has come")
        await until(
            lambda: any(t["up_bytes"] == len(data) and t["takers"] for t in given["traffic"])
            if "traffic" in given else False, "all has gone",
        )  # fmt: skip
        assert {peer["name"] for peer in seen["peers"][0]["peers"]} == {"one", "two"}
        takers = [taker for t in given["traffic"] for taker in t["takers"]]
        assert {taker["name"] for taker in takers} == {"a.bin"}
        assert {taker["host"] for taker in takers} == {"127.0.0.1"}
        states = b"\x00" * 21
        origins = b"\xff" * 21
        sources: list[str] = []
        for news in seen["chunks"]:
            if news["whole"]:
                states, origins = b64decode(news["states"]), b64decode(news["from"])
                sources = news["sources"]
            sources = news.get("sources", sources)
            for first, end, state, origin in news.get("runs", []):
                span = end - first + 1
                states = states[:first] + bytes([state]) * span + states[end + 1 :]
                origins = origins[:first] + bytes([origin]) * span + origins[end + 1 :]
        assert states == b"\x02" * 21
        assert {sources[origin] for origin in origins if origin != 255} <= {"one"}
        for peer in ("one", "two"):
            await network.stop_peer(peer)
        await asyncio.gather(*tasks)


async def test_an_upload_and_the_log_are_told(network: Network) -> None:
    one = await network.peer("one", shares_folder=False)
    release = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        await release.wait()
        yield b"y"

    async with listening(one.session, one.url) as reader:
        sending = asyncio.ensure_future(one.request("PUT", "/upload/b.bin", data=slowly()))
        while not (told := await reader.until("uploads")).data["uploads"]:
            pass
        assert told.data["uploads"][0]["path"] == "b.bin"
        release.set()
        assert (await sending).status == 201
        kinds: dict[str, list[Any]] = {}
        while not {"log", "files", "uploads"} <= kinds.keys():
            told = await reader.next()
            kinds.setdefault(told.kind, []).append(told.data)
        assert kinds["log"][-1]["what"] == "b.bin"
        assert kinds["files"][-1]["files"] == 1
        while not kinds["uploads"][-1]["removed"]:
            kinds["uploads"].append((await reader.until("uploads")).data)


async def test_a_session_that_is_over_ends_its_stream(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await network.peer("one", shares_folder=False)
    credentials = one.app.credentials
    cookie = credentials.cookie_name(f"127.0.0.1:{one.app.port}")
    session = credentials.begin_session(credentials.new_link(), f"user {os.getuid()}")
    async with (
        listening(one.session, one.url, Cookie=f"{cookie}={session}") as reader,
        listening(one.session, one.url) as own,
    ):
        await reader.until("uploads")
        monkeypatch.setattr(credentials, "_sessions", {})
        await reader.end()
        await until(lambda: reader.answer.content.at_eof(), "it has ended")
        one.app.audit.note("left", why="to see that the other goes on")
        assert (await own.until("log")).data["event"] == "left"
    assert SESSION_S > 0


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one", shares_folder=False)


async def test_what_was_noted_while_nobody_listened_is_told_to_who_comes_back(
    peer: RunningPeer,
) -> None:
    async with listening(peer.session, peer.url) as reader:
        await reader.until("uploads")
        last_id = reader.last_id
    peer.app.audit.note("left", why="meanwhile")
    async with listening(peer.session, peer.url, Last_Event_ID=last_id) as reader:
        assert (await reader.until("log")).data["why"] == "meanwhile"
