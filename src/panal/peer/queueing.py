"""Which downloads run next, and which of those that wait for room try again; pure."""

from collections.abc import Mapping, Sequence

import msgspec

from panal.errors import NoSpace, PanalError
from panal.wire.amounts import size_words

TRY_AGAIN_S = 10.0
"""After meeting a full disk, whatever the disk says: a quota's room cannot be seen."""
LONGEST_PAUSE_S = 60.0
"""Between two tries on a disk that fails."""


class Queued(msgspec.Struct, frozen=True):
    """One that waits for its turn."""

    id: str
    priority: int


class Lack(msgspec.Struct, frozen=True):
    """What a download lacks."""

    place: str
    wanted_bytes: int
    """What is still to be allocated there; 0: no more than the reserve."""
    not_before_s: float


class Waiting(msgspec.Struct, frozen=True):
    """One that waits for room."""

    id: str
    priority: int
    lack: Lack


class Turn(msgspec.Struct, frozen=True):
    """One's place in the queue."""

    place: int
    """1 goes next."""
    queued: int
    at_once: int
    highest_priority: int
    """Of all who are queued."""


def turn_of(download_id: str, queued: Sequence[Queued], at_once: int) -> Turn | None:
    """Where one stands; None where it is not in the queue."""
    order = to_start(queued, 0, len(queued))
    if download_id not in order:
        return None
    highest = max(download.priority for download in queued)
    return Turn(order.index(download_id) + 1, len(order), at_once, highest)


def to_start(queued: Sequence[Queued], running: int, at_once: int) -> list[str]:
    """Whose turn it is: by priority, then in the order they came."""
    in_order = sorted(queued, key=lambda download: -download.priority)
    return [download.id for download in in_order[: max(0, at_once - running)]]


def to_try_again(
    waiting: Sequence[Waiting], usable_bytes: Mapping[str, int], now_s: float
) -> list[str]:
    """Who fits together into what the places have beyond their reserves, by priority.

    A small one goes before a large one that does not fit. A place that is not among
    `usable_bytes` has nothing.
    """
    left = dict(usable_bytes)
    chosen: list[str] = []
    for download in sorted(waiting, key=lambda download: -download.priority):
        lack = download.lack
        if now_s >= lack.not_before_s and lack.wanted_bytes <= left.get(lack.place, -1):
            left[lack.place] -= lack.wanted_bytes
            chosen.append(download.id)
    return chosen


def failures_in_a_row(before: int, ran_s: float) -> int:
    """How often a disk has failed, one time soon after the other, this one included.

    Who ran for longer than the longest pause has met another failure, and begins anew.
    """
    return 1 if ran_s > LONGEST_PAUSE_S else before + 1


def lack_words(lack: Lack, usable_bytes: int, free_words: str) -> str:
    """Why a download waits, with numbers; `free_words` says what is free."""
    if lack.wanted_bytes > max(0, usable_bytes):
        needs, lacks = size_words(lack.wanted_bytes), size_words(lack.wanted_bytes - usable_bytes)
        return (
            f"needs {needs} more on {lack.place}; {free_words}. It goes on when {lacks} more are "
            "free."
        )
    if usable_bytes < 0:
        return (
            f"{lack.place} is full: {size_words(-usable_bytes)} more must be free, then it goes on."
        )
    return (
        f"{lack.place} took no more, though {free_words}: a quota, a limit on files, or full "
        "for a moment. It is tried again."
    )


def waited_words(error: PanalError) -> str:
    """An error that nobody need do anything about, as the disk may be well again."""
    if isinstance(error, NoSpace):
        return f"{error.cause} It goes on by itself when there is room."
    return f"{error} It is tried again by itself."
