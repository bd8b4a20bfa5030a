"""Partial files: a chunk that counts is right on the disk, and stays so through anything."""

import contextlib
import errno
import os
import resource
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st

from panal.errors import NoSpace, PanalError, StateInUse
from panal.store import file_systems
from panal.store import partial as partials
from panal.store.chunk_writer import ChunkWriter
from panal.store.fingerprints import Fingerprint
from panal.store.journal_records import BATCH, DURABLE, FORGET, WRONG
from panal.store.partial import ChunkTaken, PartialFile
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from tests.store import PROPERTY
from tests.store.disk import Disk
from tests.store.makers import TINY_CHUNK_BYTES, bits, fail, tiny

pytestmark = [pytest.mark.p1, pytest.mark.p3, pytest.mark.p4]

SIZE = 4 * TINY_CHUNK_BYTES + 5
DATA, MANIFEST, CONTENT = tiny(SIZE)
ALL = bits(0, 1, 2, 3, 4)


class Kept:
    """Opens partial files of one folder and closes what a test leaves open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[PartialFile] = []

    def __call__(self, content: ContentId = CONTENT, manifest: Manifest = MANIFEST) -> PartialFile:
        """One of which all that is there has been compared."""
        partial = self.unsure(content, manifest)
        while partial.unsure:
            partial.compare_some()
        return partial

    def unsure(self, content: ContentId = CONTENT, manifest: Manifest = MANIFEST) -> PartialFile:
        self.opened.append(PartialFile(self.folder, content, manifest))
        return self.opened[-1]

    def rot(self, index: int) -> None:
        """A byte of a chunk changes on the disk."""
        with self.path.open("r+b") as file:
            file.seek(index * TINY_CHUNK_BYTES)
            (byte,) = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))

    @property
    def path(self) -> Path:
        return self.folder / f"{CONTENT.hex()}.part"

    @property
    def journal(self) -> Path:
        return self.folder / f"{CONTENT.hex()}.journal"

    def records(self) -> list[int]:
        raw = self.journal.read_bytes()[40:]
        return [record for (record,) in struct.iter_unpack("<I", raw)]


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path / "partials")
    yield kept
    for one in kept.opened:
        one.close()


def chunk(index: int, data: bytes = DATA) -> bytes:
    return data[index * TINY_CHUNK_BYTES : (index + 1) * TINY_CHUNK_BYTES]


def write(partial: PartialFile, *indices: int) -> None:
    for index in indices:
        writer = partial.begin_chunk(index)
        writer.write(memoryview(chunk(index)))
        assert writer.finish()


def kill(partial: PartialFile) -> None:
    """End as kill -9 does: what was written stays in the kernel's memory."""
    partial._release()
    partial._is_closed = True


def is_right(partial: PartialFile, index: int) -> bool:
    offset, length = partial.manifest.chunk_range(index)
    found = os.pread(partial.descriptor, length, offset)
    return blake3(found).digest() == partial.manifest.chunk_hash(index)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# Writing ----------------------------------------------------------------------------------


def test_chunks_that_arrive_in_any_order_and_slices_make_the_file(part: Kept) -> None:
    partial = part()
    told: list[tuple[int, int]] = []
    partial.on_written = lambda index: told.append((index, partial.written))
    for index in (4, 0, 2, 1, 3):
        writer = partial.begin_chunk(index)
        assert writer.remaining_bytes == len(chunk(index))
        view = memoryview(chunk(index))
        for start in range(0, len(view), 3):
            writer.write(view[start : start + 3])
        assert not partial.written >> index & 1
        assert writer.finish()
        assert is_right(partial, index)
    assert told == [(4, 0b10000), (0, 0b10001), (2, 0b10101), (1, 0b10111), (3, 0b11111)]
    assert partial.is_whole
    assert part.path.read_bytes() == DATA
    assert part.records() == [4, 0, 2, 1, 3]


def test_a_wrong_or_short_chunk_is_not_counted_and_may_come_again(part: Kept) -> None:
    partial = part()
    told: list[int] = []
    partial.on_written = told.append
    writer = partial.begin_chunk(1)
    writer.write(memoryview(chunk(2)))
    assert not writer.finish()
    short = partial.begin_chunk(1)
    short.write(memoryview(chunk(1)[:-1]))
    assert not short.finish()
    partial.begin_chunk(1).abandon()
    assert partial.written == 0
    assert told == []
    assert part.records() == []
    write(partial, 1)
    assert partial.written == bits(1)
    assert told == [1]


