"""Failures that nobody foresaw, in the log: of each kind so many a minute, however often it comes.

Whoever finds a request that fails could fill the disk with it.
"""

import logging
from traceback import extract_tb

from panal.audit import Quota
from panal.clock import Clock

log = logging.getLogger(__name__)


class FailureLog:
    """Writes tracebacks, and counts those beyond what a minute has room for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quota = Quota()

    def note(self, text: str, error: Exception) -> None:
        """One failure, as it is being handled."""
        now_s = self._clock.now_s()
        for kind, _, count in self._quota.over(now_s):
            log.error("%d more requests failed in that minute: %s.", count, kind)
        if self._quota.admits(_kind(error), "", now_s):
            log.error(text, exc_info=error)


def _kind(error: Exception) -> str:
    """What was raised, and where."""
    where = [f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-1:]]
    return " at ".join([type(error).__name__, *where])
