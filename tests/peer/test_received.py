"""What has come in, counted from downloads that run and those that ended; and readiness."""

from dataclasses import dataclass
from itertools import product

from panal.peer.readiness import PeerStanding, problems
from panal.peer.received import Received, ReceivedTotals


@dataclass
class Running:
    bytes_received: int = 0
    chunks_verified: int = 0
    chunks_refused: int = 0


def test_nothing_is_lost_or_counted_twice_when_a_download_ends() -> None:
    received = Received()
    one, two = Running(), Running()
    received.begin(one)
    received.begin(two)
    one.bytes_received, one.chunks_verified = 10, 1
    two.bytes_received, two.chunks_refused = 5, 1
    assert received.totals() == ReceivedTotals(15, 1, 1)
    received.end(one)
    assert received.totals() == ReceivedTotals(15, 1, 1)
    received.add(7, 1)
    two.bytes_received = 6
    received.end(two)
    assert received.totals() == ReceivedTotals(23, 2, 1)


def test_a_peer_is_ready_where_nothing_is_missing() -> None:
    for stopping, registered, there, room in product((False, True), repeat=4):
        found = list(problems(PeerStanding(stopping, registered, there, room)))
        assert (found == []) == (not stopping and registered and there and room)
    assert list(problems(PeerStanding(True, False, False, False))) == [
        "stopping",
        "not registered",
        "the folder is not there",
    ]
    assert list(problems(PeerStanding(False, True, True, False))) == ["the folder's disk is full"]
