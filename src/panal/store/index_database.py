"""An open index: questions and changes, one at a time, whatever asks."""

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from panal.store.disk_errors import disk_error
from panal.store.index_file import disk_failed, open_database

ROWS_AT_ONCE = 128
"""Other threads compute while SQLite works on a call: with one for each row, the interpreter's
lock would change hands as often."""


class IndexDatabase:
    """The database; safe to call from several threads, one call at a time inside."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; StateInUse where another process has it."""
        self._lock = threading.RLock()
        self._path = path
        self._database = open_database(path)
        self._file = _file_at(path)

    def close(self) -> None:
        """Let another process have it."""
        with self._lock:
            self._database.close()

    def is_in_its_place(self) -> bool:
        """Whether the file under its path is the one that is open: its disk may have gone."""
        try:
            return _file_at(self._path) == self._file
        except OSError:
            return False

    def rows(self, question: str, values: tuple[object, ...]) -> list[Any]:
        """What answers a question; PanalError where the disk fails or the index is damaged."""
        with self._lock:
            try:
                return self._database.execute(question, values).fetchall()
            except sqlite3.Error as error:
                raise disk_failed(error, self._path.parent, "read") or error from None

    def write(self, change: str, values: tuple[object, ...]) -> None:
        """One change of one table; PanalError, as `writing`."""
        with self.writing() as database:
            database.execute(change, values)

    def make_durable(self) -> None:
        """Put on the disk what has been written until now; PanalError; blocks on the disk.

        Without it a power cut may undo the last seconds, whole changes at a time: SQLite syncs
        its log (WAL) only before it moves it into the database.
        """
        with _told(self._path.parent):
            descriptor = os.open(self._path.with_name(f"{self._path.name}-wal"), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Several changes, all or nothing; NoSpace, or PanalError where the disk fails."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise disk_failed(error, self._path.parent, "written") or error from None
                raise


def insert_rows(
    database: sqlite3.Connection,
    into: str,
    rows: Sequence[tuple[object, ...]],
    on_conflict: str = "",
) -> None:
    """Insert rows of the same length, many with each call of SQLite."""
    if not rows:
        return
    row = f"({','.join('?' * len(rows[0]))})"
    whole = len(rows) - len(rows) % ROWS_AT_ONCE
    for start in range(0, whole, ROWS_AT_ONCE):
        values = itertools.chain.from_iterable(rows[start : start + ROWS_AT_ONCE])
        database.execute(f"{into} {','.join([row] * ROWS_AT_ONCE)} {on_conflict}", tuple(values))
    database.executemany(f"{into} {row} {on_conflict}", rows[whole:])


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, f"make the index in {folder} durable") from None


def _file_at(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
