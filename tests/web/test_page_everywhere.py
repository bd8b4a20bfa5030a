"""Every view of the page: fit for everybody (axe-core), in both languages, on narrow screens."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.slow
AXE = Path(__file__).parents[2] / "page" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = ("find", "fetch", "share", "see", "know")


@pytest_asyncio.fixture(loop_scope="session")
async def busy(network: Network) -> RunningPeer:
    """A peer with something in every view: files, a download under way, one done, one failed."""
    one = await network.peer("one", upload_limit_bytes_s=256 * 1024)
    await one.upload("folder/film.mkv", bytes(32 * 1024 * 1024))
    await one.upload("text.txt", b"text")
    two = await network.peer("two")
    await two.upload("own.txt", b"own")
    await two.fetched("text.txt")
    await two.fetched("no such file")
    two.node.get("film.mkv")
    await until(lambda: two.node.downloads()[-1].bytes_done > 0, "something has come")
    return two


async def faults(page: Page) -> list[Any]:
    """What axe finds, as rule and place."""
    found = await page.evaluate(
        "rules => axe.run(document, { runOnly: rules })"
        ".then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 120))]))",
        RULES,
    )
    return list(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(scheme: Any, busy: RunningPeer, browser: BrowserContext) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make page, with Node)")
    page = await browser.new_page()
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = {}
    for view in VIEWS:
        await page.goto(f"{busy.url}/#/{view}")
        await page.wait_for_selector("main h1", state="attached")
        await page.wait_for_selector("[aria-busy]", state="detached")
        await page.evaluate(AXE.read_text("utf-8"))
        if wrong := await faults(page):
            found[view] = wrong
    await page.goto(f"{busy.url}/#/find")
    await page.locator("button.name").first.click()
    await page.get_by_role("dialog").wait_for()
    if wrong := await faults(page):
        found["dialog"] = wrong
    assert found == {}


@pytest.mark.parametrize("view", VIEWS)
async def test_nothing_is_cut_off_on_a_narrow_screen(
    view: str, busy: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.set_viewport_size({"width": 320, "height": 640})
    await page.goto(f"{busy.url}/#/{view}")
    await page.wait_for_selector("main h1", state="attached")
    await page.wait_for_selector("[aria-busy]", state="detached")
    wide = await page.evaluate(
        "[document.documentElement.scrollWidth, document.querySelector('main').scrollWidth]"
    )
    assert max(wide) <= 320


async def test_it_speaks_the_browser_s_language_and_the_other(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one")
    page = await browser.new_page()
    await page.add_init_script(
        "Object.defineProperty(navigator, 'languages', { get: () => ['es-CO', 'en'] })"
    )
    await page.goto(peer.url)
    await expect(page.get_by_role("link", name="Compartir")).to_be_visible()
    assert await page.get_attribute("html", "lang") == "es"
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("link", name="Share")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("link", name="Share")).to_be_visible()


async def test_the_appearance_is_as_the_system_s_or_as_chosen(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one")
    page = await browser.new_page()
    await page.emulate_media(color_scheme="dark")
    await page.goto(peer.url)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(ground)
    await page.get_by_role("button", name="Appearance: As the system").click()
    light = await page.evaluate(ground)
    assert light != dark
    await page.reload()
    await page.get_by_role("button", name="Appearance: Light").click()
    assert await page.evaluate(ground) == dark


async def test_limits_are_changed_live_and_the_state_is_told(
    busy: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(busy.url + "/#/know")
    await expect(page.get_by_text("Listed by the tracker")).to_be_visible()
    await page.get_by_role("spinbutton", name="Upload, in all").fill("2.5")
    await page.keyboard.press("Tab")
    await until(
        lambda: busy.node.settings().upload_limit_bytes_s == 5 * 512 * 1024, "the limit counts"
    )
    await expect(page.get_by_role("link", name="one")).to_be_visible()
