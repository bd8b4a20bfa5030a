"""The tables in PostgreSQL, and how they came to be: numbered steps forward, each made once.

A step only adds what trackers of the version before can do without, so that old and new ones
work side by side during an upgrade; one that cannot be so names the least program that still
works on it, and older ones refuse to start. A step locks briefly: what takes long on a large
table is one that needs no lock (CREATE INDEX CONCURRENTLY), in a step of its own.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from psycopg import errors

from panal.errors import PanalError, Refused
from panal.tracker.postgres_connection import Connection
from panal.tracker.postgres_database import Database
from panal.tracker.postgres_presence import told

_log = logging.getLogger("panal.tracker")

LOCK_S = 2
"""How long a step waits for a table, with all who come after it waiting behind it."""
TRIES = 30
LEAST_SERVER = 130_000
"""From here on an owner may add pg_trgm, no administrator is needed."""
PAUSE_S = 1.0
_GUARD = 0x70616E616C  # "panal"
"""Of the advisory lock that one tracker holds while it makes the steps."""

HEAD_CHARACTERS = 600
"""Of a path, for indexes: at four bytes each they fit a B-tree's row, whole paths may not."""


LAST_PART_HASH = "hashtextextended(right(searchable, strpos(reverse(searchable), '/') - 1), 0)"
"""Of what follows the last slash, by which names are found that are exactly so."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; its number is its place."""

    sql: str
    least: int
    """The least version of the program that works on it."""
    is_concurrent: bool = False
    """One statement that must stand alone, and may be repeated."""


MIGRATIONS = (
    Migration(
        least=1,
        sql=f"""
CREATE TABLE facts (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO facts VALUES ('id', gen_random_uuid()::text);
CREATE TABLE peers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- never used twice
    key text COLLATE "C" NOT NULL UNIQUE,
    name text COLLATE "C" NOT NULL,
    secret_hash bytea NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    observed_host text COLLATE "C" NOT NULL,
    loopback text NOT NULL DEFAULT '',  -- whose, where it was observed on one
    outer_host text,  -- and under which address it is to be called from elsewhere
    port integer NOT NULL,
    bound text NOT NULL,
    reachable boolean NOT NULL,
    reachability text NOT NULL,
    lease_until_s double precision NOT NULL,
    joined_at_s double precision NOT NULL,
    renewed_at_s double precision NOT NULL,
    gone_at_s double precision,  -- null while it is here
    digest bytea NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    entries integer NOT NULL DEFAULT 0,
    holdings integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);  -- a renewal finds room beside its row, and touches no index
CREATE INDEX peers_by_address ON peers (observed_host, port);
CREATE TABLE entries (
    peer bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    searchable text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    size_bytes bigint NOT NULL,
    kind smallint NOT NULL,
    sha256 bytea,
    generation bigint NOT NULL
);
CREATE UNIQUE INDEX entries_of_peer ON entries (
    peer, left(path, {HEAD_CHARACTERS}),
    (CASE WHEN length(path) > {HEAD_CHARACTERS} THEN hashtextextended(path, 0) ELSE 0 END)
);
CREATE INDEX entries_by_path ON entries (left(path, {HEAD_CHARACTERS}));
CREATE INDEX entries_by_content ON entries (content);
CREATE INDEX entries_by_sha256 ON entries (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX entries_by_text ON entries USING gin (searchable gin_trgm_ops);
CREATE TABLE holdings (
    peer bigint NOT NULL,
    content bytea NOT NULL,
    complete boolean NOT NULL,
    generation bigint NOT NULL,
    PRIMARY KEY (peer, content)
);
CREATE INDEX holdings_by_content ON holdings (content);
CREATE TABLE leftovers (peer bigint PRIMARY KEY);
""",
    ),
    # What an older tracker puts leaves it as it is.
    Migration(least=1, sql="ALTER TABLE peers ADD COLUMN zone text NOT NULL DEFAULT ''"),
    # An older tracker writes to the entries instead, and ends its replacements by that.
    Migration(
        least=1,
        sql="""
ALTER TABLE peers ADD COLUMN kept integer;  -- entries so far; null outside a replacement
CREATE TABLE kept (  -- what a replacement named and the peer had, a row a message
    peer bigint NOT NULL REFERENCES peers ON DELETE CASCADE,
    generation bigint NOT NULL,
    hashes bigint[] NOT NULL  -- of the paths
);
CREATE INDEX kept_by_peer ON kept (peer);
""",
    ),
    # An older tracker has its network's members in a file of its own, and looks at none of these.
    Migration(
        least=1,
        sql="""
CREATE TABLE membership (  -- one row
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    changes bigint NOT NULL DEFAULT 0,  -- grows with each change of the tables below
    revocations bigint NOT NULL DEFAULT 1,  -- the version of what certificates count no more
    taken_over bytea  -- what came from a tracker's own file, as a hash
);
INSERT INTO membership DEFAULT VALUES;
CREATE TABLE members (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    credential_hash bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    line text COLLATE "C" NOT NULL,  -- the join line that let it in; empty for a further name
    sponsor bigint,  -- whose further name it is
    enrolled_at_s bigint NOT NULL,
    removed_at_s bigint  -- null while it is a member
);
CREATE UNIQUE INDEX members_by_key ON members (key) WHERE removed_at_s IS NULL;
CREATE TABLE certificates (
    serial bytea PRIMARY KEY,
    member bigint NOT NULL,
    until_s bigint NOT NULL,
    revoked boolean NOT NULL DEFAULT false,
    pem bytea NOT NULL
);
CREATE INDEX certificates_by_member ON certificates (member);
CREATE TABLE join_lines (
    id text COLLATE "C" PRIMARY KEY,
    secret_hash bytea NOT NULL,
    until_s bigint NOT NULL,
    uses integer NOT NULL,
    uses_left integer NOT NULL CHECK (uses_left >= 0),
    revoked boolean NOT NULL DEFAULT false
);
""",
    ),
    # An older tracker looks exact names up by their trigrams.
    Migration(
        least=1,
        sql="CREATE INDEX CONCURRENTLY IF NOT EXISTS entries_by_name ON entries"
        f" ({LAST_PART_HASH})",
        is_concurrent=True,
    ),
)


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
                _log.info("%s: step %d of %d", database.shown, number, len(migrations))
                _make(connection, number, migration, pause)
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


def _drop_unfinished(connection: Connection) -> None:
    """Indexes that a tracker began to make and that nothing uses: it was stopped meanwhile."""
    for (name,) in connection.execute(
        "SELECT quote_ident(relname) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE NOT indisvalid AND relnamespace = 'panal'::regnamespace"
    ).fetchall():
        connection.execute(f"DROP INDEX CONCURRENTLY {name}".encode())


def _value(connection: Connection, sql: str) -> object:
    row = connection.execute(sql.encode()).fetchone()
    return None if row is None else row[0]
