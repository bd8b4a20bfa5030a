"""The See view: a download's chunks, the swarm and the traffic, in a real browser."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from benchmarks.scripted_page import VERIFIED, ScriptedPage, ScriptedSwarm
from tests.support.network import Network, RunningPeer, until
from tests.web.test_page_everywhere import AXE, faults

pytestmark = pytest.mark.slow
MIB = 1024 * 1024
HOSTILE = "<img src=x onerror=alert(1)>.mkv"
EVENTS = 4_000

COLOURS = """() => {
  const canvas = document.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const spread = rgb => Math.max(...rgb) - Math.min(...rgb);
  let painted = 0;
  for (let at = 0; at < pixels.length; at += 4)
    if (pixels[at + 3] > 200 && spread(pixels.slice(at, at + 3)) > 60)
      painted += 1;
  return painted / (pixels.length / 4);
}"""
"""The part of the canvas that has the colour of a source: verified chunks."""


@pytest_asyncio.fixture(loop_scope="session")
async def script() -> AsyncIterator[ScriptedPage]:
    async with ScriptedPage() as page:
        yield page


async def opened(script: ScriptedPage, swarm: ScriptedSwarm, page: Page) -> None:
    """The See view, with a swarm's events before it."""
    script.first = [swarm.downloads(), swarm.whole(), swarm.traffic()]
    await page.goto(script.url + "/#/see")
    await expect(page.locator("canvas")).to_be_visible()


