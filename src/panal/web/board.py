"""What listeners can be told, each thing with the number of its last change; pure.

A listener is a number: what changed after it is what it has missed, however long it was away,
each thing once and as it is now. So whoever reads slowly costs nothing but that number.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

MOST_GONE = 1_000
"""So many keys that are gone are remembered; who has missed more is told everything."""
MOST_LINES = 100
"""So many lines of the log are kept for those who come back."""
Row = TypeVar("Row", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class RowChanges(Generic[Row]):
    """What changed of some rows."""

    whole: bool
    """These are all rows."""
    rows: list[Row]
    removed: list[str]


class Rows(Generic[Row]):
    """Things of one kind, by key."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, Row]] = {}
        self._gone: dict[str, int] = {}
        """In the order in which they went."""
        self._changed_at = 0
        self._known_since = 0
        """Who was told last before this is told everything."""

    def put(self, rows: Mapping[str, Row], number: int) -> bool:
        """All rows as they are now; whether any has changed, with that number then."""
        changed = {key: row for key, row in rows.items() if self._has_changed(key, row)}
        gone = self._rows.keys() - rows.keys()
        if not changed and not gone and self._changed_at:
            return False
        if not self._changed_at:
            self._known_since = number
        self._changed_at = number
        for key, row in changed.items():
            self._rows[key] = number, row
            self._gone.pop(key, None)
        for key in gone:
            del self._rows[key]
            self._gone[key] = number
        while len(self._gone) > MOST_GONE:
            oldest = next(iter(self._gone))
            self._known_since = max(self._known_since, self._gone.pop(oldest))
        return True

    def _has_changed(self, key: str, row: Row) -> bool:
        known = self._rows.get(key)
        return known is None or known[1] != row

    def since(self, number: int) -> RowChanges[Row] | None:
        """What changed after that; None where nothing did."""
        if number >= self._changed_at:
            return None
        if number < self._known_since:
            return RowChanges(True, [row for _, row in self._rows.values()], [])
        return RowChanges(
            False,
            [row for changed_at, row in self._rows.values() if changed_at > number],
            [key for key, gone_at in self._gone.items() if gone_at > number],
        )


class Board:
    """All kinds of things, and the number of the last change of any."""

    def __init__(self) -> None:
        self.number = 0
        self._rows: dict[str, Rows[msgspec.Struct]] = {}
        self._values: dict[str, tuple[int, msgspec.Struct]] = {}
        self._lines: deque[tuple[int, str, msgspec.Struct]] = deque(maxlen=MOST_LINES)

    def put_rows(self, kind: str, rows: Mapping[str, msgspec.Struct]) -> None:
        """All rows of a kind as they are now."""
        known = self._rows.setdefault(kind, Rows())
        if known.put(rows, self.number + 1):
            self.number += 1

    def put(self, kind: str, value: msgspec.Struct) -> None:
        """A single thing as it is now."""
        known = self._values.get(kind)
        if known is None or known[1] != value:
            self.number += 1
            self._values[kind] = self.number, value

    def add(self, kind: str, line: msgspec.Struct) -> None:
        """Something happened."""
        self.number += 1
        self._lines.append((self.number, kind, line))

    def rows_since(self, kind: str, number: int) -> RowChanges[msgspec.Struct] | None:
        """What changed of a kind's rows after that; None where nothing did."""
        known = self._rows.get(kind)
        return None if known is None else known.since(number)

    def values_since(self, number: int) -> list[tuple[str, msgspec.Struct]]:
        """The single things that changed after that, with their kinds."""
        return [
            (kind, value) for kind, (changed_at, value) in self._values.items()
            if changed_at > number
        ]  # fmt: skip

    def lines_since(self, number: int) -> list[tuple[str, msgspec.Struct]]:
        """What happened after that, with its kind; nothing for who has just come (0)."""
        return [(kind, line) for at, kind, line in self._lines if number and at > number]

    def goes_on_from(self, number: int) -> bool:
        """Whether a listener can have been told until there."""
        return 0 < number <= self.number
