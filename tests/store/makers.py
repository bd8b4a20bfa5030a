"""Values that the store's tests are made of, and a way to make single file calls fail."""

import contextlib
import hashlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from panal.store.fingerprints import Fingerprint
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, Manifest, chunk_size_for, content_id
from panal.wire.names import safe_path as sp

__all__ = [
    "alarmed",
    "bits",
    "fail",
    "fingerprint_of",
    "manifest_by_hand",
    "noise",
    "noted_syncs",
    "sp",
    "tiny",
]

TINY_CHUNK_BYTES = 16


def noted_syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inode of each file and folder that is synced from now on."""
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def noise(size_bytes: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def manifest_by_hand(data: bytes, chunk_bytes: int | None = None) -> Manifest:
    """The manifest straight from hashlib and blake3."""
    size = chunk_bytes or chunk_size_for(len(data))
    hashes = [blake3(data[at : at + size]).digest() for at in range(0, len(data), size)]
    return Manifest(Kind.FILE, len(data), size, hashlib.sha256(data).digest(), b"".join(hashes))


def tiny(size_bytes: int, seed: int = 1) -> tuple[bytes, Manifest, ContentId]:
    """A content of 16-byte chunks; on no wire, but the store takes any chunk size."""
    data = noise(size_bytes, seed)
    manifest = manifest_by_hand(data, TINY_CHUNK_BYTES)
    return data, manifest, content_id(manifest.encode())


def bits(*chunks: int) -> int:
    return sum(1 << chunk for chunk in set(chunks))


def fingerprint_of(path: Path) -> Fingerprint:
    """As seen from a root on the same device."""
    status = os.stat(path, follow_symlinks=False)
    return Fingerprint.of(status, status.st_dev)


def fail(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    number: int,
    when: Callable[..., bool] = lambda *_, **__: True,
) -> None:
    """Make `os.<name>` fail with that errno where `when` agrees to its arguments."""
    real = getattr(os, name)

    def failing(*args: Any, **named: Any) -> Any:
        if when(*args, **named):
            raise OSError(number, os.strerror(number))
        return real(*args, **named)

    monkeypatch.setattr(os, name, failing)


@contextlib.contextmanager
def alarmed() -> Iterator[None]:
    """Turn a call that would hang for ever into a failure."""

    def ring(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
