"""What happens in virtual time happens in order, whenever it was asked for."""

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated.timeline import SPAN_S, Timeline
from tests.swarm import PROPERTY

DELAYS_S = st.sampled_from((0.0, SPAN_S / 4, SPAN_S, 0.01, 1.0))


@settings(PROPERTY)
@given(st.lists(st.tuples(DELAYS_S, DELAYS_S), max_size=20))
def test_things_happen_by_time_and_at_one_time_as_they_were_asked_for(
    delays_s: list[tuple[float, float]],
) -> None:
    time = Timeline()
    happened: list[tuple[float, int]] = []
    asked = 0

    def ask(delay_s: float, then_s: float | None) -> None:
        nonlocal asked
        asked += 1
        time.at(delay_s, partial(happens, time.now_s + delay_s, asked, then_s))

    def happens(due_s: float, number: int, then_s: float | None) -> None:
        assert time.now_s == due_s
        happened.append((due_s, number))
        if then_s is not None:
            ask(then_s, None)

    for first_s, second_s in delays_s:
        ask(first_s, second_s)
    assert not time.step(0.0)
    while time.step(10.0):
        pass
    assert happened == sorted(happened)
    assert len(happened) == asked == 2 * len(delays_s)
