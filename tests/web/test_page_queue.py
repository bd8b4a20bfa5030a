"""The queue of files that come in: whose an answer is, a peer that is busy, what cannot be read."""

from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.slow
DROP = """
(names) => {
  const dropped = new DataTransfer();
  for (const name of names) dropped.items.add(new File([`new ${name}`], name));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dropped }));
}
"""
BUSY = '{"type": "urn:panal:error:busy", "status": 503, "detail": "There are too many already."}'
UNREADABLE = """
const own = DataTransferItem.prototype.webkitGetAsEntry;
DataTransferItem.prototype.webkitGetAsEntry = function () {
  const name = this.getAsFile().name;
  const fails = (done, fail) => fail(new DOMException("no", "NotReadableError"));
  const entry = { name, fullPath: `/${name}` };
  if (name === "bad.txt") return { ...entry, isFile: true, file: fails };
  if (name === "locked")
    return { ...entry, isFile: false, createReader: () => ({ readEntries: fails }) };
  return own.call(this);
};
"""


@pytest_asyncio.fixture(loop_scope="session")
async def peer(network: Network) -> RunningPeer:
    peer = await network.peer("one")
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        await peer.upload(name, b"before")
    return peer


@pytest_asyncio.fixture(loop_scope="session")
async def page(peer: RunningPeer, browser: BrowserContext) -> Page:
    page = await browser.new_page()
    await page.goto(peer.url + "/#/share")
    return page


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.txt")}


async def test_an_answer_for_all_is_for_its_own_drop(peer: RunningPeer, page: Page) -> None:
    queue = page.get_by_role("list", name="On their way in")
    await page.evaluate(DROP, ["a.txt", "b.txt"])
    await expect(queue.get_by_text("Already there")).to_have_count(2)
    await page.evaluate(DROP, ["c.txt"])
    await expect(queue.get_by_text("Already there")).to_have_count(3)
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("a.txt is there already")
    await dialog.get_by_role("checkbox").check()
    await dialog.get_by_role("button", name="Replace it").click()
    await expect(queue.get_by_text("Shared", exact=True)).to_have_count(2)
    await expect(dialog).to_contain_text("c.txt is there already")
    await expect(dialog.get_by_role("checkbox")).to_have_count(0)
    await page.evaluate(DROP, ["d.txt"])
    await expect(queue.get_by_text("Already there")).to_have_count(2)
    await dialog.get_by_role("button", name="Skip").click()
    await expect(dialog).to_contain_text("d.txt is there already")
    await dialog.get_by_role("button", name="Skip").click()
    await expect(dialog).to_have_count(0)
    replaced = {name: f"new {name}" for name in ("a.txt", "b.txt")}
    assert texts(peer.folder) == {**replaced, "c.txt": "before", "d.txt": "before"}


async def test_a_peer_with_enough_uploads_is_told_of(peer: RunningPeer, page: Page) -> None:
    """At once and in its words; to try it again is its owner's."""
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.method)
        await route.fulfill(status=503, content_type="application/problem+json", body=BUSY)

    await page.route("**/api/v1/uploads", refuse)
    await page.evaluate(DROP, ["new.txt"])
    row = page.get_by_role("list", name="On their way in").get_by_role("listitem")
    await expect(row).to_contain_text("Failed")
    await expect(row).to_contain_text("There are too many already.")
    assert asked == ["POST"]
    await page.unroute("**/api/v1/uploads")
    await row.get_by_role("button", name="Try again: new.txt").click()
    await expect(row).to_contain_text("Shared")
    assert (peer.folder / "new.txt").read_text() == "new new.txt"


async def test_what_cannot_be_read_ends_nothing_else(
    peer: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.add_init_script(UNREADABLE)
    await page.goto(peer.url + "/#/share")
    await page.evaluate(DROP, ["first.txt", "bad.txt", "locked", "last.txt"])
    await until(lambda: (peer.folder / "last.txt").exists(), "what came after it is here")
    queue = page.get_by_role("list", name="On their way in").get_by_role("listitem")
    await expect(queue).to_have_count(4)
    for name in ("bad.txt", "locked"):
        row = queue.filter(has_text=name)
        await expect(row).to_contain_text("The browser could not read it.")
        await expect(row.get_by_role("button", name="Try again")).to_have_count(0)
    assert not (peer.folder / "bad.txt").exists()


async def test_a_click_beside_the_question_is_no_answer(peer: RunningPeer, page: Page) -> None:
    await page.evaluate(DROP, ["a.txt"])
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await page.mouse.click(4, 4)
    await dialog.get_by_role("button", name="Replace it").click()
    await expect(page.get_by_role("list", name="On their way in")).to_contain_text("Shared")
    assert (peer.folder / "a.txt").read_text() == "new a.txt"
