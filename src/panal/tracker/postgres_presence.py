"""Whether a PostgreSQL database answers: found out once for all who use it, told when it changes.

One that is stopped, or behind a cut, says nothing: where a question has no answer for a while,
another is asked over a connection of its own.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from time import monotonic
from typing import Any

import psycopg

from panal.tracker.postgres_connection import DoubtingConnection, NoAnswer

_log = logging.getLogger("panal.tracker")

PROBE_S = 0.5
"""Between two looks whether a database that was away is back."""
DOUBT_S = 2.0
"""After so long without an answer it is looked whether the database answers at all."""
LOOK_S = 2
"""For that look: to connect, and again for the answer."""


class Presence:
    """Of one database; used by several threads."""

    def __init__(self, settings: Mapping[str, Any], shown: str) -> None:
        """`settings` are a connection's, `shown` what may be shown of its address."""
        self._settings = {**settings, "connect_timeout": LOOK_S, "autocommit": True}
        self._shown = shown
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._closed = threading.Event()
        self._away: threading.Thread | None = None
        self._watchers: list[Callable[[bool], None]] = []
        self._answered_at_s = float("-inf")
        """When a look at it was last answered."""

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Call `watcher` from some thread when the database goes away (False) or is back."""
        self._watchers.append(watcher)

    @property
    def is_away(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self._away is not None

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def doubt(self, waited_s: float) -> None:
        """NoAnswer where a question waits, and the database answers no other either."""
        if waited_s >= DOUBT_S and not self.answers(monotonic() - DOUBT_S):
            raise NoAnswer("no answer, and none to another question")

    def answers(self, since_s: float) -> bool:
        """Whether the database has answered since then, or does; one look serves all."""
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
            connection.execute("SELECT 1")

    def note_away(self, error: psycopg.Error) -> None:
        """It did not answer; from now on it is looked whether it is back."""
        with self._lock:
            if self._away is not None or self._closed.is_set():
                return
            self._away = threading.Thread(
                target=self._wait_for_it, name="panal-database-away", daemon=True
            )
            self._away.start()
        _log.warning("%s does not answer: %s", self._shown, told(error))
        self._tell(is_here=False)

    def _wait_for_it(self) -> None:
        while not self._closed.wait(PROBE_S):
            with suppress(psycopg.Error):
                self._ask_anew()
                break
        else:
            return
        self._away = None
        _log.warning("%s answers again", self._shown)
        self._tell(is_here=True)

    def _tell(self, *, is_here: bool) -> None:
        for watcher in self._watchers:
            with suppress(RuntimeError):  # its loop has ended
                watcher(is_here)


def told(error: psycopg.Error) -> str:
    """The database's own words, on one line."""
    return " ".join(str(error).split())
