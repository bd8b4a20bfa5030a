"""The tracker's SQLite file: one exclusive connection, made, checked and let go here.

All of it is soft state: peers announce again what is lost. So nothing is synced to disk,
and a file that cannot be read is put aside and begun afresh.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from panal.errors import NoSpace, PanalError, Refused, StateInUse
from panal.tracker.sqlite_keys import SCHEMA as KEYS_SCHEMA
from panal.tracker.sqlite_keys import make_recent_keys
from panal.tracker.sqlite_replacements import make_replacements
from panal.tracker.sqlite_text import settle_merging
from panal.trust.files import private_file

_log = logging.getLogger("panal.tracker")

SCHEMA_VERSION = 6
MEMORY = ":memory:"
CACHE_KIB = 256 * 1024
"""At most: a catalogue that does not fit is read from the disk's cache again and again."""
CHECKPOINT_PAGES = 16_384
"""64 MiB: a page that is changed often is copied into the database once."""

_SCHEMA = """
CREATE TABLE peers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: leftovers stay nobody's
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    observed_host TEXT NOT NULL,
    port INTEGER NOT NULL,
    bound TEXT NOT NULL,
    reachable INTEGER NOT NULL,
    reachability TEXT NOT NULL,
    zone TEXT NOT NULL,
    is_gone INTEGER NOT NULL DEFAULT FALSE,
    digest BLOB NOT NULL,
    entries INTEGER NOT NULL DEFAULT 0,
    holdings INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX peers_by_address ON peers (observed_host, port);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,  -- never used twice: the text index may still know one that went
    peer INTEGER NOT NULL,
    path TEXT NOT NULL,
    searchable TEXT NOT NULL,
    name_crc INTEGER NOT NULL,
    facts BLOB NOT NULL,  -- content, kind, size, SHA-256, as the digest counts them
    size_bytes INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    common_kind INTEGER,  -- by the end of the name: a song, a picture
    UNIQUE (peer, path)
);
CREATE INDEX entries_by_common_kind ON entries (peer, common_kind, path)
    WHERE common_kind IS NOT NULL;
CREATE TABLE holdings (
    peer INTEGER NOT NULL,
    content BLOB NOT NULL,
    complete INTEGER NOT NULL,
    PRIMARY KEY (peer, content)
) WITHOUT ROWID;
CREATE INDEX holdings_by_content ON holdings (content, peer, complete);
CREATE VIRTUAL TABLE entry_text USING fts5 (
    searchable, content = '', columnsize = 0, detail = none,
    tokenize = 'trigram case_sensitive 1'
);
CREATE TABLE text_state (indexed_until INTEGER NOT NULL);
INSERT INTO text_state VALUES (0);
CREATE TABLE text_removed (id INTEGER PRIMARY KEY, searchable TEXT NOT NULL);
CREATE TABLE leftovers (peer INTEGER PRIMARY KEY);
"""

_TRIGRAMS = "CREATE VIRTUAL TABLE temp.entry_trigrams USING fts5vocab (main, entry_text, row)"


def open_database(path: Path | None) -> sqlite3.Connection:
    """The one connection to the tracker's records; None for records in memory.

    StateInUse while another process has them, Refused where a newer Panal wrote them,
    NoSpace on a full disk. A damaged or foreign file is renamed aside, and the log says so.
    """
    _log.info("SQLite %s", sqlite3.sqlite_version)
    if path is None:
        return _connect(MEMORY)
    existed = path.exists()
    try:
        return _connect(str(path))
    except sqlite3.DatabaseError as error:
        if not existed or isinstance(error, sqlite3.OperationalError):
            raise
        aside = _put_aside(path)
        _log.warning(
            "The records in %s cannot be read (%s): put aside as %s, begun afresh. "
            "Peers announce themselves again.",
            path,
            error,
            aside.name,
        )
        return _connect(str(path))


def _connect(target: str) -> sqlite3.Connection:
    with errors_in_words(target):
        if target != MEMORY:
            make_private(Path(target))
        connection = sqlite3.connect(
            target, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, target)
        except BaseException:
            connection.close()
            raise
    return connection


def make_private(path: Path) -> None:
    """Keep a database's file from others; where that fails SQLite says better what is wrong."""
    with suppress(OSError):
        private_file(path)


def _prepare(connection: sqlite3.Connection, target: str) -> None:
    # Exclusive before WAL: no shared memory file, and no second connection, which SQLite
    # before 3.51.3 may lose commits with.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    fresh = _check(connection, target)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * 4096}")
    # Takes the lock now, not at the first change.
    connection.execute("BEGIN IMMEDIATE")
    if fresh:
        for statement in (_SCHEMA + KEYS_SCHEMA).split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    settle_merging(connection)
    connection.execute("COMMIT")
    connection.execute(_TRIGRAMS)
    make_recent_keys(connection)
    make_replacements(connection)


def _check(connection: sqlite3.Connection, target: str) -> bool:
    """Whether the file is empty; it is only read, whatever it is."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise Refused(
            f"The records in {target} were written by a newer Panal (schema {version}; this "
            f"one knows {SCHEMA_VERSION}). Start that one, or remove the file: peers announce "
            "everything again."
        )
    if version < SCHEMA_VERSION:
        if tables:
            raise sqlite3.DatabaseError("not the tracker's records")
        return True
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(f"damaged: {found}")
    return False


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.unreadable-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


@contextmanager
def errors_in_words(target: str = "the tracker's records") -> Iterator[None]:
    """Turn SQLite's complaints that a person can act on into Panal's errors."""
    try:
        yield
    except sqlite3.OperationalError as error:
        known = _in_words(error, target)
        if known is None:
            raise
        raise known from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is done inside, its errors in words; not nested."""
    with errors_in_words():
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo a transaction; some failures, a full disk among them, have done it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction before its first change, unless that was done."""
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")


# A disk that is full and a file-size limit look different to SQLite: the second is a failed
# write. A failed read is neither.
_NO_SPACE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE}
)
_NO_RIGHT = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_PRIMARY = 0xFF
"""The part of an extended error code that names its family."""


def _in_words(error: sqlite3.OperationalError, target: str) -> PanalError | None:
    code = error.sqlite_errorcode
    if code in _NO_SPACE:
        return NoSpace("No space is left for the tracker's records. Free some and try again.")
    if code & _PRIMARY == sqlite3.SQLITE_BUSY:
        return StateInUse(
            f"Another process uses {target}. Stop that tracker, or give this one another "
            "--state directory."
        )
    if code & _PRIMARY in _NO_RIGHT:
        return PanalError(f"{target} cannot be opened or written. Check who may.")
    return None
