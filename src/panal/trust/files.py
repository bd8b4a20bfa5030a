"""Secrets on the disk: whole or not at all, and for their owner alone."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MOST_CHARACTERS = 1_000
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, data: bytes) -> None:
    """Replace a file, durable before it has its name; only this user may read it.

    OSError as the system says it.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    _sync_folder(path.parent)


@contextlib.contextmanager
def new_private(path: Path) -> Iterator[IO[str]]:
    """A file where there was none, durable at the end, gone where that is not reached; OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _sync_folder(path.parent)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def read_private(path: Path) -> str | None:
    """What stands in a file that is this user's alone; None where there is none such.

    Where no file can be (FAT, exFAT, NTFS) it is read too: made anew, others could read it as well.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()):
            return None
        if found.st_mode & _FOR_OTHERS and _keeps_modes(path.parent):
            return None
        return file.read(MOST_CHARACTERS).strip()


def others_may_read(path: Path) -> bool:
    """Whether a file is not its owner's alone; OSError."""
    return bool(path.stat().st_mode & _FOR_OTHERS)


def _keeps_modes(folder: Path) -> bool:
    """Whether a file that is made for its owner alone is so there; found out by making one."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".panal-", dir=folder)
    except OSError:
        return True
    try:
        return not os.fstat(descriptor).st_mode & _FOR_OTHERS
    finally:
        os.close(descriptor)
        Path(name).unlink()


def private_folder(path: Path) -> None:
    """Make a folder that only this user may enter, where there is none; OSError.

    Those above it too, where they are missing: whoever may write there could put another in its
    place.
    """
    if not path.parent.exists():
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> None:
    """Make a file where there is none, and take it from others where it is there; OSError.

    SQLite gives its logs the mode of their database. One that is there is not opened: closing it
    would end the locks that SQLite has on it in this process (fcntl(2)).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if others_may_read(path):
        path.chmod(0o600)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
