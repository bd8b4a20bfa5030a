"""Hashing: the same manifest as the plain libraries give, however the bytes come."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import ContentChanged, UsageError
from panal.store.hashing import (
    READ_BYTES,
    ContentHasher,
    hash_descriptor,
    sha256_of_descriptor,
)
from panal.wire.manifest import (
    CHUNKS_BEFORE_DOUBLING,
    MAX_CONTENT_BYTES,
    MIN_CHUNK_BYTES,
    Manifest,
)
from tests.store import PROPERTY
from tests.store.makers import fail, manifest_by_hand, noise

CHUNK = MIN_CHUNK_BYTES
SIZES = [
    0,
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    3 * CHUNK,
    READ_BYTES - 1,
    READ_BYTES,
    READ_BYTES + 1,
    2 * READ_BYTES,
    2 * READ_BYTES + CHUNK + 1,
    5 * READ_BYTES + 7,
]
NOISE = noise(max(SIZES))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[bytes], int]]:
    descriptors = []

    def write_and_open(data: bytes) -> int:
        (tmp_path / "file").write_bytes(data)
        descriptors.append(os.open(tmp_path / "file", os.O_RDWR))
        return descriptors[-1]

    yield write_and_open
    for descriptor in descriptors:
        os.close(descriptor)


def hashed(data: bytes, cuts: list[int], chunk_bytes: int = CHUNK) -> Manifest | None:
    view = memoryview(data)
    with ContentHasher(chunk_bytes) as hasher:
        for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
            hasher.update(view[start:stop])
        assert hasher.size_bytes == len(data)
        return hasher.finish()


@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_file_hashes_to_what_the_plain_libraries_say(
    size_bytes: int, opened: Callable[[bytes], int]
) -> None:
    data = NOISE[:size_bytes]
    descriptor = opened(data)
    os.lseek(descriptor, size_bytes // 2, os.SEEK_SET)  # from its beginning all the same
    expected = manifest_by_hand(data)
    assert hash_descriptor(descriptor, size_bytes) == expected
    assert expected.chunk_count == -(-size_bytes // CHUNK)
    assert hashed(data, []) == expected
    assert sha256_of_descriptor(descriptor) == expected.sha256


@PROPERTY
@given(st.integers(0, 3 * CHUNK + 5).flatmap(lambda n: st.tuples(st.just(n), cuts_of(n))))
def test_the_slices_that_bytes_come_in_do_not_matter(drawn: tuple[int, list[int]]) -> None:
    size_bytes, cuts = drawn
    data = NOISE[:size_bytes]
    assert hashed(data, sorted(cuts)) == manifest_by_hand(data)


def cuts_of(size_bytes: int) -> st.SearchStrategy[list[int]]:
    near = st.sampled_from([0, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, size_bytes])
    return st.lists(st.integers(0, size_bytes) | near.map(lambda n: min(n, size_bytes)), max_size=8)


def test_a_wrong_guess_of_the_chunk_size_gives_no_manifest() -> None:
    for size_bytes in (0, 1, CHUNK, 2 * CHUNK + 1):
        assert hashed(NOISE[:size_bytes], [], 2 * CHUNK) is None
    assert hashed(NOISE[: 2 * CHUNK], []) is not None


def test_more_bytes_than_small_chunks_are_for_give_no_manifest() -> None:
    with ContentHasher(CHUNK) as hasher:
        hasher.size_bytes = CHUNK * CHUNKS_BEFORE_DOUBLING - 1  # as if it had been fed them
        hasher.update(memoryview(b"xx"))
        assert hasher.finish() is None


def test_a_buffer_may_be_filled_again_once_the_next_update_has_returned() -> None:
    blocks = [noise(CHUNK, seed) for seed in range(8)]
    buffers = [bytearray(CHUNK), bytearray(CHUNK)]
    with ContentHasher(CHUNK) as hasher:
        for number, block in enumerate(blocks):
            buffers[number % 2][:] = block
            hasher.update(memoryview(buffers[number % 2]))
        buffers[0][:] = bytes(CHUNK)
        found = hasher.finish()
    assert found == manifest_by_hand(b"".join(blocks))


def test_an_update_waits_for_the_block_before_its_own() -> None:
    """The promise that the test above sees broken only when the threads fall so."""
    waited: list[str] = []

    class Behind(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            waited.append(hasher._sha256.hexdigest())

    with ContentHasher(CHUNK) as hasher:
        hasher.update(memoryview(b"a"))
        hasher._behind = Behind()
        hasher.update(memoryview(b"b"))
        assert waited == [hashlib.sha256(b"a").hexdigest()]  # before it took its own
        hasher._behind = Behind()
        hasher.finish()
        assert waited[1:] == [hashlib.sha256(b"ab").hexdigest()]


def test_large_blocks_go_to_the_side_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    class WatchedSha256:
        def update(self, block: memoryview) -> None:
            threads.append(threading.current_thread() is threading.main_thread())

    monkeypatch.setattr(hashlib, "sha256", WatchedSha256)
    with ContentHasher(CHUNK) as hasher:
        hasher.update(memoryview(b"small"))
        hasher.update(memoryview(bytes(CHUNK)))
        hasher.update(memoryview(b"small"))
    assert threads == [True, False, True]


@pytest.mark.parametrize("size_bytes", [1, CHUNK, READ_BYTES, 2 * READ_BYTES + 1])
@pytest.mark.parametrize("by", [-1, 1, READ_BYTES])
def test_a_file_of_another_size_than_was_said_has_changed(
    size_bytes: int, by: int, opened: Callable[[bytes], int]
) -> None:
    descriptor = opened(NOISE[:size_bytes])
    os.truncate(descriptor, max(0, size_bytes + by))
    with pytest.raises(ContentChanged, match="changed while it was read"):
        hash_descriptor(descriptor, size_bytes)


def test_a_file_that_was_empty_and_is_not_has_changed(opened: Callable[[bytes], int]) -> None:
    with pytest.raises(ContentChanged):
        hash_descriptor(opened(b"x"), 0)


@pytest.mark.parametrize("size_bytes", [READ_BYTES // 2, 3 * READ_BYTES + 1])
def test_a_file_that_shrinks_or_grows_while_it_is_read_has_changed(
    size_bytes: int, opened: Callable[[bytes], int]
) -> None:
    descriptor = opened(NOISE[: 2 * READ_BYTES])
    seen = []

    def change(read_bytes: int) -> None:
        seen.append(read_bytes)
        if len(seen) == 1:
            os.truncate(descriptor, size_bytes)

    with pytest.raises(ContentChanged):
        hash_descriptor(descriptor, 2 * READ_BYTES, change)
    assert seen[0] == READ_BYTES


def test_a_file_that_grows_for_ever_is_given_up(opened: Callable[[bytes], int]) -> None:
    descriptor = opened(NOISE[:READ_BYTES])
    seen = []

    def grow(read_bytes: int) -> None:
        seen.append(read_bytes)
        assert len(seen) < 10
        os.truncate(descriptor, read_bytes + READ_BYTES)

    with pytest.raises(ContentChanged):
        hash_descriptor(descriptor, READ_BYTES, grow)


def test_progress_tells_the_bytes_that_were_read(opened: Callable[[bytes], int]) -> None:
    seen: list[int] = []
    hash_descriptor(opened(NOISE[: 2 * READ_BYTES + 1]), 2 * READ_BYTES + 1, seen.append)
    assert seen == [READ_BYTES, 2 * READ_BYTES, 2 * READ_BYTES + 1]


def test_short_reads_are_read_on(
    opened: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = NOISE[: READ_BYTES + 3]
    real = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda fd, views, at: real(fd, [views[0][: 1 + at % 300_000]], at)
    )
    descriptor = opened(data)
    assert hash_descriptor(descriptor, len(data)) == manifest_by_hand(data)
    assert sha256_of_descriptor(descriptor) == hashlib.sha256(data).digest()


def test_a_file_that_cannot_be_read_or_is_too_large_leaves_no_thread_behind(
    opened: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = opened(NOISE[: 4 * READ_BYTES])
    before = threading.active_count()
    with pytest.raises(UsageError):
        hash_descriptor(descriptor, MAX_CONTENT_BYTES + 1)
    fail(monkeypatch, "preadv", errno.EIO, lambda fd, views, at: at > 2 * READ_BYTES)
    with pytest.raises(OSError, match="Input/output error"):
        hash_descriptor(descriptor, 4 * READ_BYTES)
    assert threading.active_count() == before
