"""Finding on the page, in a real browser, with real peers and files."""

from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.network import Network, until

pytestmark = pytest.mark.slow
HOSTILE = (
    "<img src=x onerror=document.title=1>.txt",
    "javascript:alert(1).md",
    "صورة (1).jpg",
    "a'&quot;<script>alert(1).md",
)


async def test_results_as_one_types_and_fetched_with_a_click(
    network: Network, browser: BrowserContext
) -> None:
    one = await network.peer("one")
    await one.upload("holiday/beach.jpg", b"sand" * 1000)
    await one.upload("holiday/mountain.jpg", b"snow" * 1000)
    two = await network.peer("two")
    page = await browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Policy" in said.text else None)
    await page.goto(two.url)
    results = page.get_by_role("list", name="Results")
    await expect(results.get_by_role("listitem")).to_have_count(2)
    await page.get_by_role("searchbox").fill("mount")
    await expect(results.get_by_role("listitem")).to_have_count(1)
    await expect(results).to_contain_text("mountain.jpg")
    await page.get_by_role("button", name="Fetch mountain.jpg").click()
    await until(lambda: (two.folder / "mountain.jpg").exists(), "it is here")
    await expect(results).to_contain_text("You have it")
    assert "q=mount" in page.url
    await page.reload()
    await expect(page.get_by_role("searchbox")).to_have_value("mount")
    assert faults == []


async def test_the_keyboard_alone(network: Network, browser: BrowserContext) -> None:
    one = await network.peer("one")
    for name in ("a.txt", "b.txt", "c.txt"):
        await one.upload(name, name.encode())
    page = await browser.new_page()
    await page.goto(one.url)
    await expect(page.get_by_role("listitem")).to_have_count(3)
    await page.keyboard.press("Tab")
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    for key, name in (("ArrowDown", "a"), ("ArrowDown", "b"), ("End", "c"), ("ArrowUp", "b")):
        await page.keyboard.press(key)
        await expect(page.get_by_role("button", name=f"{name}.txt").first).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="b.txt")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="b.txt").first).to_be_focused()


async def test_hostile_names_are_only_shown(network: Network, browser: BrowserContext) -> None:
    """As text, each for itself: a name's direction does not turn what stands beside it."""
    one = await network.peer("one")
    for name in HOSTILE:
        await one.upload(quote(name), name.encode())
    two = await network.peer("two")
    page = await browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda _: asked.append("dialog"))
    await page.goto(two.url)
    await expect(page.get_by_role("listitem")).to_have_count(len(HOSTILE))
    for name in HOSTILE:
        shown = page.locator("button.name > bdi").filter(has_text=name)
        await expect(shown).to_have_count(1)
        assert await shown.text_content() == name
    assert await page.locator("main img, main script, main [onerror]").count() == 0
    assert await page.title() == "Find · two · Panal"
    assert all(url.startswith((two.url, "blob:")) for url in asked), asked
