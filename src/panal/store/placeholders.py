"""Notes of the empty files that take a name until the real one is renamed over them.

Only where a file system knows neither renameat2 nor links. A kill in between leaves the empty file;
the note beside the temporary one tells the next start whose it is. A note is durable before the
empty file is made.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from panal.errors import PanalError
from panal.store.roots import Root
from panal.wire.names import SafePath, safe_path

NOTE = ".placing"
MODE = 0o600
"""Of an empty file that takes a name."""


@contextmanager
def noted(source: str | Path, path: SafePath) -> Iterator[None]:
    """While it is under way: `path` may be taken for `source` by an empty file; OSError."""
    note = f"{os.fspath(source)}{NOTE}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(note, flags, MODE)
    try:
        os.write(descriptor, path.encode())
        os.fsync(descriptor)
        _sync_folder(os.path.dirname(note) or ".")
        yield
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(note)


def remove_left(own_place: Path, root: Root) -> None:
    """Remove the empty files that a kill has left, and their notes; OSError."""
    for note in own_place.rglob(f"*{NOTE}"):
        source = note.with_name(note.name.removesuffix(NOTE))
        with suppress(PanalError, FileNotFoundError):
            if source.exists():  # else it has the name
                mode = stat.S_IMODE(note.stat().st_mode)
                _remove_empty(root, safe_path(note.read_text("utf-8", "replace")), mode)
        if root.is_online:
            note.unlink(missing_ok=True)


def _remove_empty(root: Root, path: SafePath, mode: int) -> None:
    """`mode` is what the file system makes of `MODE`: some have one of their own for all."""
    with root.parent_for_reading(path) as (folder, name):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        is_ours = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == mode
        if is_ours and found.st_size == 0:
            os.unlink(name, dir_fd=folder)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
