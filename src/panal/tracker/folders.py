"""One level of a peer's folder, made of paths in order; no store, no clock.

What lies deeper is skipped, not read: behind ``photos/…`` comes at once ``photos0``, for ``0``
follows ``/``. So a level costs what it shows, and a bounded count of what is below.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from panal.wire.catalogue import Entry, FolderItem, FolderPage, FolderQuery
from panal.wire.manifest import Kind

COUNTED = 100_000
"""Files below the folders of one page, all together; what is beyond is not counted."""
_AFTER_SLASH = "0"
_BEFORE_ALL = "\x01"
"""In no path: behind a path, and before all that begin with it."""
_BEHIND_ALL = "\U0010ffff" * 64
"""Longer than a part of a path may be."""
_FEW, _MANY = 8, 1_000
"""Read at one go: few behind a folder, for another may follow; more where files do."""


@dataclass(frozen=True, slots=True)
class Below:
    """What lies below a folder, as far as it was counted."""

    files: int
    size_bytes: int


Entries = Callable[[str, str, int], list[Entry]]
"""Entries from a path on and before another, in order, at most so many."""
Count = Callable[[str, str, int], Below]
"""Files between two paths, at most so many of them."""


def folder_page(query: FolderQuery, entries: Entries, count: Count) -> FolderPage | None:
    """The page; None where the folder has nothing in it, so that there is none."""
    prefix = f"{query.folder}/" if query.folder else ""
    end = f"{query.folder}{_AFTER_SLASH}" if query.folder else _BEHIND_ALL
    position = prefix + _position_behind(query.page) if query.page else prefix
    level = _Level(prefix, entries, count)
    wanted = _FEW
    while len(level.items) <= query.page_size and (batch := entries(position, end, wanted)):
        position, is_behind_folder = level.take(batch, query.page_size + 1)
        wanted = _FEW if is_behind_folder else min(2 * wanted, _MANY)
    if not level.items and not query.page and query.folder:
        return None
    items = level.items[: query.page_size]
    more = len(level.items) > query.page_size
    last = items[-1] if items else None
    behind = "" if last is None else last.name + "/" * last.is_folder
    return FolderPage(tuple(items), behind if more else "")


def _position_behind(page: str) -> str:
    return page[:-1] + _AFTER_SLASH if page.endswith("/") else page + _BEFORE_ALL


class _Level:
    """The items of one level, as they are found."""

    def __init__(self, prefix: str, entries: Entries, count: Count) -> None:
        self.items: list[FolderItem] = []
        self._prefix = prefix
        self._entries = entries
        self._count = count
        self._may_count = COUNTED

    def take(self, batch: Iterable[Entry], most: int) -> tuple[str, bool]:
        """Take entries until a folder is met or there are enough; where to go on, and which."""
        path = ""
        for entry in batch:
            path = entry.path
            name, slash, _ = path[len(self._prefix) :].partition("/")
            if slash:
                self._take_folder(name)
                return f"{self._prefix}{name}{_AFTER_SLASH}", True
            if entry.kind is not Kind.COLLECTION or not self._has_files(path):
                self._take_entry(name, entry)
            if len(self.items) >= most:
                break
        return path + _BEFORE_ALL, False

    def _take_entry(self, name: str, entry: Entry) -> None:
        is_folder = entry.kind is Kind.COLLECTION
        self.items.append(
            FolderItem(
                name=name,
                is_folder=is_folder,
                content=entry.content,
                size_bytes=0 if is_folder else entry.size_bytes,
                files=0 if is_folder else 1,
                sha256=entry.sha256,
                content_bytes=entry.size_bytes if is_folder else 0,
            )
        )

    def _take_folder(self, name: str) -> None:
        path = self._prefix + name
        below = self._count(f"{path}/", f"{path}{_AFTER_SLASH}", self._may_count + 1)
        is_uncounted = below.files > self._may_count
        self._may_count = max(0, self._may_count - below.files)
        whole = self._as_content(path)
        self.items.append(
            FolderItem(
                name=name,
                is_folder=True,
                content=None if whole is None else whole.content,
                size_bytes=below.size_bytes,
                files=below.files,
                is_uncounted=is_uncounted,
                content_bytes=0 if whole is None else whole.size_bytes,
            )
        )

    def _as_content(self, path: str) -> Entry | None:
        """The folder as one content, where it is shared so: its entry stands before its files."""
        found = self._entries(path, path + _BEFORE_ALL, 1)
        return found[0] if found and found[0].kind is Kind.COLLECTION else None

    def _has_files(self, path: str) -> bool:
        return self._count(f"{path}/", f"{path}{_AFTER_SLASH}", 1).files > 0
