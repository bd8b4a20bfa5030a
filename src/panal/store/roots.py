"""The user's folder, entered by descriptors only, so that no link leads out of it.

Every component of a path is opened from the descriptor of the one before, with O_NOFOLLOW;
`resolve()` then `open()` loses that race to whoever swaps a folder for a link in between.
None stays open between calls, so that a disk can be taken out at any moment.
"""

import errno
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from panal.errors import ContentChanged, NotFound, RootOffline, TargetTaken
from panal.store.disk_errors import disk_error
from panal.store.entering import (
    ABSENT,
    EXHAUSTED,
    MissingFolder,
    absent,
    enter,
    is_file_or_nothing,
    mkdir_if_missing,
    mkdir_synced,
    open_folder,
    refuse_other_file_system,
    stop_at_missing,
)
from panal.store.file_systems import Mounted
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.ignoring import Ignoring
from panal.store.walking import Piece, Recall, Walk, name_problem
from panal.trust.files import private_folder
from panal.wire.names import STATE_DIRECTORY, SafePath, are_plain, printable

# O_NONBLOCK: opening a FIFO must not wait for its writer. It changes nothing on a file.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Root:
    """One folder, entered anew for each call, and only while it is the same one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ignoring = Ignoring()
        self.is_online = True
        self.device = 0
        self._identity: tuple[int, int] | None = None
        self._enter_top()

    def _enter_top(self) -> None:
        descriptor = self._open_top()
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        self.device = status.st_dev
        self._identity = status.st_dev, status.st_ino

    def _open_top(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def refresh(self, may_be_empty: Callable[[], bool]) -> bool:
        """Look whether the folder is there; one that came back is entered again.

        An empty folder in its place may be a mount point without its disk: only
        `may_be_empty` can tell.
        """
        try:
            status = os.stat(self.path)
            if self._identity != (status.st_dev, status.st_ino):
                if self._is_empty() and not may_be_empty():
                    self.is_online = False
                    return False
                self._enter_top()
            self.is_online = True
        except OSError:
            self.is_online = False
        return self.is_online

    def refuse_offline(self) -> None:
        """RootOffline where the folder is not there now, or another is in its place."""
        os.close(self._top())

    def make_own_place(self, place: Path) -> None:
        """Make Panal's own directory, in this folder or elsewhere; RootOffline, PanalError.

        In this folder only while it is the same one: nothing is made beneath a mount point.
        """
        try:
            if place.parent != self.path:
                private_folder(place)
                return
            top = self._top()
            try:
                os.mkdir(place.name, 0o700, dir_fd=top)
            finally:
                os.close(top)
        except FileExistsError:
            return
        except OSError as error:
            raise disk_error(error, f"make {printable(str(place))}") from None

    def shows(self, path: str) -> bool:
        """Whether the root that a path lies in is there."""
        return self.is_online

    def device_at(self, path: str) -> int:
        """The device of the root that a path lies in."""
        return self.device

    def _is_empty(self) -> bool:
        return all(name == STATE_DIRECTORY for name in os.listdir(self.path))

    def _top(self) -> int:
        """A descriptor of the folder itself, to be closed by the caller; RootOffline."""
        try:
            descriptor = self._open_top()
        except OSError as error:
            place = printable(str(self.path))
            if error.errno in EXHAUSTED:  # it says nothing about the folder
                raise disk_error(error, f"open the folder {place}") from None
            raise RootOffline(f"The folder {place} is not there now: {error.strerror}.") from None
        status = os.fstat(descriptor)
        if not self.is_online or self._identity not in {None, (status.st_dev, status.st_ino)}:
            os.close(descriptor)
            raise RootOffline(f"The folder {printable(str(self.path))} is not there now.")
        return descriptor

    def open_file(self, path: SafePath) -> tuple[int, Fingerprint]:
        """A descriptor for reading and what it is now; NotFound unless a regular file."""
        with self._parent(path) as (folder, name):
            try:
                descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
            except OSError as error:
                raise absent(path, error) from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise NotFound(f"{printable(path)} is not a regular file.")
        return descriptor, Fingerprint.of(status, self.device)

    def open_unchanged(self, path: SafePath, expected: Fingerprint) -> int:
        """A descriptor of the file that was hashed; ContentChanged where it is another now."""
        try:
            descriptor, found = self.open_file(path)
        except RootOffline:
            raise
        except NotFound:
            raise ContentChanged(f"{printable(path)} is no longer shared.") from None
        if found != expected:
            os.close(descriptor)
            raise ContentChanged(f"{printable(path)} has changed since it was shared.")
        return descriptor

    def fingerprint(self, path: SafePath) -> Fingerprint | None:
        """What stands under a path now, or None where there is no regular file."""
        try:
            with self._parent(path) as (folder, name):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (OSError, NotFound):
            return None
        return Fingerprint.of(status, self.device) if stat.S_ISREG(status.st_mode) else None

    def fingerprints(self, paths: Iterable[SafePath]) -> dict[SafePath, Fingerprint]:
        """What stands under paths now, where it is a regular file; each folder entered once."""
        names: dict[str, list[SafePath]] = defaultdict(list)
        for path in paths:
            names[path.rpartition("/")[0]].append(path)
        found: dict[SafePath, Fingerprint] = {}
        for paths_there in names.values():
            with suppress(OSError, NotFound), self._parent(paths_there[0]) as (folder, _):
                for path in paths_there:
                    with suppress(OSError):
                        name = path.rpartition("/")[2]
                        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            found[path] = Fingerprint.of(status, self.device)
        return found

    def is_taken(self, path: SafePath) -> bool:
        """Whether anything at all stands under a path."""
        try:
            with self._parent(path) as (folder, name):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (OSError, NotFound):
            return False
        return True

    def refuse_unplaceable(
        self, path: SafePath, source: Mounted | None, *, replace: bool = False
    ) -> bool:
        """Refused, or TargetTaken with `replace`, where no file could be put; nothing is made.

        `source` is where its bytes come in. Whether the folder that it would lie in is there.
        """

        def stop(folder: str, parent: int) -> None:
            refuse_other_file_system(path, parent, source)
            stop_at_missing(folder, parent)

        with suppress(MissingFolder), self._parent(path, stop) as (folder, name):
            refuse_other_file_system(path, folder, source)
            if replace and not is_file_or_nothing(name, folder):
                raise TargetTaken(f"{printable(path)} is there and is no file.")
            return True
        return False

    @contextmanager
    def parent_for_writing(
        self, path: SafePath, *, sync: bool = True, makes: bool = True
    ) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder that a path lies in, made where missing, and its name.

        Without `sync` the caller makes the folders above durable. NotFound for a missing one where
        it `makes` none.
        """
        make = mkdir_synced if sync else mkdir_if_missing
        with self._parent(path, make if makes else None) as found:
            yield found

    @contextmanager
    def parent_for_reading(self, path: SafePath) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder that a path lies in, and its name; NotFound."""
        with self._parent(path) as found:
            yield found

    @contextmanager
    def _parent(
        self, path: SafePath, make: Callable[[str, int], object] | None = None
    ) -> Iterator[tuple[int, str]]:
        *folders, name = path.split("/")
        descriptor = self._top()
        try:
            for folder in folders:
                entered = enter(descriptor, folder, path, make)
                os.close(descriptor)
                descriptor = entered
            yield descriptor, name
        finally:
            os.close(descriptor)

    def walk(self, skipped: Skipped, below: str = "") -> Iterator[tuple[SafePath, Fingerprint]]:
        """Every regular file below the folder, one by one; see `pieces`."""
        for piece in self.pieces(skipped, below):
            if isinstance(piece, list):
                for path, *numbers in piece:
                    yield SafePath(path), Fingerprint(*numbers)

    def pieces(
        self, skipped: Skipped, below: str = "", recall: Recall | None = None
    ) -> Iterator[Piece]:
        """Every regular file below the folder; what is left out is counted in `skipped`.

        Hidden names, links, special files, unsafe names, what is larger than any content,
        what rules ignore and folders that may not be read are left out. A folder that
        vanishes meanwhile is simply not there; PanalError where one cannot be read for
        another reason, for that says nothing about its files.
        """
        walk = Walk(self._folder, self.ignoring, self.hides, self.device, skipped, recall)
        return walk.pieces(below)

    def hides(self, name: str) -> str | None:
        """Why something in the top folder is not shared under its name, or None."""
        return None

    def _folder(self, prefix: str, skipped: Skipped) -> int | None:
        try:
            if prefix == "":
                top = self._top()
                try:
                    return open_folder(".", top)
                finally:
                    os.close(top)
            with self._parent(SafePath(prefix)) as (folder, name):
                return open_folder(name, folder)
        except RootOffline:
            raise
        except NotFound:
            return None
        except OSError as error:
            if error.errno in ABSENT:
                return None
            if error.errno in {errno.EACCES, errno.EPERM}:
                skipped.add("unreadable folder", prefix)
                return None
            raise disk_error(error, f"read the folder {printable(prefix)}") from None

    def left_out(self, path: str, *, is_folder: bool) -> str | None:
        """Why a file or folder is not shared, as far as its name tells, or None."""
        return name_problem(path) or self.ignoring.reason(path, is_folder=is_folder)

    def leaves_out_none(self, paths: Sequence[str]) -> bool:
        """Whether files of all these names are shared; not so may mean that each is to be asked."""
        names = (path.rpartition("/")[2] for path in paths)
        return are_plain(paths) and self.ignoring.has_no_say(names)

    def left_out_with(self, path: str, *, is_folder: bool = False) -> tuple[str, str] | None:
        """Why a path is not shared, and which part of it is left out: it or a folder above."""
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            part = "/".join(parts[:count])
            reason = self.left_out(part, is_folder=is_folder or count < len(parts))
            if reason is not None:
                return reason, part
        return None

    def read_rules(self, paths: Iterable[str]) -> None:
        """Read anew what the folders that these paths lie in leave out; PanalError."""
        folders: set[str] = set()
        for path in paths:
            while path and (path := path.rpartition("/")[0]) not in folders:
                folders.add(path)
        for folder in sorted(folders):
            descriptor = self._folder(folder, Skipped())
            if descriptor is None:
                continue
            try:
                self.ignoring.enter(folder, descriptor)
            finally:
                os.close(descriptor)
