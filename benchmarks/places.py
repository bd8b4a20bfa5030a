"""Where benchmarks put their files, and files of random bytes."""

import os
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

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
    # A cipher's stream: the system's own random bytes come at a fourteenth of its rate, and a
    # whole table needs 25 GiB of them.
    stream = Cipher(algorithms.AES(os.urandom(16)), modes.CTR(os.urandom(16))).encryptor()
    # One piece of memory for all: new memory for each takes longer than the rest.
    zeros, pieces = bytes(MIB), memoryview(bytearray(MIB + 15))
    with path.open("wb", buffering=0) as file:
        for start in range(0, size_bytes, MIB):
            made = stream.update_into(zeros[: size_bytes - start], pieces)
            file.write(pieces[:made])
    return path


def memory_at_hand(size_bytes: int) -> None:
    """Use so much memory and give it back, so that what takes it next waits for no host.

    A virtual machine's free memory may have gone back to its host some seconds after it was freed.
    The first byte written to such a page costs many times what the page's copy does.
    """
    zeros = bytes(MIB)
    with tempfile.TemporaryFile(dir=SHARED_MEMORY) as file:
        for _ in range(0, size_bytes, MIB):
            file.write(zeros)
