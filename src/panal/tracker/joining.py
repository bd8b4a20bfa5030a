"""Who may become a member: join lines, and patience with those who guess; decisions only.

Times are seconds since 1970 for what outlives the tracker's process, and of its monotonic clock
for guesses.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from panal.errors import JoinRefused, Refused, UsageError
from panal.wire.address import place_of

LINE_S = 24 * 3_600
LONGEST_LINE_S = 365 * 24 * 3_600
LINE_USES = 10
MOST_LINE_USES = 10_000
MOST_GUESSES = 10
GUESSES_WITHIN_S = 60.0
SHUT_OUT_S = 900.0
MOST_REPEATS = 100
"""Within a minute, of one member or join line."""
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


class Repeats:
    """Who asks again for what it was given; each costs a write, and nobody needs many."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[Hashable, int] = {}

    def note(self, who: Hashable, now_s: float) -> None:
        """Count one; Refused for one too many within a minute."""
        if int(now_s / 60) != self._minute:
            self._minute = int(now_s / 60)
            self._counts.clear()
        self._counts[who] = self._counts.get(who, 0) + 1
        if self._counts[who] > MOST_REPEATS:
            raise Refused("That was asked for too often; wait a minute.")


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
