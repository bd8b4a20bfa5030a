"""The budget: its rate over seconds, its smoothness, and that nobody in the line starves."""

import heapq
import itertools

import pytest

from panal.peer.token_bucket import BURST_S, LEAST_PIECE_BYTES, PIECE_S, TokenBucket

START_S = 1_000.0
Moves = list[tuple[float, int, int]]
"""When, who, how many bytes."""


def run(bucket: TokenBucket, users: int, until_s: float, *, late_s: float = 0.0) -> Moves:
    """Users who always want more, each waking `late_s` after its time; in virtual time."""
    moves: Moves = []
    events = [(START_S, user, 0.0, 0) for user in range(users)]
    while events:
        now_s, user, place, size = heapq.heappop(events)
        if now_s > START_S + until_s:
            return moves
        if size:
            if (wait_s := bucket.wait_s(place, now_s)) > 0:
                heapq.heappush(events, (now_s + wait_s + late_s, user, place, size))
                continue
            bucket.leave()
            moves.append((now_s - START_S, user, size))
        size = bucket.piece_bytes
        heapq.heappush(events, (now_s, user, bucket.join(size, now_s), size))
    return moves


def total(moves: Moves) -> int:
    return sum(size for _, _, size in moves)


@pytest.mark.parametrize("users", [1, 2, 7, 40])
@pytest.mark.parametrize("rate", [1_000, 300_000, 20_000_000, 2_000_000_000])
@pytest.mark.parametrize("late_s", [0.0, 0.004, 0.1])
def test_the_rate_holds_over_ten_seconds(rate: int, users: int, late_s: float) -> None:
    moves = run(TokenBucket(rate, START_S), users, 10.0, late_s=late_s)
    assert total(moves) == pytest.approx(10 * rate, rel=0.05)


@pytest.mark.parametrize("users", [1, 7])
@pytest.mark.parametrize("rate", [1_000, 300_000, 20_000_000])
def test_no_window_has_more_than_a_short_burst(rate: int, users: int) -> None:
    bucket = TokenBucket(rate, START_S)
    bucket.wait_s(0.0, START_S + 3_600.0)  # an hour in which nothing moved
    moves = [(at_s, size) for at_s, _, size in run(bucket, users, 5.0)]
    for first, (began_s, _) in enumerate(moves):
        window = [size for at_s, size in moves[first:] if at_s - began_s < 0.25]
        assert sum(window) <= rate * (0.25 + BURST_S + PIECE_S) + 1


@pytest.mark.parametrize("users", [2, 3, 40])
def test_shares_are_equal_and_nobody_waits_long(users: int) -> None:
    moves = [move for move in run(TokenBucket(10_000_000, START_S), users, 11.0) if move[0] > 1.0]
    shares = [total([move for move in moves if move[1] == user]) for user in range(users)]
    assert max(shares) <= 1.05 * min(shares)
    for user in range(users):
        times = [1.0, *(at_s for at_s, who, _ in moves if who == user)]
        longest_s = max(after - before for before, after in itertools.pairwise(times))
        assert longest_s <= 3 * max(PIECE_S, users * LEAST_PIECE_BYTES / 10_000_000)


def test_who_comes_again_queues_behind_the_others() -> None:
    bucket = TokenBucket(1_000, START_S)
    first = bucket.join(100, START_S)
    second = bucket.join(100, START_S)
    assert bucket.wait_s(first, START_S) == pytest.approx(0.1)
    assert bucket.wait_s(first, START_S + 0.1) == 0
    bucket.leave()
    again = bucket.join(100, START_S + 0.1)
    assert bucket.wait_s(second, START_S + 0.1) == pytest.approx(0.1)
    assert bucket.wait_s(again, START_S + 0.1) == pytest.approx(0.2)


def test_what_is_given_back_goes_to_the_next_in_line() -> None:
    bucket = TokenBucket(1_000, START_S)
    bucket.join(10_000, START_S)
    second = bucket.join(1_000, START_S)
    bucket.give_back(10_000)
    assert bucket.wait_s(second, START_S) == pytest.approx(1.0)
    assert bucket.wait_s(second, START_S + 1.0) == 0


def test_a_clock_that_goes_back_releases_nothing() -> None:
    bucket = TokenBucket(1_000, START_S)
    place = bucket.join(1_000, START_S)
    assert bucket.wait_s(place, START_S - 100.0) == pytest.approx(1.0)
    assert bucket.wait_s(place, START_S + 0.5) == pytest.approx(0.5)


def test_pieces_are_small_where_many_wait_but_not_tiny() -> None:
    bucket = TokenBucket(10_000_000, START_S)
    assert bucket.piece_bytes == 500_000
    for _ in range(3):
        bucket.join(1, START_S)
    assert bucket.piece_bytes == 125_000
    for _ in range(1_000):
        bucket.join(1, START_S)
    assert bucket.piece_bytes == LEAST_PIECE_BYTES
    assert TokenBucket(1_000, START_S).piece_bytes == 50
    assert TokenBucket(1, START_S).piece_bytes == 1
