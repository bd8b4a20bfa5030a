"""One place a test in which faults come to real processes; networks as elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from soaks.place import Place, running
from soaks.system_calls import refusal
from tests.support.network import Network


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    if why_not := refusal():
        pytest.skip(why_not)
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path, renew_s=0.2) as made:
        yield made
