"""How much room a disk has for us, a reserve left free."""

import os
from pathlib import Path

import msgspec

from panal.errors import FREE_SOME_SPACE, NoSpace
from panal.wire.amounts import size_words

_GIB = 1024 * 1024 * 1024
BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the file system's own is."""


def reserve_bytes(total_bytes: int) -> int:
    """How much of a disk is left free: 1 GiB or a twentieth, whichever is less."""
    return min(_GIB, total_bytes // 20)


class Room(msgspec.Struct, frozen=True):
    """What a disk has at a moment."""

    total_bytes: int
    free_bytes: int
    free_inodes: int | None = None
    """How many further files and folders it has room for; None where it says no number."""

    @property
    def usable_bytes(self) -> int:
        """What is free beyond the reserve; below 0 where others have used of that."""
        return self.free_bytes - reserve_bytes(self.total_bytes)

    def words(self) -> str:
        """What is free, for people."""
        usable = size_words(max(0, self.usable_bytes))
        return (
            f"{usable} are free beyond a reserve of {size_words(reserve_bytes(self.total_bytes))}"
        )


def room_at(folder: Path) -> Room:
    """The room on a directory's disk, or where it would be made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    status = os.statvfs(there)
    return Room(
        status.f_blocks * status.f_frsize,
        status.f_bavail * status.f_frsize,
        status.f_favail if status.f_files else None,  # Btrfs, for one, has no such limit
    )


def lacking(room: Room, folder: Path, wanted_bytes: int, wanted_inodes: int = 0) -> NoSpace | None:
    """What is wrong where that many further bytes, or files and folders, do not fit.

    Bytes beside the reserve. Nothing wanted always fits: what has its place on the disk already
    may be finished.
    """
    if wanted_bytes <= max(0, room.usable_bytes):
        free_inodes = room.free_inodes
        if free_inodes is None or wanted_inodes <= max(0, free_inodes):
            return None
        return NoSpace(
            f"{wanted_inodes:,} more files and folders are needed on {folder}, and its file system "
            f"has room for {free_inodes:,} (inodes). {FREE_SOME_SPACE}",
            str(folder),
            wanted_bytes,
        )
    return NoSpace(
        f"{size_words(wanted_bytes)} more are needed on {folder}; {room.words()}. "
        f"{FREE_SOME_SPACE}",
        str(folder),
        wanted_bytes,
    )


def check_space(folder: Path, wanted_bytes: int, wanted_inodes: int = 0) -> None:
    """NoSpace unless that many further bytes, files and folders fit."""
    if (lack := lacking(room_at(folder), folder, wanted_bytes, wanted_inodes)) is not None:
        raise lack


def check_reserve(folder: Path) -> None:
    """NoSpace where others have used of the reserve."""
    room = room_at(folder)
    if room.usable_bytes < 0:
        raise NoSpace(
            f"{folder} is full but for a part of its reserve. {FREE_SOME_SPACE}",
            str(folder),
        )


def allocated_bytes(file: Path) -> int:
    """What the disk has given to a file; 0 where there is none."""
    try:
        return file.lstat().st_blocks * BLOCK_BYTES
    except FileNotFoundError:
        return 0
