"""What Panal makes in its state directories is its user's alone, whatever the umask."""

import os
import stat
from pathlib import Path

import pytest

from tests.support.network import Network


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_state_is_its_users_alone(network: Network, tmp_path: Path, umask: int) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    old = os.umask(umask)
    try:
        peer = await network.peer("one", state_dir=state)
        await peer.upload("x.bin", b"x" * 100_000)
        await peer.upload("folder/y.bin", b"y")
        await peer.node.add_folder("folder")
    finally:
        os.umask(old)
    made = modes(state)
    assert made["index.sqlite"] == 0o600
    for name, mode in made.items():
        assert mode & 0o077 == 0 or "/" in name, name
    assert stat.S_IMODE((peer.folder / ".panal").stat().st_mode) == 0o700
    assert stat.S_IMODE((peer.folder / "x.bin").stat().st_mode) == 0o666 & ~umask  # as users want
