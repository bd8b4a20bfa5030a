"""One step into a folder: a name opened, made or refused beneath the descriptor of its parent."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from panal.errors import NotFound, PanalError, Refused
from panal.store.disk_errors import OTHER_FILE_SYSTEM, disk_error
from panal.store.file_systems import Mounted, mounted_of
from panal.wire.names import printable

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""They say nothing about the file."""


def open_folder(folder: str, parent: int) -> int:
    """A descriptor of the folder of this name in another, through no link; OSError."""
    return os.open(folder, _FOLDER_FLAGS, dir_fd=parent)


class MissingFolder(Exception):
    """A folder that a path lies in is not there."""


def stop_at_missing(folder: str, parent: int) -> None:
    """Makes nothing; MissingFolder."""
    try:
        os.stat(folder, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        raise MissingFolder from None


def refuse_other_file_system(path: str, folder: int, source: Mounted | None) -> None:
    """Refused where nothing that lies on `source` could be moved into an open folder."""
    if source is not None and not source.may_be(mounted_of(folder)):
        raise Refused(f"{printable(path)} cannot be put in place: {OTHER_FILE_SYSTEM}.")


def is_file_or_nothing(name: str, folder: int) -> bool:
    """Whether a file could be put there in place of what stands there."""
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def mkdir_if_missing(folder: str, parent: int) -> bool:
    """Whether it was not there."""
    try:
        os.mkdir(folder, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def mkdir_synced(folder: str, parent: int) -> bool:
    """Whether it was not there; its name is durable, or it is not there."""
    is_new = mkdir_if_missing(folder, parent)
    try:
        os.fsync(parent)
    except OSError:
        if is_new:
            with suppress(OSError):  # else the next try finds it there, and syncs nothing
                os.rmdir(folder, dir_fd=parent)
        raise
    return is_new


def enter(parent: int, folder: str, path: str, make: Callable[[str, int], object] | None) -> int:
    """A descriptor of the folder that stands there, or that `make` makes; through no link.

    NotFound, or Refused or PanalError where it cannot be made; `path` is what is told of.
    """
    try:
        return open_folder(folder, parent)
    except OSError as error:
        if make is None:
            raise absent(path, error) from None
    try:
        make(folder, parent)
        return open_folder(folder, parent)
    except OSError as error:
        raise _unplaceable(folder, path, error) from None


def _unplaceable(folder: str, path: str, error: OSError) -> PanalError:
    if error.errno in {errno.ENOTDIR, errno.ELOOP}:
        return Refused(f"{printable(path)} cannot be placed: {printable(folder)} is not a folder.")
    return disk_error(error, f"make the folder {printable(folder)}")


def absent(path: str, error: OSError) -> PanalError:
    """NotFound, unless the error says nothing about the file."""
    if error.errno in ABSENT:
        return NotFound(f"There is no file {printable(path)}.")
    if error.errno in EXHAUSTED:  # it says nothing about the file
        return disk_error(error, f"open {printable(path)}")
    return NotFound(f"{printable(path)} cannot be read: {error.strerror}.")
