"""Further roots, and paths left out, as the index keeps them; moved files found again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from panal.store.fingerprints import Fingerprint, Seen, is_in_whole_seconds
from panal.store.index import Index, Moved
from panal.store.mounts import FurtherRoot
from panal.store.withheld import Line
from panal.wire.names import SafePath

_TABLES = (
    """CREATE TABLE IF NOT EXISTS roots (
        name      TEXT PRIMARY KEY,   -- first part of its paths
        place     TEXT NOT NULL,      -- where it lies: an absolute path
        is_folder INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS shared_by_inode ON shared (inode, mtime_ns)",
)
_NUMBERS = "device, inode, size_bytes, mtime_ns"
_Numbers = tuple[object, ...]


class RootRecords:
    """The tables `roots` and `unshared`; what the second has outlives the index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        for table in _TABLES:
            index.write(table, ())

    def roots(self) -> list[FurtherRoot]:
        """Every further root, by name."""
        rows = self._index.rows("SELECT name, place, is_folder FROM roots ORDER BY name", ())
        return [FurtherRoot(str(name), Path(str(place)), bool(kind)) for name, place, kind in rows]

    def add_root(self, further: FurtherRoot) -> None:
        """Keep one."""
        values = (further.name, str(further.place), int(further.is_folder))
        self._index.write("INSERT OR REPLACE INTO roots VALUES (?, ?, ?)", values)

    def remove_root(self, name: str) -> None:
        """Forget one, and what was left out in it."""
        self._index.write("DELETE FROM roots WHERE name = ?", (name,))
        self.share_again([path for path in self.unshared() if path.startswith(name + "/")])

    def forget_below(self, name: str) -> None:
        """Forget every file of a root."""
        files = [*self._index.files_below(name + "/")]
        if (single := self._index.by_path(name)) is not None:
            files.append(single)
        self._index.forget([(file.path, file.fingerprint) for file in files])

    def unshared(self) -> list[str]:
        """Every path that is left out."""
        return [str(path) for (path,) in self._index.rows("SELECT path FROM unshared", ())]

    def leave_out(self, paths: Iterable[str]) -> None:
        """Leave these out, durably; PanalError."""
        new = sorted(set(paths).difference(self.unshared()))
        self._index.withheld.note(Line(unshared=path) for path in new)
        with self._index.writing() as database:
            database.executemany(
                "INSERT OR IGNORE INTO unshared VALUES (?)", [(path,) for path in new]
            )

    def share_again(self, paths: Iterable[str]) -> None:
        """Leave these out no more; PanalError."""
        known = sorted(set(paths).intersection(self.unshared()))
        with self._index.writing() as database:
            database.executemany("DELETE FROM unshared WHERE path = ?", [(path,) for path in known])
        self._index.withheld.note(Line(again=path) for path in known)


class Twins:
    """Finds files that are indexed under another name: moved ones need no second hash."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def of(
        self,
        files: Sequence[Seen],
        root_name: Callable[[str], str],
        look_again: Callable[[Sequence[SafePath]], Mapping[SafePath, Fingerprint]],
    ) -> dict[SafePath, Moved]:
        """Those of up to `MANY` files that have a twin in the same root; itself, where one is
        indexed already. `look_again` gives fingerprints with their ctime.

        Inode numbers mean nothing across file systems. A time in whole seconds was set by an
        unpacker: then another file of its size may have got the inode of a deleted one, and
        only the same ctime shows that it is none. That stays where a folder above was renamed.
        """
        names = self._with_inodes([found.inode for _, found in files])
        alike = [
            (path, found, names[found.numbers()])
            for path, found in files
            if found.numbers() in names
        ]
        unpacked = [path for path, found, _ in alike if is_in_whole_seconds(found.mtime_ns)]
        again = look_again(unpacked) if unpacked else {}
        twins = {}
        for path, seen, known in alike:
            found = again.get(path, seen)
            if found != seen:
                continue  # changed since
            if is_in_whole_seconds(found.mtime_ns):
                known = {
                    name: ctime_ns
                    for name, ctime_ns in known.items()
                    if ctime_ns and ctime_ns == found.ctime_ns
                }
            if path in known:
                twins[path] = Moved(path, found, path)
                continue
            root = root_name(path)
            twin = next((name for name in known if root_name(name) == root), None)
            if twin is not None:
                twins[path] = Moved(path, found, twin)
        return twins

    def _with_inodes(self, inodes: Sequence[int]) -> dict[_Numbers, dict[str, int]]:
        """What is indexed with these inodes: by its numbers, paths and their ctimes."""
        marks = ",".join("?" * len(inodes))
        question = f"SELECT path, ctime_ns, {_NUMBERS} FROM shared WHERE inode IN ({marks})"  # noqa: S608
        names: dict[_Numbers, dict[str, int]] = {}
        for path, ctime_ns, *numbers in self._index.rows(question, tuple(inodes)):
            names.setdefault(tuple(numbers), {})[str(path)] = cast(int, ctime_ns)
        return names