async def counted(page: Page) -> dict[str, int]:
    """The legend's numbers by state."""
    rows = page.get_by_role("list", name="Chunks by state").get_by_role("listitem")
    found = {}
    for text in await rows.all_inner_texts():
        words, number = re.fullmatch(r"(\D+)([\d,]+)", " ".join(text.split()), re.ASCII).groups()  # type: ignore[union-attr]
        found[words.strip()] = int(number.replace(",", ""))
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def fetching(network: Network) -> RunningPeer:
    """A peer with a download under way from two others, one of them slow, and one that is done."""
    chunks = b"".join(bytes([n]) * MIB for n in range(48))
    for name, rate in (("quick", MIB), ("slow", MIB // 4)):  # until the test lets it end
        source = await network.peer(name, upload_limit_bytes_s=rate)
        await source.upload(quote(HOSTILE), chunks)
    await network.peers["quick"].upload("before.txt", b"before")
    taker = await network.peer("taker")
    await taker.fetched("before.txt")
    taker.node.get(HOSTILE)
    await until(lambda: taker.node.downloads()[-1].bytes_done > 0, "something has come")
    return taker


async def test_a_download_fills_the_honeycomb_and_says_from_whom(
    fetching: RunningPeer, network: Network, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(fetching.url + "/#/see")
    await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    comb = page.get_by_role("img", name=re.compile(r"of 192 chunks verified"))
    await expect(comb).to_be_visible()
    shares = page.get_by_role("list", name="Chunks by the peer that sent them")
    await expect(shares.get_by_text("quick", exact=True)).to_be_visible()
    await expect(shares.get_by_text("slow", exact=True)).to_be_visible()
    numbers = await counted(page)
    assert (
        sum(numbers[name] for name in ("Verified", "Being fetched", "Missing", "Came wrong")) == 192
    )
    assert numbers["Rare"] <= 192 - numbers["Verified"]
    await expect(page.get_by_role("row", name=re.compile("^quick gives"))).to_be_attached()
    await expect(
        page.get_by_role("img", name="taker takes from 2 peers and gives to 0 peers.")
    ).to_be_visible()
    await expect(page.get_by_role("img", name=re.compile(r"^Down [\d.]+ [KM]iB"))).to_be_visible()
    some = await page.evaluate(COLOURS)
    for name in ("quick", "slow"):
        network.peers[name].app.upload_limit.change(0, 0)
    await until(lambda: fetching.node.downloads()[-1].state == "done", "it is here")
    await expect(page.get_by_text("all of it verified")).to_be_visible()
    await expect(page.get_by_role("img", name=re.compile(r"^192 of 192 chunks"))).to_be_visible()
    assert (await counted(page))["Verified"] == 192
    assert await page.evaluate(COLOURS) > some
    assert await page.locator("img").count() == 0


async def test_one_who_gives_sees_who_takes(
    fetching: RunningPeer, network: Network, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(network.peers["quick"].url + "/#/see")
    await expect(page.get_by_text("Nothing has been fetched yet")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile(r" takes \d"))).to_be_attached()
    await expect(
        page.get_by_role("img", name=re.compile(r"^Down 0 B.s, up [\d.]+ [KM]iB"))
    ).to_be_visible()


async def test_another_download_is_chosen_and_one_is_paused(
    fetching: RunningPeer, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.goto(fetching.url + "/#/see")
    await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    await fetching.node.pause_download(fetching.node.downloads()[-1].id)
    await expect(page.get_by_text(re.compile("^Paused ·"))).to_be_visible()
    await page.get_by_role("combobox", name="Which download").select_option("before.txt")
    await expect(page.get_by_role("heading", name="before.txt")).to_be_visible()
    await expect(page.get_by_role("img", name=re.compile("^1 of 1 chunk verified"))).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="before.txt")).to_be_visible()


async def test_arrow_keys_tell_of_each_cell(script: ScriptedPage, browser: BrowserContext) -> None:
    swarm = ScriptedSwarm(300, 3)
    swarm.states[0], swarm.origins[0] = VERIFIED, 2
    swarm.states[1] = 3
    page = await browser.new_page()
    await opened(script, swarm, page)
    told = page.locator(".comb-box [aria-live]")
    await page.locator("canvas").focus()
    await page.keyboard.press("ArrowRight")
    await expect(told).to_have_text("Chunk 1 of 300 Verified · from peer_3")
    await page.keyboard.press("ArrowRight")
    await expect(told).to_have_text(re.compile("^Chunk 2 of 300 Came wrong"))
    await page.keyboard.press("End")
    await expect(told).to_have_text(re.compile("^Chunk 300 of 300 Missing"))
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowDown")
    await expect(told).not_to_have_text(re.compile("^Chunk 1 of"))
    await page.keyboard.press("Escape")
    await expect(told).to_be_empty()


async def test_a_failed_one_says_so_and_why(script: ScriptedPage, browser: BrowserContext) -> None:
    swarm = ScriptedSwarm(300, 3)
    swarm.fill(0.3, failed=20)
    swarm.state = "failed"
    swarm.reason = "Nobody has the rest of it."
    page = await browser.new_page()
    await opened(script, swarm, page)
    await expect(page.get_by_text(re.compile("^Failed ·"))).to_be_visible()
    await expect(page.get_by_text(swarm.reason)).to_be_visible()
    assert (await counted(page))["Came wrong"] == 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_many_peers_are_listed_a_dozen_first_and_axe_finds_nothing(
    scheme: Any, script: ScriptedPage, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    swarm = ScriptedSwarm(300, 50, HOSTILE)
    swarm.peers[0] = "<b>peer</b>"
    swarm.fill(0.6, failed=3)
    await opened(script, swarm, page)
    rows = page.get_by_role("list", name="Chunks by the peer that sent them").get_by_role(
        "listitem"
    )
    await expect(rows).to_have_count(12)
    await expect(rows.first).to_contain_text("<b>peer</b>")
    await page.get_by_role("button", name="Show all 50 peers").click()
    await expect(rows).to_have_count(50)
    assert await page.locator(".see img, .shares b, .swarm b").count() == 0
    moving = "getComputedStyle(document.querySelector('.swarm .moving')).animationName"
    assert await page.evaluate(moving) == "none"
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make page, with Node)")
    await page.evaluate(AXE.read_text("utf-8"))
    assert await faults(page) == []


async def test_it_speaks_spanish(script: ScriptedPage, browser: BrowserContext) -> None:
    page = await browser.new_page()
    await page.add_init_script(
        "Object.defineProperty(navigator, 'languages', { get: () => ['es', 'en'] })"
    )
    swarm = ScriptedSwarm(300, 20)
    swarm.fill(0.5)
    await opened(script, swarm, page)
    verified = swarm.states.count(VERIFIED)
    await expect(
        page.get_by_role("img", name=f"{verified} de 300 trozos verificados")
    ).to_be_visible()
    await expect(page.get_by_role("button", name="Mostrar los 20 peers")).to_be_visible()
    await expect(page.get_by_role("heading", name="Quién mueve qué")).to_be_visible()


async def test_thousands_of_events_leave_the_page_with_as_much_in_it(
    script: ScriptedPage, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    devtools = await page.context.new_cdp_session(page)
    swarm = ScriptedSwarm(16_384, 50)
    swarm.fill(0.5)
    await opened(script, swarm, page)

    async def fed(events: int) -> dict[str, int]:
        """What the page keeps after so many more, and after what it needs no more is gone."""
        for batch in range(events // 100):
            for _ in range(98):
                script.tell(swarm.arrive(8))
            script.tell(swarm.downloads())
            script.tell(swarm.traffic())
            verified = f"{swarm.states.count(VERIFIED):,} of 16,384 chunks verified"
            if batch % 10 == 9:
                await expect(page.get_by_role("img", name=verified)).to_be_visible()
        await page.evaluate("new Promise(requestAnimationFrame)")
        await devtools.send("HeapProfiler.collectGarbage")
        counts = await devtools.send("Memory.getDOMCounters")
        return {
            "nodes": counts["nodes"],
            "listeners": counts["jsEventListeners"],
        }

    # The five minutes that traffic is kept for are full after the first.
    before = await fed(EVENTS // 4)
    after = await fed(EVENTS)
    assert after["nodes"] < before["nodes"] + 200
    assert after["listeners"] <= before["listeners"] + 10
    numbers = await counted(page)
    assert (
        sum(numbers[name] for name in ("Verified", "Being fetched", "Missing", "Came wrong"))
        == 16_384
    )
    await page.locator("canvas").focus()
    await page.keyboard.press("End")
    await expect(page.locator(".comb-box [aria-live]")).to_contain_text("16,384 of 16,384")
