"""The journal: any prefix is true, a torn end costs itself, and one owner has it."""

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import StateInUse
from panal.store.journal import Journal, said
from panal.store.journal_records import BATCH, DURABLE, FORGET, WRONG, named_in, replay
from panal.wire.ids import ContentId
from tests.store import PROPERTY
from tests.store.makers import bits, fail

pytestmark = pytest.mark.p3

CONTENT = ContentId(bytes(range(32)))
HEAD = b"PANALJ1\n" + CONTENT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def raw(*records: int) -> bytes:
    return HEAD + b"".join(struct.pack("<I", record) for record in records)


def reopened(path: Path, chunk_count: int = 8) -> tuple[int, int]:
    journal = Journal(path, CONTENT)
    found = journal.read(chunk_count)
    journal.close()
    return found


@pytest.mark.parametrize(
    ("records", "durable", "written"),
    [
        ([], [], []),
        ([0, 3], [], [0, 3]),
        ([0, 3, BATCH], [], [0, 3]),
        ([0, 3, BATCH, DURABLE], [0, 3], []),
        ([0, BATCH, 3, DURABLE], [0], [3]),
        ([0, BATCH, 3, DURABLE, BATCH, DURABLE], [0, 3], []),
        ([0, DURABLE], [], [0]),
        ([0, BATCH, DURABLE, DURABLE], [0], []),
        ([0, BATCH, 3, DURABLE, DURABLE], [0], [3]),
        ([0, FORGET], [], []),
        ([0, FORGET, BATCH, DURABLE], [], []),
        ([0, BATCH, FORGET, DURABLE], [], []),
        ([0, BATCH, FORGET, 3, DURABLE], [], [3]),
        ([0, BATCH, DURABLE, 3, FORGET], [0], []),
        ([0, 3, BATCH, DURABLE, WRONG | 3], [0], []),
        ([0, 3, BATCH, DURABLE, WRONG | 0, 0], [3], [0]),
        ([0, 3, WRONG | 3, BATCH, DURABLE], [0], []),
        ([0, 3, BATCH, WRONG | 3, DURABLE], [0], []),
        ([WRONG | 5, 0], [], [0]),
        ([0, FORGET, 0], [], [0]),
        ([0, FORGET, 0, BATCH, DURABLE], [0], []),
        ([0, BATCH, BATCH, DURABLE], [0], []),
        ([7, 8, 9, 0xFFFFFFFC, 0x7FFFFFFF], [], [7]),
        ([5, 5, BATCH, 5, DURABLE], [5], []),
    ],
)
def test_records_come_to_durable_and_merely_written_chunks(
    records: list[int], durable: list[int], written: list[int], path: Path
) -> None:
    assert replay(records, 8) == (bits(*durable), bits(*written))
    journal = Journal(path, CONTENT)
    assert journal.read(8) == (0, 0)
    for record in records:
        journal.append(record)
    journal.close()
    assert path.read_bytes() == raw(*records)
    assert reopened(path) == (bits(*durable), bits(*written))


@PROPERTY
@given(st.lists(st.sampled_from([0, 1, 2, BATCH, DURABLE, FORGET, 99]), max_size=12))
def test_a_durable_chunk_was_named_before_a_sync_that_ended(records: list[int]) -> None:
    durable, written = replay(records, 3)
    assert durable & written == 0
    for chunk in range(3):
        if durable >> chunk & 1:
            named = records.index(chunk)
            begun = records.index(BATCH, named)
            assert DURABLE in records[begun:]


@pytest.mark.parametrize("torn_bytes", [1, 2, 3])
def test_a_torn_last_record_is_dropped_for_good(torn_bytes: int, path: Path) -> None:
    path.write_bytes(raw(0, BATCH, DURABLE, 3)[:-torn_bytes])
    journal = Journal(path, CONTENT)
    assert journal.read(8) == (bits(0), 0)
    journal.append(5)
    journal.close()
    assert path.read_bytes() == raw(0, BATCH, DURABLE, 5)


