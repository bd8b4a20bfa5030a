"""A folder's tree as it lies on the disk, entered by descriptors only.

What roots.py walks is files to share; here are the folders too, empty ones, and whatever
stands where something else is wanted.
"""

import errno
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from panal.errors import NotFound, RootOffline
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.walking import name_problem
from panal.wire.names import STATE_DIRECTORY, SafePath, printable

LeftOut = Callable[[str, bool], str | None]
"""Why a path, and whether it is a folder's, is not shared; None where it is."""
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeFile(msgspec.Struct, frozen=True):
    """What a snapshot has of a file; a stat result takes four times the memory."""

    fingerprint: Fingerprint
    """As seen from its own disk."""
    mtime_ns: int
    is_executable: bool

    @classmethod
    def of(cls, status: os.stat_result) -> "TreeFile":
        """A file by its stat result."""
        fingerprint = Fingerprint.of(status, status.st_dev)
        return cls(fingerprint, status.st_mtime_ns, bool(status.st_mode & 0o100))


class Tree(msgspec.Struct):
    """The files and folders below a folder; paths are below the shared one."""

    files: dict[SafePath, TreeFile] = msgspec.field(default_factory=dict)
    folders: dict[SafePath, int] = msgspec.field(default_factory=dict)
    """All of them with their mtimes in ns, the one that was read aside."""
    skipped: Skipped = msgspec.field(default_factory=Skipped)


def read_tree(top: Path, base: str, prefix: str, left_out: LeftOut) -> Tree:
    """What lies below `base`, itself a path below `top` or empty; NotFound where no folder is.

    Links, special files and what `left_out` names a reason for are left out and counted.
    `prefix` goes before every path.
    """
    tree = Tree()
    with _opened(top) as descriptor:
        folder = _enter_all(descriptor, base.split("/") if base else [])
    if folder is None:
        raise NotFound(f"There is no folder {printable(base)} in {top}.")
    try:
        _Reading(tree, left_out).folder(folder, (prefix + base).rstrip("/"))
    finally:
        os.close(folder)
    return tree


class _Reading:
    """One walk of one tree."""

    def __init__(self, tree: Tree, left_out: LeftOut) -> None:
        self._tree = tree
        self._left_out = left_out

    def folder(self, descriptor: int, path: str) -> None:
        """Read an open folder and all that is below it."""
        try:
            with os.scandir(descriptor) as listed:
                entries = list(listed)
            for entry in entries:
                self._entry(descriptor, f"{path}/{entry.name}" if path else entry.name, entry)
        except OSError as error:
            raise disk_error(error, f"read the folder {printable(path)}") from None

    def _entry(self, parent: int, path: str, entry: os.DirEntry[str]) -> None:
        if entry.name == STATE_DIRECTORY:
            return
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.is_symlink():
            reason: str | None = name_problem(path) or "symbolic link"  # as a walk counts it
        else:
            reason = self._left_out(path, is_folder)
            if reason is None and not is_folder and not entry.is_file(follow_symlinks=False):
                reason = "special file"
        if reason is not None:
            self._tree.skipped.add(reason, path, is_folder=is_folder)
            return
        try:
            if is_folder:
                self._folder_in(parent, path, entry.name)
            else:
                status = os.stat(entry.name, dir_fd=parent, follow_symlinks=False)
                self._tree.files[SafePath(path)] = TreeFile.of(status)
        except FileNotFoundError:
            return  # it went away meanwhile

    def _folder_in(self, parent: int, path: str, name: str) -> None:
        try:
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
        except PermissionError:
            self._tree.skipped.add("unreadable folder", path, is_folder=True)
            return
        try:
            self._tree.folders[SafePath(path)] = os.fstat(descriptor).st_mtime_ns
            self.folder(descriptor, path)
        finally:
            os.close(descriptor)


class Standing(msgspec.Struct):
    """What stands under wanted paths."""

    found: dict[SafePath, os.stat_result] = msgspec.field(default_factory=dict)
    """By path, of whatever kind it is, links not followed."""
    no_folders: set[str] = msgspec.field(default_factory=set)
    """Paths that must be folders and are something else."""


def standing(top: Path, paths: Iterable[SafePath]) -> Standing:
    """What stands under these paths below `top` now."""
    names: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        names[folder].append(name)
    result = Standing()
    with _opened(top) as descriptor:
        for folder, wanted in names.items():
            _look_into(descriptor, folder, wanted, result)
    return result


def _look_into(top: int, folder: str, names: list[str], result: Standing) -> None:
    parts = folder.split("/") if folder else []
    descriptor = _enter_all(top, parts)
    if descriptor is None:
        if (blocking := _first_no_folder(top, parts)) is not None:
            result.no_folders.add(blocking)
        return
    try:
        for name in names:
            path = SafePath(f"{folder}/{name}" if folder else name)
            try:
                result.found[path] = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise disk_error(error, f"look at {printable(path)}") from None
    finally:
        os.close(descriptor)


@contextmanager
def _opened(top: Path) -> Iterator[int]:
    try:
        descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):  # its disk was taken out: it may come back
        raise RootOffline(f"The folder {printable(str(top))} is not there now.") from None
    except OSError as error:
        raise disk_error(error, f"open the folder {top}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _enter_all(top: int, parts: list[str]) -> int | None:
    """The descriptor of a folder, to be closed; None where there is none."""
    descriptor = os.dup(top)
    for part in parts:
        try:
            entered = os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
        except OSError as error:
            if error.errno in _NO_FOLDER:
                return None
            raise disk_error(error, f"open the folder {printable('/'.join(parts))}") from None
        finally:
            os.close(descriptor)
        descriptor = entered
    return descriptor


def _first_no_folder(top: int, parts: list[str]) -> str | None:
    for count in range(1, len(parts) + 1):
        parent = _enter_all(top, parts[: count - 1])
        if parent is None:
            return None
        try:
            status = os.stat(parts[count - 1], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        finally:
            os.close(parent)
        if not stat.S_ISDIR(status.st_mode):
            return "/".join(parts[:count])
    return None
