"""Rates as people write them: `500K`, `1.5MiB`, `5MB/s`; `0` is no limit."""

from panal.errors import UsageError
from panal.wire.amounts import parse_bytes

LEAST_LIMIT_BYTES_S = 1_000
"""A smaller one is nearly always a forgotten unit."""
MOST_LIMIT_BYTES_S = 1_000_000_000_000
_STEPS = "KMGT"


def parse_rate(text: str) -> int:
    """Bytes a second; UsageError where that is no rate, or no sensible limit."""
    if text == "none":
        return 0
    try:
        rate = parse_bytes(text.removesuffix("/s"))
    except UsageError:
        raise UsageError(
            f"{text!r} is no rate. Write bytes a second, as 500K, 5M, 1.5G or 2MiB; 0 for no "
            "limit. (Bits are not understood: 8 Mbit/s are 1M.)"
        ) from None
    check_limit(rate)
    return rate


def check_limit(rate_bytes_s: int) -> None:
    """UsageError unless it is 0, no limit, or a sensible one."""
    if rate_bytes_s and not LEAST_LIMIT_BYTES_S <= rate_bytes_s <= MOST_LIMIT_BYTES_S:
        raise UsageError(
            f"{rate_bytes_s} bytes a second is no sensible limit: it is from "
            f"{LEAST_LIMIT_BYTES_S} to {MOST_LIMIT_BYTES_S}, or 0 for none."
        )


def rate_words(rate_bytes_s: int) -> str:
    """A limit as people read it; `parse_rate` reads it back, rounded to three places."""
    if not rate_bytes_s:
        return "none"
    power = min(len(_STEPS), (len(str(rate_bytes_s)) - 1) // 3)
    unit = f"{_STEPS[power - 1]}B" if power else "B"
    number = f"{rate_bytes_s / 1000**power:.3f}".rstrip("0").rstrip(".")
    return f"{number} {unit}/s"
