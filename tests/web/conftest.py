"""A network in this process, and a browser to look at its peers with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from panal.peer import announcer
from tests.support.browser import chromium
from tests.support.network import Network


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path / "machine") as made:
        yield made


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    async with chromium(tmp_path / "profile") as opened:
        yield opened
