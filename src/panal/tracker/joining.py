"""Who may become a member: join lines, and patience with those who guess; decisions only.

Times are seconds since 1970 for what outlives the tracker's process, and of its monotonic clock
for guesses.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from panal.errors import JoinRefused, UsageError
from panal.wire.address import place_of

LINE_S = 24 * 3_600
LONGEST_LINE_S = 365 * 24 * 3_600
LINE_USES = 10
MOST_LINE_USES = 10_000
MOST_GUESSES = 10
GUESSES_WITHIN_S = 60.0
SHUT_OUT_S = 900.0
MOST_PLACES = 10_000
"""Addresses that are remembered for their guesses; more of them, and the oldest are let go."""


@dataclass(frozen=True, slots=True)
class LineRecord:
    """What the tracker keeps of a join line; its secret is not in it."""

    id: str
    """How its owner names it; tells nothing of the secret."""
    secret_hash: bytes
    until_s: int
    uses: int
    uses_left: int
    revoked: bool = False


def check_terms(valid_s: int, uses: int) -> None:
    """UsageError unless a join line may be made for so long and so many."""
    if not 1 <= valid_s <= LONGEST_LINE_S:
        raise UsageError(f"A join line counts for at most {LONGEST_LINE_S // 86_400} days.")
    if not 1 <= uses <= MOST_LINE_USES:
        raise UsageError(f"A join line lets in 1 to {MOST_LINE_USES} members.")


def line_of(lines: Iterable[LineRecord], secret_hash: bytes) -> LineRecord | None:
    """The line with that secret; every one is compared, whichever it is."""
    found = None
    for line in lines:
        if hmac.compare_digest(line.secret_hash, secret_hash):
            found = line
    return found


def check_line(line: LineRecord, now_s: float, *, is_repeated: bool) -> None:
    """JoinRefused unless a line lets somebody in now.

    `is_repeated` where the same peer asks again for what it was given, which costs no use.
    """
    fix = "Make another with 'panal network join-line' where the tracker runs."
    if line.revoked:
        raise JoinRefused(f"This join line was revoked. {fix}")
    if now_s >= line.until_s:
        raise JoinRefused(f"This join line has expired. {fix}")
    if line.uses_left < 1 and not is_repeated:
        raise JoinRefused(f"This join line is used up: it let in {line.uses}. {fix}")


class Guesses:
    """Which addresses tried secrets that are none, and are not listened to for a while."""

    def __init__(self) -> None:
        self._failed_at_s: dict[str, list[float]] = {}
        self._shut_out_until_s: dict[str, float] = {}

    def check(self, host: str, now_s: float) -> None:
        """JoinRefused while an address is shut out."""
        if now_s < self._shut_out_until_s.get(place_of(host), now_s):
            raise JoinRefused(
                "Too many wrong join lines came from this address; wait a quarter of an hour."
            )

    def note(self, host: str, now_s: float) -> None:
        """Count a wrong secret."""
        place = place_of(host)
        recent = [s for s in self._failed_at_s.pop(place, []) if now_s - s < GUESSES_WITHIN_S]
        recent.append(now_s)
        if len(recent) >= MOST_GUESSES:
            self._shut_out_until_s.pop(place, None)
            self._shut_out_until_s[place] = now_s + SHUT_OUT_S
        else:
            self._failed_at_s[place] = recent
        for remembered in (self._failed_at_s, self._shut_out_until_s):
            while len(remembered) > MOST_PLACES:
                remembered.pop(next(iter(remembered)))
