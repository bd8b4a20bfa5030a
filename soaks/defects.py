"""Defects put in on purpose: a search for findings that misses them proves nothing."""

import contextlib
import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from panal.peer import sharing
from panal.store import durable
from panal.store import partial as partial_files
from panal.store.chunk_writer import ChunkWriter
from panal.store.fingerprints import Fingerprint
from panal.store.roots import Root
from panal.wire.names import SafePath


def put_in(name: str) -> None:
    """Make this process wrong in that way; an empty name leaves it right."""
    if name:
        _DEFECTS[name]()


def _journal_first() -> None:
    """A chunk is journalled before its bytes are there."""
    begin = partial_files.PartialFile.begin_chunk

    def wrong(self: partial_files.PartialFile, index: int) -> ChunkWriter:
        writer = begin(self, index)
        self._append(index)
        return writer

    partial_files.PartialFile.begin_chunk = wrong  # type: ignore[method-assign]


def _name_first() -> None:
    """A file gets its name empty, and its bytes after that."""

    def wrong(source: Path, root: Root, path: SafePath, *, replace: bool = False) -> Fingerprint:
        with root.parent_for_writing(path) as (folder, name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(name, flags, 0o600, dir_fd=folder)
            os.write(descriptor, source.read_bytes())
            os.close(descriptor)
            return Fingerprint.of(os.stat(name, dir_fd=folder), root.device)

    sharing.publish = wrong  # type: ignore[attr-defined]


def _no_sync() -> None:
    """Nothing is made durable, and all is said to be."""
    for module, call in ((os, "fsync"), (os, "fdatasync"), (durable, "sync_file_system")):
        setattr(module, call, lambda descriptor: None)


def _full_ignored() -> None:
    """What a full disk refuses is taken to be there."""
    for name in ("write", "pwrite"):
        setattr(os, name, partial(_taken, getattr(os, name)))
    allocate = os.posix_fallocate

    def wrong(descriptor: int, offset: int, length: int) -> None:
        with contextlib.suppress(OSError):
            allocate(descriptor, offset, length)

    os.posix_fallocate = wrong


def _taken(write: Callable[..., int], descriptor: int, data: bytes, *at: int) -> int:
    try:
        return write(descriptor, data, *at)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return len(data)


_DEFECTS: dict[str, Callable[[], None]] = {
    "journal first": _journal_first,
    "name first": _name_first,
    "no sync": _no_sync,
    "full ignored": _full_ignored,
}
