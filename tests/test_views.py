"""What a view makes of a peer's values, where it decides something."""

import pytest

from panal.views.downloads import _time_left_s


@pytest.mark.parametrize(
    ("left_bytes", "rate_bytes_s", "time_left_s"),
    [(100, 50.0, 2.0), (0, 0.0, None), (100, 0.0, None), (2_147_483_648, 1e-9, None), (0, 5.0, 0)],
)
def test_no_time_is_told_where_a_rate_has_died_away(
    left_bytes: int, rate_bytes_s: float, time_left_s: float | None
) -> None:
    assert _time_left_s(left_bytes, rate_bytes_s) == time_left_s
