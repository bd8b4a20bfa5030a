"""P3: peers of a swarm that are killed at random moments lose nothing and come to the end."""

import math
from pathlib import Path

import pytest

from soaks.swarm_kills import MIB, kill_in, swarm

pytestmark = [pytest.mark.slow, pytest.mark.p3]


async def test_killed_at_random_moments_all_finish(tmp_path: Path) -> None:
    """`python -m soaks.swarm_kills` does it a thousand times."""
    async with swarm(
        tmp_path, size_bytes=4 * MIB, rate_bytes_s=16 * MIB, kills=5, seed=4, ends_s=math.inf
    ) as made:
        result = await kill_in(made, 2)
    assert result.findings == []
    assert result.kills >= 5
    assert result.finished >= 2
