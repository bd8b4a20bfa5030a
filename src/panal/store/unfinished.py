"""What downloads have left unfinished: found, measured, and removed while nobody uses it.

In a directory of them, a content's `<id>.part` and `<id>.journal` belong together, and
`<id>.folder` holds small files of a folder that are not in place yet. Who fetches holds the
journal's lock, or a shared one on the directory.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from panal.errors import StateInUse
from panal.store.disk_errors import disk_error
from panal.store.journal import open_locked, said
from panal.store.space import BLOCK_BYTES
from panal.wire.ids import ContentId
from panal.wire.manifest import chunk_count_for, chunk_size_for

_NAME = re.compile(r"([0-9a-f]{64})\.(part|journal|folder|names)")
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Leftover(msgspec.Struct, frozen=True):
    """What there is of one content in one directory."""

    content: ContentId
    paths: tuple[Path, ...]
    size_bytes: int
    """Of the file when it is whole; of a folder, of what is there."""
    disk_bytes: int
    modified_s: float
    """When any of it was last written; seconds since 1970."""

    @property
    def folder(self) -> Path:
        """The directory that it lies in."""
        return self.paths[0].parent


def leftovers_in(folder: Path) -> list[Leftover]:
    """What a directory has, by content; nothing else in it is looked at."""
    found: dict[str, list[Path]] = defaultdict(list)
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if (named := _NAME.fullmatch(path.name)) is not None:
                found[named[1]].append(path)
    measured = (_measured(ContentId(bytes.fromhex(name)), paths) for name, paths in found.items())
    return [leftover for leftover in measured if leftover is not None]


def _measured(content: ContentId, paths: Sequence[Path]) -> Leftover | None:
    size_bytes = disk_bytes = 0
    modified_s: list[float] = []
    for path in paths:
        for file in (path, *_inside(path)):
            with contextlib.suppress(FileNotFoundError):
                status = file.lstat()
                modified_s.append(status.st_mtime if file == path else status.st_ctime)
                disk_bytes += status.st_blocks * BLOCK_BYTES
                if file.suffix == ".part" or file != path:
                    size_bytes += status.st_size
    if not modified_s:
        return None  # gone meanwhile
    return Leftover(content, tuple(paths), size_bytes, disk_bytes, max(modified_s))


def _inside(path: Path) -> list[Path]:
    if path.suffix not in {".folder", ".names"} or path.is_symlink():
        return []
    with contextlib.suppress(OSError):
        return list(path.iterdir())
    return []


def right_bytes(leftover: Leftover) -> int:
    """How many of its bytes are there and verified, as far as its journal says."""
    part = leftover.folder / f"{leftover.content.hex()}.part"
    if part not in leftover.paths:
        return leftover.size_bytes
    size_bytes = leftover.size_bytes
    count, chunk_bytes = chunk_count_for(size_bytes), chunk_size_for(size_bytes)
    bits = said(part.with_suffix(".journal"), leftover.content, count)
    last_is_there = count > 0 and bits >> (count - 1) & 1
    short_by = count * chunk_bytes - size_bytes if last_is_there else 0
    return bits.bit_count() * chunk_bytes - short_by


def remove(leftover: Leftover) -> bool:
    """Remove it, unless somebody uses it or has written to it since it was looked at."""
    with contextlib.ExitStack() as locked:
        try:
            for path in leftover.paths:
                if path.suffix == ".folder":
                    locked.enter_context(_locked(path, fcntl.LOCK_EX))
            if any(path.suffix in {".part", ".journal"} for path in leftover.paths):
                journal = leftover.folder / f"{leftover.content.hex()}.journal"
                was_there = journal.exists()
                locked.callback(os.close, open_locked(journal))
                if not was_there:
                    locked.callback(journal.unlink, missing_ok=True)
            now = _measured(leftover.content, leftover.paths)
            if now is None or now.modified_s > leftover.modified_s:
                return False
            for path in reversed(leftover.paths):  # the journal after what it speaks of
                if path.suffix in {".folder", ".names"}:
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        except (StateInUse, FileNotFoundError):
            return False
        except OSError as error:
            raise disk_error(error, f"remove the unfinished {leftover.content.hex()}") from None
    return True


def begin_ageing(leftover: Leftover, wall_s: float) -> None:
    """Let its age be counted from now on: its download wants it no more."""
    for path in leftover.paths:
        with contextlib.suppress(OSError):
            os.utime(path, (wall_s, wall_s), follow_symlinks=False)


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Make a directory for a folder's small files and keep it from being removed as old."""
    with contextlib.ExitStack() as using:
        is_there = False
        while not is_there:  # else it was removed as old at this very moment: once more
            try:
                folder.parent.mkdir(mode=0o700, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    is_there = using.enter_context(_locked(folder, fcntl.LOCK_SH))
            except OSError as error:
                raise disk_error(error, "prepare the folder's download") from None
        yield


@contextlib.contextmanager
def _locked(folder: Path, kind: int) -> Iterator[bool]:
    """Whether the directory that is locked is there still; StateInUse where others use it."""
    descriptor = os.open(folder, _DIRECTORY_FLAGS)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateInUse("Another download of the same folder is running here.") from None
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)
