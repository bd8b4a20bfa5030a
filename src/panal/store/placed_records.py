"""What earlier runs of a stand-alone get have put in place, or found there: known, not shared.

A get is asked anew each time, and shares what it has looked at in this run. What its index
has from the run before is set aside when it begins, and says of a file that has not changed
since which content it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile
from panal.store.index import Index
from panal.store.shared_files import MANY
from panal.wire.ids import ContentId
from panal.wire.manifest import decode
from panal.wire.names import SafePath

YOUNG_NS = 2_000_000_000
"""The coarsest tick of a file system's clock that is common: FAT's."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS placed (
        path     TEXT PRIMARY KEY,
        content  BLOB NOT NULL,
        device   INTEGER NOT NULL,   -- fingerprint when it was verified
        inode    INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL DEFAULT 0  -- 0: not known; an older Panal tells none
    ) WITHOUT ROWID""",
    # One row: the run whose files are in the table `shared`.
    "CREATE TABLE IF NOT EXISTS run (began_ns INTEGER NOT NULL)",
)
_SINCE_FIRST = "ALTER TABLE placed ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0"
_COLUMNS = "path, content, device, inode, size_bytes, mtime_ns, ctime_ns"


class PlacedRecords:
    """The rows; safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        for table in _TABLES:
            index.write(table, ())
        if all(column[1] != "ctime_ns" for column in index.rows("PRAGMA table_info(placed)", ())):
            index.write(_SINCE_FIRST, ())

    def begin_run(self, wall_s: float) -> None:
        """Set aside what the run before had; `wall_s` is the time now.

        A file that was written when that run had begun, or just before, is not set aside: it
        may have been written to again within the same tick of its file system's clock.
        """
        with self._index.writing() as database:
            ran = database.execute("SELECT began_ns FROM run").fetchone()
            database.execute("DELETE FROM run")
            database.execute("INSERT INTO run VALUES (?)", (int(wall_s * 1e9),))
            self._index.total.forget(database)  # the next run begins with nothing
            if database.execute("SELECT 1 FROM shared LIMIT 1").fetchone() is None:
                return
            began_ns = 0 if ran is None else ran[0]
            database.execute(
                f"INSERT OR REPLACE INTO placed ({_COLUMNS}) "  # noqa: S608 (ours)
                f"SELECT {_COLUMNS} FROM shared WHERE mtime_ns < ?",
                (began_ns - YOUNG_NS,),
            )
            self._index.forget_all(database)
            database.execute("DELETE FROM contents WHERE id NOT IN (SELECT content FROM placed)")

    def forget(self) -> None:
        """Forget what was set aside: this run has looked at all of it."""
        self._index.write("DELETE FROM placed", ())

    def unchanged(self, found: Mapping[SafePath, Fingerprint]) -> dict[SafePath, ContentId]:
        """The contents of those files that are now as they were when they were set aside."""
        return {
            path: ContentId(content)
            for path, content, *numbers in self._rows("", _COLUMNS, list(found))
            if Fingerprint(*numbers).is_believed(found[path])
        }

    def files(self, paths: Sequence[SafePath]) -> list[HashedFile]:
        """What is set aside of these paths, as if they had been hashed now."""
        join = "JOIN contents ON contents.id = placed.content"
        columns = (
            "path, content, device, inode, placed.size_bytes, mtime_ns, ctime_ns, "
            "manifest, sha256_checked"
        )
        return [
            HashedFile(
                SafePath(path),
                Fingerprint(*numbers),
                ContentId(content),
                decode(manifest, ContentId(content)),
                checked == 1,
            )
            for path, content, *numbers, manifest, checked in self._rows(join, columns, paths)
        ]

    def _rows(
        self, join: str, columns: str, paths: Sequence[SafePath]
    ) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(paths), MANY):
            some = tuple(paths[start : start + MANY])
            marks = ",".join("?" * len(some))
            yield from self._index.rows(
                f"SELECT {columns} FROM placed {join} WHERE path IN ({marks})",  # noqa: S608
                some,
            )
