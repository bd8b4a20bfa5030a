"""The index's SQLite file: opened for one process, made where missing, set aside where damaged.

One SQLite connection in all, in exclusive mode: a second process on the same state is
refused by the database itself, and SQLite's WAL-reset bug (3.7.0 to 3.51.2) has no second
connection to bite. The index is a cache of the folder: a damaged one is set aside, and the
folder hashed anew; what no look at the folder tells is kept by `store/withheld.py`.
"""

import contextlib
import logging
import os
import sqlite3
import tempfile
from pathlib import Path

from panal.errors import FREE_SOME_SPACE, NoSpace, PanalError, StateInUse
from panal.store.disk_errors import disk_error
from panal.trust.files import private_file, private_folder

log = logging.getLogger(__name__)

NAME = "index.sqlite"
"""In a state directory."""
SCHEMA_VERSION = 3
_SCHEMA = """
CREATE TABLE contents (
    id             BLOB PRIMARY KEY,   -- content id
    kind           INTEGER NOT NULL,   -- wire number of the kind
    size_bytes     INTEGER NOT NULL,
    sha256         BLOB NOT NULL,      -- as the manifest says
    sha256_checked INTEGER NOT NULL,   -- 1: computed here; 0: not yet; -1: the manifest lies
    manifest       BLOB NOT NULL       -- canonical bytes
) WITHOUT ROWID;
CREATE TABLE shared (
    path     TEXT PRIMARY KEY,         -- below the folder, "/" between parts
    content  BLOB NOT NULL REFERENCES contents (id),
    device   INTEGER NOT NULL,         -- fingerprint when it was hashed
    inode    INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX shared_by_content ON shared (content);
CREATE TABLE downloads (
    number     INTEGER PRIMARY KEY,    -- in the order they came
    id         TEXT NOT NULL UNIQUE,   -- as the API names it
    what       TEXT NOT NULL,          -- as it was asked for
    path       TEXT,                   -- where it goes, once known
    priority   INTEGER NOT NULL,
    wait       INTEGER NOT NULL,       -- 1: for a name that does not exist yet
    state      TEXT NOT NULL,
    content    BLOB,                   -- once known
    size_bytes INTEGER NOT NULL,       -- 0 until known
    error_slug TEXT NOT NULL,          -- empty unless it failed
    error_text TEXT NOT NULL
);
"""
_SINCE_VERSION_2 = """
CREATE TABLE seen_folders (
    folder TEXT PRIMARY KEY,           -- as paths have it; empty: the shared folder itself
    seen   BLOB NOT NULL               -- digest of its listing, and what that came to
);
CREATE TABLE catalogue_total (
    only   INTEGER PRIMARY KEY CHECK (only = 0),
    digest BLOB NOT NULL               -- over the entry of every shared path
);
CREATE INDEX unchecked ON contents (id) WHERE sha256_checked = 0;
INSERT INTO catalogue_total SELECT 0, zeroblob(32) WHERE NOT EXISTS (SELECT 1 FROM shared);
"""
_SINCE_VERSION_3 = """
ALTER TABLE shared ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0;  -- 0: not known
"""
_SINCE = {
    0: _SCHEMA + _SINCE_VERSION_2 + _SINCE_VERSION_3,
    1: _SINCE_VERSION_2 + _SINCE_VERSION_3,
    2: _SINCE_VERSION_3,
}
"""What an index of that version lacks; 0 is an empty file."""
SELECT_SHARED = """
SELECT path, content, device, inode, shared.size_bytes, mtime_ns, ctime_ns, sha256, sha256_checked
FROM shared JOIN contents ON contents.id = shared.content
"""


def open_database(path: Path) -> sqlite3.Connection:
    """The index's only connection; StateInUse where another process has it."""
    try:
        private_folder(path.parent)
        try:
            return _open(path)
        except IndexDamaged as error:
            log.warning("The index was damaged (%s): the folder is hashed anew.", error)
            os.replace(path, f"{path}.damaged")  # SQLite drops a log without its database
            return _open(path)
    except OSError as error:
        raise disk_error(error, f"open the index {path}") from None
    except IndexDamaged as error:
        raise PanalError(f"The index {path} cannot be opened: {error}.") from None


