"""The page over time: many of them, one that is not seen, a refused stream, what is being typed."""

import json

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Request, Route, expect

from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.slow
TABS = 8
LOG_KEPT = 300
HIDING = """
let isHidden = false;
Object.defineProperty(document, "hidden", { get: () => isHidden });
window.hide = (wanted) => {
  isHidden = wanted;
  document.dispatchEvent(new Event("visibilitychange"));
};
"""
"""Without a window every page counts as seen."""


@pytest_asyncio.fixture(loop_scope="session")
async def peer(network: Network) -> RunningPeer:
    peer = await network.peer("one", guest_port=0)
    await peer.upload("a.txt", b"a")
    return peer


async def test_eight_pages_in_one_browser(peer: RunningPeer, browser: BrowserContext) -> None:
    """All come, and the first tells what it missed."""
    await browser.add_init_script(HIDING)
    pages: list[Page] = []
    for _ in range(TABS):
        page = await browser.new_page()
        await page.goto(peer.url)
        await expect(page.get_by_role("listitem")).to_have_count(1)
        await page.evaluate("hide(true)")
        pages.append(page)
    await peer.upload("b.txt", b"b")
    await pages[0].evaluate("hide(false)")
    await expect(pages[0].get_by_role("listitem")).to_have_count(2)


async def test_a_refused_stream_is_not_tried_for_what_is_no_more_shown(
    peer: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/api/v1/events" in request.url:
            asked.append(request.url.partition("/events")[2])

    page.on("request", note)
    await page.route("**/api/v1/events*", lambda route: route.fulfill(status=503, body="no"))
    await page.goto(peer.url + "/#/see?watch=0123")
    await until(lambda: asked == ["?watch=0123"], "it was asked for")
    await expect(page.get_by_role("link", name="one")).to_be_visible()
    await page.goto(peer.url + "/#/know")
    await until(lambda: asked.count("") >= 3, "the other is tried again and again")
    assert set(asked[1:]) == {""}


async def test_what_is_typed_outlives_what_the_peer_tells(
    peer: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(peer.url + "/#/know")
    field = page.get_by_role("spinbutton", name="Upload, in all")
    await field.press_sequentially("2")
    await peer.upload("b.txt", b"b")
    await expect(page.get_by_text("2 files, ")).to_be_visible()
    await expect(field).to_have_value("2")
    await field.press_sequentially("5")
    await field.press("Tab")
    await until(
        lambda: peer.node.settings().upload_limit_bytes_s == 25 * 1024**2, "the limit counts"
    )
    await expect(field).to_have_value("25")


async def test_links_for_guests_are_current_after_a_long_log(
    peer: RunningPeer, browser: BrowserContext
) -> None:
    line = {"at": "2026-01-01T00:00:00Z", "event": "joined", "host": "", "name": "", "what": ""}
    lines = [{**line, "link": "", "why": "", "left_out": 0}] * LOG_KEPT

    async def long_log(route: Route) -> None:
        await route.fulfill(content_type="application/json", body=json.dumps({"events": lines}))

    page = await browser.new_page()
    await page.route("**/api/v1/log*", long_log)
    await page.goto(peer.url + "/#/know")
    await expect(page.get_by_role("log").get_by_role("listitem")).to_have_count(LOG_KEPT)
    await peer.request("POST", "/api/v1/guest-links", json={"what": "a.txt", "for_s": 60})
    await expect(page.get_by_role("button", name="Revoke: a.txt")).to_be_visible()


async def test_no_order_by_that_name(peer: RunningPeer, browser: BrowserContext) -> None:
    page = await browser.new_page()
    await page.goto(peer.url + "/#/find?sort=__proto__")
    await expect(page.get_by_role("listitem")).to_have_count(1)


async def test_tried_again_it_goes_where_it_was_to_go(
    network: Network, peer: RunningPeer, browser: BrowserContext
) -> None:
    first = peer.node.get("later.bin", "else/where.bin", priority=3)
    await until(lambda: peer.node.download(first.id).state == "failed", "it fails")
    two = await network.peer("two")
    await two.upload("later.bin", b"there it is")
    page = await browser.new_page()
    await page.goto(peer.url + "/#/fetch")
    row = page.get_by_role("list", name="Ended").get_by_role("listitem")
    await row.get_by_role("button", name="Try again").click()
    await expect(row.filter(has_text="Done")).to_have_count(1)
    await expect(row).to_have_count(1)  # what failed is taken off once the other is there
    assert (peer.folder / "else/where.bin").read_bytes() == b"there it is"
    assert [each.priority for each in peer.node.downloads()] == [3]


@pytest.mark.parametrize("is_removed", [False, True])
async def test_an_answer_that_comes_late_undoes_nothing(
    network: Network, peer: RunningPeer, browser: BrowserContext, is_removed: bool
) -> None:
    """By then the stream has told how it went on, and does not tell it twice."""
    first = peer.node.get("later.bin")
    await until(lambda: peer.node.download(first.id).state == "failed", "it fails")
    await (await network.peer("two")).upload("later.bin", b"there it is")
    page = await browser.new_page()
    rows = page.get_by_role("listitem")
    done = rows.filter(has_text="Done")

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await expect(done).to_be_visible()
        if is_removed:
            await peer.node.remove_download(peer.node.downloads()[-1].id)
            await expect(done).to_have_count(0)
        await route.fulfill(response=answer)

    await page.route("**/api/v1/downloads", late)
    await page.goto(peer.url + "/#/fetch")
    async with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await page.get_by_role("button", name="Try again").click()
    await expect(rows).to_have_count(0 if is_removed else 1)
    await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(done).to_have_count(0 if is_removed else 1)
    await expect(rows).to_have_count(0 if is_removed else 1)
