"""The browser that tests share, where it dies."""

from tests.support.browser import Chromium


async def test_another_takes_the_place_of_a_browser_that_has_died(
    shared_chromium: Chromium,
) -> None:
    died = await shared_chromium.running()
    await died.close()
    async with shared_chromium.fresh() as context:
        page = await context.new_page()
        await page.goto("data:text/html,<title>here</title>")
        assert await page.title() == "here"
    assert await shared_chromium.running() is not died
