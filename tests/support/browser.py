"""A real Chromium, or a skip that says why there is none."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, BrowserType, async_playwright, expect

from panal.peer.own_ways import way_to
from panal.peer.ports import ELSEWHERE
from tests.support.patience import PATIENCE_S

EVIL_NAME = "evil.test"
"""Resolved to 127.0.0.1, as a name is that its owner has rebound."""
LAN_NAME = "lan.test"
"""Resolved to this machine's outer address, as a name is that its owner has rebound."""
OUTER = way_to(ELSEWHERE) or ""
"""This machine's address towards others; empty where there is none."""
PATIENCE_MS = PATIENCE_S * 1000
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The browser's own guard for local networks is not what is tested here.
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
    f"--host-resolver-rules=MAP {EVIL_NAME} 127.0.0.1, MAP {LAN_NAME} {OUTER or '127.0.0.1'}",
]


class Chromium:
    """One browser that any number of tests share; where it has died another takes its place."""

    def __init__(self, kind: BrowserType, program: str) -> None:
        self._kind = kind
        self._program = program
        self._browser: Browser | None = None

    async def running(self) -> Browser:
        """The browser, begun where there is none."""
        if self._browser is None or not self._browser.is_connected():
            self._browser = await self._kind.launch(
                executable_path=self._program, headless=True, args=_FLAGS, chromium_sandbox=False
            )
        return self._browser

    async def close(self) -> None:
        """End it."""
        if self._browser is not None:
            await self._browser.close()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[BrowserContext]:
        """Nothing in it of what came before: no cookie, no cache, no page."""
        context = await (await self.running()).new_context()
        context.set_default_timeout(PATIENCE_MS)
        try:
            yield context
        finally:
            await context.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """A browser for tests, each of which takes a context of its own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (make programs, as root)")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        opened = Chromium(playwright.chromium, program)
        try:
            yield opened
        finally:
            await opened.close()