def open_as_it_is(path: Path) -> sqlite3.Connection:
    """A stopped peer's index, which nobody else opens meanwhile: not made, mended or migrated.

    FileNotFoundError, StateInUse, PanalError where a later version wrote it; IndexDamaged.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    database = sqlite3.connect(path, timeout=0.5, isolation_level=None)
    try:
        _lock(database)
        _refuse_later_version(database)
    except sqlite3.Error as error:
        database.close()
        raise _opening_error(path, error) from None
    except BaseException:
        database.close()
        raise
    return database


def is_in_use(state: Path) -> bool:
    """Whether another peer has the index of this state directory open."""
    index = state / NAME
    if not index.exists():
        return False
    try:
        uri = f"{index.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, 0, uri=True)) as asked:
            asked.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        return _code(error) & 0xFF == sqlite3.SQLITE_BUSY
    return False


def version_of(database: sqlite3.Connection) -> int:
    """The version of an open index's tables; 0: there are none yet."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def disk_failed(error: sqlite3.Error, folder: Path, done: str) -> PanalError | None:
    """What a user is told where an index that is open cannot be `done`; None: a fault of ours."""
    primary = _code(error) & 0xFF
    if _code(error) in _NOT_WRITTEN:
        return _write_failed(error, folder)
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return PanalError(
            f"The index in {folder} is damaged ({error}). Start the peer again: it sets that index "
            "aside and hashes its folder anew."
        )
    if primary not in _DISK_FAILED:
        return None
    told = PanalError(f"The index in {folder} cannot be {done}: {error}.")
    told.may_pass = True
    return told


class IndexDamaged(Exception):
    """The file is no index, or one that cannot be read to its end."""


_NOT_WRITTEN = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
_DISK_FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_NO_SPACE = f"The index cannot grow: the disk is full or its limit is reached. {FREE_SOME_SPACE}"


def _write_failed(error: sqlite3.Error, folder: Path) -> PanalError:
    # SQLite calls a failed write an I/O error under a file-size limit, and where the disk was
    # made read-only; which of them it is shows a file beside it.
    if _code(error) != sqlite3.SQLITE_FULL:
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as found:
            return disk_error(found, "write the index")
    return NoSpace(_NO_SPACE, str(folder))


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))


def _open(path: Path) -> sqlite3.Connection:
    private_file(path)
    with contextlib.ExitStack() as undo:
        try:
            database = sqlite3.connect(
                path, timeout=0.5, isolation_level=None, check_same_thread=False
            )
            undo.callback(database.close)
            _prepare(database)
        except sqlite3.Error as error:
            raise _opening_error(path, error) from None
        undo.pop_all()
    return database


def _opening_error(path: Path, error: sqlite3.Error) -> Exception:
    code = _code(error)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_BUSY:
        return StateInUse(
            f"Another Panal peer uses {path.parent}; stop it, or give this one another folder "
            "or --state."
        )
    if primary in _DAMAGED:
        return IndexDamaged(str(error))
    if code in _NOT_WRITTEN:
        return _write_failed(error, path.parent)
    return PanalError(f"The index {path} cannot be opened: {error}.")


def _prepare(database: sqlite3.Connection) -> None:
    run = database.execute
    run("PRAGMA locking_mode=EXCLUSIVE")  # before the first read: then nothing is shared
    run("PRAGMA journal_mode=WAL")
    run("PRAGMA synchronous=NORMAL")
    run("PRAGMA foreign_keys=ON")
    # Else, after one large change, each row puts the pages that it touches into a file first.
    run("PRAGMA temp_store=MEMORY")
    _lock(database)
    _refuse_later_version(database)
    version = version_of(database)
    if version < SCHEMA_VERSION:
        script = f"BEGIN;{_SINCE[version]};PRAGMA user_version={SCHEMA_VERSION};COMMIT"
        database.executescript(script)
    (verdict,) = run("PRAGMA quick_check(1)").fetchone()  # 0.2 s for 300,000 files
    if verdict != "ok":
        raise IndexDamaged(verdict)
    run(SELECT_SHARED + "LIMIT 0")


def _lock(database: sqlite3.Connection) -> None:
    """Take the lock that a second process is refused by."""
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    database.execute("BEGIN IMMEDIATE")
    database.execute("COMMIT")


def _refuse_later_version(database: sqlite3.Connection) -> None:
    version = version_of(database)
    if version > SCHEMA_VERSION:
        raise PanalError(
            f"The index was written by a later Panal (version {version}); update Panal, "
            "or delete it: it is made again from the folder."
        )
