import pytest

from panal.peer.enrolling import trackers_known

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
