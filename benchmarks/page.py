"""How smoothly the page's See view runs in a headless Chromium, under far more than it mostly gets.

A script in the peer's place tells of chunks that arrive, as often as a peer may, and of the traffic
of as many peers; frames are counted by the page's own requestAnimationFrame:

    python -m benchmarks.page [--chunks 16384] [--peers 50] [--seconds 10] [--events 10]

Prints frames a second, the 99th percentile and the longest time between two frames, and the page's
heap at the beginning and the end. To read: a browser without a graphics card draws with the
processor, which is shared with the script.
"""

import argparse
import asyncio
import shutil
import time

from playwright.async_api import Page, async_playwright

from benchmarks.scripted_page import ScriptedPage, ScriptedSwarm

CHUNKS_AN_EVENT = 12
COUNT_FRAMES = """() => {
  window.frames_ms = [];
  let before = performance.now();
  const next = now => {
    window.frames_ms.push(now - before);
    before = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""


async def feed(script: ScriptedPage, swarm: ScriptedSwarm, seconds: float, events_s: float) -> int:
    """Tell of arrivals at an even pace; how many events there were."""
    events = 0
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        script.tell(swarm.arrive(CHUNKS_AN_EVENT))
        events += 1
        if events % max(1, round(events_s)) == 0:
            script.tell(swarm.downloads())
            script.tell(swarm.traffic(time.time()))
            events += 2
        await asyncio.sleep(1 / events_s)
    return events


async def heap_mib(page: Page) -> float:
    """What the page holds after a collection."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("HeapProfiler.collectGarbage")
    used = (await devtools.send("Runtime.getHeapUsage"))["usedSize"]
    await devtools.detach()
    return float(used) / 1024 / 1024


async def measure(chunks: int, peers: int, seconds: float, events_s: float) -> str:
    """One line of figures."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("This needs chromium (make programs, as root).")
    async with ScriptedPage() as script, async_playwright() as playwright:
        swarm = ScriptedSwarm(chunks, peers)
        swarm.fill(0.5)
        script.first = [swarm.downloads(), swarm.whole(), swarm.traffic(time.time())]
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--disable-gpu"], chromium_sandbox=False
        )
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(script.url + "/#/see")
        await page.wait_for_selector("canvas")
        await feed(script, swarm, 2, events_s)
        before_mib = await heap_mib(page)
        await page.evaluate(COUNT_FRAMES)
        events = await feed(script, swarm, seconds, events_s)
        frames = sorted(await page.evaluate("frames_ms"))
        after_mib = await heap_mib(page)
        await browser.close()
    late = frames[int(len(frames) * 0.99)]
    return (
        f"{chunks} chunks, {peers} peers, {events} events in {seconds:g} s: "
        f"{len(frames) / seconds:.0f} frames/s, 99 % within {late:.0f} ms, "
        f"longest {frames[-1]:.0f} ms; heap {before_mib:.1f} to {after_mib:.1f} MiB"
    )


def main() -> None:
    """Read the options and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--chunks", type=int, default=16_384)
    parser.add_argument("--peers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--events", type=float, default=10, help="a second")
    given = parser.parse_args()
    print(asyncio.run(measure(given.chunks, given.peers, given.seconds, given.events)))


if __name__ == "__main__":
    main()
