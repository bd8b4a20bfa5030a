"""A disk under power cuts: what file calls brought to it, and what was only in memory.

It stands between the store and `os`: a sync brings what was written to the disk; a failed
sync drops it, as Linux does, and the next one succeeds; a power cut leaves of the rest
whatever the disk happened to have taken.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest


@dataclass
class Held:
    """One file: its bytes on the disk, and the places that are only in memory yet."""

    on_disk: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)


class Disk:
    """Watches the writes and syncs of partial files and journals."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._files: dict[int, Held] = {}
        self.sync_fails = False
        self.during_sync: Callable[[], None] | None = None
        self._pwrite, self._write, self._ftruncate = os.pwrite, os.write, os.ftruncate
        patch.setattr(os, "pwrite", self._do_pwrite)
        patch.setattr(os, "write", self._do_append)
        patch.setattr(os, "ftruncate", self._do_ftruncate)
        patch.setattr(os, "fdatasync", self._do_sync)
        patch.setattr(os, "fsync", self._do_sync)

    def _held(self, descriptor: int) -> Held:
        return self._files.setdefault(os.fstat(descriptor).st_ino, Held())

    def _do_pwrite(self, descriptor: int, data: memoryview, offset: int) -> int:
        count = self._pwrite(descriptor, data, offset)
        self._held(descriptor).dirty.update(range(offset, offset + count))
        return count

    def _do_append(self, descriptor: int, data: memoryview) -> int:
        offset = os.fstat(descriptor).st_size
        count = self._write(descriptor, data)
        self._held(descriptor).dirty.update(range(offset, offset + count))
        return count

    def _do_ftruncate(self, descriptor: int, size_bytes: int) -> None:
        self._ftruncate(descriptor, size_bytes)
        held = self._held(descriptor)
        held.dirty = {place for place in held.dirty if place < size_bytes}

    def _do_sync(self, descriptor: int) -> None:
        held = self._held(descriptor)
        now = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        dirty = set(held.dirty)
        if self.during_sync is not None:
            self.during_sync()  # what it writes is not part of this sync
        held.dirty -= dirty
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        held.on_disk[:] = held.on_disk[: len(now)].ljust(len(now), b"\0")
        for place in dirty:
            held.on_disk[place] = now[place]

    def cut_power(self, partial: Path, journal: Path, chance: Random) -> None:
        """Leave what a disk may have of a partial file, and of its journal some prefix."""
        now, held = partial.read_bytes(), self._files.get(partial.stat().st_ino, Held())
        left = bytearray(held.on_disk.ljust(len(now), b"\0"))
        for place in held.dirty:
            if chance.random() < 0.5:
                left[place] = now[place]
        partial.write_bytes(left)
        now, held = journal.read_bytes(), self._files.get(journal.stat().st_ino, Held())
        synced_bytes = min(held.dirty, default=len(now))
        journal.write_bytes(now[: chance.randint(synced_bytes, len(now))])
        self._files.clear()
        for path in (partial, journal):
            self._files[path.stat().st_ino] = Held(bytearray(path.read_bytes()))
