"""Changes that the tracker has not been told yet, and which of them go first; pure."""

from collections.abc import Collection
from itertools import islice
from typing import TypeVar

import msgspec

from panal.wire.catalogue import Entry, Holding
from panal.wire.ids import ContentId

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Changes(msgspec.Struct):
    """The last value of each path and content that changed; None is shared no more."""

    entries: dict[str, Entry | None] = msgspec.field(default_factory=dict)
    holdings: dict[ContentId, Holding | None] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.entries or self.holdings)

    def __len__(self) -> int:
        return len(self.entries) + len(self.holdings)


class Untold:
    """What waits, and what is on its way."""

    def __init__(self) -> None:
        self._waiting = Changes()
        self._on_its_way = Changes()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def change_entry(self, path: str, entry: Entry | None) -> None:
        """A path has a new value."""
        self._waiting.entries[path] = entry

    def change_holding(self, content: ContentId, holding: Holding | None) -> None:
        """A content has a new value."""
        self._waiting.holdings[content] = holding

    def clear(self) -> None:
        """All of it is told otherwise."""
        self._waiting = Changes()
        self._on_its_way = Changes()

    def includes(self, paths: Collection[str]) -> bool:
        """Whether one of these paths is not told yet."""
        return any(
            path in changes.entries
            for path in paths
            for changes in (self._waiting, self._on_its_way)
        )

    def take(self, limit: int) -> Changes:
        """Up to so many changes, to be told now: half of them the newest, half the oldest.

        So that one new file does not wait behind all that were moved before it, and none of
        those waits for ever.
        """
        taken = Changes()
        _take_last(self._waiting.holdings, taken.holdings, limit)
        _take_last(self._waiting.entries, taken.entries, (limit - len(taken)) // 2)
        entries = self._waiting.entries
        for path in list(islice(entries, limit - len(taken))):
            taken.entries[path] = entries.pop(path)
        self._on_its_way = taken
        return taken

    def told(self) -> None:
        """What was taken has arrived."""
        self._on_its_way = Changes()

    def not_told(self) -> None:
        """It has not, or is not known to have: it waits again, unless it changed since."""
        before, self._on_its_way = self._on_its_way, Changes()
        self._waiting.entries = before.entries | self._waiting.entries
        self._waiting.holdings = before.holdings | self._waiting.holdings


def _take_last(waiting: dict[_Key, _Value], taken: dict[_Key, _Value], limit: int) -> None:
    for _ in range(min(limit, len(waiting))):
        key, value = waiting.popitem()
        taken[key] = value
