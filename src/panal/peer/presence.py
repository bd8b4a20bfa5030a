"""Roots that go away and come back: withdrawn and announced again, never forgotten."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from panal.errors import RootOffline
from panal.peer.announcer import Announcer
from panal.peer.comparing import has_rows
from panal.peer.contents import Contents
from panal.store.index import Index
from panal.store.mounts import Mounts
from panal.store.root_records import RootRecords
from panal.store.shared_files import SharedFile
from panal.wire.names import printable

log = logging.getLogger(__name__)


def look_for_roots(root: Mounts, index: Index, *, state_is_inside: bool) -> dict[str, bool]:
    """Whether each root is there, by name ("" is the folder)."""

    def may_be_empty(name: str) -> bool:
        if name == "" and state_is_inside:
            # It came with the folder: where it is, the folder is.
            return index.is_in_its_place()
        return not has_rows(index, name)

    return root.refresh_all(may_be_empty)


def refuse_lost(folder: Path, index: Index) -> None:
    """RootOffline where a folder is missing whose files the index has: its disk may be away.

    To make it anew would be in the way of that disk.
    """
    if folder.exists():
        return
    further = {root.name for root in RootRecords(index).roots()}
    if any(index.entry_pages(lambda path: path.partition("/")[0] not in further)):
        raise RootOffline(
            f"The folder {printable(str(folder))} is not there, and this peer has shared files "
            "in it. Mount its disk; if it is to begin anew, make the folder."
        )


class Presence:
    """Keeps the announcements equal to the roots that are there."""

    def __init__(
        self,
        root: Mounts,
        index: Index,
        announcer: Announcer,
        contents: Contents,
        look: Callable[[], dict[str, bool]],
        announced: dict[str, bool],
    ) -> None:
        """`announced`: which roots' files the announcer has been started with."""
        self._root = root
        self._index = index
        self._announcer = announcer
        self._contents = contents
        self._look = look
        self._there = announced
        self.changed: Callable[[], None] = lambda: None
        """Called when a root has come or gone."""
        self._tell_missing()

    def _tell_missing(self) -> None:
        for place in self.offline():
            log.warning("%s is not there: what it shares is offline until it is back.", place)

    def offline(self) -> list[str]:
        """Where the roots belong that are not there."""
        return [
            str(place)
            for name, place in self._root.places().items()
            if not self._there.get(name, True)  # one just added is there
        ]

    def there(self) -> set[str]:
        """The roots that are there, by name."""
        return {name for name, there in self._there.items() if there}

    async def check(self) -> set[str]:
        """Look for every root; the names of those that have come, new ones too."""
        found = await asyncio.to_thread(self._look)
        came = {name for name, there in found.items() if there and not self._there.get(name)}
        left = {name for name, there in found.items() if not there and self._there.get(name)}
        was_known = set(self._there)
        self._there = found
        for name in left:
            await self._each_page(name, self._withdraw)
        if left:
            self._tell_missing()
        for name in came & was_known:
            await self._each_page(name, self._announce)
            log.info("%s is back.", self._root.places().get(name, name))
        if left or came:
            self.changed()
        return came

    async def _each_page(self, name: str, tell: Callable[[SharedFile], None]) -> None:
        pages = self._pages(name)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            for shared in page:
                if self._root.root_name(shared.path) == name:
                    tell(shared)

    def _pages(self, name: str) -> Iterator[list[SharedFile]]:
        if name and (single := self._index.by_path(name)) is not None:
            yield [single]
        yield from self._index.pages_below(name + "/" if name else "")

    def _withdraw(self, shared: SharedFile) -> None:
        self._announcer.change_entry(shared.entry(), None)
        self._contents.taken_back(shared.content)

    def _announce(self, shared: SharedFile) -> None:
        self._announcer.change_entry(None, shared.entry())
