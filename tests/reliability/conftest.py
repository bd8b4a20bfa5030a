"""One network a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.network import Network


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path, renew_s=0.2) as made:
        yield made
