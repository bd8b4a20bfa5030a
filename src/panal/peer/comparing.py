"""The roots compared with the index, by fingerprint (device, inode, size, mtime; where an
unpacker set that time, ctime too).

What differs and had been left alone for a moment when the look began is to be hashed, unless the
index knows the same inode unchanged under another name: then it was only moved.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress

import msgspec

from panal.errors import PanalError
from panal.store.fingerprints import Fingerprint, Seen, Skipped, is_in_whole_seconds
from panal.store.index import Index, Moved
from panal.store.mounts import Mounts
from panal.store.root_records import Twins
from panal.store.seen_folders import FolderLook
from panal.store.shared_files import LAST
from panal.store.walking import FileRow, Listed, Piece, Run, Stretch
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, path_problem

SETTLED_S = 0.5
"""A file modified more recently is still being written."""
COARSE_S = 2.0
"""The same where the time is in whole seconds: FAT's clock ticks so, and what is written within
one tick has one time."""

PAGE = 2_000
_BEHIND = "\x00"
"""A path with it is the next one in order: no path contains control characters."""


class Difference(msgspec.Struct):
    """What is otherwise than the index has it."""

    fresh: list[Seen] = msgspec.field(default_factory=list)
    moved: list[Moved] = msgspec.field(default_factory=list)
    """Known under another name: no need to hash."""
    gone: list[Seen] = msgspec.field(default_factory=list)
    """As it was indexed; it may be there and unsettled."""
    unsettled: list[SafePath] = msgspec.field(default_factory=list)
    skipped: Skipped = msgspec.field(default_factory=Skipped)


class Settled:
    """Whether files seen from now on rest: not written since a moment before now.

    What is written while a look takes its time is not at rest, however long it takes. A time
    that has not come yet says nothing about writing.
    """

    def __init__(self, wall_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._began_s = wall_s()

    def __call__(self, fingerprint: Fingerprint) -> bool:
        """Whether a file that looks so is."""
        mtime_ns = fingerprint.mtime_ns
        mtime_s, rest_s = mtime_ns / 1e9, rest_for(mtime_ns)
        return mtime_s <= self._began_s - rest_s or mtime_s >= self._wall_s() + rest_s


def rest_for(mtime_ns: int) -> float:
    """How long ago a file must have been modified, in seconds, to be at rest."""
    return max(SETTLED_S, COARSE_S) if is_in_whole_seconds(mtime_ns) else SETTLED_S


class Comparing:
    """Compares; called in threads."""

    def __init__(self, root: Mounts, index: Index, look_for_roots: Callable[[], object]) -> None:
        self._root = root
        # A root that went away during a walk has lost nothing: it is not there.
        self._look_for_roots = look_for_roots
        self._index = index
        self._twins = Twins(index)

    def everything(
        self, wall_s: Callable[[], float], is_new: Callable[[Seen], bool] = lambda _: True
    ) -> Difference:
        """Every root that is there; of what has to be hashed, only what is new.

        `wall_s` tells the time of day, in seconds.
        """
        is_settled = Settled(wall_s)
        difference = Difference()
        had_any = has_rows(self._index, "")
        folders = self._index.seen_folders.begin("")
        for name in ("", *sorted(self._root.further_names())):
            # Of a root that comes back during the walk nothing was seen, and nothing is gone.
            if self._root.shows(name):
                pieces = self._root.pieces_of(name, difference.skipped, folders.recall)
                self._compare(pieces, self._known_in(name), is_settled, difference, folders)
        self._settle_gone(difference)
        difference.fresh = list(filter(is_new, difference.fresh))
        if had_any:
            self._sort_out_moved(difference)
        return difference

    def some(self, paths: Collection[str], wall_s: Callable[[], float]) -> Difference:
        """Only these paths, and whatever is below them; `wall_s` as in `everything`."""
        is_settled = Settled(wall_s)
        difference = Difference()
        wanted = set(paths)
        for path in sorted(wanted):
            if path_problem(path) is not None or _has_parent_in(path, wanted):
                continue
            if self._root.shows(path):
                self._compare_below(SafePath(path), is_settled, difference)
        self._settle_gone(difference)
        self._sort_out_moved(difference)
        return difference

    def _compare_below(self, path: SafePath, is_settled: "Settled", difference: Difference) -> None:
        found = self._root.fingerprint(path)
        one: list[Run] = []
        pieces: Iterable[Piece] = ()
        folders: FolderLook | None = None
        if self._root.left_out_with(path, is_folder=found is None) is None:
            if found is None:
                folders = self._index.seen_folders.begin(path)
                pieces = self._root.pieces(Skipped(), path, folders.recall)
            elif found.size_bytes <= MAX_CONTENT_BYTES:
                one = [[(path, *found.looked_at())]]
        self._compare(one, self._known_as(path), is_settled, difference)
        self._compare(pieces, self._known_below(path), is_settled, difference, folders)

    def _compare(
        self,
        pieces: Iterable[Piece],
        known: "_Known",
        is_settled: "Settled",
        difference: Difference,
        folders: FolderLook | None = None,
    ) -> None:
        """Two lists in the order of paths, side by side: a run of files that is as it was is
        compared as a whole, and a stretch that is recalled is not read from the index."""
        differing: set[str] = set()
        seen: list[Listed] = []
        for piece in pieces:
            if isinstance(piece, Stretch):
                difference.gone += map(_seen, known.skip(piece))
            elif isinstance(piece, Listed):
                if piece.folder not in differing:
                    seen.append(piece)
                if len(seen) >= PAGE:
                    _keep(folders, seen)
            elif (rows := known.up_to(piece[-1][0])) != piece:
                differing.add(piece[0][0].rpartition("/")[0])
                by_path = {row[0]: row for row in rows}
                for found in piece:
                    _compare_one(found, by_path.pop(found[0], None), is_settled, difference)
                difference.gone += map(_seen, by_path.values())
        difference.gone += map(_seen, known.rest())
        _keep(folders, seen)

    def _known_in(self, name: str) -> "_Known":
        """What is indexed of a root."""
        if name == "":
            is_alone = not self._root.further_names()
            return _Known(self._rows if is_alone else self._own_rows, "", LAST)
        return _Known(self._rows, name + "/", name + "/" + LAST, self._row_of(name))

    def _known_as(self, path: str) -> "_Known":
        return _Known(self._rows, LAST, LAST, self._row_of(path))

    def _known_below(self, folder: str) -> "_Known":
        return _Known(self._rows, folder + "/", folder + "/" + LAST)

    def _row_of(self, path: str) -> Run:
        shared = self._index.by_path(path)
        return [] if shared is None else [(path, *shared.fingerprint.looked_at())]

    def _rows(self, after: str, before: str) -> Iterator[FileRow]:
        """What is indexed between two paths."""
        while page := self._index.file_rows(after, before, PAGE):
            yield from page
            after = page[-1][0]

    def _own_rows(self, after: str, before: str) -> Iterator[FileRow]:
        """The same without the further roots, past which it leaps."""
        further = self._root.further_names()
        for start in sorted(name + "/" for name in further):
            if after < start < before:
                yield from (row for row in self._rows(after, start) if row[0] not in further)
                after = start + LAST
        yield from (row for row in self._rows(after, before) if row[0] not in further)

    def _settle_gone(self, difference: Difference) -> None:
        """Of what seemed gone, keep what is: files may have come while others were looked at."""
        gone: list[Seen] = []
        for at in range(0, len(difference.gone), PAGE):
            gone += self.still_gone(difference.gone[at : at + PAGE])
        self._look_for_roots()
        difference.gone = [item for item in gone if self._root.shows(item[0])]

    def still_gone(self, gone: list[Seen]) -> list[Seen]:
        """Those that have not come back as they were: what was moved may be moved back."""
        there = self._root.fingerprints([path for path, _ in gone])
        return [item for item in gone if not self._is_shared(item, there)]

    def _is_shared(self, item: Seen, there: Mapping[SafePath, Fingerprint]) -> bool:
        path, was = item
        return there.get(path) == was and self._root.left_out_with(path) is None

    def _sort_out_moved(self, difference: Difference) -> None:
        fresh = []
        for at in range(0, len(difference.fresh), PAGE):
            part = difference.fresh[at : at + PAGE]
            twins = self._twins.of(part, self._root.root_name, self._root.fingerprints)
            for item in part:
                twin = twins.get(item[0])
                if twin is None:
                    fresh.append(item)
                elif twin.twin != twin.path:  # else it was indexed while others were looked at
                    difference.moved.append(twin)
        difference.fresh = fresh


class _Known:
    """Rows of the index in the order of paths, read as they are needed."""

    def __init__(
        self,
        read: Callable[[str, str], Iterator[FileRow]],
        after: str,
        before: str,
        first: Iterable[FileRow] = (),
    ) -> None:
        """`read` gives the rows between two paths; `first` come before all of them."""
        self._read = read
        self._after = after
        self._before = before
        self._first = list(first)
        self._ahead: Iterator[FileRow] | None = None
        """The rows from here on: one question for many folders, none of them recalled."""
        self._next: FileRow | None = None

    def up_to(self, path: str) -> Run:
        """The next rows whose path is not behind that one."""
        return list(self._ahead_before(path + _BEHIND))

    def skip(self, stretch: Stretch) -> Iterator[FileRow]:
        """The next rows before a stretch, whose own are left out."""
        yield from self._first_before(stretch.first)
        if self._after < stretch.first:
            yield from self._read(self._after, min(stretch.first, self._before))
        self._after, self._ahead = max(self._after, stretch.last), None

    def rest(self) -> Iterator[FileRow]:
        """All that are left."""
        return self._ahead_before(self._before)

    def _first_before(self, before: str) -> Iterator[FileRow]:
        while self._first and self._first[0][0] < before:
            yield self._first.pop(0)

    def _ahead_before(self, before: str) -> Iterator[FileRow]:
        yield from self._first_before(before)
        if self._ahead is None:
            self._ahead = self._read(self._after, self._before)
            self._next = next(self._ahead, None)
        while self._next is not None and self._next[0] < before:
            self._after = self._next[0]
            yield self._next
            self._next = next(self._ahead, None)


def has_rows(index: Index, root_name: str) -> bool:
    """Whether anything of a root is indexed; "" asks about any root at all."""
    if root_name == "":
        return bool(index.files_after("", 1))
    below = root_name + "/"
    return index.by_path(root_name) is not None or bool(index.file_rows(below, below + LAST, 1))


def _keep(folders: FolderLook | None, seen: list[Listed]) -> None:
    if folders is not None:
        with suppress(PanalError):  # then the next look reads the index again
            folders.keep([(listed.folder, listed.seen) for listed in seen])
    seen.clear()


def _has_parent_in(path: str, paths: set[str]) -> bool:
    while path := path.rpartition("/")[0]:
        if path in paths:
            return True
    return False


def _seen(row: FileRow) -> Seen:
    return SafePath(row[0]), Fingerprint(*row[1:])


def _compare_one(
    found: FileRow, known: FileRow | None, is_settled: Settled, difference: Difference
) -> None:
    if known == found:
        return
    path, fingerprint = _seen(found)
    if is_settled(fingerprint):
        difference.fresh.append((path, fingerprint))
        return
    difference.unsettled.append(path)
    if known is not None:  # withdrawn until it rests
        difference.gone.append(_seen(known))
