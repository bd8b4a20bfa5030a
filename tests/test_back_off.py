"""Pauses that grow with failures in a row."""

import pytest

from panal.back_off import doubled


@pytest.mark.parametrize(("times", "pause_s"), [(0, 10.0), (1, 20.0), (3, 80.0)])
def test_each_failure_in_a_row_doubles_the_pause(times: int, pause_s: float) -> None:
    assert doubled(10.0, times) == pause_s


def test_no_count_of_failures_is_too_large() -> None:
    assert doubled(10.0, 2_000) < doubled(20.0, 2_000) < 1e9
