"""Rates as people write them, there and back."""

import pytest

from panal.errors import UsageError
from panal.peer.rates import (
    LEAST_LIMIT_BYTES_S,
    MOST_LIMIT_BYTES_S,
    check_limit,
    parse_rate,
    rate_words,
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("0", 0),
        ("none", 0),
        ("0M", 0),
        ("1000", 1_000),
        ("1000B", 1_000),
        ("500K", 500_000),
        ("500k", 500_000),
        ("500kB", 500_000),
        ("5M", 5_000_000),
        ("5m", 5_000_000),
        ("5MB", 5_000_000),
        ("5MB/s", 5_000_000),
        ("5 MB/s", 5_000_000),
        ("5MiB", 5 * 1024**2),
        ("1.5G", 1_500_000_000),
        ("0.1M", 100_000),
        ("1T", 10**12),
    ],
)
def test_what_is_a_rate(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", " ", "M", "-1", "-5M", "+5M", "5Mb", "5Mbit", "5Mi", "5 M B", "1e6", "1,5M", "1_000", "5X",
     "inf", "nan", "0x10", "٥M", "5M\n", "5M/h", "None", "9" * 400, "1." + "0" * 400],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="is no rate"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["5", "999", "0.5K", "2T", "999999999999999"])
def test_what_is_no_sensible_limit(text: str) -> None:
    with pytest.raises(UsageError, match="no sensible limit"):
        parse_rate(text)


def test_the_edges() -> None:
    for rate in (0, LEAST_LIMIT_BYTES_S, MOST_LIMIT_BYTES_S):
        check_limit(rate)
    for rate in (-1, 1, LEAST_LIMIT_BYTES_S - 1, MOST_LIMIT_BYTES_S + 1):
        with pytest.raises(UsageError):
            check_limit(rate)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (0, "none"),
        (1_000, "1 KB/s"),
        (1_024, "1.024 KB/s"),
        (5_000_000, "5 MB/s"),
        (1_500_000_000, "1.5 GB/s"),
        (20_000_000, "20 MB/s"),
        (10**12, "1 TB/s"),
    ],
)
def test_there_and_back(rate: int, words: str) -> None:
    assert rate_words(rate) == words
    assert parse_rate(words) == rate
