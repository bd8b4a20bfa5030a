"""What `panal doctor` looks at on this machine: folder, disk, clock, limits, versions, hashes."""

import hashlib
import os
import platform
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from blake3 import blake3

import panal
from panal.cli.documents import Finding
from panal.errors import PanalError
from panal.store import publish
from panal.store.disk_errors import full_words
from panal.store.hashing import hash_file
from panal.store.roots import Root
from panal.store.space import reserve_bytes
from panal.wire.amounts import size_words
from panal.wire.manifest import content_id, decode
from panal.wire.names import SafePath

FEW_DESCRIPTORS = 1_024
ENOUGH_DESCRIPTORS = 4_096
UNLIMITED = 2**20
SELF_TEST_BYTES = 32 * 1024 * 1024
_WAL_BUG = ((3, 7, 0), (3, 51, 2))
_WAL_BUG_MENDED = {(3, 44, 6), (3, 50, 7)}


def check_machine(folder: Path) -> Iterator[Finding]:
    """Everything that needs no network."""
    yield from check_folder(folder)
    yield check_clock(time.time())
    yield check_descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE))
    yield check_versions()
    yield check_sqlite(sqlite3.sqlite_version_info)
    yield check_hashes()


# The folder -------------------------------------------------------------------------------


def check_folder(folder: Path) -> Iterator[Finding]:
    """Whether files can be made there, how they get their names, and how much fits."""
    if not folder.is_dir():
        advice = "A peer makes it at its start; or name another with --folder."
        yield Finding("folder", "warn", f"{folder} is not there yet.", advice)
        return
    usage = shutil.disk_usage(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".panal-doctor-", dir=folder) as made:
            names = _check_names(Path(made))
    except OSError as error:
        yield _not_writable(folder, error, _free_words(usage.free, usage.total))
    else:
        yield Finding("folder", "ok", f"{folder} can be written to.")
        yield names
    yield check_space(folder, usage.free, usage.total)


def _not_writable(folder: Path, error: OSError, free_words: str) -> Finding:
    if why := full_words(error):
        advice = "Free some space there, or raise the limit; until then downloads wait."
        return Finding("folder", "fail", f"{folder}: {why}, {free_words}.", advice)
    advice = "Shared read-only, it needs --state DIR elsewhere; nothing can be fetched into it."
    return Finding("folder", "fail", f"{folder}: {error.strerror}.", advice)


def _free_words(free_bytes: int, total_bytes: int) -> str:
    return f"{size_words(free_bytes)} of {size_words(total_bytes)} are free"


def _check_names(place: Path) -> Finding:
    """Which of the ways to show a whole file under its name the file system knows."""
    ways = (publish.rename_noreplace, publish.link_and_unlink, publish.placeholder_and_rename)
    works = []
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for way in ways:
            source = place / f"from-{way.__name__}"
            source.write_bytes(b"x")
            try:
                way(source, descriptor, f"to-{way.__name__}")
                works.append(way.__name__.replace("_", " "))
            except OSError:
                continue
    finally:
        os.close(descriptor)
    if not works:
        advice = "Choose a folder on another file system."
        return Finding("names", "fail", "A finished file cannot get its name here.", advice)
    return Finding("names", "ok", f"A finished file appears by: {works[0]} ({', '.join(works)}).")


def check_space(folder: Path, free_bytes: int, total_bytes: int) -> Finding:
    """Whether anything fits besides the reserve that is kept."""
    reserve = reserve_bytes(total_bytes)
    found = f"{size_words(free_bytes)} are free, of which {size_words(reserve)} stay free."
    if free_bytes <= reserve:
        free = _free_words(free_bytes, total_bytes)
        found = f"The disk is full: {free}, and Panal leaves {size_words(reserve)} free."
        advice = f"Free some space on the disk of {folder}: until then downloads wait."
        return Finding("space", "fail", found, advice)
    if free_bytes < 2 * reserve:
        return Finding("space", "warn", found, f"The disk of {folder} will soon be full.")
    return Finding("space", "ok", found)


# The machine ------------------------------------------------------------------------------


def check_clock(wall_s: float) -> Finding:
    """Whether the clock is not before the day that this program was installed."""
    installed_s = Path(panal.__file__).stat().st_mtime
    found = f"It is {datetime.fromtimestamp(wall_s).astimezone().isoformat(timespec='seconds')}."
    if wall_s < installed_s - 86_400:
        advice = "The clock is behind the files of this program: set it."
        return Finding("clock", "fail", found, advice)
    return Finding("clock", "ok", found)


def check_descriptors(soft: int, hard: int) -> Finding:
    """Whether enough files and sockets can be open; a start raises the soft limit to the hard."""
    most = UNLIMITED if hard == resource.RLIM_INFINITY else hard
    found = f"{most} files and sockets may be open at once (the shell's own limit is {soft})."
    advice = "Raise the hard limit: 'ulimit -Hn' as root, LimitNOFILE= in a service."
    if most < FEW_DESCRIPTORS:
        return Finding("descriptors", "fail", found, advice)
    if most < ENOUGH_DESCRIPTORS:
        return Finding("descriptors", "warn", found, advice)
    return Finding("descriptors", "ok", found)


def check_versions() -> Finding:
    """Versions of what everything runs on; an installation makes sure that they fit."""
    named = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "aiohttp", "blake3"))
    found = f"Panal {panal.__version__}, Python {platform.python_version()}, {named}."
    return Finding("versions", "ok", found)


def check_sqlite(number: tuple[int, int, int]) -> Finding:
    """The version, and whether it has the WAL-reset bug: harmless with one connection."""
    found = f"SQLite {'.'.join(map(str, number))}"
    first, last = _WAL_BUG
    if first <= number <= last and number not in _WAL_BUG_MENDED:
        found += " has the WAL-reset bug, which needs two connections; Panal opens one."
        return Finding("sqlite", "ok", found)
    return Finding("sqlite", "ok", f"{found}.")


# Hashes -----------------------------------------------------------------------------------


def check_hashes() -> Finding:
    """Whether hashing and chunks give what they must, and how quick they are."""
    block = bytes(range(256)) * 4096
    try:
        with tempfile.TemporaryDirectory(prefix="panal-doctor-") as made:
            root = Root(Path(made))
            (Path(made) / "x").write_bytes(block * (SELF_TEST_BYTES // len(block)))
            began_s = time.perf_counter()
            hashed = hash_file(root, SafePath("x"))
            took_s = time.perf_counter() - began_s
        manifest = decode(hashed.manifest.encode(), hashed.content)
    except (OSError, PanalError) as error:
        return Finding("hashes", "fail", f"The self-test failed: {error}", "Report this.")
    whole = block * (SELF_TEST_BYTES // len(block))
    size = manifest.chunk_bytes
    right = (
        manifest.sha256 == hashlib.sha256(whole).digest()
        and content_id(manifest.encode()) == hashed.content
        and all(
            manifest.chunk_hash(n) == blake3(whole[n * size : (n + 1) * size]).digest()
            for n in range(manifest.chunk_count)
        )
    )
    if not right:
        advice = "Memory or disk may be faulty: test them, and install the packages again."
        return Finding("hashes", "fail", "A known file got wrong hashes.", advice)
    rate = size_words(SELF_TEST_BYTES / max(took_s, 1e-6))
    return Finding("hashes", "ok", f"Hashes are right; {rate}/s on one core.")
