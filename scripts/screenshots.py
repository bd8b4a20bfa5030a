"""`make screenshots`: pictures of the page's views, into docs/pictures.

A tracker and six peers with made-up files, uploads held to a rate so that downloads are seen under
way; then a headless Chromium looks at one peer's page. Nothing of this machine shows: the
folders have neutral names, and what is in the files is chance.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from playwright.async_api import Page, async_playwright

from panal.api import Node
from panal.clock import SystemClock
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.web.control import owner_routes

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
PLACE = Path("/var/tmp/panal-pictures")
MIB = 1024 * 1024
UNDER_WAY = 0.4
"""So much of the large file is here when it is first looked at."""
PATIENCE_S = 180.0
LOOK_S = 0.05
SETTLED_MS = 2_500
WIDE, NARROW = (1280, 800), (390, 844)

FILM, LECTURE = "films/Summer at the lake.mkv", "lectures/Honey bees, part 1.mp4"
FILES: dict[str, dict[str, float]] = {
    "ana": {"notes/Packing list.txt": 0.01, "photos/2026/Harbour at dawn.jpg": 3.1},
    "bruno": {FILM: 180, "photos/2026/Old town.jpg": 4.2, "music/Evening songs.flac": 31},
    "carla": {FILM: 180, LECTURE: 60, "books/Field guide to bees.pdf": 6},
    "diego": {FILM: 180, "maps/Coast path.gpx": 0.4, "photos/2026/Lighthouse.jpg": 5.6},
    "elena": {FILM: 180, LECTURE: 60, "photos/2026/Market.jpg": 2.8, "Recipes.pdf": 1.2},
    "fabio": {"backup/Laptop, October.tar": 90, "music/Morning songs.flac": 27},
}
RATES_MIB_S = {"ana": 0.8, "bruno": 2.2, "carla": 1.4, "diego": 0.9, "elena": 0.5, "fabio": 0.7}
DONE = "Field guide to bees.pdf"


@dataclass(frozen=True)
class Picture:
    """One view, and how it is looked at."""

    name: str
    address: str
    size: tuple[int, int] = WIDE
    scheme: str = "light"
    shows: str = ""
    """Of a long view: a heading that is scrolled to."""


PICTURES_OF = (
    Picture("see", "#/see"),
    Picture("see-dark", "#/see", scheme="dark"),
    Picture("see-narrow", "#/see", size=NARROW),
    Picture("swarm", "#/see", shows="The last minutes"),
    Picture("fetch", "#/fetch"),
    Picture("find", "#/find"),
    Picture("share", "#/share"),
    Picture("know", "#/know"),
)


def make_files(top: Path) -> None:
    """Everybody's folder; the same name is the same bytes."""
    for peer, files in FILES.items():
        for name, size_mib in files.items():
            path = top / peer / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Random(name).randbytes(int(size_mib * MIB)))


async def until_true(condition: Callable[[], bool], what: str) -> None:
    """Look again until it holds; end with what was waited for if it never does."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"Waited in vain: {what}.")
        await asyncio.sleep(LOOK_S)


def shares_all(app: PeerApp, files: int) -> bool:
    """Whether the tracker knows everything of a peer."""
    return not app.lease.problem and Node(app).status().files == files


@contextlib.asynccontextmanager
async def swarm(top: Path) -> AsyncIterator[dict[str, PeerApp]]:
    """A tracker and the peers, everything of theirs announced."""
    clock = SystemClock()
    tracker = TrackerServer(TrackerSettings(port=0), clock)
    await tracker.start()
    peers: dict[str, PeerApp] = {}
    try:
        for name in FILES:
            rate = int(RATES_MIB_S.get(name, 0) * MIB)
            settings = PeerSettings(
                name, 0, top / name, (f"127.0.0.1:{tracker.port}",), upload_limit_bytes_s=rate
            )
            peers[name] = PeerApp(settings, clock, Random(name))
            await peers[name].start(owner_routes)
        for name, app in peers.items():
            has_all = partial(shares_all, app, len(FILES[name]))
            await until_true(has_all, f"{name} shares its files")
        yield peers
    finally:
        for app in peers.values():
            await app.stop()
        await tracker.stop(0)


async def take(page: Page, url: str, picture: Picture) -> None:
    """One picture; its view has settled, and moves no more."""
    width, height = picture.size
    await page.set_viewport_size({"width": width, "height": height})
    await page.emulate_media(
        color_scheme="dark" if picture.scheme == "dark" else "light", reduced_motion="reduce"
    )
    await page.goto(f"{url}/{picture.address}")
    await page.wait_for_selector("main h1", state="attached")
    await page.wait_for_selector("[aria-busy]", state="detached")
    # The rates and the line of the last minutes come once a second.
    await page.wait_for_timeout(SETTLED_MS)
    if picture.shows:
        await page.get_by_role("region", name=picture.shows).scroll_into_view_if_needed()
    path = PICTURES / f"{picture.name}.png"
    await page.screenshot(path=path)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


async def begin(node: Node, other: Node) -> None:
    """One download that is done, two under way, and somebody who takes from us what has come."""
    node.get(DONE)
    await until_true(lambda: node.downloads()[0].state == "done", "the first download")
    film = node.get(FILM.rpartition("/")[2]).id
    node.get(LECTURE.rpartition("/")[2])
    other.get(FILM.rpartition("/")[2])
    half_bytes = UNDER_WAY * FILES["bruno"][FILM] * MIB
    await until_true(lambda: node.download(film).bytes_done > half_bytes, "a part of the film")


async def run(program: str) -> None:
    """Everything, in order."""
    make_files(PLACE)
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with swarm(PLACE) as peers, async_playwright() as playwright:
        ana = peers["ana"]
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--disable-gpu"], chromium_sandbox=os.getuid() != 0
        )
        url = f"http://127.0.0.1:{ana.port}"
        # One page for all: it keeps the traffic of the last minutes from when it was opened.
        page = await browser.new_page(locale="en-GB")
        await page.goto(url)
        await begin(Node(ana), Node(peers["fabio"]))
        for picture in PICTURES_OF:
            await take(page, url, picture)
        await browser.close()


def main() -> None:
    """Run, and leave nothing but the pictures."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("The pictures need chromium (make programs, as root).")
    try:
        PLACE.mkdir(mode=0o700)
    except FileExistsError:
        raise SystemExit(f"{PLACE} is there already; remove it first.") from None
    try:
        asyncio.run(run(program))
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)


if __name__ == "__main__":
    main()
