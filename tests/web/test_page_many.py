"""The page with a hundred thousand files: only what can be seen is in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from aiohttp import web
from blake3 import blake3
from playwright.async_api import BrowserContext, expect

from panal.clock import SystemClock
from panal.peer.announcer import Announcer
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Caller, Entry, Registration
from panal.wire.dialback import hash_secret, proof_of
from panal.wire.ids import ContentId, PeerName
from tests.support.network import Network

pytestmark = pytest.mark.slow
FILES = 100_000
ANNOUNCED_S = 120.0


@asynccontextmanager
async def announced(tracker: str) -> AsyncIterator[None]:
    """A peer that is listed with so many files, and answers nothing but the tracker's call."""
    secret = blake3(b"many").digest()

    async def dialback(request: web.Request) -> web.Response:
        nonce = bytes.fromhex(request.match_info["nonce"])
        return web.Response(text=proof_of(nonce, hash_secret(secret)))

    app = web.Application()
    app.router.add_get("/dialback/{nonce}", dialback)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    entries = [
        Entry(f"shelf/{n // 1000:03}/book {n:06}.pdf", ContentId(blake3(b"%d" % n).digest()), n)
        for n in range(FILES)
    ]
    client = TrackerClient([tracker])
    registration = Registration(
        Caller(PeerName("many"), secret, 1), runner.addresses[0][1], ("127.0.0.1",)
    )
    announcer = Announcer(client, registration, lambda: iter([entries]), SystemClock(), Random(1))
    for entry in entries:
        announcer.change_entry(None, entry)
    task = asyncio.create_task(announcer.run())
    try:
        assert await announcer.announced(ANNOUNCED_S)
        yield
    finally:
        task.cancel()
        await announcer.leave()
        await client.close()
        await runner.cleanup()


async def test_all_of_them_are_scrolled_through(network: Network, browser: BrowserContext) -> None:
    peer = await network.peer("one")
    async with announced(network.tracker_address):
        page = await browser.new_page()
        await page.goto(peer.url)
        status = page.get_by_role("status").first
        to_the_end = "document.querySelector('main').scrollTo(0, 1e9)"
        most = 0

        async def count() -> bool:
            nonlocal most
            await page.evaluate(to_the_end)
            most = max(most, await page.locator("li[data-row]").count())
            return await status.inner_text() == "100,000 results"

        async with asyncio.timeout(ANNOUNCED_S):
            while not await count():
                await page.evaluate("new Promise(requestAnimationFrame)")
        await expect(page.get_by_text("book 099999.pdf")).to_be_visible()
        assert 0 < most < 60
        await page.get_by_role("searchbox").fill("book 012345")
        await expect(page.get_by_role("listitem")).to_have_count(1)
