"""A read lease on a file: nobody has it open for writing, and who wants to is noticed.

fcntl(2), "Leases". Where a file system has none, or the file is another user's, there is none.
"""

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OpenForWriting(Exception):
    """Some program has the file open for writing."""


@contextmanager
def read_lease(name: str, folder: int) -> Iterator[Callable[[], bool]]:
    """Hold one, if it can be had; whether still nobody has wanted to write is what is yielded.

    Who opens the file for writing meanwhile waits until it is given back, for 45 s at most.
    OpenForWriting, OSError.
    """
    descriptor = os.open(name, _FLAGS, dir_fd=folder)
    try:
        yield _taken(descriptor)
    finally:
        os.close(descriptor)  # gives it back


def is_open_for_writing(descriptor: int) -> bool:
    """Whether some program has an open file open for writing, or mapped, as far as that is told."""
    try:
        _taken(descriptor)
    except OpenForWriting:
        return True
    with suppress(AttributeError, OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _taken(descriptor: int) -> Callable[[], bool]:
    try:
        # The kernel tells by a signal. Its usual one, SIGIO, would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except AttributeError:  # not Linux
        return lambda: True
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise OpenForWriting from None
        return lambda: True
    return lambda: fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK
