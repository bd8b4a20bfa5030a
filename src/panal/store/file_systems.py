"""What a file system is, and what it cannot keep; where the system tells."""

import ctypes
import os
import re
from contextlib import suppress
from pathlib import Path

import msgspec

_libc = ctypes.CDLL(None, use_errno=True)
_MOUNT = re.compile(rb"^mnt_id:\s*(\d+)", re.MULTILINE)
_TMPFS = 0x01021994
_HIDES_WRITERS = {
    _TMPFS,  # what is written to a mapped page changes no time
    0x858458F6,  # ramfs, as tmpfs
    0x794C7630,  # overlayfs: a lease on a file does not see who has it mapped
}
_MODELESS = {
    0x4D44,  # FAT
    0x2011BAB0,  # exFAT
    0x5346544E,  # NTFS, by the kernel's old driver
    0x7366746E,  # NTFS, by its new one
}
_KERNELS = {
    0x9FA0,  # /proc
    0x62656572,  # /sys
    0x27E0EB,  # cgroup
    0x63677270,  # cgroup, version 2
    0x64626720,  # debugfs
    0x74726163,  # tracefs
    0x73636673,  # securityfs
    0xCAFE4A11,  # bpf
}


class Mounted(msgspec.Struct, frozen=True):
    """One mounted file system: a file gets a new name only within it."""

    device: int
    number: int
    """Of the mount: one device may be mounted in several places. 0: not known."""

    def may_be(self, other: "Mounted") -> bool:
        """Whether a file could be moved to the other one, as far as is known."""
        if self.device != other.device:
            return False
        return 0 in {self.number, other.number} or self.number == other.number


def mounted_of(descriptor: int) -> Mounted:
    """What an open file lies on; OSError."""
    told = b""
    with suppress(OSError):
        asked = os.open(f"/proc/self/fdinfo/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            told = os.read(asked, 1024)
        finally:
            os.close(asked)
    number = _MOUNT.search(told)
    return Mounted(os.fstat(descriptor).st_dev, 0 if number is None else int(number[1]))


def mounted_at(folder: Path) -> Mounted | None:
    """What a directory lies on, or would where it is made; None where that cannot be told."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        descriptor = os.open(there, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return mounted_of(descriptor)
    finally:
        os.close(descriptor)


def kind_of(descriptor: int) -> int | None:
    """The number that Linux knows an open file's file system by; None where it does not tell."""
    answer = ctypes.create_string_buffer(1024)  # struct statfs begins with the type, a long
    if not hasattr(_libc, "fstatfs") or _libc.fstatfs(descriptor, answer):
        return None
    return ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF


def lies_in_memory(descriptor: int) -> bool:
    """Whether a file is the machine's memory itself: to allocate it is to write it."""
    return kind_of(descriptor) == _TMPFS


def shows_writers(descriptor: int) -> bool:
    """Whether it can be told of an open file there that a program writes to it as memory."""
    return kind_of(descriptor) not in _HIDES_WRITERS


def keeps_modes(folder: Path) -> bool:
    """Whether who may read a file can be said there for each; else its mount says it for all."""
    return _kind_of_folder(folder) not in _MODELESS


def is_the_kernels(folder: Path) -> bool:
    """Whether its files are made as they are read, and say that they have no bytes; OSError."""
    return _kind_of_folder(folder) in _KERNELS


def _kind_of_folder(folder: Path) -> int | None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return kind_of(descriptor)
    finally:
        os.close(descriptor)
