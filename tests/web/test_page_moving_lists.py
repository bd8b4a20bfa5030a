"""Lists that move while something of theirs is open: it stays of what it was opened for."""

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(loop_scope="session")
async def sharer(network: Network) -> RunningPeer:
    one = await network.peer("one")
    await one.upload("d.txt", b"the one that is meant")
    return one


async def own_files(peer: RunningPeer, browser: BrowserContext) -> Page:
    """The view Share, with one file in it."""
    page = await browser.new_page()
    await page.goto(peer.url + "/#/share")
    await expect(page.get_by_role("list", name="one").get_by_role("listitem")).to_have_count(1)
    return page


async def put_others_before(peer: RunningPeer, page: Page) -> None:
    """Two rows above the one that was there, shown."""
    await peer.upload("b.txt", b"another")
    await peer.upload("a.txt", b"yet another")
    rows = page.locator("ul.rows > li")
    await expect(rows).to_have_count(3)
    await expect(rows.first).to_contain_text("a.txt")


async def test_what_is_shared_no_more_is_what_was_chosen(
    sharer: RunningPeer, browser: BrowserContext
) -> None:
    page = await own_files(sharer, browser)
    await page.get_by_role("button", name="More: d.txt").click()
    await page.get_by_role("menuitem", name="Share no more").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Share d.txt no more?")
    await put_others_before(sharer, page)
    await expect(dialog).to_contain_text("Share d.txt no more?")
    await dialog.get_by_role("button", name="Share no more").click()
    await expect(page.locator("ul.rows > li")).to_have_count(2)
    await until(lambda: len(sharer.node.status().unshared) > 0, "one is unshared")
    assert sharer.node.status().unshared == ["d.txt"]


async def test_an_open_menu_is_of_its_own_row(sharer: RunningPeer, browser: BrowserContext) -> None:
    page = await own_files(sharer, browser)
    await page.get_by_role("button", name="More: d.txt").click()
    await put_others_before(sharer, page)
    await page.get_by_role("menuitem", name="Share no more").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Share d.txt no more?")


async def test_a_guest_gets_what_was_chosen(network: Network, browser: BrowserContext) -> None:
    one = await network.peer("one", guest_port=0)
    await one.upload("d.txt", b"the one that is meant")
    page = await own_files(one, browser)
    await page.get_by_role("button", name="More: d.txt").click()
    await page.get_by_role("menuitem", name="Link for a guest").click()
    await put_others_before(one, page)
    dialog = page.get_by_role("dialog", name="Link for a guest: d.txt")
    await dialog.get_by_role("button", name="Make the link").click()
    await expect(dialog.get_by_role("img")).to_be_visible()
    links = (await one.request("GET", "/api/v1/guest-links")).json()["links"]
    assert [link["name"] for link in links] == ["d.txt"]


async def test_a_browsed_folder_is_the_one_that_was_chosen(
    network: Network, browser: BrowserContext
) -> None:
    one = await network.peer("one")
    await one.upload("d/x.txt", b"x")
    two = await network.peer("two")
    page = await browser.new_page()
    await page.goto(two.url + "/#/find?browse=one")
    await page.get_by_role("button", name="Fetch d", exact=True).click()
    await one.upload("b/y.txt", b"y")
    rows = page.locator("ul.rows > li")
    await expect(rows).to_have_count(2)
    dialog = page.get_by_role("dialog", name="Fetch the folder d?")
    await dialog.get_by_role("button", name="Fetch", exact=True).click()
    await until(lambda: (two.folder / "d/x.txt").exists(), "the folder is here")
    assert not (two.folder / "b").exists()


async def test_the_focus_stays_with_what_was_found(
    sharer: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(sharer.url + "/#/find?sort=name")
    await page.get_by_role("button", name="d.txt").first.focus()
    await put_others_before(sharer, page)
    await expect(page.get_by_role("button", name="d.txt").first).to_be_focused()
