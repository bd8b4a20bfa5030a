"""Whether a PostgreSQL database answers and takes writes: found out once for all, told to all.

One that is stopped, or behind a cut, says nothing: where a question has no answer for a while,
another is asked over a connection of its own. One that only reads can grant no lease: it is away,
too.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from time import monotonic
from typing import Any

import psycopg
from psycopg import errors

from panal.tracker.postgres_connection import DoubtingConnection, NoAnswer, TakesNoWrites

_log = logging.getLogger("panal.tracker")

PROBE_S = 0.5
"""Between two looks whether a database that was away is back."""
DOUBT_S = 2.0
"""After so long without an answer it is looked whether the database answers at all."""
LOOK_S = 2
"""For that look: to connect, and again for the answer."""

NO_ANSWER = "The tracker's database does not answer. That is not your fault: try again in a moment."
NO_WRITES = (
    "The tracker's database takes no writes: is it a standby? That is not your fault: try again "
    "in a moment."
)


class Presence:
    """Of one database; used by several threads."""

    def __init__(self, settings: Mapping[str, Any], shown: str) -> None:
        """`settings` are a connection's, `shown` what may be shown of its address."""
        self._settings = {**settings, "connect_timeout": LOOK_S, "autocommit": True}
        self._shown = shown
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._closed = threading.Event()
        self.problem = ""
        """Why it is away, in words for callers; empty while it is here."""
        self._watchers: list[Callable[[bool], None]] = []
        self._answered_at_s = float("-inf")
        """When a look at it was last answered."""

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Call `watcher` from some thread when the database goes away (False) or is back."""
        self._watchers.append(watcher)

    @property
    def is_away(self) -> bool:
        """Whether it did not answer, or took no writes, when it was last asked."""
        return bool(self.problem)

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def doubt(self, waited_s: float) -> None:
        """NoAnswer where a question waits, and the database answers no other either."""
        if waited_s >= DOUBT_S and not self.answers(monotonic() - DOUBT_S):
            raise NoAnswer("no answer, and none to another question")

    def answers(self, since_s: float) -> bool:
        """Whether the database has answered since then, or does, as one that takes writes.

        One look serves all.
        """
        with self._looking:
            if self.is_away:
                return False
            if self._answered_at_s > since_s:
                return True
            try:
                self._ask_anew()
            except psycopg.Error as error:
                self.note_away(error)
                return False
            self._answered_at_s = monotonic()
            return True

    def _ask_anew(self) -> None:
        with closing(DoubtingConnection.within(LOOK_S, **self._settings)) as connection:
            if connection.execute("SHOW transaction_read_only").fetchone() == ("on",):
                raise TakesNoWrites

    def note_away(self, error: psycopg.Error) -> None:
        """It did not answer, or took no write; from now on it is looked whether it is back."""
        with self._lock:
            if self.problem or self._closed.is_set():
                return
            self._note_why(error)
        threading.Thread(target=self._wait_for_it, name="panal-database-away", daemon=True).start()
        self._tell(is_here=False)

    def _note_why(self, error: psycopg.Error) -> None:
        """Said when it becomes another: what was stopped may come back as a standby."""
        only_reads = isinstance(error, TakesNoWrites | errors.ReadOnlySqlTransaction)
        problem = NO_WRITES if only_reads else NO_ANSWER
        if problem == self.problem:
            return
        self.problem = problem
        if only_reads:
            _log.warning("%s takes no writes: is it a standby?", self._shown)
        else:
            _log.warning("%s does not answer: %s", self._shown, told(error))

    def _wait_for_it(self) -> None:
        while not self._closed.wait(PROBE_S):
            try:
                self._ask_anew()
                break
            except psycopg.Error as error:
                self._note_why(error)
        else:
            return
        self.problem = ""
        _log.warning("%s answers again and takes writes", self._shown)
        self._tell(is_here=True)

    def _tell(self, *, is_here: bool) -> None:
        for watcher in self._watchers:
            with suppress(RuntimeError):  # its loop has ended
                watcher(is_here)


def told(error: psycopg.Error) -> str:
    """The database's own words, on one line."""
    return " ".join(str(error).split())