@pytest.mark.parametrize(
    "held",
    [
        HEAD[:-1],
        HEAD[:3],
        b"PANALJ2\n" + CONTENT + b"\0\0\0\0",
        b"PANALJ1\n" + bytes(32) + b"\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff",
        bytes(100),
    ],
)
def test_a_journal_that_is_not_this_contents_says_nothing(
    held: bytes, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(held)
    assert reopened(path) == (0, 0)
    assert path.read_bytes() == HEAD
    # One that was killed while it was begun is no news.
    assert ("is fetched anew" in caplog.text) == (not HEAD.startswith(held))
    assert ("(00010203…)" in caplog.text) == (not HEAD.startswith(held))  # whose it was to be


def short_then(number: int, written_bytes: int) -> Callable[..., int]:
    """An `os.write` that takes a few bytes and then fails."""
    real = os.write
    calls = []

    def write(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real(descriptor, data[:written_bytes])
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize("written_bytes", [0, 1, 3, 4, 5])
def test_a_record_that_was_half_written_does_not_shift_those_behind_it(
    written_bytes: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path, CONTENT)
    journal.read(8)
    journal.append(0, BATCH, DURABLE, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short_then(errno.ENOSPC, written_bytes))
        with pytest.raises(OSError, match="No space"):
            journal.append(6, 7)
    assert path.read_bytes() == raw(0, BATCH, DURABLE, 1, 2)  # also if it is killed now
    journal.append(3)
    journal.close()
    assert path.read_bytes() == raw(0, BATCH, DURABLE, 1, 2, 3)


@pytest.mark.parametrize("written_bytes", [1, 3, 4, 5])
def test_what_could_not_be_cut_off_at_once_is_cut_off_before_anything_is_added(
    written_bytes: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path, CONTENT)
    journal.read(8)
    journal.append(0, BATCH, DURABLE)
    with monkeypatch.context() as patch:
        fail(patch, "ftruncate", errno.EIO)
        patch.setattr(os, "write", short_then(errno.ENOSPC, written_bytes))
        with pytest.raises(OSError, match="No space"):
            journal.append(6, 7)
    left = path.read_bytes()
    assert len(left) == len(raw(0, BATCH, DURABLE)) + written_bytes
    with monkeypatch.context() as patch:
        fail(patch, "ftruncate", errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            journal.append(3)
    assert path.read_bytes() == left  # nothing goes behind half a record
    journal.append(3)
    journal.append(4)
    journal.close()
    assert path.read_bytes() == raw(0, BATCH, DURABLE, 3, 4)


def test_short_writes_are_written_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    journal = Journal(path, CONTENT)
    journal.read(8)
    journal.append(1, BATCH, DURABLE)
    journal.close()
    assert path.read_bytes() == raw(1, BATCH, DURABLE)


def test_what_is_forgotten_does_not_come_back_after_a_power_cut(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(raw(0, BATCH, DURABLE))
    synced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(path.read_bytes())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(path, CONTENT)
    journal.restart()
    assert synced == [HEAD]
    assert journal.read(8) == (0, 0)
    journal.append(4)
    journal.close()
    assert reopened(path) == (0, bits(4))


def test_a_new_journal_costs_no_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, "fsync", errno.EIO)
    journal = Journal(path, CONTENT)
    journal.restart()
    assert journal.read(8) == (0, 0)
    journal.close()


def test_one_owner_has_it(path: Path) -> None:
    journal = Journal(path, CONTENT)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(StateInUse, match="same content"):
            Journal(path, CONTENT)
    assert len(os.listdir("/proc/self/fd")) == before
    journal.close()
    Journal(path, CONTENT).close()


def test_a_journal_that_was_removed_before_it_was_locked_is_opened_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner ended between our open and our lock, and took the name away."""
    real = fcntl.flock
    calls: list[Any] = []

    def flock(descriptor: int, how: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    before = len(os.listdir("/proc/self/fd"))
    journal = Journal(path, CONTENT)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    with pytest.raises(StateInUse):
        Journal(path, CONTENT)
    journal.read(8)
    journal.append(1)
    journal.close()
    assert path.read_bytes() == raw(1)


def test_it_is_for_its_owner_only_and_no_link_is_followed(path: Path, tmp_path: Path) -> None:
    Journal(path, CONTENT).close()
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic"):
        Journal(tmp_path / "link", CONTENT)
    assert not (tmp_path / "outside").exists()


def test_a_lock_that_cannot_be_asked_for_holds_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", broken)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No locks"):
        Journal(path, CONTENT)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_journal_said_is_known_while_another_has_it_open(path: Path) -> None:
    assert said(path, CONTENT, 8) == 0
    journal = Journal(path, CONTENT)
    journal.read(8)
    journal.append(0, BATCH, DURABLE, 3, 7, 8)
    assert said(path, CONTENT, 8) == bits(0, 3, 7)
    assert said(path, ContentId(bytes(32)), 8) == 0
    journal.close()


def test_a_chunk_that_counts_no_more_is_named_too() -> None:
    assert named_in([0, BATCH, DURABLE, WRONG | 7, FORGET]) == {0, 7}
