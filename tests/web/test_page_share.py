"""Sharing on the page: chosen and dropped files, folders, conflicts, going on after a reload."""

from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, expect

from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.slow
DROP = """
(names) => {
  const dropped = new DataTransfer();
  for (const name of names) dropped.items.add(new File([name], name));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dropped }));
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def peer(network: Network) -> RunningPeer:
    peer = await network.peer("one")
    if (await peer.request("OPTIONS", "/api/v1/uploads")).status >= 400:
        pytest.skip("this peer takes no resumable uploads yet")
    return peer


async def test_chosen_files_are_shared(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(3_000_000))
    (tmp_path / "b & c.txt").write_text("b")
    page = await browser.new_page()
    await page.goto(peer.url + "/#/share")
    chooser = page.locator("input[type=file][multiple]")
    await chooser.set_input_files([tmp_path / "a.bin", tmp_path / "b & c.txt"])
    await until(lambda: (peer.folder / "b & c.txt").exists(), "b is here")
    await until(lambda: (peer.folder / "a.bin").exists(), "a is here")
    assert (peer.folder / "a.bin").read_bytes() == bytes(3_000_000)
    await expect(page.get_by_role("list", name="On their way in")).to_contain_text("Shared")
    await expect(page.get_by_role("list", name="one")).to_contain_text("b & c.txt")


async def test_a_folder_keeps_its_shape(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for name in ("1.jpg", "deep/er/2.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    page = await browser.new_page()
    await page.goto(peer.url + "/#/share")
    await page.locator("input[type=file]:not([multiple])").set_input_files(folder)
    await until(lambda: (peer.folder / "photos/deep/er/2.jpg").exists(), "it is here")
    await until(lambda: (peer.folder / "photos/1.jpg").exists(), "it is here")


async def test_what_is_dropped_anywhere_is_shared(
    peer: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(peer.url + "/#/know")
    await page.evaluate(DROP, ["<b>dropped</b>.txt".replace("/", ""), "two.txt"])
    await until(lambda: (peer.folder / "two.txt").exists(), "two is here")
    await until(lambda: (peer.folder / "<b>dropped<b>.txt").exists(), "the other too")
    assert "#/share" in page.url


@pytest.mark.parametrize(
    ("button", "there", "other"),
    [
        ("Keep both", b"before", b"taken.txt"),
        ("Replace it", b"taken.txt", None),
        ("Skip", b"before", None),
    ],
)
async def test_a_taken_name_asks(
    button: str, there: bytes, other: bytes | None, peer: RunningPeer, browser: BrowserContext
) -> None:
    await peer.upload("taken.txt", b"before")
    page = await browser.new_page()
    await page.goto(peer.url + "/#/share")
    await page.evaluate(DROP, ["taken.txt"])
    await page.get_by_role("button", name=button, exact=True).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    ended = "Skipped" if button == "Skip" else "Shared"
    await expect(page.get_by_role("list", name="On their way in")).to_contain_text(ended)
    assert (peer.folder / "taken.txt").read_bytes() == there
    others = [p.read_bytes() for p in peer.folder.glob("taken*") if p.name != "taken.txt"]
    assert others == ([] if other is None else [other])
