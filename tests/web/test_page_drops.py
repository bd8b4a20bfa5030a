"""Real files and folders dropped on the page: whole, after a reload, after the peer was killed."""

import asyncio
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Request, expect

from tests.support.dropping import drop, slow_down
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow
MIB = 1024 * 1024
ODD_NAMES = (
    "plain.txt",
    "two words & more.txt",
    "<img src=x onerror=document.title=1>.txt",
    "a'b\"c$(touch evil)`x`.txt",
    "100%25 #1?.txt",
    "ñandú.jpg",
    "صورة (1).jpg",
    "蜂の巣🐝.jpg",
    "no ending",
    "empty",
)


@pytest_asyncio.fixture(loop_scope="session")
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one")


def files_below(folder: Path) -> dict[str, bytes]:
    """What lies there, by its path from there, without what is hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "/." not in f"/{path.relative_to(folder).as_posix()}"
    }


def queue(page: Page) -> Any:
    return page.get_by_role("list", name="On their way in")


def counted(page: Page, done: int, every: int) -> Any:
    """The heading that tells how many of them are in."""
    return page.get_by_role("heading", name=re.compile(f"\\b{done:,} of {every:,} files?"))


async def test_a_folder_as_it_is(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    """Odd names, folders in folders; an empty folder is nothing."""
    folder = tmp_path / "my photos"
    for number in range(40):
        path = folder / f"{number // 10}" / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 999)
    for name in ODD_NAMES:
        path = folder / "ödd <names>" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("" if name == "empty" else name)
    (folder / "nothing" / "in here").mkdir(parents=True)
    page = await browser.new_page()
    await page.goto(peer.url + "/#/know")
    await drop(page, folder)
    await expect(counted(page, 50, 50)).to_be_visible()
    there = files_below(peer.folder / folder.name)
    assert there == files_below(folder)
    assert not (peer.folder / folder.name / "nothing").exists()
    assert await page.title() == "Share · one · Panal"


async def test_what_is_hidden_in_a_folder_is_left_out_and_told(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    for name in ("a.txt", ".DS_Store", ".git/config", "empty/.keep"):
        (tmp_path / "work" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "work" / name).write_text(name)
    page = await browser.new_page()
    await page.goto(peer.url)
    await drop(page, tmp_path / "work" / "empty")
    await expect(page.get_by_text("1 hidden file or folder was left out")).to_be_visible()
    await drop(page, tmp_path / "work")
    await expect(page.get_by_text("3 hidden files and folders were left out")).to_be_visible()
    await expect(counted(page, 1, 1)).to_be_visible()
    assert files_below(peer.folder) == {"work/a.txt": b"a.txt"}
    (tmp_path / "nothing").mkdir()
    await drop(page, tmp_path / "nothing")
    await expect(page.get_by_text("There is no file in that.")).to_be_visible()


async def test_a_name_that_cannot_be_is_told_and_the_others_come(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    for name in ("before.txt", "gpj.\u202eturned.txt", "zzz.txt"):
        (tmp_path / name).write_text(name)
    page = await browser.new_page()
    await page.goto(peer.url)
    await drop(page, *sorted(tmp_path.glob("*.txt")))
    await expect(counted(page, 2, 3)).to_be_visible()
    refused = queue(page).get_by_role("listitem").filter(has_text="Failed")
    await expect(refused).to_contain_text("turned.txt")
    await expect(refused.locator(".bad").last).not_to_be_empty()
    assert files_below(peer.folder).keys() == {"before.txt", "zzz.txt"}


async def test_one_large_file(peer: RunningPeer, browser: BrowserContext, tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    with film.open("wb") as file:
        file.truncate(100 * MIB)
        file.seek(41 * MIB)
        file.write(b"something in the middle")
    page = await browser.new_page()
    await page.goto(peer.url)
    await drop(page, film)
    await expect(counted(page, 1, 1)).to_be_visible()
    with film.open("rb") as sent, (peer.folder / "film.mkv").open("rb") as come:
        hashes = [await asyncio.to_thread(_hash, file) for file in (sent, come)]
    assert hashes[0] == hashes[1]
    (told,) = peer.node.files().files
    assert (told.size, told.sha256) == (100 * MIB, hashes[0])


def _hash(file: Any) -> str:
    whole = sha256()
    while block := file.read(MIB):
        whole.update(block)
    return whole.hexdigest()


class Sent:
    """What the page asks of a peer's uploads, and from where on it sends."""

    def __init__(self, page: Page) -> None:
        self.created = 0
        self.offsets: list[int] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if "/api/v1/uploads" not in request.url:
            return
        self.created += request.method == "POST"
        if request.method == "PATCH":
            self.offsets.append(int(request.headers["upload-offset"]))


