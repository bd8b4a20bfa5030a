"""How long what nobody needs is kept."""

import pytest

from panal.peer.ageing import KEPT_S, Aged, expired, expires_s

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("age_s", "is_needed", "goes"),
    [
        (KEPT_S, False, True),
        (KEPT_S - 1, False, False),
        (100 * KEPT_S, True, False),
        (0, False, False),
        (-KEPT_S, False, False),
    ],
)
def test_a_day_unless_it_is_needed(age_s: float, is_needed: bool, goes: bool) -> None:
    file = Aged("it", NOW_S - age_s, is_needed)
    assert expired([file], NOW_S) == (["it"] if goes else [])
    assert (expires_s(file) is None) == is_needed
