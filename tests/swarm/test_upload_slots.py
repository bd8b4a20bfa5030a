"""Few slots, and more only while that is faster; every rate here is made up and exact."""

from collections.abc import Callable

from panal.swarm.upload_slots import FIRST_SLOTS, MOST_SLOTS, WINDOW_S, SlotCount

CHUNK_BYTES = 256 * 1024


def serve(count: SlotCount, rate_at: Callable[[int], float], for_s: float) -> list[int]:
    """Send chunk after chunk while others wait, at the rate that so many slots have."""
    now_s, seen = 0.0, [count.slots]
    while now_s < for_s:
        now_s += CHUNK_BYTES / rate_at(count.slots)
        count.sent(CHUNK_BYTES, True, now_s)
        if count.slots != seen[-1]:
            seen.append(count.slots)
    return seen


def test_a_full_uplink_stays_at_few_slots_but_for_short_trials() -> None:
    seen = serve(SlotCount(), lambda slots: 12.5e6, 60.0)
    assert set(seen) == {4, 5, 8}  # one trial of twice as many, then of one more
    assert seen[-1] == FIRST_SLOTS
    assert len(seen) < 10


def test_slow_receivers_of_a_fast_uplink_get_as_many_slots_as_it_feeds() -> None:
    count = SlotCount()
    serve(count, lambda slots: min(slots, 20) * 2.5e6, 60.0)
    assert 18 <= count.slots <= 25


def test_there_is_a_limit() -> None:
    count = SlotCount()
    serve(count, lambda slots: slots * 2.5e6, 60.0)
    assert count.slots == MOST_SLOTS


def test_with_a_slot_to_spare_the_number_stays() -> None:
    count = SlotCount()
    for step in range(1_000):
        count.sent(CHUNK_BYTES, False, step * WINDOW_S)
    assert count.slots == FIRST_SLOTS
