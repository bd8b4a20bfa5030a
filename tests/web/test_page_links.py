"""What the page hands on: links, curl lines that a shell runs, links for guests, folders."""

import asyncio
import re
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect
from yarl import URL

from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.slow
DATA = b"worth handing on" * 1000
REM_PX = 16
HOSTILE = "-o $(touch evil) `touch evil`; '\"&#%41 ñ.bin"


async def opened(browser: BrowserContext, url: str) -> Page:
    """A page that may use the clipboard."""
    await browser.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await browser.new_page()
    await page.goto(url)
    return page


async def copied(page: Page) -> str:
    await expect(page.get_by_text("Copied.").last).to_be_visible()
    return str(await page.evaluate("navigator.clipboard.readText()"))


async def choose(page: Page, name: str, act: str) -> None:
    await page.get_by_role("button", name=f"More: {name}", exact=True).click()
    await page.get_by_role("menuitem", name=act).click()


async def run_in_a_shell(line: str, place: Path) -> None:
    place.mkdir()
    shell = await asyncio.create_subprocess_exec("sh", "-c", line, cwd=place)
    assert await shell.wait() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def sharing(network: Network) -> RunningPeer:
    peer = await network.peer("one", hosts=("127.0.0.1",), guest_port=0)
    await peer.upload(quote(HOSTILE), DATA)
    return peer


async def test_a_link_that_is_copied_fetches(
    sharing: RunningPeer, network: Network, browser: BrowserContext
) -> None:
    page = await opened(browser, sharing.url + "/#/share")
    await choose(page, HOSTILE, "Copy link")
    link = await copied(page)
    two = await network.peer("two")
    await page.goto(two.url + "/#/fetch")
    await page.get_by_label("Link, id or name").fill(link)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("list", name="Ended")).to_contain_text("Done")
    assert (two.folder / HOSTILE).read_bytes() == DATA


async def test_a_curl_line_runs_and_does_nothing_else(
    sharing: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    """Of one's own file by the peer's line, of a hit by the page's own."""
    page = await opened(browser, sharing.url + "/#/share")
    await choose(page, HOSTILE, "Copy curl command")
    lines = [await copied(page)]
    await page.goto(sharing.url + "/#/find")
    await page.locator("button.name").click()
    await page.get_by_role("dialog").get_by_role("button", name="Copy curl command").click()
    lines.append(await copied(page))
    for number, line in enumerate(lines):
        place = tmp_path / f"shell {number}"
        await run_in_a_shell(line, place)
        assert {path.name: path.read_bytes() for path in place.iterdir()} == {HOSTILE: DATA}


async def modules(page: Page) -> list[str]:
    """The QR code that is drawn, row by row, without its margin."""
    code = page.get_by_role("img", name="QR code of the address")
    await expect(code).to_be_visible()
    side = int(str(await code.get_attribute("viewBox")).split()[2])
    drawn = str(await code.locator("path").get_attribute("d"))
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", drawn)}
    border = min(x for x, _ in dark)
    inside = range(border, side - border)
    return ["".join(str(int((x, y) in dark)) for x in inside) for y in inside]


async def test_a_guest_gets_a_file_and_its_owner_ends_that(
    sharing: RunningPeer, browser: BrowserContext
) -> None:
    page = await opened(browser, sharing.url + "/#/share")
    await choose(page, HOSTILE, "Link for a guest")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("It counts for").select_option("1 hour")
    await dialog.get_by_role("button", name="Make the link").click()
    drawn = await modules(page)
    await dialog.get_by_role("button", name="Copy the address").click()
    address = await copied(page)
    asked = {"json": {"text": address}}
    assert drawn == (await sharing.request("POST", "/api/v1/qr", **asked)).json()["rows"]
    url = URL(address, encoded=True).with_host("127.0.0.1")
    async with aiohttp.ClientSession() as guest:
        async with guest.get(url) as answer:
            assert await answer.read() == DATA
        await page.goto(sharing.url + "/#/know")
        await expect(page.get_by_role("log")).to_contain_text("A guest came")
        await page.get_by_role("button", name=f"Revoke: {HOSTILE}").click()
        await expect(page.get_by_text("None counts now.")).to_be_visible()
        async with guest.get(url) as answer:
            assert answer.status == 404


async def test_without_a_place_for_guests_it_says_how(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one")
    await peer.upload("a.txt", b"a")
    page = await opened(browser, peer.url + "/#/share")
    await page.set_viewport_size({"width": 360, "height": 700})
    await choose(page, "a.txt", "Link for a guest")
    await expect(page.get_by_role("dialog")).to_contain_text("--guest-port")
    make = page.get_by_role("button", name="Make the link")
    await expect(make).to_be_disabled()
    box = await make.bounding_box()
    assert box is not None
    assert box["height"] < 2.5 * REM_PX


async def test_a_folder_of_somebody_s_and_one_file_in_it(
    network: Network, browser: BrowserContext
) -> None:
    one = await network.peer("one")
    names = ("trip/a.jpg", "trip/deep/er/b.jpg", "trip/c d.jpg", "other.txt")
    for name in names:
        await one.upload(quote(name), name.encode())
    two = await network.peer("two")
    page = await opened(browser, two.url + "/#/find?browse=one")
    await page.get_by_role("link", name="trip").click()
    await page.get_by_role("button", name="Fetch c d.jpg").click()
    await until(lambda: (two.folder / "c d.jpg").exists(), "the file is here")
    await page.get_by_role("navigation", name="Folder").get_by_role("link", name="one").click()
    await page.get_by_role("button", name="Fetch trip").click()
    await page.get_by_role("dialog").get_by_role("button", name="Fetch").click()
    await expect(page.get_by_text("3 files of trip are being fetched.")).to_be_visible()
    for name in names[:3]:
        await until(lambda name=name: (two.folder / name).exists(), f"{name} is here")  # type: ignore[misc]
        assert (two.folder / name).read_bytes() == name.encode()
    assert not (two.folder / "other.txt").exists()
