"""Real files and folders, dropped from the disk into a page."""

from pathlib import Path

from playwright.async_api import Page

COPY = 1


async def drop(page: Page, *places: Path) -> None:
    """As a hand does it: over the page, then let go."""
    wire = await page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(each) for each in places], "dragOperationsMask": COPY}
    await page.locator("#content").wait_for()
    for _ in range(2):  # what listens is there when the page was painted
        await page.evaluate("new Promise(requestAnimationFrame)")
    for kind in ("dragEnter", "dragOver", "dragOver", "drop"):
        await wire.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 200, "data": data})
        if kind != "drop":  # a hand lets go when the page has said that it takes it
            await page.locator(".dropping").wait_for()
            await page.evaluate("new Promise(requestAnimationFrame)")
    await wire.detach()


async def slow_down(page: Page, upload_bytes_s: int) -> None:
    """How fast the page may send; as long as the page is not loaded anew."""
    wire = await page.context.new_cdp_session(page)
    await wire.send("Network.enable")
    await wire.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": upload_bytes_s,
        },
    )
