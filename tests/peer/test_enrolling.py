import time
from pathlib import Path

import pytest

from panal.clock import SystemClock
from panal.errors import WrongIdentity
from panal.peer.enrolling import join, trackers_known
from panal.wire.ids import PeerName
from tests.support.network import Network

ELSEWHERE = ("10.0.0.1:50051", "10.0.0.2:50051")
HERE = ("127.0.0.1:50051", "127.0.0.1:50052")


@pytest.mark.parametrize(
    ("joined_at", "addresses", "known"),
    [
        (ELSEWHERE[1], ELSEWHERE, (ELSEWHERE[1], ELSEWHERE[0])),
        (ELSEWHERE[0], (*HERE, *ELSEWHERE), ELSEWHERE),
        (HERE[0], HERE, HERE),
        (HERE[1], (*HERE, *ELSEWHERE), (HERE[1], HERE[0], *ELSEWHERE)),
    ],
    ids=["elsewhere", "another machine's loopback", "all here", "here, with others elsewhere"],
)
def test_a_member_keeps_the_trackers_of_its_line_that_it_can_reach(
    joined_at: str, addresses: tuple[str, ...], known: tuple[str, ...]
) -> None:
    assert trackers_known(joined_at, addresses) == known


async def test_whoever_joins_with_a_clock_that_is_slow_is_told(tmp_path: Path) -> None:
    class Ahead(SystemClock):
        """The tracker's, an hour ahead of ours."""

        def __init__(self) -> None:
            self.wall_s = lambda: time.time() + 3_600

    async with Network(tmp_path / "there", has_members=True, clock=Ahead()) as network:
        assert network.join_line is not None
        with pytest.raises(WrongIdentity, match="does not count yet; is its clock, or ours, wrong"):
            await join(network.join_line, PeerName("slow"), tmp_path / "slow", time.time())
