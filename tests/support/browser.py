"""A real Chromium, or a skip that says why there is none."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, async_playwright, expect

from panal.peer.own_ways import way_to
from panal.peer.ports import ELSEWHERE

EVIL_NAME = "evil.test"
"""Resolved to 127.0.0.1, as a name is that its owner has rebound."""
LAN_NAME = "lan.test"
"""Resolved to this machine's outer address, as a name is that its owner has rebound."""
OUTER = way_to(ELSEWHERE) or ""
"""This machine's address towards others; empty where there is none."""
EXPECTED_WITHIN_MS = 30_000
"""The library's own 5 s are an assertion of time on a machine that others use too."""
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


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[BrowserContext]:
    """A fresh browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (make programs, as root)")
    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile, executable_path=program, headless=True, args=_FLAGS, chromium_sandbox=False
        )
        try:
            yield context
        finally:
            await context.close()
