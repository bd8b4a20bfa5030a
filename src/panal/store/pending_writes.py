"""Whether a disk takes what is written to it: how many writes it has been given, and has taken."""

import threading
from types import TracebackType


class PendingWrites:
    """Counts one file's writes; to be entered around each. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0
        self._ended = 0
        self._seen = (0, 0)

    def __enter__(self) -> None:
        with self._lock:
            self._begun += 1

    def __exit__(
        self,
        exception: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._ended += 1

    @property
    def under_way(self) -> int:
        """How many have begun and not ended."""
        with self._lock:
            return self._begun - self._ended

    def has_stood_still(self) -> bool:
        """Whether since it was last asked none has ended, though one was under way already then."""
        with self._lock:
            begun, ended = self._seen
            self._seen = self._begun, self._ended
        return begun > ended == self._seen[1]
