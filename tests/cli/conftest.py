"""No settings of the user who runs the tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panal.peer import announcer
from tests.support.network import Network


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    names = ("TRACKER", "PEER", "CONFIG", "STATE", "OPEN", "HOST", "LISTEN", "STORE", "TOKEN_FILE")
    for name in (*names, "LIMIT_UP", "LIMIT_DOWN", "ZONE"):
        monkeypatch.delenv(f"PANAL_{name}", raising=False)


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path / "machine") as made:
        yield made
