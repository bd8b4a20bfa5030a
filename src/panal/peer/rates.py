"""Sizes and rates as people write them: `500K`, `1.5MiB`, `5MB/s`; a rate of `0` is no limit."""

import re
from decimal import Decimal

from panal.errors import UsageError

LEAST_LIMIT_BYTES_S = 1_000
"""A smaller one is nearly always a forgotten unit."""
MOST_LIMIT_BYTES_S = 1_000_000_000_000
_STEPS = "KMGT"
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?:([KMGTkmgt])(iB|B)?|B)?")


def parse_bytes(text: str) -> int:
    """A number of bytes; UsageError where that is none.

    K, M, G and T are thousands, as KB and so on; KiB, MiB, GiB and TiB are of 1024.
    """
    found = _BYTES.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no size. Write bytes, as 700, 500K, 1.5G or 2MiB.")
    number, step, kind = found.groups()
    base = 1024 if kind == "iB" else 1000
    return int(Decimal(number) * base ** (_STEPS.index(step.upper()) + 1 if step else 0))


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