def test_a_chunk_has_one_writer_and_a_written_one_none(part: Kept) -> None:
    partial = part()
    writer = partial.begin_chunk(1)
    with pytest.raises(ChunkTaken, match="chunk 1 comes from another or is there"):
        partial.begin_chunk(1)
    partial.begin_chunk(2).abandon()
    writer.write(memoryview(chunk(1)))
    assert writer.finish()
    with pytest.raises(ChunkTaken, match="chunk 1"):
        partial.begin_chunk(1)
    partial.close()
    with pytest.raises(ChunkTaken, match="chunk 1"):
        part().begin_chunk(1)


def finished(partial: PartialFile) -> ChunkWriter:
    writer = partial.begin_chunk(1)
    writer.write(memoryview(chunk(1)))
    assert writer.finish()
    return writer


def abandoned(partial: PartialFile) -> ChunkWriter:
    writer = partial.begin_chunk(1)
    writer.abandon()
    write(partial, 1)
    return writer


def failed(partial: PartialFile) -> ChunkWriter:
    writer = partial.begin_chunk(1)
    assert not writer.finish()
    write(partial, 1)
    return writer


def still_running(partial: PartialFile) -> ChunkWriter:
    write(partial, 1)
    return partial.begin_chunk(0)


@pytest.mark.parametrize("make", [finished, abandoned, failed, still_running])
def test_a_writer_cannot_touch_bytes_that_were_verified(make: Any, part: Kept) -> None:
    partial = part()
    writer = make(partial)
    with pytest.raises(ValueError, match="next chunk"):
        writer.write(memoryview(bytes(TINY_CHUNK_BYTES + 1)))
    if make is not still_running:
        with pytest.raises(ValueError, match="next chunk"):
            writer.write(memoryview(b"\0"))
    assert is_right(partial, 1)


def test_short_writes_are_written_on(part: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = part()
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:3], at))
    write(partial, 0, 4)
    assert is_right(partial, 0)
    assert is_right(partial, 4)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_no_space_and_the_chunk_may_come_again(
    number: int, part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    for name, doing in (("pwrite", "write the download"), ("write", "record the download's")):
        writer = partial.begin_chunk(2)
        with monkeypatch.context() as patch:
            fail(patch, name, number)
            with pytest.raises(NoSpace, match=f"Could not {doing}"):
                write_whole(writer, 2)
        writer.abandon()
        assert partial.written == 0
    write(partial, 2)
    assert part.records() == [2]


def write_whole(writer: ChunkWriter, index: int) -> None:
    writer.write(memoryview(chunk(index)))
    writer.finish()


@pytest.mark.parametrize(
    "chunks", [[], [0], [4], [0, 4], [1, 2], [0, 1, 2, 3, 4]], ids=lambda chunks: f"{chunks}"
)
def test_bytes_in_knows_that_the_last_chunk_is_shorter(chunks: list[int], part: Kept) -> None:
    assert part().bytes_in(bits(*chunks)) == sum(len(chunk(index)) for index in chunks)


@pytest.mark.parametrize("size_bytes", [1, 15, 16, 17, 31, 32, 33])
def test_contents_of_every_size_resume_and_end(size_bytes: int, part: Kept) -> None:
    data, manifest, content = tiny(size_bytes)
    partial = part(content, manifest)
    for index in range(manifest.chunk_count):
        assert not partial.is_whole
        writer = partial.begin_chunk(index)
        writer.write(memoryview(chunk(index, data)))
        assert writer.finish()
        partial.close()
        partial = part(content, manifest)
    assert partial.is_whole
    assert partial.bytes_in(partial.written) == size_bytes
    partial.make_publishable()
    assert partial.path.read_bytes() == data


def test_a_content_without_bytes_is_whole_at_once(part: Kept) -> None:
    _, manifest, content = tiny(0)
    partial = part(content, manifest)
    assert partial.is_whole
    assert partial.bytes_in(partial.written) == 0
    partial.sync()
    partial.make_publishable()
    partial.close()
    assert partial.path.read_bytes() == b""
    assert part(content, manifest).is_whole


def test_threads_may_write_at_once(tmp_path: Path, part: Kept) -> None:
    data, manifest, content = tiny(64 * TINY_CHUNK_BYTES)
    partial = part(content, manifest)
    told: list[int] = []
    partial.on_written = told.append

    def work(first: int) -> None:
        for index in range(first, 64, 4):
            writer = partial.begin_chunk(index)
            writer.write(memoryview(chunk(index, data)))
            assert writer.finish()
            if index % 8 == 0:
                partial.sync()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert partial.is_whole
    assert sorted(told) == list(range(64))
    assert partial.path.read_bytes() == data
    kill(partial)
    again = part(content, manifest)
    assert again.is_whole


# Opening again ----------------------------------------------------------------------------


def test_what_was_durable_counts_once_it_is_compared(part: Kept) -> None:
    partial = part()
    write(partial, 0, 3, 4)
    partial.close()
    again = part.unsure()
    told: list[tuple[int, int]] = []
    again.on_written = lambda index: told.append((index, again.written))
    assert (again.written, again.resumed, again.unsure) == (0, 0, bits(0, 3, 4))
    with pytest.raises(ChunkTaken):
        again.begin_chunk(3)
    write(again, 1)
    assert again.compare_some() == (bits(0, 3, 4), 0)
    assert (again.written, again.resumed, again.unsure) == (bits(0, 1, 3, 4), bits(0, 3, 4), 0)
    assert told == [(1, bits(1)), *((index, bits(0, 1, 3, 4)) for index in (0, 3, 4))]
    assert again.compare_some() == (0, 0)
    assert part.records() == [0, 3, 4, BATCH, DURABLE, 1]


def test_a_durable_chunk_that_has_rotted_is_missing_and_stays_so_until_it_comes_again(
    part: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    partial = part()
    write(partial, 0, 3, 4)
    partial.close()
    part.rot(3)
    again = part.unsure()
    assert again.compare_some() == (bits(0, 4), bits(3))
    assert again.written == again.resumed == bits(0, 4)
    assert "1 chunk of" in caplog.text
    kill(again)
    assert part.records() == [0, 3, 4, BATCH, DURABLE, WRONG | 3]
    again = part.unsure()
    assert again.unsure == bits(0, 4)
    again.compare_some()
    write(again, 3)
    again.sync()
    assert again._durable == bits(0, 3, 4)
    again.close()
    assert part().written == bits(0, 3, 4)


def test_what_cannot_be_forgotten_is_not_taken_for_compared(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0, 1)
    partial.close()
    part.rot(1)
    again = part.unsure()
    with monkeypatch.context() as patch:
        fail(patch, "write", errno.ENOSPC)
        with pytest.raises(NoSpace):
            again.compare_some()
    assert (again.written, again.unsure) == (0, bits(0, 1))
    assert again.compare_some() == (bits(0), bits(1))


def test_pieces_are_compared_one_after_the_other(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "LOOKED_AT_ONCE_BYTES", 2 * TINY_CHUNK_BYTES)
    partial = part()
    write(partial, 1, 2, 4)
    partial.close()
    again = part.unsure()
    assert again.compare_some() == (bits(1, 2), 0)
    again.close()
    with pytest.raises(PanalError, match="stopped"):
        again.compare_some()
    monkeypatch.setattr(partials, "LOOKED_AT_ONCE_BYTES", 1)
    again = part.unsure()
    assert [again.compare_some()[0] for _ in range(3)] == [bits(1), bits(2), bits(4)]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV])
