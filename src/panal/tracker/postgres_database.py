"""The connections to PostgreSQL: one a running transaction, its errors in words.

A database that is away, or takes no writes, is noticed by the first transaction that meets it. From
then on calls fail at once, not each after a wait, until a probe gets through.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from time import monotonic
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from panal.errors import Busy, NoSpace, PanalError, Refused, StoreUnavailable, UsageError
from panal.tracker.postgres_connection import (
    Connection,
    DoubtingConnection,
    NoAnswer,
    TakesNoWrites,
)
from panal.tracker.postgres_presence import DOUBT_S, NO_ANSWER, PROBE_S, Presence, told
from panal.tracker.postgres_steps import MIGRATIONS
from panal.tracker.storage import Conflict
from panal.tracker.store_url import shown_store

_log = logging.getLogger("panal.tracker")

CONNECT_S = 5
STATEMENT_S = 9
"""Less than a call has: it is to end with words."""
GIVEN_UP_S = STATEMENT_S + 1.0
"""The server would have ended it itself: this one connection is dead."""
LOCK_S = 4
IDLE_TRANSACTION_S = 15
"""A tracker that was stopped in the middle lets go of its locks."""

APPLICATION = "panal tracker"
"""Before how many steps it knows: so its sessions are named, for other trackers to see."""

# What waiting does not mend. A connection that fails has no code, only the server's words, which
# may be in another language: then it is waited for, and the log has them.
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    '" does not exist',
    "not permitted to log in",
)
_BEGIN = (
    b"BEGIN; SELECT extract(epoch FROM clock_timestamp())::float8,"
    b" current_setting('transaction_read_only')::boolean"
)
# Compiling a search takes longer than the search, and so do workers beside it; a bitmap of a common
# word's names has room. Where a search reads rows from the table's beginning, its pages do so too.
# What is lost with the last moment before a crash of the database is announced again.
_SESSION = f"""
SET search_path = panal;
SET synchronous_commit = off;
SET statement_timeout = '{STATEMENT_S}s';
SET lock_timeout = '{LOCK_S}s';
SET work_mem = '16MB';
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET synchronize_seqscans = off;
SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION_S}s';
SET client_encoding = 'UTF8'
""".encode()
_DEFAULTS = {
    "connect_timeout": str(CONNECT_S),
    "application_name": f"{APPLICATION} {len(MIGRATIONS)}",
    # A host that went without a word is noticed, and not only when the system gives up.
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


class Database:
    """One PostgreSQL database as its transactions see it; used by several threads."""

    def __init__(self, url: str, connections: int) -> None:
        """Connect nowhere yet; UsageError for an address that is none."""
        self.shown = shown_store(url)
        self._settings = _settings(url)
        self.presence = Presence(self._settings, self.shown)
        self._local = threading.local()
        self._is_open = False
        self._refused = ""
        # It says once for each connection what is said here once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._pool: ConnectionPool[DoubtingConnection] = ConnectionPool(
            connection_class=DoubtingConnection,
            kwargs=self._settings,
            min_size=1,
            max_size=connections,
            timeout=DOUBT_S,
            reconnect_timeout=PROBE_S,
            configure=self._configure,
            name="panal",
            open=False,
        )

    def open(self) -> None:
        """Begin to keep connections; StoreUnavailable where not even one can be had."""
        with self.connect():
            self._pool.open()
            self._is_open = True

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection beside the pool's, for what takes longer; nothing is begun on it."""
        try:
            connection = DoubtingConnection.connect(**self._settings, autocommit=True)
        except psycopg.Error as error:
            raise self._not_connected(error) from error
        connection.doubt = self.presence.doubt
        with closing(connection):
            try:
                _configure(connection)
                yield connection
            except psycopg.Error as error:
                raise self._in_words(error, connection) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what this thread does inside; not nested."""
        connection, now_s = self._begun()
        self._local.connection, self._local.now_s = connection, now_s
        try:
            yield
            if connection.execute("COMMIT").statusmessage != "COMMIT":
                raise Conflict
        except psycopg.Error as error:
            raise self._in_words(error, connection) from error
        finally:
            self._local.connection = None
            self._give_back(connection)

    @contextmanager
    def using(self) -> Iterator[Connection]:
        """This thread's transaction, or one for the moment."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            yield connection
            return
        with self.transaction():
            yield self._local.connection

    def run(self, statement: bytes, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a statement gives, in this thread's transaction or one for the moment."""
        with self.using() as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def lock(self, what: str) -> None:
        """Until the transaction ends nobody else comes past here with the same words."""
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
        self.run(b"SELECT pg_advisory_xact_lock(%s)", number)

    def now_s(self) -> float:
        """Seconds since 1970 by the database's clock, when this thread's transaction began."""
        now_s: float = self._local.now_s
        return now_s

    def close(self) -> None:
        """Let all connections go; calling it twice does nothing."""
        self.presence.close()
        self._pool.close()

    def _begun(self) -> tuple[DoubtingConnection, float]:
        until_s = monotonic() + CONNECT_S
        for _ in range(self._pool.max_size + 1):
            if self.presence.is_away or monotonic() > until_s:
                break
            try:
                connection = self._pool.getconn()
            except PoolTimeout:
                self.presence.answers(monotonic() - DOUBT_S)
                continue
            try:
                now_s = _begin(connection)
            except psycopg.Error as error:
                self._give_back(connection)
                if not _is_lost(connection):
                    raise self._in_words(error, connection) from error
                # Nothing was done on it: it may have died of age, or with the database, or be from
                # when that took no writes.
                self.presence.answers(monotonic())
            else:
                return connection, now_s
        raise self._away()

    def _away(self) -> StoreUnavailable:
        return StoreUnavailable(self.presence.problem or NO_ANSWER)

    def _give_back(self, connection: DoubtingConnection) -> None:
        if connection.info.transaction_status not in {
            pq.TransactionStatus.IDLE,
            pq.TransactionStatus.UNKNOWN,
        }:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        self._pool.putconn(connection)

    def _configure(self, connection: DoubtingConnection) -> None:
        def doubt(waited_s: float) -> None:
            if waited_s >= GIVEN_UP_S:
                raise NoAnswer(f"no answer for {GIVEN_UP_S:g} s")
            self.presence.doubt(waited_s)

        connection.doubt = doubt
        _configure(connection)

    def _not_connected(self, error: psycopg.Error) -> PanalError:
        if self._is_open:
            self.presence.note_away(error)
            return self._away()
        if any(words in str(error) for words in _REFUSALS):
            return Refused(f"{self.shown} does not let this tracker in: {told(error)}")
        why = told(error)
        return StoreUnavailable(
            f"{self.shown} does not answer: {why}{'' if why.endswith(('.', '?')) else '.'}"
        )

    def _note_refusal(self, words: str) -> None:
        """Once, and in the log only: they name tables, in whatever language the server speaks."""
        if words != self._refused:
            self._refused = words
            _log.error("%s refuses it: %s", self.shown, words)

    def _in_words(self, error: psycopg.Error, connection: Connection) -> Exception:
        """What a failure means: Panal's error where somebody can act on it, else itself."""
        if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
            return Conflict()
        if isinstance(error, errors.DiskFull):
            return NoSpace("No space is left in the tracker's database.")
        if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
            return Busy("The tracker's database has too much to do; try again in a moment.")
        if isinstance(error, errors.ReadOnlySqlTransaction):
            if not self._is_open:
                return StoreUnavailable(f"{self.shown} takes no writes: is it a standby?")
            self.presence.note_away(error)
            return self._away()
        if isinstance(error, errors.InsufficientPrivilege):
            self._note_refusal(told(error))
            return PanalError(
                "The database's user may not do what the tracker needs; the tracker's log says "
                "what. Let an administrator give it the database and its tables: ALTER … OWNER TO."
            )
        if _is_lost(connection) or isinstance(error, psycopg.OperationalError):
            # A connection was cut; whether the database is away, the next call finds out.
            return self._away()
        return error


def _begin(connection: DoubtingConnection) -> float:
    """The database's time. TakesNoWrites, with the connection closed: another may take them."""
    cursor = connection.execute(_BEGIN)
    cursor.nextset()
    now_s, only_reads = cursor.fetchone() or (0.0, False)
    if only_reads:
        connection.close()
        raise TakesNoWrites
    return float(now_s)


def _is_lost(connection: Connection) -> bool:
    return connection.closed or connection.broken


def _configure(connection: Connection) -> None:
    connection.autocommit = True
    connection.execute(_SESSION)


def _settings(url: str) -> dict[str, Any]:
    try:
        return _DEFAULTS | conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Not in its words: they may hold a part of the password.
        raise UsageError(
            "This store's address cannot be read. Write postgresql://USER@HOST:PORT/DATABASE, "
            "what is special in it percent-encoded."
        ) from None
