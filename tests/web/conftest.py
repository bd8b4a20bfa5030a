"""A network in this process, and a browser to look at its peers with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from panal.peer import announcer
from tests.support.browser import Chromium, chromium
from tests.support.network import Network

HERE = Path(__file__).parent
PAGE_S = ("test_browser", "test_page")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who uses the browser runs in the loop that it was started in."""
    for item in items:
        is_page_s = item.path.parent == HERE and item.path.name.startswith(PAGE_S)
        if is_page_s and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path / "machine") as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_chromium() -> AsyncIterator[Chromium]:
    """One for all tests: to start one takes longer than most of them."""
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def browser(shared_chromium: Chromium) -> AsyncIterator[BrowserContext]:
    async with shared_chromium.fresh() as context:
        yield context
