"""The settings that were changed while the peer ran, as its index keeps them between starts."""

from collections.abc import Mapping

from panal.store.index import Index

_TABLE = """CREATE TABLE IF NOT EXISTS settings (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID"""


class SettingRecords:
    """The table `settings`: only what was changed has a row."""

    def __init__(self, index: Index) -> None:
        self._index = index
        index.write(_TABLE, ())

    def all(self) -> dict[str, int]:
        """Every kept value, by name."""
        rows = self._index.rows("SELECT name, value FROM settings", ())
        return {str(name): int(str(value)) for name, value in rows}

    def save(self, values: Mapping[str, int]) -> None:
        """Keep these, all or none."""
        if not values:
            return
        marks = ", ".join("(?, ?)" for _ in values)
        flat = tuple(part for pair in values.items() for part in pair)
        self._index.write(f"INSERT OR REPLACE INTO settings VALUES {marks}", flat)  # noqa: S608