def test_a_bad_sector_is_fetched_again_and_a_disk_that_is_away_is_told_in_words(
    number: int, part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0, 1)
    partial.close()
    again = part.unsure()
    with monkeypatch.context() as patch:
        fail(patch, "preadv", number, lambda fd, buffers, at: at == TINY_CHUNK_BYTES)
        if number == errno.EIO:
            assert again.compare_some() == (bits(0), bits(1))
        else:
            with pytest.raises(PanalError, match="Could not read what is here of the download"):
                again.compare_some()
            assert again.unsure == bits(0, 1)


def test_a_failed_sync_leaves_what_was_durable_before_to_the_next_run(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    partial.close()
    again = part.unsure()
    write(again, 1)
    fail_sync(again, monkeypatch, "syncing")
    with pytest.raises(PanalError, match="make the download durable"):
        again.compare_some()
    again.close()
    assert part().written == bits(0)


def test_after_a_kill_what_was_only_written_is_hashed_and_kept_where_it_is_right(
    part: Kept,
) -> None:
    partial = part()
    write(partial, 0)
    partial.sync()
    write(partial, 1, 2, 3)
    kill(partial)
    with part.path.open("r+b") as file:
        file.seek(2 * TINY_CHUNK_BYTES)
        file.write(b"lost in a power cut"[:TINY_CHUNK_BYTES])
    again = part()
    assert again.written == again.resumed == bits(0, 1, 3)
    assert part.records() == [0, BATCH, DURABLE, 1, 2, 3, FORGET, 1, 3]
    write(again, 2)
    assert is_right(again, 2)


def test_the_crash_image_of_an_open_download_resumes(part: Kept, tmp_path: Path) -> None:
    partial = part()
    write(partial, 0, 4)
    partial.sync()
    write(partial, 2)
    partial.begin_chunk(3).write(memoryview(chunk(3)))
    shutil.copytree(part.folder, tmp_path / "image")
    image = Kept(tmp_path / "image")()
    assert image.written == bits(0, 2, 4)
    image.close()


def test_a_chunk_dropped_at_opening_and_written_again_survives_the_next_crash(part: Kept) -> None:
    partial = part()
    write(partial, 1)
    kill(partial)
    with part.path.open("r+b") as file:
        file.write(bytes(SIZE))
    partial = part()
    assert partial.written == 0
    kill(partial)
    partial = part()
    assert partial.written == 0
    write(partial, 1)
    kill(partial)
    partial = part()
    assert partial.written == bits(1)
    partial.sync()
    kill(partial)
    assert part().written == bits(1)


def test_a_dropped_chunk_is_no_part_of_the_next_batch(part: Kept) -> None:
    partial = part()
    write(partial, 1)
    kill(partial)
    with part.path.open("r+b") as file:
        file.write(bytes(SIZE))
    partial = part()
    write(partial, 2)
    partial.sync()
    kill(partial)
    assert part().written == bits(2)


def test_without_its_bytes_the_journal_counts_for_nothing(part: Kept) -> None:
    partial = part()
    write(partial, 0, 1)
    partial.close()
    part.path.unlink()
    partial = part()
    assert partial.written == 0
    kill(partial)
    assert part().written == 0


@pytest.mark.parametrize("size_bytes", [0, SIZE - 1, SIZE + 1])
def test_bytes_of_another_size_are_not_those_of_the_journal(size_bytes: int, part: Kept) -> None:
    partial = part()
    write(partial, 0, 1)
    partial.close()
    os.truncate(part.path, size_bytes)
    assert part().written == 0
    assert part.path.stat().st_size == SIZE


def test_the_journal_is_empty_for_good_before_new_bytes_look_like_the_old(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could leave the old journal beside a new file of the same size."""
    partial = part()
    write(partial, 0)
    partial.close()
    part.path.unlink()
    sizes: list[tuple[int, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        sizes.append((part.path.stat().st_size, part.journal.stat().st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    part()
    assert sizes == [(0, 40)]


def test_a_file_that_has_its_final_name_already_is_not_ours_to_write(part: Kept) -> None:
    partial = part()
    write(partial, 0, 1)
    partial.close()
    final = part.folder / "final"
    os.link(part.path, final)
    held = final.read_bytes()
    partial = part()
    assert partial.written == 0
    partial.make_publishable()
    partial.begin_chunk(0).write(memoryview(b"wrong"))
    assert final.read_bytes() == held
    assert final.stat().st_mode & 0o777 == 0o600


def test_garbage_in_the_journal_claims_nothing(part: Kept) -> None:
    partial = part()
    write(partial, 0)
    partial.close()
    with part.journal.open("ab") as file:
        file.write(struct.pack("<4I", 3, 5, 70_000, 0xFFFFFFF0) + b"\1\2")
    again = part()
    assert again.written == bits(0)
    again.sync()
    kill(again)
    assert part().written == bits(0)


def test_the_same_content_has_one_partial_file(part: Kept) -> None:
    first = part()
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(StateInUse):
            part()
    assert open_descriptors() == before
    _, other_manifest, other = tiny(SIZE, seed=2)
    part(other, other_manifest)
    write(first, 0)
    first.close()
    assert part().written == bits(0)


OPEN_AND_SAY = """
import sys
from pathlib import Path
from panal.errors import PanalError
from panal.store.partial import PartialFile
from tests.store.test_partial import CONTENT, MANIFEST
try:
    PartialFile(Path(sys.argv[1]), CONTENT, MANIFEST).close()
    print("opened")
except PanalError as error:
    print(error.slug)
"""


@pytest.mark.slow
def test_another_process_is_refused_too(part: Kept) -> None:
    def said() -> str:
        command = [sys.executable, "-c", OPEN_AND_SAY, str(part.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    partial = part()
    assert said() == "state-in-use\n"
    partial.close()
    assert said() == "opened\n"


def test_everything_here_is_for_its_owner_only(part: Kept) -> None:
    part()
    assert part.folder.stat().st_mode & 0o777 == 0o700
    assert part.path.stat().st_mode & 0o777 == 0o600
    assert part.journal.stat().st_mode & 0o777 == 0o600


# Making room ------------------------------------------------------------------------------

OPENING_CALLS = ["mkdir", "open", "posix_fallocate", "ftruncate", "write"]


@pytest.mark.parametrize("name", OPENING_CALLS)
def test_what_cannot_be_opened_is_told_in_words_and_holds_nothing(
    name: str, part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    for call in range(1, 4):
        shutil.rmtree(part.folder, ignore_errors=True)
        calls = iter(range(1, 1_000))
        with monkeypatch.context() as patch:
            fail(
                patch,
                name,
                errno.ENOSPC,
                lambda *_, calls=calls, count=call, **__: next(calls) == count,
            )
            with contextlib.suppress(NoSpace):
                PartialFile(part.folder, CONTENT, MANIFEST).close()
        assert open_descriptors() == before
    part()  # and the lock is free as soon as there is space


def test_a_chunk_that_cannot_be_read_at_opening_is_told_in_words(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 1)
    kill(partial)
    before = open_descriptors()
    with monkeypatch.context() as patch:
        fail(patch, "preadv", errno.ENODEV)
        with pytest.raises(PanalError, match="Could not prepare the download"):
            part()
    assert open_descriptors() == before
    assert part().written == bits(1)


def test_space_is_taken_before_the_first_byte_comes(part: Kept) -> None:
    _, manifest, content = tiny(1_000_000)
    partial = part(content, manifest)
    status = partial.path.stat()
    assert status.st_size == 1_000_000
    assert status.st_blocks * 512 >= 1_000_000


def test_of_a_file_in_memory_no_page_is_written_before_its_bytes_come(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "kind_of", lambda _: 0x01021994)
    partial = part()
    assert (partial.path.stat().st_size, partial.path.stat().st_blocks) == (SIZE, 0)
    write(partial, 4)
    assert partial.written == bits(4)


def test_what_was_taken_of_a_disk_that_is_too_small_is_given_back(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, manifest, content = tiny(1_000_000)
    real = os.posix_fallocate

    def fallocate(descriptor: int, offset: int, size_bytes: int) -> None:
        real(descriptor, offset, size_bytes // 2)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", fallocate)
        with pytest.raises(NoSpace, match="Could not prepare the download: the disk is full"):
            part(content, manifest)
    assert (part.folder / f"{content.hex()}.part").stat().st_blocks == 0
    part(content, manifest)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_that_cannot_allocate_will_do(
    number: int, part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "posix_fallocate", number)
    partial = part()
    assert part.path.stat().st_size == SIZE
    write(partial, 4)


WRITE_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from panal.errors import NoSpace
from panal.store.partial import PartialFile
from tests.store.makers import tiny
from tests.store.test_partial import chunk

data, manifest, content = tiny(1_000 * 16)
unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, resource.RLIM_INFINITY))
try:
    PartialFile(Path(sys.argv[1]), content, manifest)
except NoSpace as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
partial = PartialFile(Path(sys.argv[1]), content, manifest)
# The journal has 40 bytes and four for each chunk: the limit falls inside of a record.
resource.setrlimit(resource.RLIMIT_FSIZE, (40 + 4 * 100 + 2, resource.RLIM_INFINITY))
right = 0
full = []
for index in range(1_000):
    if index * 16 >= 442:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        break
    try:
        writer = partial.begin_chunk(index)
        writer.write(memoryview(chunk(index, data)))
        writer.finish()
        right += 1
    except NoSpace as error:
        writer.abandon()
        full.append(index)
print(right, full)
"""


@pytest.mark.slow
def test_under_a_file_size_limit_whole_chunks_are_kept_and_the_rest_is_no_space(
    part: Kept,
) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNDER_A_LIMIT, str(part.folder)],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert said[0].startswith("Could not prepare the download: the file-size limit is reached")
    assert said[1] == "27 [27]"
    _, manifest, content = tiny(1_000 * 16)
    assert part(content, manifest).written == (1 << 27) - 1


# Durable ----------------------------------------------------------------------------------


def test_a_batch_is_on_the_disk_before_the_mark_that_says_so(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0, 1)
    seen: list[tuple[str, list[int]]] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        name = "part" if descriptor == partial.descriptor else "journal"
        seen.append((name, part.records()))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    partial.sync()
    assert seen == [("part", [0, 1, BATCH]), ("journal", [0, 1, BATCH])]
    assert part.records() == [0, 1, BATCH, DURABLE]
    partial.sync()  # nothing new: the disk is left alone
    assert len(seen) == 2


def sync_while_writing(partial: PartialFile, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        if descriptor == partial.descriptor:
            write(partial, index)
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fdatasync)
        partial.sync()


def test_a_chunk_written_during_a_sync_is_not_of_its_batch(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    sync_while_writing(partial, 3, monkeypatch)
    assert part.records() == [0, BATCH, 3, DURABLE]
    kill(partial)
    with part.path.open("r+b") as file:
        file.write(bytes(SIZE))
    assert part.unsure().unsure == bits(0)  # durable is to be compared, the other was hashed
    assert partial._durable == bits(0)


def test_a_chunk_written_during_a_sync_is_of_the_next_batch(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    sync_while_writing(partial, 3, monkeypatch)
    partial.sync()
    assert part.records() == [0, BATCH, 3, DURABLE, BATCH, DURABLE]
    assert partial._durable == bits(0, 3)


def test_one_sync_runs_at_a_time(part: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first one's mark would speak of the second one's batch."""
    partial = part()
    write(partial, 0)
    inside, go_on = threading.Event(), threading.Event()
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        if not inside.is_set():
            inside.set()
            assert go_on.wait(5)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    first = threading.Thread(target=partial.sync)
    first.start()
    assert inside.wait(5)
    assert partial._syncing.locked()  # held for as long as it runs
    write(partial, 1)
    second = threading.Thread(target=partial.sync)
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert part.records() == [0, BATCH, 1, DURABLE, BATCH, DURABLE]


def test_a_full_batch_wants_a_sync(part: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "SYNC_BATCH_BYTES", 2 * TINY_CHUNK_BYTES)
    partial = part()
    write(partial, 0)
    assert not partial.wants_sync
    write(partial, 1)
    assert partial.wants_sync
    partial.sync()
    assert not partial.wants_sync
    write(partial, 2, 3)
    kill(partial)
    again = part()
    assert again.wants_sync  # what was kept at opening is not durable yet


@pytest.mark.parametrize("more_bytes", [0, 1])
def test_a_batch_is_full_at_its_very_size(
    more_bytes: int, part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "SYNC_BATCH_BYTES", 2 * TINY_CHUNK_BYTES + more_bytes)
    partial = part()
    for chunks in ((0, 1), (2, 3)):
        write(partial, *chunks)
        assert partial.wants_sync is (more_bytes == 0)
        partial.sync()


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, 0o666 & ~partials._UMASK),
        ({"executable": True}, 0o777 & ~partials._UMASK),
        ({"mode": 0o604}, 0o604),
        ({"mode": 0o604, "executable": True}, 0o604),
    ],
)
def test_a_publishable_file_has_the_mode_and_the_time_that_are_asked_for(
    given: dict[str, Any], mode: int, part: Kept
) -> None:
    partial = part()
    write(partial, 0, 1, 2, 3, 4)
    assert partial.published is None
    partial.make_publishable(mtime_ns=10**18 + 7, **given)
    found = part.path.stat()
    assert (found.st_mode & 0o777, found.st_mtime_ns) == (mode, 10**18 + 7)
    assert partial.published == Fingerprint.of(found)
    before = part.records()
    partial.sync()
    assert part.records() == before  # nothing is left to be made durable


def test_a_journal_that_is_forgotten_is_gone_for_good(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    synced = []
    open_before = open_descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "fsync", lambda it: synced.append((os.fstat(it).st_ino, part.journal.exists()))
        )
        partial.forget_journal()
        partial.forget_journal()
    assert synced == [(part.folder.stat().st_ino, False)] * 2
    fail(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(PanalError, match="Could not finish the repair"):
        partial.forget_journal()
    assert open_descriptors() == open_before


def test_a_publishable_file_is_durable_with_the_mode_of_other_files(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0, 1, 2, 3, 4)
    modes: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        assert descriptor == partial.descriptor
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    partial.make_publishable()
    assert modes == [0o666 & ~partials._UMASK]
    assert part.records()[-2:] == [BATCH, DURABLE]
    (part.folder / "other").touch()
    assert part.path.stat().st_mode == (part.folder / "other").stat().st_mode


def test_a_mode_that_cannot_be_set_loses_nothing(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    fail(monkeypatch, "fchmod", errno.EPERM)
    with pytest.raises(PanalError, match="Could not set the mode of the download:"):
        partial.make_publishable()
    assert partial.written == bits(0)
    partial.sync()


# A failed sync ----------------------------------------------------------------------------


def fail_sync(partial: PartialFile, patch: pytest.MonkeyPatch, how: str) -> None:
    with patch.context() as one:
        if how == "journal":
            real = partial._journal._descriptor
            fail(one, "fdatasync", errno.EIO, lambda descriptor: descriptor == real)
        else:
            fail(one, "fsync" if how == "publishing" else "fdatasync", errno.EIO)
        with pytest.raises(PanalError, match="Could not make the download durable:"):
            partial.make_publishable() if how == "publishing" else partial.sync()


def test_what_a_failed_sync_lost_is_no_batch_any_more(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "SYNC_BATCH_BYTES", 1)
    partial = part()
    write(partial, 0)
    fail_sync(partial, monkeypatch, "syncing")
    assert not partial.wants_sync


@pytest.mark.parametrize("how", ["syncing", "publishing", "journal"])
def test_a_failed_sync_is_never_retried_into_success(
    how: str, part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    partial.sync()
    write(partial, 1)
    running = partial.begin_chunk(3)
    fail_sync(partial, monkeypatch, how)
    assert partial.written == bits(0)  # what was announced of the batch is no more
    for call in (partial.sync, partial.make_publishable, lambda: partial.begin_chunk(1)):
        with pytest.raises(PanalError, match="make the download durable"):
            call()
    with pytest.raises(PanalError, match="make the download durable"):
        write_whole(running, 3)
    assert partial.written == bits(0)
    partial.close()
    assert part.records() == [0, BATCH, DURABLE, 1, BATCH, FORGET]
    again = part()
    assert again.written == bits(0)  # not even where the kernel still shows the right bytes
    write(again, 1)
    again.sync()
    assert again._durable == bits(0, 1)


def test_a_failed_sync_that_cannot_be_recorded_leaves_a_journal_that_says_nothing(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    partial.sync()
    write(partial, 1)
    fail(monkeypatch, "fdatasync", errno.EIO)
    real = os.write
    calls = iter(range(100))
    # The batch begins, and then the journal cannot grow any more.
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data) if next(calls) < 1 else full())
    with pytest.raises(PanalError, match="make the download durable"):
        partial.sync()
    monkeypatch.undo()
    partial.close()
    assert part().written == 0


def full() -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_mark_that_cannot_be_recorded_is_made_by_the_next_sync(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = part()
    write(partial, 0)
    for allowed in (0, 1):
        with monkeypatch.context() as patch:
            calls = iter(range(100))
            real = os.write
            patch.setattr(
                os,
                "write",
                lambda fd, data, calls=calls, allowed=allowed, real=real: (
                    real(fd, data) if next(calls) < allowed else full()
                ),
            )
            with pytest.raises(NoSpace, match="record the download's progress"):
                partial.sync()
        assert partial._durable == 0
        assert partial.written == bits(0)
    partial.sync()
    assert partial._durable == bits(0)


# Ending -----------------------------------------------------------------------------------


def test_closing_makes_durable_what_is_there_and_gives_everything_back(part: Kept) -> None:
    before = open_descriptors()
    partial = part()
    write(partial, 0, 1)
    partial.close()
    assert part.records() == [0, 1, BATCH, DURABLE]
    assert open_descriptors() == before
    partial.close()  # twice harms nobody, who may have the same number by now
    for call in (lambda: partial.begin_chunk(2), partial.make_publishable):
        with pytest.raises(PanalError, match="stopped"):
            call()


def test_closing_goes_through_where_the_disk_fails(
    part: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    partial = part()
    write(partial, 0)
    fail(monkeypatch, "fdatasync", errno.EIO)
    partial.close()
    assert open_descriptors() == before
    assert part.records() == [0, BATCH, FORGET]


def test_a_writer_that_still_runs_keeps_its_descriptor_until_it_ends(part: Kept) -> None:
    """Else its bytes would go to whatever file gets the same number."""
    before = open_descriptors()
    partial = part()
    finishing, giving_up = partial.begin_chunk(0), partial.begin_chunk(1)
    partial.close()
    number = partial.descriptor
    with (part.folder / "stranger").open("w+b") as stranger:
        assert stranger.fileno() != number
        finishing.write(memoryview(chunk(0)))
        finishing.finish()
        assert open_descriptors() == before + 3
        giving_up.write(memoryview(b"wrong"))
        giving_up.abandon()
        assert open_descriptors() == before + 1
        assert (part.folder / "stranger").stat().st_size == 0
    assert part().written == bits(0)


def test_closing_waits_for_a_sync_that_runs(part: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = part()
    write(partial, 0)
    inside, go_on = threading.Event(), threading.Event()
    failures: list[OSError] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        inside.set()
        assert go_on.wait(5)
        try:
            real(descriptor)
        except OSError as error:
            failures.append(error)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    syncing = threading.Thread(target=partial.sync)
    syncing.start()
    assert inside.wait(5)
    monkeypatch.setattr(partial, "sync", lambda: None)  # it would wait, but another may begin
    closing = threading.Thread(target=partial.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    go_on.set()
    syncing.join()
    closing.join()
    assert failures == []
    assert part.records() == [0, BATCH, DURABLE]


def test_discarding_takes_the_names_and_leaves_an_open_descriptor(part: Kept) -> None:
    partial = part()
    write(partial, 0)
    partial.discard()
    assert os.listdir(part.folder) == []
    assert is_right(partial, 0)
    another = part()  # the name is free at once
    assert another.written == 0
    partial.close()
    assert sorted(os.listdir(part.folder)) == sorted([part.path.name, part.journal.name])
    another.discard()
    another.discard()


# Any order of things ----------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 4)),
    st.tuples(st.just("wrong"), st.integers(0, 4)),
    st.tuples(st.just("half"), st.integers(0, 4)),
    st.tuples(st.just("sync"), st.just(0)),
    st.tuples(st.just("sync while writing"), st.integers(0, 4)),
    st.tuples(st.just("failing sync"), st.just(0)),
    st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.just("kill"), st.just(0)),
    st.tuples(st.just("killed while comparing"), st.just(0)),
    st.tuples(st.just("rot"), st.integers(0, 4)),
    st.tuples(st.just("power cut"), st.integers(0, 2**16)),
)


class Download:
    """One partial file on a disk under power cuts, and what it may never lose."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.part = Kept(folder)
        self.disk = disk
        self.partial = self.part()
        self.written = 0
        self.durable = 0

    def begin(self, index: int) -> ChunkWriter | None:
        try:
            return self.partial.begin_chunk(index)
        except (PanalError, ChunkTaken):
            assert self.partial.written >> index & 1 or self.partial._failure is not None
            return None

    def write(self, index: int) -> None:
        if (writer := self.begin(index)) is not None:
            writer.write(memoryview(chunk(index)))
            assert writer.finish()
            self.written |= bits(index)

    def take(self, step: str, number: int) -> None:
        if step == "write":
            self.write(number)
        elif step in {"wrong", "half"}:
            if (writer := self.begin(number)) is not None:
                data = bytes(len(chunk(number))) if step == "wrong" else chunk(number)[:3]
                writer.write(memoryview(data))
                assert not writer.finish()
        elif "sync" in step:
            self.sync(step, number)
        else:
            self.stop(step, number)
        self.check()

    def sync(self, step: str, number: int) -> None:
        batch = self.partial.written
        if step == "sync while writing":
            self.disk.during_sync = lambda: self.write(number)
        self.disk.sync_fails = step == "failing sync"
        try:
            self.partial.sync()
            self.durable = batch
        except PanalError:
            self.written = self.durable
        finally:
            self.disk.sync_fails, self.disk.during_sync = False, None

    def stop(self, step: str, number: int) -> None:
        if step == "close":
            if self.partial._failure is None:
                self.durable = self.partial.written
            self.partial.close()
        else:
            kill(self.partial)
        if step == "power cut":
            self.disk.cut_power(self.part.path, self.part.journal, Random(number))
            self.written = self.durable
        if step == "killed while comparing":
            self.partial = self.part.unsure()
            self.partial.compare_some()
            kill(self.partial)
        if step == "rot":
            self.part.rot(number)
            self.written &= ~bits(number)
            self.durable &= ~bits(number)
        self.partial = self.part()
        self.check()
        self.durable &= self.partial._durable  # a mark itself may be lost: then it was hashed
        self.written |= self.partial.written  # luck after a power cut

    def check(self) -> None:
        written = self.partial.written
        assert self.durable & ~written == 0, "a durable chunk is lost"
        assert self.written & ~written == 0, "a kill lost a written chunk"
        for index in range(MANIFEST.chunk_count):
            if written >> index & 1:
                assert is_right(self.partial, index), "a chunk is claimed and wrong"


@PROPERTY
@example([("write", 0), ("failing sync", 0), ("kill", 0), ("sync", 0), ("power cut", 1)])
@example([("write", 0), ("failing sync", 0), ("close", 0), ("power cut", 1)])
@example([("write", 0), ("sync", 0), ("rot", 0), ("write", 0), ("power cut", 1)])
@example([("write", 0), ("sync while writing", 1), ("power cut", 3), ("power cut", 4)])
@given(st.lists(STEPS, max_size=25))
def test_no_chunk_is_claimed_whose_bytes_are_wrong_and_none_is_lost(
    tmp_path: Path, steps: list[tuple[str, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partials, "LOOKED_AT_ONCE_BYTES", 2 * TINY_CHUNK_BYTES)
        download = Download(tmp_path / "partials", Disk(patch))
        try:
            for step, number in steps:
                download.take(step, number)
        finally:
            download.partial.discard()
            download.partial.close()
