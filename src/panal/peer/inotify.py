"""The kernel's news about a folder: which paths below it may have changed.

Written against inotify itself: the watchers that one can install follow links out of the
folder, watch Panal's own state, and do not tell when the kernel's queue has overflowed.
"""

import ctypes
import errno
import os
import select
import struct
import threading
from collections import deque
from collections.abc import Callable, Set
from pathlib import Path

from panal.errors import PanalError
from panal.store.ignoring import IGNORE_FILE

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _IS_FOLDER = 0x4000, 0x8000, 0x40000000
_ONLY_FOLDERS, _FOLLOW_NO_LINK = 0x1000000, 0x2000000
_MASK = (
    (_MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE)
    | _ONLY_FOLDERS
    | _FOLLOW_NO_LINK
)
_HEADER = struct.Struct("iIII")
READ_BYTES = 256 * 1024
GATHER_S = 0.05
"""What changes within it is told together."""
_libc = ctypes.CDLL(None, use_errno=True)

LeftOut = Callable[[str], bool]
"""Whether a folder below, by its path, is none of ours."""


class FolderWatch:
    """One folder and all below it, watched by a thread.

    `tell` is called from that thread with paths below the folder: "" when anything may have
    changed. `failed` is called once, in words, when watching ends without having been asked.
    """

    def __init__(
        self,
        place: Path,
        left_out: LeftOut,
        tell: Callable[[set[str]], None],
        failed: Callable[[str], None],
    ) -> None:
        self._place = os.fsencode(place)
        self._left_out = left_out
        self._tell = tell
        self._failed = failed
        self._paths: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        """The same the other way round, but for those that `_follow` has still to end."""
        self._inotify = -1
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        self._stopping = threading.Event()
        self._wanted: deque[str] = deque()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Watch; the first thing told is "", once everything is watched."""
        self._thread.start()

    def watch_below(self, folder: str) -> None:
        """A folder that was left out is so no more."""
        self._wanted.append(folder)
        os.write(self._wake_write, b"x")

    def stop(self) -> None:
        """End watching; nothing is told after."""
        self._stopping.set()
        os.write(self._wake_write, b"x")
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        try:
            self._inotify = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
            if self._inotify < 0:
                raise _watch_error(ctypes.get_errno())
            self._follow({""})
            self._tell({""})
            while self._wait():
                changed = self._follow_wanted() | self._read()
                if changed:
                    self._tell(changed)
        except PanalError as error:
            self._failed(str(error))
        except OSError as error:
            self._failed(f"Watching {os.fsdecode(self._place)} failed: {error.strerror}.")
        finally:
            if self._inotify >= 0:
                os.close(self._inotify)

    def _wait(self) -> bool:
        waiting = select.poll()  # select(2) knows descriptors up to 1,023 only
        for descriptor in (self._inotify, self._wake_read):
            waiting.register(descriptor, select.POLLIN)
        if self._wake_read in dict(waiting.poll()):
            os.read(self._wake_read, READ_BYTES)
        return not self._stopping.wait(GATHER_S)

    def _follow_wanted(self) -> set[str]:
        """The folders followed now: they changed unseen since whoever asked looked at them."""
        followed: set[str] = set()
        while self._wanted:
            folder = self._wanted.popleft()
            if not self._left_out(folder):
                self._follow({folder})
                followed.add(folder)
        return followed

    def _read(self) -> set[str]:
        changed: set[str] = set()
        to_follow: set[str] = set()
        while True:
            try:
                buffer = os.read(self._inotify, READ_BYTES)
            except BlockingIOError:
                # Before anything is told, so that nothing falls in between. What was told of
                # a folder under its old name meanwhile lies below a path that is told too.
                self._follow(to_follow)
                return changed
            at = 0
            while at < len(buffer):
                watch, mask, _, length = _HEADER.unpack_from(buffer, at)
                at += _HEADER.size
                name = os.fsdecode(buffer[at : at + length].rstrip(b"\0"))
                at += length
                self._take(watch, mask, name, changed, to_follow)

    def _take(
        self, watch: int, mask: int, name: str, changed: set[str], to_follow: set[str]
    ) -> None:
        if mask & _OVERFLOW:
            changed.add("")
            to_follow.add("")  # folders made meanwhile may have been missed
            return
        folder = self._paths.get(watch)
        if folder is None:
            return
        if mask & _IGNORED:
            self._forget(watch)
            return
        if name == IGNORE_FILE:
            changed.add(folder)
            to_follow.add(folder)
        if not name or name.startswith("."):
            return
        path = f"{folder}/{name}" if folder else name
        if mask & _IS_FOLDER:
            to_follow.add(path)
        changed.add(path)

    # Which folders are watched ------------------------------------------------------------

    def _follow(self, tops: Set[str]) -> None:
        """Watch the folders that are at these paths now and below, and no others there.

        What the news say of moves is old when it is read: folders may have changed places
        again, and the kernel knows a folder by its inode, whatever its name. So watches go by
        what is there; and what is elsewhere now keeps its watch.
        """
        there: set[str] = set()
        displaced: list[int] = []
        for top in tops:
            if top == "" or not _lies_in(_parent(top), tops):
                self._add_tree(top, there, displaced)
        if self._stopping.is_set():
            return
        for folder in [f for f in self._watches if f not in there and _lies_in(f, tops)]:
            displaced.append(self._watches.pop(folder))
        for watch in displaced:
            if self._watches.get(self._paths.get(watch, "")) != watch:
                _libc.inotify_rm_watch(self._inotify, watch)
                self._paths.pop(watch, None)

    def _add_tree(self, top: str, there: set[str], displaced: list[int]) -> None:
        pending = [top]
        while pending and not self._stopping.is_set():
            folder = pending.pop()
            if (folder and self._left_out(folder)) or not self._add(folder, displaced):
                continue
            there.add(folder)
            start = folder + "/" if folder else ""
            pending += [start + name for name in self._folders_in(folder)]

    def _add(self, folder: str, displaced: list[int]) -> bool:
        watch = _libc.inotify_add_watch(self._inotify, self._full(folder), _MASK)
        if watch >= 0:
            self._forget(watch)  # it may have had another name
            if (before := self._watches.get(folder)) is not None:
                displaced.append(before)
            self._paths[watch] = folder
            self._watches[folder] = watch
            return True
        number = ctypes.get_errno()
        if number in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES}:
            if folder == "":
                raise _watch_error(number)
            return False
        raise _watch_error(number)

    def _folders_in(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._full(folder)) as entries:
                return [os.fsdecode(e.name) for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def _full(self, folder: str) -> bytes:
        return self._place + b"/" + os.fsencode(folder) if folder else self._place

    def _forget(self, watch: int) -> None:
        folder = self._paths.pop(watch, None)
        if folder is not None and self._watches.get(folder) == watch:
            del self._watches[folder]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _lies_in(path: str, tops: Set[str]) -> bool:
    """Whether a path is one of these or lies below one; all lies below ""."""
    while path:
        if path in tops:
            return True
        path = _parent(path)
    return "" in tops


def _watch_error(number: int) -> PanalError:
    if number in {errno.ENOSPC, errno.EMFILE}:
        which = "max_user_watches" if number == errno.ENOSPC else "max_user_instances"
        return PanalError(
            f"The system's limit of watches is reached: raise fs.inotify.{which} (sysctl)."
        )
    return PanalError(f"The folder cannot be watched: {os.strerror(number)}.")
