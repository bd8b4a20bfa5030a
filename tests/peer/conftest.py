"""One network a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panal.peer import announcer, watching
from tests.support.network import Network


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path) as made:
        yield made


@pytest.fixture
def seen_and_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots are looked at ten times a second, and the tracker is told at once."""
    monkeypatch.setattr(watching, "ROOTS_EVERY_S", 0.1)
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
