"""How far the background re-reading has come, as the index keeps it between starts."""

import msgspec

from panal.store.index import Index

_TABLE = """CREATE TABLE IF NOT EXISTS scrub (
    only    INTEGER PRIMARY KEY CHECK (only = 0),
    path    TEXT NOT NULL,       -- of the file that is read, or was read last
    chunk   INTEGER NOT NULL,    -- the next one of it; 0: all of it was read
    began_s REAL NOT NULL,       -- of this pass, since 1970
    is_over INTEGER NOT NULL     -- 1: nothing is behind that path
)"""


class Position(msgspec.Struct, frozen=True):
    """Where a pass over all shared files stands."""

    path: str = ""
    chunk: int = 0
    """The next chunk of that file; 0: the next file is to be read."""
    began_s: float = 0.0
    is_over: bool = True


class ScrubRecords:
    """The table `scrub`, of one row."""

    def __init__(self, index: Index) -> None:
        self._index = index
        index.write(_TABLE, ())

    def read(self) -> Position:
        """Where it was left; over long ago where there was none yet."""
        rows = self._index.rows("SELECT path, chunk, began_s, is_over FROM scrub", ())
        if not rows:
            return Position()
        path, chunk, began_s, is_over = rows[0]
        return Position(str(path), int(str(chunk)), float(str(began_s)), bool(is_over))

    def save(self, at: Position) -> None:
        """Keep it; NoSpace."""
        values = (at.path, at.chunk, at.began_s, int(at.is_over))
        self._index.write("INSERT OR REPLACE INTO scrub VALUES (0, ?, ?, ?, ?)", values)
