import pytest

from panal.tracker.call_counts import BOUNDS_S, RATE_OVER_S, CallCounts


def test_a_histogram_counts_what_took_no_longer_than_each_bound() -> None:
    counts = CallCounts()
    for took_s in (0.0, 0.001, 0.0011, 0.3, 99.0):
        counts.end("Locate", "OK", took_s)
    durations = counts.durations["Locate"]
    buckets = dict(durations.buckets())
    assert [bound for bound, _ in durations.buckets()] == [*map(str, BOUNDS_S), "+Inf"]
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.5"]) == (2, 3, 4)
    assert (buckets["10.0"], buckets["+Inf"]) == (4, 5)
    assert durations.total_s == pytest.approx(99.3021)


def test_calls_are_counted_by_method_and_code() -> None:
    counts = CallCounts()
    counts.under_way = 2
    counts.end("Locate", "OK", 0.001)
    counts.end("Locate", "UNAVAILABLE", 0.002)
    assert counts.under_way == 0
    assert counts.ended == {("Locate", "OK"): 1, ("Locate", "UNAVAILABLE"): 1}
    assert counts.durations["Locate"].total_s == 0.003


def test_a_rate_is_that_of_the_last_minute() -> None:
    counts = CallCounts()
    assert counts.per_second(0.0) == 0.0
    now_s = 0.0
    for _ in range(100):  # ten a second, marked each second
        counts.mark(now_s)
        now_s += 1.0
        for _ in range(10):
            counts.under_way += 1
            counts.end("Renew", "OK", 0.0)
    assert counts.per_second(now_s) == 10.0
    counts.mark(now_s)
    assert counts.per_second(now_s + RATE_OVER_S) == 5.0  # of two minutes, the second was idle
    counts.mark(now_s + RATE_OVER_S)
    assert counts.per_second(now_s + RATE_OVER_S + 1) == 0.0
