"""What is said of files that come and go: names of a few, a running count of many."""

from collections.abc import Sequence

from panal.store.shared_files import SharedFile
from panal.wire.names import printable

NAMED_AT_ONCE = 3
"""More files than these at once are told as a number."""
NAMED_IN_A_ROW = 20
"""After so many names, files are told as a number until it has been quiet."""
COUNT_EVERY_S = 10.0
QUIET_S = 2.0
"""After so long without a change the next one begins a new row."""


class Telling:
    """Says of one kind of change what is worth a line of a log."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begin()

    def _begin(self) -> None:
        self._files = self._named = self._untold = 0
        self._counted_at_s: float | None = None
        self._last_s = 0.0

    def told(self, files: Sequence[SharedFile], now_s: float) -> list[str]:
        """The lines for files that changed together."""
        self._files += len(files)
        self._last_s = now_s
        if len(files) <= NAMED_AT_ONCE and self._named + len(files) <= NAMED_IN_A_ROW:
            self._named += len(files)
            return [self._line(file) for file in files]
        self._untold += len(files)
        if self._counted_at_s is None:
            self._counted_at_s = now_s
            self._untold = 0
            return [f"{self._what} {self._files} files."]
        if now_s - self._counted_at_s < COUNT_EVERY_S:
            return []
        self._counted_at_s = now_s
        self._untold = 0
        return [f"{self._what} {self._files} files so far."]

    def rest(self, now_s: float) -> list[str]:
        """Once it is quiet, the line for all that changed in a row, unless all was told."""
        if now_s - self._last_s < QUIET_S:
            return []
        lines = [f"{self._what} {self._files} files in all."] if self._untold else []
        self._begin()
        return lines

    def _line(self, file: SharedFile) -> str:
        return f"{self._what} {printable(file.path)} ({file.fingerprint.size_bytes} bytes)."
