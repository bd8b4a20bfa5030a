"""How the peer stands, in words: its version, its tracker gone, itself gone, not its owner."""

import os
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from panal import __version__
from panal.peer import doorkeeper
from panal.peer.roles import Asker
from tests.support.network import Network

pytestmark = pytest.mark.slow


async def test_the_version_stands_beside_its_name(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one")
    page = await browser.new_page()
    await page.goto(peer.url + "/#/know")
    await expect(page.get_by_role("heading", name=f"one Panal {__version__}")).to_be_visible()


async def test_a_tracker_that_is_gone_and_back(browser: BrowserContext, tmp_path: Path) -> None:
    async with Network(tmp_path / "machine", renew_s=0.2) as network:
        peer = await network.peer("one")
        page = await browser.new_page()
        await page.goto(peer.url + "/#/know")
        await expect(page.get_by_text("Listed by the tracker")).to_be_visible()
        await network.stop_tracker()
        gone = page.get_by_role("listitem").filter(has_text="No tracker lists it")
        await expect(gone).to_contain_text(network.tracker_address)
        await expect(page.get_by_role("link", name="Not connected to a tracker")).to_be_visible()
        await network.start_tracker()
        await expect(page.get_by_text("Listed by the tracker")).to_be_visible()


async def test_a_peer_that_is_gone_and_back(network: Network, browser: BrowserContext) -> None:
    """The page tells, finds it again by itself, and shows what is so by then."""
    peer = await network.peer("one")
    port = peer.app.port
    page = await browser.new_page()
    await page.goto(peer.url + "/#/share")
    await expect(page.get_by_text("You share nothing yet")).to_be_visible()
    await network.stop_peer("one")
    lost = page.get_by_role("alert").filter(has_text="The peer does not answer")
    await expect(lost).to_be_visible()
    again = await network.peer("one", port=port)
    await again.upload("meanwhile.txt", b"new")
    await expect(lost).to_have_count(0)
    await expect(page.get_by_role("list", name="one")).to_contain_text("meanwhile.txt")


async def test_the_log_tells_what_happened_before_and_what_happens(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one")
    await peer.upload("before.txt", b"1")
    page = await browser.new_page()
    await page.goto(peer.url + "/#/know")
    log = page.get_by_role("log")
    await expect(log).to_contain_text("before.txt")
    peer.app.audit.note("refused", host="192.0.2.7", why="<b>hostile</b>")
    newest = log.get_by_role("listitem").first
    await expect(newest).to_contain_text("Refused")
    await expect(newest).to_contain_text("<b>hostile</b>")
    await expect(newest).to_contain_text("192.0.2.7")


async def test_who_is_not_its_owner_sees_how_to_get_in(
    network: Network, browser: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here somebody whom an open peer gives its files to."""
    peer = await network.peer("one", open=True)
    await peer.upload("secret-name.txt", b"1")
    link = (await peer.request("POST", "/api/v1/page-link")).json()["url"]
    another = Asker(on_loopback=True, place=f"user {os.getuid()}")  # not the peer's
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: another)
    page = await browser.new_page()
    await page.goto(peer.url)
    await expect(page.get_by_role("heading", name="This page is its owner's")).to_be_visible()
    await expect(page.get_by_text("panal page", exact=True)).to_be_visible()
    assert "secret-name" not in await page.content()
    await page.get_by_role("link", name="See what it shares").click()
    await expect(page.get_by_text("secret-name.txt")).to_be_visible()
    await page.goto(link)
    await page.wait_for_url(peer.url + "/**")
    await expect(page.get_by_text("secret-name.txt")).to_be_visible()
