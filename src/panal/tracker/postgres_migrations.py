"""Makes the tables in PostgreSQL: each step of `postgres_steps` once, whoever starts first."""

import logging
from collections.abc import Callable

from psycopg import errors

from panal.errors import PanalError, Refused
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_database import APPLICATION, Database
from panal.tracker.postgres_presence import told
from panal.tracker.postgres_steps import MIGRATIONS, TRIGRAM_INDEXES, Migration

_log = logging.getLogger("panal.tracker")

LOCK_S = 2
"""How long a step waits for a table, with all who come after it waiting behind it."""
READERS_S = 15
"""How long an index that is made again waits for each who reads; what trackers ask is over then."""
TRIES = 30
LEAST_SERVER = 130_000
"""From here on an owner may add pg_trgm, no administrator is needed."""
PAUSE_S = 1.0
_GUARD = 0x70616E616C  # "panal"
"""Of the advisory lock that one tracker holds while it makes the steps."""


def migrate(
    database: Database,
    pause: Callable[[float], object],
    migrations: tuple[Migration, ...] = MIGRATIONS,
) -> None:
    """Make the steps that are missing, once however many trackers start together.

    Refused where a newer Panal made the tables so that this one cannot work on them; PanalError
    where the database's user may not make them. `pause` waits for so many seconds.
    """
    with database.connect() as connection:
        connection.execute("SET statement_timeout = 0")
        _check_server(connection)
        while not _value(connection, f"SELECT pg_try_advisory_lock({_GUARD})"):
            # Not waited for inside the database: a snapshot would hold up a concurrent index.
            _log.info("another tracker prepares %s; waiting for it", database.shown)
            pause(PAUSE_S)
        try:
            _prepare(connection)
            done = _check_version(connection, database.shown, len(migrations))
            for number, migration in enumerate(migrations[done:], done + 1):
                if migration.after_older and _are_older(connection, number):
                    _log.warning(
                        "%s: older trackers use it. New names cost more until the first start"
                        " after they have stopped",
                        database.shown,
                    )
                    break
                _log.info("%s: step %d of %d", database.shown, number, len(migrations))
                _make(connection, number, migration, pause)
            _make_again(connection, database.shown)
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({_GUARD})".encode())


def _check_server(connection: Connection) -> None:
    """PanalError for a server too old, or a database that cannot keep all names."""
    if connection.info.server_version < LEAST_SERVER:
        raise PanalError(
            f"The tracker needs PostgreSQL {LEAST_SERVER // 10_000} or later; this is "
            f"{connection.info.server_version // 10_000}."
        )
    if _value(connection, "SELECT current_setting('server_encoding')") != "UTF8":
        raise PanalError(
            "The tracker's database must keep text as UTF-8. Make another: "
            "CREATE DATABASE panal ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0."
        )
    ctype = _value(
        connection, "SELECT datctype FROM pg_database WHERE datname = current_database()"
    )
    if ctype in {"C", "POSIX"}:
        _log.warning(
            "The database's LC_CTYPE is %s: searches for letters beyond ASCII will be slow. "
            "C.UTF-8 is better.",
            ctype,
        )


def _prepare(connection: Connection) -> None:
    """The schema, the extension and the table of steps."""
    if _value(connection, "SELECT to_regnamespace('panal')") is None:
        _allowed(connection, "CREATE SCHEMA IF NOT EXISTS panal")
    _allowed(connection, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
    where = _value(
        connection,
        "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace"
        " WHERE extname = 'pg_trgm'",
    )
    connection.execute(f"SET search_path = panal, {where}".encode())
    _allowed(
        connection,
        "CREATE TABLE IF NOT EXISTS panal.migrations (version integer PRIMARY KEY,"
        " least integer NOT NULL, made_at timestamptz NOT NULL DEFAULT now())",
    )


def _allowed(connection: Connection, sql: str) -> None:
    try:
        connection.execute(sql.encode())
    except errors.InsufficientPrivilege as error:
        raise PanalError(
            "The database's user may not make the tracker's tables "
            f"({told(error)}). Let an administrator run: ALTER DATABASE … OWNER TO that user."
        ) from error
    except (errors.UndefinedFile, errors.FeatureNotSupported) as error:
        raise PanalError(
            "PostgreSQL's extension pg_trgm is not installed on the database's machine. It comes "
            "with PostgreSQL's contrib package."
        ) from error


def _check_version(connection: Connection, shown: str, known: int) -> int:
    row = connection.execute(
        "SELECT coalesce(max(version), 0), coalesce(max(least), 0) FROM panal.migrations"
    ).fetchone()
    done, least = row or (0, 0)
    if least > known:
        raise Refused(
            f"The tables in {shown} were made by a newer Panal (step {done}, for programs that "
            f"know {least}; this one knows {known}). Start that one."
        )
    return int(done)


def _are_older(connection: Connection, step: int) -> bool:
    """Whether a tracker is connected that does not know a step."""
    row = connection.execute(
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name ~ %s"
        " AND coalesce(substring(application_name FROM '[0-9]{1,9}$')::integer, 0) < %s LIMIT 1",
        (f"^{APPLICATION}( [0-9]{{1,9}})?$", step),
    ).fetchone()
    return row is not None


def _make(
    connection: Connection, number: int, migration: Migration, pause: Callable[[float], object]
) -> None:
    note = f"INSERT INTO panal.migrations VALUES ({number}, {migration.least})"
    if migration.is_concurrent:
        # It waits for whatever transaction is older, and nobody waits for it meanwhile.
        connection.execute("SET lock_timeout = 0")
        _drop_unfinished(connection)
        connection.execute(migration.sql.encode())
        connection.execute(note.encode())
        return
    connection.execute(f"SET lock_timeout = '{LOCK_S}s'".encode())
    for left in reversed(range(TRIES)):
        try:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(note.encode())
            return
        except errors.LockNotAvailable:
            if not left:
                raise
            pause(PAUSE_S)


def _make_again(connection: Connection, shown: str) -> None:
    """Indexes that a restore has left out: without them each search reads all names.

    One whose making was broken off is there and of no use: it goes first. Where somebody reads for
    long, as a backup does, that is for a later start, and what is half made stays until then.
    """
    for name, what in TRIGRAM_INDEXES.items():
        is_valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('panal.{name}')"
        if _value(connection, is_valid):
            continue
        _log.warning("%s: an index is missing, as after a restore; making %s", shown, name)
        try:
            connection.execute(f"SET lock_timeout = '{LOCK_S}s'".encode())
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS panal.{name}".encode())
            connection.execute(f"SET lock_timeout = '{READERS_S}s'".encode())
            connection.execute(f"CREATE INDEX CONCURRENTLY {name} ON {what}".encode())
        except errors.LockNotAvailable:
            _log.warning("%s: somebody reads the tables; %s is made at a later start", shown, name)


def _drop_unfinished(connection: Connection) -> None:
    """Indexes that a tracker began to make and that nothing uses: it was stopped meanwhile.

    Those that an administrator's REINDEX makes are let alone.
    """
    for (name,) in connection.execute(
        "SELECT quote_ident(relname) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE NOT indisvalid AND relnamespace = 'panal'::regnamespace"
        " AND relname !~ '_cc(new|old)[0-9]*$'"
    ).fetchall():
        connection.execute(f"DROP INDEX CONCURRENTLY {name}".encode())


def _value(connection: Connection, sql: str) -> object:
    row = connection.execute(sql.encode()).fetchone()
    return None if row is None else row[0]
