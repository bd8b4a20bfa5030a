"""Panal's own directories: entered through no link, and cleared of nothing but Panal's own files.

What else lies in one is its user's, or another program's: a state may have any directory.
"""

import errno
import os
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from panal.errors import Refused
from panal.wire.names import printable

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def names_of(folder: Path, known: re.Pattern[str]) -> dict[str, float]:
    """The regular files of a directory that are Panal's by their names, and when each was written.

    OSError; Refused where it is a link.
    """
    with _opened(folder) as descriptor:
        return _names_in(descriptor, known)


def clear(folder: Path, known: re.Pattern[str], wanted: Container[str] = ()) -> None:
    """Remove those of them whose id, the first group of `known`, is not wanted; as `names_of`."""
    with _opened(folder) as descriptor:
        for name in _names_in(descriptor, known):
            if (named := known.fullmatch(name)) is not None and named[1] not in wanted:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=descriptor)


def _names_in(descriptor: int, known: re.Pattern[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if known.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_mtime
    return found


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        descriptor = os.open(folder, _FLAGS)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        raise Refused(
            f"{printable(str(folder))} is a link or a file, and Panal keeps its own files there. "
            "Remove it or give it another name: Panal makes a folder of its own in its place."
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
