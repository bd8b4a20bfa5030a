"""The roots compared with the index, by fingerprint (device, inode, size, mtime).

What differs and has been left alone for a moment is to be hashed, unless the index knows
the same inode unchanged under another name: then it was only moved.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from panal.store.hashing import HashedFile
from panal.store.index import Index
from panal.store.mounts import Mounts
from panal.store.root_records import Twins
from panal.store.roots import Fingerprint, Skipped
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, path_problem

SETTLED_S = 0.5
"""A file modified more recently is still being written."""

Seen = tuple[SafePath, Fingerprint]


@dataclass(slots=True)
class Difference:
    """What is otherwise than the index has it."""

    fresh: list[Seen] = field(default_factory=list)
    moved: list[HashedFile] = field(default_factory=list)
    """Known under another name: no need to hash."""
    gone: list[Seen] = field(default_factory=list)
    """As it was indexed; it may be there and unsettled."""
    unsettled: list[SafePath] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)


class Comparing:
    """Compares; called in threads, one at a time."""

    def __init__(self, root: Mounts, index: Index, look_for_roots: Callable[[], object]) -> None:
        self._root = root
        # A root that went away during a walk has lost nothing: it is not there.
        self._look_for_roots = look_for_roots
        self._index = index
        self._twins = Twins(index)

    def everything(self, wall_s: float) -> Difference:
        """Every root that is there."""
        difference = Difference()
        everything_known = self._index.fingerprints()
        had_any = bool(everything_known)
        # Of a root that comes back during the walk nothing was seen, and nothing is gone.
        known = {path: was for path, was in everything_known.items() if self._root.shows(path)}
        del everything_known
        for path, found in self._root.walk(difference.skipped):
            _compare(path, found, known.pop(path, None), wall_s, difference)
        self._look_for_roots()
        difference.gone += [item for item in known.items() if self._root.shows(item[0])]
        if had_any:
            self._sort_out_moved(difference)
        return difference

    def some(self, paths: Collection[str], wall_s: float) -> Difference:
        """Only these paths, and whatever is below them."""
        difference = Difference()
        wanted = set(paths)
        for path in sorted(wanted):
            if path_problem(path) is not None or _has_parent_in(path, wanted):
                continue
            if self._root.shows(path):
                self._compare_below(SafePath(path), wall_s, difference)
        self._look_for_roots()
        difference.gone = [item for item in difference.gone if self._root.shows(item[0])]
        self._sort_out_moved(difference)
        return difference

    def _compare_below(self, path: SafePath, wall_s: float, difference: Difference) -> None:
        known = {f.path: f.fingerprint for f in self._index.files_below(path + "/")}
        if (shared := self._index.by_path(path)) is not None:
            known[path] = shared.fingerprint
        found = self._root.fingerprint(path)
        if self._root.left_out_with(path, is_folder=found is None) is None:
            if found is None:
                for below, there in self._root.walk(Skipped(), path):
                    _compare(below, there, known.pop(below, None), wall_s, difference)
            elif found.size_bytes <= MAX_CONTENT_BYTES:
                _compare(path, found, known.pop(path, None), wall_s, difference)
        difference.gone += known.items()

    def _sort_out_moved(self, difference: Difference) -> None:
        fresh = []
        for path, found in difference.fresh:
            twin = self._twin(path, found)
            if twin is None:
                fresh.append((path, found))
            else:
                difference.moved.append(twin)
        difference.fresh = fresh

    def _twin(self, path: SafePath, found: Fingerprint) -> HashedFile | None:
        root_name = self._root.root_name(path)
        return self._twins.of(path, found, lambda other: self._root.root_name(other) == root_name)


def has_rows(index: Index, root_name: str) -> bool:
    """Whether anything of a root is indexed; "" asks about any root at all."""
    if root_name == "":
        return bool(index.files_after("", 1))
    return index.by_path(root_name) is not None or bool(index.files_below(root_name + "/"))


def _has_parent_in(path: str, paths: set[str]) -> bool:
    while path := path.rpartition("/")[0]:
        if path in paths:
            return True
    return False


def _compare(
    path: SafePath,
    found: Fingerprint,
    known: Fingerprint | None,
    wall_s: float,
    difference: Difference,
) -> None:
    if known == found:
        return
    if abs(wall_s - found.mtime_ns / 1e9) >= SETTLED_S:
        difference.fresh.append((path, found))
        return
    difference.unsettled.append(path)
    if known is not None:  # withdrawn until it rests
        difference.gone.append((path, known))
