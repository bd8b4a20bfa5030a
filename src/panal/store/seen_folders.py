"""What each folder was when its files were last found to be as the index has them.

A row says: while a folder's listing has that digest, the index has every file in it. So a
change of the index forgets the rows of all folders that a path lies in, in the same
transaction: not only of the nearest, for what lies between two files of a folder counts too.
"""

import sqlite3
import threading
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import AbstractContextManager
from weakref import WeakSet


class FolderLook:
    """One look at a folder and all below it: what was kept of each, and what it finds."""

    def __init__(self, folders: "SeenFolders") -> None:
        self._folders = folders
        self.kept: dict[str, bytes] = {}
        self.changed: set[str] = set()
        """Folders whose files have changed in the index since it began."""

    def recall(self, folder: str) -> bytes | None:
        """What was kept of a folder, if the index still has its files so."""
        return None if folder in self.changed else self.kept.get(folder)

    def keep(self, seen: Sequence[tuple[str, bytes]]) -> None:
        """Keep what this look found of folders, but for those changed since; NoSpace."""
        self._folders.keep(seen, self.changed)


class SeenFolders:
    """The table `seen_folders` of an index; several looks at a time."""

    def __init__(
        self,
        rows: Callable[[str, tuple[object, ...]], list[tuple[object, ...]]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._rows = rows
        self._writing = writing
        self._looks: WeakSet[FolderLook] = WeakSet()
        self._looks_lock = threading.Lock()

    def begin(self, below: str) -> FolderLook:
        """A look at a folder and all below it begins.

        All that is kept is read at once: a question for each folder would wait for its turn
        among changes.
        """
        look = FolderLook(self)
        with self._looks_lock:
            self._looks.add(look)
        first, last = below + "/", below + "0"  # the next character in order
        rows = self._rows(
            "SELECT folder, seen FROM seen_folders WHERE ?1 = '' OR folder = ?1 "
            "OR folder > ?2 AND folder < ?3",
            (below, first, last),
        )
        look.kept = {str(folder): bytes(seen) for folder, seen in rows}  # type: ignore[call-overload]
        return look

    def keep(self, seen: Sequence[tuple[str, bytes]], changed: Container[str] = ()) -> None:
        """Keep what was found of folders, but for some; NoSpace."""
        if seen:
            with self._writing() as database:
                database.executemany(
                    "INSERT OR REPLACE INTO seen_folders VALUES (?, ?)",
                    [item for item in seen if item[0] not in changed],
                )

    def forget_above(self, database: sqlite3.Connection, paths: Iterable[str]) -> None:
        """Files were indexed or forgotten, in this transaction."""
        folders: set[str] = set()
        for folder in {path.rpartition("/")[0] for path in paths}:
            above = folder
            while above not in folders:
                folders.add(above)
                above = above.rpartition("/")[0]
        with self._looks_lock:
            for look in self._looks:
                look.changed.update(folders)
        database.executemany("DELETE FROM seen_folders WHERE folder = ?", [(f,) for f in folders])
