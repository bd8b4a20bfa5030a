"""What each folder was when its files were last found to be as the index has them.

A row says: while a folder's listing has that digest, the index has every file in it. So a
change of the index forgets the rows of all folders that a path lies in, in the same
transaction: not only of the nearest, for what lies between two files of a folder counts too.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager


class SeenFolders:
    """The table `seen_folders` of an index; one look at a time."""

    def __init__(
        self,
        rows: Callable[[str, tuple[object, ...]], list[tuple[object, ...]]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._rows = rows
        self._writing = writing
        self._changed: set[str] = set()

    def begin(self) -> None:
        """A look begins: what changes from now on may be otherwise than it finds it."""
        self._changed = set()

    def recall(self, folder: str) -> bytes | None:
        """What was kept of a folder, if the index still has its files so."""
        rows = self._rows("SELECT seen FROM seen_folders WHERE folder = ?", (folder,))
        return bytes(rows[0][0]) if rows else None  # type: ignore[call-overload]

    def keep(self, seen: Sequence[tuple[str, bytes]]) -> None:
        """Keep what this look found of folders, but for those changed since; NoSpace."""
        if seen:
            with self._writing() as database:
                database.executemany(
                    "INSERT OR REPLACE INTO seen_folders VALUES (?, ?)",
                    [item for item in seen if item[0] not in self._changed],
                )

    def forget_above(self, database: sqlite3.Connection, paths: Iterable[str]) -> None:
        """Files were indexed or forgotten, in this transaction."""
        folders: set[str] = set()
        for folder in {path.rpartition("/")[0] for path in paths}:
            above = folder
            while above not in folders:
                folders.add(above)
                above = above.rpartition("/")[0]
        self._changed.update(folders)
        database.executemany("DELETE FROM seen_folders WHERE folder = ?", [(f,) for f in folders])
