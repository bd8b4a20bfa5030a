"""What a file system is, and what it cannot keep; where the system tells."""

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_TMPFS = 0x01021994
_MODELESS = {
    0x4D44,  # FAT
    0x2011BAB0,  # exFAT
    0x5346544E,  # NTFS, by the kernel's old driver
    0x7366746E,  # NTFS, by its new one
}


def kind_of(descriptor: int) -> int | None:
    """The number that Linux knows an open file's file system by; None where it does not tell."""
    answer = ctypes.create_string_buffer(1024)  # struct statfs begins with the type, a long
    if not hasattr(_libc, "fstatfs") or _libc.fstatfs(descriptor, answer):
        return None
    return ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF


def lies_in_memory(descriptor: int) -> bool:
    """Whether a file is the machine's memory itself: to allocate it is to write it."""
    return kind_of(descriptor) == _TMPFS


def keeps_modes(folder: Path) -> bool:
    """Whether who may read a file can be said there for each; else its mount says it for all."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return kind_of(descriptor) not in _MODELESS
    finally:
        os.close(descriptor)
