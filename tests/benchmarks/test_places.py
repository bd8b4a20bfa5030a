"""Files for benchmarks: as long as asked for, and of bytes that never come again."""

from pathlib import Path

import pytest

from benchmarks.places import make_file
from benchmarks.scenarios import MIB


@pytest.mark.parametrize("size_bytes", [0, 1, MIB, 3 * MIB + 5])
def test_a_file_is_as_long_as_asked_for(tmp_path: Path, size_bytes: int) -> None:
    assert make_file(tmp_path / "file", size_bytes).stat().st_size == size_bytes


def test_no_piece_is_another(tmp_path: Path) -> None:
    raw = b"".join(make_file(tmp_path / name, 3 * MIB).read_bytes() for name in "ab")
    assert len({raw[at : at + 4096] for at in range(0, len(raw), 4096)}) == len(raw) // 4096
