"""The digest over all that the index shares, kept with every change of it.

To add it up anew takes half a second for 100,000 files, at each start.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from panal.wire.catalogue import CatalogueDigest, Entry


class CatalogueTotal:
    """The table `catalogue_total` of an index: a row, or none while the total is not known."""

    def __init__(
        self,
        rows: Callable[[str, tuple[object, ...]], list[tuple[object, ...]]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._rows = rows
        self._writing = writing

    def value(self) -> bytes | None:
        """The digest of every entry, of roots that are away too; None: to be added up."""
        rows = self._rows("SELECT digest FROM catalogue_total", ())
        return bytes(rows[0][0]) if rows else None  # type: ignore[call-overload]

    def keep(self, digest: bytes) -> None:
        """It has been added up, and nothing was changed meanwhile; NoSpace."""
        with self._writing() as database:
            _put(database, digest)

    def forget(self, database: sqlite3.Connection) -> None:
        """Entries change in this transaction that are not known one by one."""
        database.execute("DELETE FROM catalogue_total")

    def change(
        self, database: sqlite3.Connection, before: Iterable[Entry], after: Iterable[Entry]
    ) -> None:
        """Entries change in this transaction."""
        if (value := self.value()) is not None:
            digest = CatalogueDigest(value)
            for entry in before:
                digest.remove(entry)
            for entry in after:
                digest.add(entry)
            _put(database, digest.value())


def _put(database: sqlite3.Connection, digest: bytes) -> None:
    database.execute("INSERT OR REPLACE INTO catalogue_total VALUES (0, ?)", (digest,))
