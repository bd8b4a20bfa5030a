"""Further roots: files and folders from elsewhere, shared in place beside the folder.

Each has a name, the first part of every path in it. Nothing is ever written there.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import astuple

from panal.errors import Refused
from panal.store.file_systems import Mounted
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.roots import Root
from panal.store.walking import Listed, Piece, Recall, Stretch, name_problem
from panal.wire.names import SafePath, printable


class FurtherRoot(msgspec.Struct, frozen=True):
    """What is remembered of a further root."""

    name: str
    place: Path
    """Absolute; links in it are resolved."""
    is_folder: bool


class _Elsewhere(Root):
    """A folder outside."""

    def __init__(self, path: Path) -> None:
        with suppress(OSError):
            super().__init__(path)
        self._identity = None
        self.is_online = False  # until it is looked for


class _SingleFile(_Elsewhere):
    """The folder that one shared file lies in: nothing but that file is seen."""

    def __init__(self, place: Path) -> None:
        super().__init__(place.parent)
        self._place = place

    def refresh(self, may_be_empty: Callable[[], bool]) -> bool:
        """Look whether the file is there."""
        with suppress(OSError):
            if stat.S_ISREG(os.stat(self._place, follow_symlinks=False).st_mode):
                return super().refresh(may_be_empty)
        self.is_online = False
        return False

    def pieces(
        self, skipped: Skipped, below: str = "", recall: Recall | None = None
    ) -> Iterator[Piece]:
        """The file."""
        name = SafePath(self._place.name)
        found = self.fingerprint(name)
        if found is not None:
            yield [(name, *astuple(found))]


_Path = TypeVar("_Path", bound=str)


class Mounts(Root):
    """The folder, and beside it every further root under its name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._identity = None  # whether it is the one of the last run is still to be seen
        self._further: dict[str, tuple[FurtherRoot, Root]] = {}

    # Which roots there are ----------------------------------------------------------------

    def mount(self, further: FurtherRoot) -> None:
        """Take one in, offline until `refresh_all` has found it."""
        kind = _Elsewhere if further.is_folder else _SingleFile
        # One step: other threads look names up meanwhile.
        self._further = {**self._further, further.name: (further, kind(further.place))}

    def unmount(self, name: str) -> None:
        """Let one go."""
        self._further = {key: kept for key, kept in self._further.items() if key != name}

    def further_names(self) -> set[str]:
        """The name of every further root."""
        return set(self._further)

    def places(self) -> dict[str, Path]:
        """Where each root lies, by name."""
        return {"": self.path} | {name: f.place for name, (f, _) in self._further.items()}

    def single_files(self) -> set[str]:
        """The names of the further roots that are a file."""
        return {name for name, (f, _) in self._further.items() if not f.is_folder}

    def leave_out(self, unshared: Iterable[str]) -> None:
        """Which paths are left out until they are added again."""
        paths = set(unshared)
        self.ignoring.unshared = frozenset(paths)
        for name, (_, root) in self._further.items():
            start = name + "/"
            below = {path.removeprefix(start) for path in paths if path.startswith(start)}
            root.ignoring.unshared = frozenset(below)

    def refresh_all(self, may_be_empty: Callable[[str], bool]) -> dict[str, bool]:
        """Look for every root; whether each is there, by name ("" is the folder)."""
        return {
            name: root.refresh(partial(may_be_empty, name)) for name, root in self._roots().items()
        }

    def _roots(self) -> dict[str, Root]:
        return {"": self} | {name: root for name, (_, root) in self._further.items()}

    def root_name(self, path: str) -> str:
        """Which root a path lies in, by name; "" is the folder."""
        first = path.partition("/")[0]
        return first if first in self._further else ""

    def shows(self, path: str) -> bool:
        """Whether the root that a path lies in is there."""
        found = self._further_at(path)
        return self.is_online if found is None else found[1].is_online

    def device_at(self, path: str) -> int:
        """The device of the root that a path lies in."""
        found = self._further_at(path)
        return self.device if found is None else found[1].device

    # Root's own calls, each led to the root that the path lies in ---------------------------

    def _further_at(self, path: str) -> tuple[FurtherRoot, Root] | None:
        """The further root that a path lies in; looked up once, for it may go in between."""
        return self._further.get(path.partition("/")[0])

    def _led(self, path: str) -> tuple[Root, SafePath] | None:
        if (found := self._further_at(path)) is None:
            return None
        further, root = found
        return root, SafePath(path.partition("/")[2] if further.is_folder else path)

    def open_file(self, path: SafePath) -> tuple[int, Fingerprint]:
        """A descriptor for reading and what it is now; NotFound unless a regular file."""
        led = self._led(path)
        if led is None:
            return super().open_file(path)
        return led[0].open_file(led[1])

    def fingerprint(self, path: SafePath) -> Fingerprint | None:
        """What stands under a path now, or None where there is no regular file."""
        led = self._led(path)
        return super().fingerprint(path) if led is None else led[0].fingerprint(led[1])

    def fingerprints(self, paths: Iterable[SafePath]) -> dict[SafePath, Fingerprint]:
        """What stands under paths now, where it is a regular file; each folder entered once."""
        own, inside = self._by_root(paths)
        found = super().fingerprints(own)
        for further, root, paths_there in inside:
            start = further.name + "/" if further.is_folder else ""
            inner = root.fingerprints([SafePath(path[len(start) :]) for path in paths_there])
            found |= {SafePath(start + path): there for path, there in inner.items()}
        return found

    def _by_root(
        self, paths: Iterable[_Path]
    ) -> tuple[list[_Path], list[tuple[FurtherRoot, Root, list[_Path]]]]:
        """The paths of the folder, and those of each further root."""
        own: list[_Path] = []
        inside: dict[str, tuple[FurtherRoot, Root, list[_Path]]] = {}
        for path in paths:
            if (found := self._further_at(path)) is None:
                own.append(path)
            else:
                inside.setdefault(found[0].name, (*found, []))[2].append(path)
        return own, list(inside.values())

    def is_taken(self, path: SafePath) -> bool:
        """Whether anything at all stands under a path; a further root's name is taken."""
        led = self._led(path)
        if led is None:
            return super().is_taken(path)
        return "/" not in path or led[0].is_taken(led[1])

    def refuse_unplaceable(
        self, path: SafePath, source: Mounted | None, *, replace: bool = False
    ) -> bool:
        """As in the folder; Refused in a further root."""
        if replace or "/" in path:  # else another name can be found beside it
            self._refuse_further(path)
        return super().refuse_unplaceable(path, source, replace=replace)

    def _refuse_further(self, path: str) -> None:
        if (found := self._further_at(path)) is not None:
            name, place = found[0].name, printable(str(found[0].place))
            raise Refused(f"{printable(name)} is shared in place from {place}: only read there.")

    @contextmanager
    def parent_for_writing(
        self, path: SafePath, *, sync: bool = True, makes: bool = True
    ) -> Iterator[tuple[int, str]]:
        """As in the folder; Refused in a further root."""
        self._refuse_further(path)
        with super().parent_for_writing(path, sync=sync, makes=makes) as found:
            yield found

    @contextmanager
    def parent_for_reading(self, path: SafePath) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder that a path lies in, and its name; NotFound."""
        led = self._led(path)
        if led is None:
            with super().parent_for_reading(path) as found:
                yield found
        else:
            with led[0].parent_for_reading(led[1]) as found:
                yield found

    def left_out(self, path: str, *, is_folder: bool) -> str | None:
        """Why a file or folder is not shared, as far as its name tells, or None."""
        led = self._led(path)
        if led is None:
            return super().left_out(path, is_folder=is_folder)
        if led[1] in {"", self.root_name(path)}:
            return name_problem(path)
        return name_problem(path) or led[0].ignoring.reason(led[1], is_folder=is_folder)

    def leaves_out_none(self, paths: Sequence[str]) -> bool:
        """As in the folder; what is in a further root is to be asked one by one."""
        if self._further and any(map(self.root_name, paths)):
            return False
        return super().leaves_out_none(paths)

    def read_rules(self, paths: Iterable[str]) -> None:
        """Read anew what the folders that these paths lie in leave out; PanalError."""
        own, inside = self._by_root(paths)
        super().read_rules(own)
        for further, root, paths_there in inside:
            if further.is_folder:
                root.read_rules([path.partition("/")[2] for path in paths_there])

    def hides(self, name: str) -> str | None:
        """Why something in the top folder is not shared under its name, or None."""
        return "hidden by a further root of that name" if name in self._further else None

    def pieces(
        self, skipped: Skipped, below: str = "", recall: Recall | None = None
    ) -> Iterator[Piece]:
        """The files of every root, or of the folder `below`, or root of that name; see Root."""
        if below:
            yield from self._pieces_led(skipped, below, recall)
            return
        for name, root in self._roots().items():
            if root.is_online:
                yield from self.pieces_of(name, skipped, recall)

    def pieces_of(
        self, name: str, skipped: Skipped, recall: Recall | None = None
    ) -> Iterator[Piece]:
        """The files of one root, in the order of their paths."""
        if name:
            return self._pieces_led(skipped, name, recall)
        return super().pieces(skipped, recall=recall)

    def _pieces_led(self, skipped: Skipped, below: str, recall: Recall | None) -> Iterator[Piece]:
        found = self._further_at(below)
        if found is None:
            yield from super().pieces(skipped, below, recall)
            return
        further, root = found
        inner, name = Skipped(), further.name
        start = name + "/" if further.is_folder else ""
        inner_recall = None if recall is None else lambda folder: recall(_joined(name, folder))
        inside = below.partition("/")[2] if further.is_folder else ""
        pieces = root.pieces(inner, inside, inner_recall)
        yield from _prefixed(start, name, pieces, inner)
        skipped.take_in(inner, f"{name}/")


def _joined(name: str, folder: str) -> str:
    return f"{name}/{folder}" if folder else name


def _prefixed(start: str, name: str, pieces: Iterator[Piece], skipped: Skipped) -> Iterator[Piece]:
    """The files of a further root under its name, but for those that are unsafe there."""
    shortened: set[str] = set()
    for piece in pieces:
        if isinstance(piece, Stretch):
            yield Stretch(start + piece.first, start + piece.last)
        elif isinstance(piece, Listed):
            if piece.folder not in shortened:
                yield Listed(_joined(name, piece.folder), piece.seen)
        else:
            whole = [(start + row[0], *row[1:]) for row in piece]
            safe = [row for row in whole if name_problem(row[0]) is None]
            if len(safe) < len(whole):
                shortened.add(piece[0][0].rpartition("/")[0])
                for row in piece:
                    if name_problem(start + row[0]) is not None:
                        skipped.add("unsafe name", row[0])
            if safe:
                yield safe
