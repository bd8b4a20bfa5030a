"""How long to pause after failures in a row; pure."""

_MOST_DOUBLINGS = 16


def doubled(first_s: float, times: int) -> float:
    """A pause after it was doubled so many times; no count of failures is too large."""
    return first_s * 2.0 ** min(times, _MOST_DOUBLINGS)
