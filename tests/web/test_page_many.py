"""The page over a hundred thousand files: only what can be seen is in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from aiohttp import web
from blake3 import blake3
from playwright.async_api import BrowserContext, Page, expect

from panal.clock import SystemClock
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Caller, Entry, Registration
from panal.wire.dialback import hash_secret, proof_of
from panal.wire.ids import ContentId, PeerName
from tests.support.network import Network
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow
FILES = 100_000
INDEX_PAGE = 1_000
ROWS_AT_MOST = 60
NAMED = 25 + 3 + 10
"""Films with 0123 in their number: at its front, in its middle, at its end."""
MIB = 1024 * 1024


def entry_pages() -> list[list[Entry]]:
    """Three quarters are books, the others films of more than a MiB."""

    def entry(n: int) -> Entry:
        kind = "film {:06}.mkv" if n % 4 == 3 else "book {:06}.pdf"
        size = 2 * MIB if n % 4 == 3 else n
        path = f"shelf/{n // 1000:03}/{kind.format(n)}"
        return Entry(path, ContentId(blake3(b"%d" % n).digest()), size)

    return [
        [entry(n) for n in range(first, first + INDEX_PAGE)]
        for first in range(0, FILES, INDEX_PAGE)
    ]


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
    client = TrackerClient([tracker])
    caller = Caller(PeerName("many"), secret, 1)
    registration = Registration(caller, runner.addresses[0][1], ("127.0.0.1",))
    pages = entry_pages()
    clock = SystemClock()
    announcer = Announcer(client, caller, lambda: iter(pages), clock)
    lease = Lease(client, registration, announcer, clock, Random(1))
    announcer.start_with(iter(pages))
    task = asyncio.create_task(lease.run())
    try:
        await lease.tried.wait()
        async with asyncio.timeout(4 * PATIENCE_S):
            while not announcer.times_told_everything:
                await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        await lease.leave()
        await client.close()
        await runner.cleanup()


async def rows(page: Page) -> int:
    return await page.locator("li[data-row]").count()


async def scrolled_to_the_end(page: Page) -> int:
    """How many rows were in the page at most on the way there."""
    most = 0
    status = page.get_by_role("status").first
    async with asyncio.timeout(4 * PATIENCE_S):
        while not (await status.inner_text()).startswith(f"{FILES:,} result"):
            await page.evaluate("document.querySelector('main').scrollTo(0, 1e9)")
            await page.evaluate("new Promise(requestAnimationFrame)")
            most = max(most, await rows(page))
    await page.evaluate("document.querySelector('main').scrollTo(0, 1e9)")
    return most


async def test_all_of_them_are_found_and_scrolled_through(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one")
    async with announced(network.tracker_address):
        page = await browser.new_page()
        await page.goto(peer.url)
        await expect(page.get_by_role("listitem").first).to_be_visible()
        assert 0 < await scrolled_to_the_end(page) < ROWS_AT_MOST
        last = page.locator(f"[data-row='{FILES - 1}']")
        await expect(last).to_be_visible()
        found = page.get_by_role("status").first
        await page.keyboard.press("/")
        for letters in ("f", "fi", "film", "film 0123"):
            await page.get_by_role("searchbox").fill(letters)
        await expect(found).to_have_text(f"{NAMED} results")
        await page.get_by_role("combobox", name="Size").select_option("Up to 1.0 MiB")
        await expect(page.get_by_role("heading", name="Nothing by that name")).to_be_visible()
        await page.get_by_role("combobox", name="Size").select_option("1.0 MiB and more")
        await page.get_by_role("combobox", name="Order").select_option("Name")
        await expect(page.get_by_role("listitem").first).to_contain_text("film 000123.mkv")
        await page.get_by_role("listitem").first.get_by_role("button").first.press("End")
        await expect(page.get_by_role("listitem").last).to_contain_text("film 090123.mkv")
        await page.get_by_role("combobox", name="From").select_option("one")
        await expect(page.get_by_role("heading", name="Nothing by that name")).to_be_visible()
        await page.get_by_role("button", name="Clear the filters").click()
        await expect(found).to_have_text(f"{NAMED} results")
        await page.goto(peer.url + "/#/find?browse=many&under=shelf")
        await page.get_by_role("link", name="012", exact=True).click()
        await expect(page.get_by_text("book 012000.pdf")).to_be_visible()
        assert await rows(page) < ROWS_AT_MOST