async def test_after_a_reload_it_goes_on(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    """What is unfinished is listed; the same file dropped again sends the rest alone."""
    film = tmp_path / "film.mkv"
    film.write_bytes(b"0123456789abcdef" * (32 * MIB // 16))
    page = await browser.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(peer.url)
    await slow_down(page, 2 * MIB)
    before = Sent(page)
    await drop(page, film)
    await until(
        lambda: any(each.offset >= 2 * MIB for each in peer.app.resumable.unfinished()),
        "some is in",
    )
    await slow_down(page, 1)  # and hardly more, however long the rest takes
    assert (before.created, before.offsets) == (1, [0])
    await page.reload()
    (upload,) = peer.app.resumable.unfinished()
    await until(lambda: not upload.is_receiving, "the peer saw the page go")
    here = upload.offset
    assert 2 * MIB <= here < 32 * MIB
    unfinished = page.get_by_role("list", name="Unfinished from before").get_by_role("listitem")
    await expect(unfinished).to_contain_text("film.mkv")
    after = Sent(page)
    await drop(page, film)
    await expect(counted(page, 1, 1)).to_be_visible()
    assert (after.created, after.offsets) == (0, [here])
    assert (peer.folder / "film.mkv").read_bytes() == film.read_bytes()
    await expect(unfinished).to_have_count(0)


async def test_what_nobody_goes_on_with_is_thrown_away(
    peer: RunningPeer, browser: BrowserContext, tmp_path: Path
) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(16 * MIB))
    page = await browser.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(peer.url)
    await slow_down(page, MIB)
    await drop(page, film)
    await until(
        lambda: any(each.offset > 0 for each in peer.app.resumable.unfinished()), "some is in"
    )
    await page.reload()
    await page.get_by_role("button", name="Cancel: film.mkv").click()
    await until(lambda: not peer.app.resumable.unfinished(), "it is gone")
    await expect(page.get_by_role("list", name="Unfinished from before")).to_have_count(0)


PEER = """
import asyncio, sys
from pathlib import Path
from panal.peer.config import PeerSettings
from panal.running import running_peer
async def main():
    settings = PeerSettings("one", int(sys.argv[2]), Path(sys.argv[1]), ("127.0.0.1:1",))
    async with running_peer(settings) as app:
        print(app.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


class Process:
    """A peer that can be killed, always on one port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._running: subprocess.Popen[str] | None = None

    async def start(self) -> None:
        command = [sys.executable, "-c", PEER, str(self.folder), str(self.port)]
        self._running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._running.stdout is not None
        self.port = int(await asyncio.to_thread(self._running.stdout.readline))

    async def has(self, size_bytes: int) -> None:
        """So much of what comes in is here."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            while True:
                async with session.get(f"http://127.0.0.1:{self.port}/api/v1/uploads") as answer:
                    if any(row["offset"] >= size_bytes for row in (await answer.json())["uploads"]):
                        return

    def kill(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()


async def test_a_peer_that_is_killed_gets_the_rest(browser: BrowserContext, tmp_path: Path) -> None:
    """The page says that it is gone, finds it again by itself and does not begin anew."""
    film = tmp_path / "film.mkv"
    film.write_bytes(b"0123456789abcdef" * (32 * MIB // 16))
    peer = Process(tmp_path / "folder")
    try:
        await peer.start()
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{peer.port}")
        await slow_down(page, 2 * MIB)
        sent = Sent(page)
        await drop(page, film)
        await peer.has(2 * MIB)
        peer.kill()
        lost = page.get_by_role("alert").filter(has_text="The peer does not answer")
        await expect(lost).to_be_visible()
        await peer.start()
        await slow_down(page, -1)
        await expect(counted(page, 1, 1)).to_be_visible()
        await expect(lost).to_have_count(0)
    finally:
        peer.kill()
    assert sent.created == 1
    assert sent.offsets[0] == 0
    assert min(sent.offsets[1:]) > 0
    assert (tmp_path / "folder" / "film.mkv").read_bytes() == film.read_bytes()


MANY = 1_200
"""More uploads than a peer keeps in mind."""


async def test_many_small_files(peer: RunningPeer, browser: BrowserContext, tmp_path: Path) -> None:
    """The list holds what can be seen of them, and the page answers all the while."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number:05}.txt").write_text(f"{number}")
    page = await browser.new_page()
    await page.goto(peer.url)
    await drop(page, folder)
    await expect(page.get_by_role("heading", name=f"of {MANY:,} files")).to_be_visible()
    assert await page.locator("li[data-row]").count() < 60
    await page.get_by_role("link", name="Know").click()
    await expect(page.get_by_text("Listed by the tracker")).to_be_visible()
    await page.get_by_role("link", name="Share").click()
    await expect(counted(page, MANY, MANY)).to_be_visible(timeout=300_000)
    await page.get_by_role("button", name="Clear the list").click()
    await expect(queue(page)).to_have_count(0)
    assert files_below(peer.folder / "many") == files_below(folder)
