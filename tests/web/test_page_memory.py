"""What a page keeps while ten thousand events go by: no more at the end than after the first."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import msgspec
import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from panal.answers import DownloadAnswer
from panal.answers.downloads import SourceAnswer
from panal.answers.events import (
    ChunksEvent,
    DownloadsEvent,
    HelloEvent,
    PeerRow,
    PeersEvent,
    RateOfSource,
    RateOfTaker,
    TrafficEvent,
)
from panal.audit import Event
from panal.web.event_stream import event
from tests.support.network import Network
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow
BATCH = 500
FIRST_BATCHES, MORE_BATCHES, PARTS = 4, 7, 3
EVENTS_A_ROUND = 5
GROWTH_BYTES = 140 * 1024
CHUNKS = 4096
WATCHED = "1"


def download(identity: str, n: int, state: Literal["running", "done"]) -> DownloadAnswer:
    source = SourceAnswer(f"peer-{n % 7}", 1000.0 * n, n, "sending")
    return DownloadAnswer(
        identity, f"film {n}", "0" * 64, f"film {n}.mkv", state, 10**9, 0, n * 1000, 0,
        1000.0 * n, 10.0, 1.0, f"from peer {n}", None, [source],
    )  # fmt: skip


def rounds(first: int, count: int) -> Iterator[msgspec.Struct]:
    """Five events each; downloads and peers come and go, names never twice."""
    for n in range(first, first + count):
        new, old = str(n + 2), str(n - 8)
        came = [download(WATCHED, n, "running"), download(new, n, "done")]
        yield DownloadsEvent(False, came, [old] if n >= 10 else [])
        row = PeerRow(f"peer-{n}", "192.0.2.7", 5000, True, n)
        yield PeersEvent(False, [row], [f"peer-{n - 10}"])
        sources = [RateOfSource(f"peer-{n % 7}", 1000.0 * n)]
        takers = [RateOfTaker(f"peer-{n % 5}", "192.0.2.8", 5000, 1.0, f"film {n}", "0" * 64)]
        yield TrafficEvent(1e9 + n, n * 1.0, n * 2.0, n, n, sources, takers)
        yield Event("2026-01-01T00:00:00Z", "refused", "192.0.2.9", f"name {n}", "x", "", f"{n}")
        at = n % CHUNKS
        yield ChunksEvent(WATCHED, False, runs=[(at, at, 2 * (n // CHUNKS % 2 == 0), n % 7)])


KINDS = {
    DownloadsEvent: "downloads",
    PeersEvent: "peers",
    TrafficEvent: "traffic",
    Event: "log",
    ChunksEvent: "chunks",
}


class Stream:
    """In place of the peer's: the same events, as many as are wanted, then silence."""

    def __init__(self) -> None:
        self.left = 0
        self.sent = 0
        self.is_waiting = asyncio.Event()
        self._more = asyncio.Event()

    def give(self, batches: int) -> None:
        self.left += batches
        self.is_waiting.clear()
        self._more.set()

    async def answer(self, route: Route) -> None:
        if self.left == 0:
            self.is_waiting.set()
            await self._more.wait()
        self.left -= 1
        if self.left == 0:
            self._more.clear()
        count = BATCH // EVENTS_A_ROUND
        told = b"".join(event(KINDS[type(each)], each) for each in rounds(self.sent, count))
        first = b"" if self.sent else self._whole()
        self.sent += count
        body = b"retry: 1\n\n" + event("hello", HelloEvent("1", "one", "0")) + first + told
        await route.fulfill(body=body, content_type="text/event-stream")

    def _whole(self) -> bytes:
        nothing = bytes(CHUNKS)
        chunks = ChunksEvent(
            WATCHED, True, "", 10**9, 262_144, CHUNKS, [f"peer-{n}" for n in range(7)],
            nothing, b"\xff" * CHUNKS, nothing,
        )  # fmt: skip
        whole = DownloadsEvent(True, [download(WATCHED, 0, "running")], [])
        return event("downloads", whole) + event("chunks", chunks)


async def kept_bytes(page: Page) -> int:
    """What is left of the heap when everything that nobody needs is gone."""
    await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    wire = await page.context.new_cdp_session(page)
    for _ in range(3):
        await wire.send("HeapProfiler.collectGarbage")
    used = (await wire.send("Runtime.getHeapUsage"))["usedSize"]
    await wire.detach()
    return int(used)


@pytest.mark.parametrize("view", ["fetch", "know", f"see?watch={WATCHED}"])
async def test_it_keeps_no_more(view: str, network: Network, browser: BrowserContext) -> None:
    peer = await network.peer("one")
    page = await browser.new_page()
    stream = Stream()
    await page.route("**/api/v1/events*", stream.answer)
    stream.give(FIRST_BATCHES)
    await page.goto(f"{peer.url}/#/{view}")
    await asyncio.wait_for(stream.is_waiting.wait(), PATIENCE_S)
    await expect(page.get_by_role("heading", level=1)).to_be_attached()
    kept = [await kept_bytes(page)]
    for _ in range(PARTS):
        stream.give(MORE_BATCHES)
        await asyncio.wait_for(stream.is_waiting.wait(), 300)
        kept.append(await kept_bytes(page))
    assert stream.sent * EVENTS_A_ROUND == (FIRST_BATCHES + PARTS * MORE_BATCHES) * BATCH
    # What a browser compiles late comes once, what a page keeps of each event in every part.
    assert min(after - before for before, after in pairwise(kept)) < GROWTH_BYTES, kept
