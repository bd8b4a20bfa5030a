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

    def begin(self, below: str) -> Callable[[str], bytes | None]:
        """A look at a folder and all below it begins; what was kept of one, while it asks.

        Nothing is recalled of a folder whose files have changed in the index since. All is
        read at once: a question for each folder would wait for its turn among changes.
        """
        self._changed = set()
        first, last = below + "/", below + "0"  # the next character in order
        rows = self._rows(
            "SELECT folder, seen FROM seen_folders WHERE ?1 = '' OR folder = ?1 "
            "OR folder > ?2 AND folder < ?3",
            (below, first, last),
        )
        kept = {str(folder): seen for folder, seen in rows}

        def recall(folder: str) -> bytes | None:
            seen = None if folder in self._changed else kept.get(folder)
            return None if seen is None else bytes(seen)  # type: ignore[call-overload]

        return recall

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
