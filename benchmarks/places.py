"""Where benchmarks put their files, and files of random bytes."""

import os
from pathlib import Path

from benchmarks.scenarios import MIB

SHARED_MEMORY = Path("/dev/shm")
DISK = Path(os.environ.get("BENCH_DISK", "/var/tmp"))
FILE_NAME = "data.bin"
MEDIA = ("tmpfs", "disk")


def medium(name: str) -> Path:
    """A folder on tmpfs, or on the disk that this machine's temporary files lie on."""
    return SHARED_MEMORY if name == "tmpfs" else DISK


def make_file(path: Path, size_bytes: int) -> Path:
    """A file of random bytes."""
    with path.open("wb") as file:
        for start in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - start)))
    return path
