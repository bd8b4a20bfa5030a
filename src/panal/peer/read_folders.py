"""The lists of folders that guests look into, read once for many requests.

A list is what its content id says and never changes, so what was read of it never goes stale.
"""

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from panal.store.texts import Texts
from panal.wire.collection import CollectionEntry, read
from panal.wire.ids import ContentId

MOST_ENTRIES = 200_000
"""Of all lists that are kept, of some 300 bytes each. One alone may have more: the last is always
kept."""


class ReadFolder:
    """One list, in the order of its paths."""

    def __init__(self, entries: Sequence[CollectionEntry]) -> None:
        self._entries = entries
        self._paths: Sequence[str] = [entry.path for entry in entries]

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, path: str) -> CollectionEntry | None:
        """What has a path; found by halving."""
        at = bisect_left(self._paths, path)
        return self._entries[at] if self._paths[at : at + 1] == [path] else None

    def below(self, prefix: str) -> Iterator[CollectionEntry]:
        """All whose path begins so; `prefix` ends with a slash or is empty."""
        at = bisect_left(self._paths, prefix)
        while at < len(self._paths) and self._paths[at].startswith(prefix):
            yield self._entries[at]
            at += 1


class ReadFolders:
    """Lists by their content ids; safe to use from several threads."""

    def __init__(self, texts: Texts, most_entries: int = MOST_ENTRIES) -> None:
        self._texts = texts
        self._most_entries = most_entries
        self._kept: OrderedDict[ContentId, ReadFolder] = OrderedDict()
        """The one that was asked for last at the end."""
        self._reading = threading.Lock()

    def get(self, content: ContentId) -> ReadFolder | None:
        """A list, read if it is not kept; None where its text is not here."""
        with self._reading:  # whoever waits for the same one finds it read
            found = self._kept.get(content)
            if found is None:
                found = self._read(content)
            if found is None:
                return None
            self._kept[content] = found
            self._kept.move_to_end(content)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._most_entries:
                self._kept.popitem(last=False)
            return found

    def _read(self, content: ContentId) -> ReadFolder | None:
        kept = self._texts.read(content)
        return None if kept is None else ReadFolder(list(read(kept[0])))
