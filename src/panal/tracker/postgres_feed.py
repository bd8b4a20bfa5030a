"""News between the trackers on one PostgreSQL: NOTIFY, gathered for a moment, and LISTEN.

Not inside the transactions that they are about: a commit with a NOTIFY in it takes a lock that
all others with one wait for.
"""

import logging
import os
import secrets
import select
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from panal.errors import PanalError
from panal.tracker.changes import Change, changes_in, merged, messages
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_database import Database
from panal.tracker.postgres_presence import PROBE_S
from panal.tracker.storage import Conflict

_log = logging.getLogger("panal.tracker")

GATHER_S = 0.2
MOST_KEPT = 2_000
"""Changes that wait for a database that is away."""
CHANNEL = "panal"


class PostgresFeed:
    """`panal.tracker.changes.ChangeFeed`; its threads begin with the first use of each half."""

    def __init__(self, database: Database, gather_s: float = GATHER_S) -> None:
        self._database = database
        self._gather_s = gather_s
        self._own = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._pending: list[Change] = []
        self._has_more = threading.Event()
        self._closed = threading.Event()
        self._wake = os.pipe()
        self._threads: dict[str, threading.Thread] = {}
        self.listening = threading.Event()
        """Set while what others tell is heard."""

    def publish(self, changes: Iterable[Change]) -> None:
        """Tell the others soon; from any thread, without waiting."""
        with self._lock:
            self._pending += changes
            if len(self._pending) > MOST_KEPT:
                self._pending = merged(self._pending)[-MOST_KEPT:]
        self._start("teller", self._tell)
        self._has_more.set()

    def subscribe(
        self, heard: Callable[[Sequence[Change]], None], missed: Callable[[], None]
    ) -> None:
        """Hear what others publish, from a thread of the feed's."""
        self._start("listener", lambda: self._listen(heard, missed))

    def close(self) -> None:
        """Stop both threads; calling it twice does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._has_more.set()
        os.write(self._wake[1], b"x")
        for thread in self._threads.values():
            thread.join()
        for end in self._wake:
            os.close(end)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        with self._lock:
            if name in self._threads or self._closed.is_set():
                return
            self._threads[name] = threading.Thread(target=work, name=f"feed {name}", daemon=True)
            self._threads[name].start()

    def _tell(self) -> None:
        while self._has_more.wait() and not self._closed.wait(self._gather_s):
            self._has_more.clear()
            with self._lock:
                taken, self._pending = self._pending, []
            try:
                with self._database.using() as connection:
                    for text in messages(self._own, merged(taken)):
                        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
            except (PanalError, Conflict):
                with self._lock:
                    self._pending = taken + self._pending
                self._closed.wait(PROBE_S)
                self._has_more.set()
            except Exception:  # a thread that ended would tell nothing any more, and nobody of it
                _log.exception("Telling the other trackers failed; they ask anew now and then.")

    def _listen(
        self, heard: Callable[[Sequence[Change]], None], missed: Callable[[], None]
    ) -> None:
        is_first = True
        while not self._closed.is_set():
            with suppress(PanalError), self._database.connect() as connection:
                connection.execute(f"LISTEN {CHANNEL}".encode())
                if not is_first:
                    missed()
                is_first = False
                self.listening.set()
                try:
                    self._hear(connection, heard, missed)
                finally:
                    self.listening.clear()
            self._closed.wait(PROBE_S)

    def _hear(
        self,
        connection: Connection,
        heard: Callable[[Sequence[Change]], None],
        missed: Callable[[], None],
    ) -> None:
        # Not select(): it takes no descriptor beyond 1,023, and a tracker has a socket a peer.
        either = select.poll()
        for end in (connection.fileno(), self._wake[0]):
            either.register(end, select.POLLIN)
        while not self._closed.is_set():
            either.poll()
            for notify in connection.notifies(timeout=0):
                changes = changes_in(notify.payload, self._own)
                if changes is None:
                    missed()
                elif changes:
                    heard(changes)
