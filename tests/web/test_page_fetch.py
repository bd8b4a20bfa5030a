"""Downloads on the page, in a real browser, with real peers."""

import pytest
from playwright.async_api import BrowserContext, expect

from panal.peer import repairing
from tests.fsck.place import overwrite
from tests.support.network import Network, until

pytestmark = pytest.mark.slow
MIB = 1024 * 1024


async def test_a_download_is_paused_resumed_and_cancelled(
    network: Network, browser: BrowserContext
) -> None:
    one = await network.peer("one", upload_limit_bytes_s=MIB)
    await one.upload("film.mkv", bytes(64 * MIB))
    two = await network.peer("two")
    page = await browser.new_page()
    await page.goto(two.url)
    await page.get_by_role("button", name="Fetch film.mkv").click()
    await page.get_by_role("link", name="Fetch").first.click()
    row = page.get_by_role("list", name="Under way").get_by_role("listitem")
    await expect(row).to_contain_text("from one")
    await row.get_by_role("button", name="Pause: film.mkv").click()
    await expect(row).to_contain_text("Paused")
    await row.get_by_role("button", name="Resume: film.mkv").click()
    await expect(row).to_contain_text("Coming")
    await row.get_by_role("button", name="Cancel: film.mkv").click()
    await page.get_by_role("button", name="Cancel and delete what arrived").click()
    await expect(page.get_by_text("Nothing has been fetched yet")).to_be_visible()
    await until(lambda: two.node.downloads() == [], "it is off the list")


async def test_what_failed_says_why_and_is_tried_again(
    network: Network, browser: BrowserContext
) -> None:
    one = await network.peer("one")
    page = await browser.new_page()
    await page.goto(one.url + "/#/fetch")
    await page.get_by_label("Link, id or name").fill("no-such-name.bin")
    await page.keyboard.press("Enter")
    row = page.get_by_role("list", name="Ended").get_by_role("listitem")
    await expect(row).to_contain_text("Failed")
    why = one.node.downloads()[0].reason
    assert why
    await expect(row).to_contain_text(why)
    two = await network.peer("two")
    await two.upload("no-such-name.bin", b"there it is")
    await row.get_by_role("button", name="Try again: no-such-name.bin").click()
    await expect(row).to_contain_text("Done")
    assert (one.folder / "no-such-name.bin").read_bytes() == b"there it is"


async def test_what_has_rotted_since_it_was_done_says_so_until_it_is_repaired(
    network: Network, browser: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "shows_writers", lambda _: True)  # in memory, too
    one, two = await network.peer("one"), await network.peer("two")
    await one.upload("film.mkv", bytes(MIB))
    assert (await two.fetched("film.mkv")).state == "done"
    page = await browser.new_page()
    await page.goto(two.url + "/#/fetch")
    row = page.get_by_role("list", name="Ended").get_by_role("listitem")
    await expect(row).to_contain_text("Done")
    overwrite(two.folder / "film.mkv", 1000, b"rot")
    two.app.index.write(
        "UPDATE shared SET ctime_ns = ? WHERE path = 'film.mkv'",
        ((two.folder / "film.mkv").stat().st_ctime_ns,),  # as on a disk that has rotted
    )
    await two.node.verify()
    await expect(row).to_contain_text("'film.mkv' is damaged: ")
    await two.node.verify(repair=True)
    await expect(row).not_to_contain_text("damaged")
