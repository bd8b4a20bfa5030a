"""What is on this machine already is looked at a piece at a time, and counts where it is right."""

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from panal.errors import NoSpace, StateInUse
from panal.store import partial as partials
from panal.store.journal import Journal
from panal.store.local_chunks import LocalChunks, begin_as_clone
from panal.store.partial import PartialFile
from tests.store.makers import TINY_CHUNK_BYTES, bits, fail, tiny

pytestmark = pytest.mark.p1

DATA, MANIFEST, CONTENT = tiny(70)  # five chunks of 16 bytes, the last shorter
ROTTEN = DATA[:20] + b"rot" + DATA[23:]
ALL = bits(0, 1, 2, 3, 4)
GOOD = bits(0, 2, 3, 4)


class Place:
    """A folder of unfinished files, and beside it another file of their content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "partial"
        (folder / "film").write_bytes(ROTTEN)
        self.source = os.open(folder / "film", os.O_RDONLY)
        self.partial: PartialFile | None = None

    def begin(self, has: int = ALL) -> LocalChunks:
        """The unfinished file is opened, and what the other has is to be copied."""
        self.kill()
        self.partial = PartialFile(self.folder, CONTENT, MANIFEST)
        return LocalChunks(self.partial, self.source, has)

    def kill(self) -> None:
        if self.partial is not None:
            self.partial._release()
            self.partial = None

    def clone(self, has: int = ALL) -> None:
        begin_as_clone(self.folder, CONTENT, MANIFEST, self.source, has)

    def bytes_of(self, index: int) -> bytes:
        assert self.partial is not None
        return os.pread(self.partial.descriptor, TINY_CHUNK_BYTES, index * TINY_CHUNK_BYTES)


def chunk(index: int) -> bytes:
    return DATA[index * TINY_CHUNK_BYTES : (index + 1) * TINY_CHUNK_BYTES]


def looked_at(local: LocalChunks) -> tuple[int, int]:
    """All pieces together."""
    right = wrong = 0
    while local.unsure:
        more = local.look_at_some()
        right, wrong = right | more[0], wrong | more[1]
    return right, wrong


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.kill()
    os.close(place.source)
    assert (tmp_path / "film").read_bytes() == ROTTEN


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece is one chunk."""
    monkeypatch.setattr(partials, "LOOKED_AT_ONCE_BYTES", TINY_CHUNK_BYTES)


@pytest.mark.parametrize("has", [ALL, GOOD, 0, bits(4), bits(1)])
def test_what_is_right_is_copied_and_what_is_not_is_missing(place: Place, has: int) -> None:
    local = place.begin(has)
    assert local.unsure == has
    assert looked_at(local) == (has & GOOD, has & ~GOOD)
    assert place.partial is not None
    assert place.partial.written == place.partial.resumed == has & GOOD
    assert all(place.bytes_of(index) == chunk(index) for index in (0, 2, 3, 4) if has >> index & 1)


@pytest.mark.usefixtures("one_at_once")
def test_a_sector_that_cannot_be_read_costs_its_chunk_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(
        monkeypatch,
        "pread",
        errno.EIO,
        lambda fd, _, offset: fd == place.source and offset == 2 * TINY_CHUNK_BYTES,
    )
    assert looked_at(place.begin()) == (bits(0, 3, 4), bits(1, 2))


def test_a_file_that_is_shorter_by_now_gives_what_it_has(place: Place) -> None:
    film = place.folder.parent / "film"
    os.truncate(film, 2 * TINY_CHUNK_BYTES + 3)
    assert looked_at(place.begin()) == (bits(0), bits(1, 2, 3, 4))
    film.write_bytes(ROTTEN)


@pytest.mark.usefixtures("one_at_once")
def test_each_piece_stays_when_the_next_is_not_looked_at_any_more(place: Place) -> None:
    local = place.begin()
    assert local.look_at_some() == (bits(0), 0)
    assert local.look_at_some() == (0, bits(1))
    assert local.look_at_some() == (bits(2), 0)
    assert local.unsure == bits(3, 4)
    again = place.begin()  # after a kill
    assert place.partial is not None
    assert place.partial.written == bits(0, 2)
    assert again.unsure == bits(1, 3, 4)
    assert looked_at(again) == (bits(3, 4), bits(1))


def test_what_the_unfinished_file_has_is_compared_and_copied_where_it_has_rotted(
    place: Place,
) -> None:
    place.begin()
    assert place.partial is not None
    for index in (1, 2, 3):
        writer = place.partial.begin_chunk(index)
        writer.write(memoryview(chunk(index)))
        assert writer.finish()
    place.partial.sync()
    os.pwrite(place.partial.descriptor, b"rot", 1 * TINY_CHUNK_BYTES)
    os.pwrite(place.partial.descriptor, b"rot", 2 * TINY_CHUNK_BYTES)
    local = place.begin()
    assert local.unsure == ALL
    assert local.look_at_some() == (bits(3), 0)
    assert local.unsure == bits(0, 1, 2, 4)
    assert local.look_at_some() == (bits(0, 2, 4), bits(1))
    assert place.partial.written == GOOD


def test_a_chunk_that_comes_from_another_meanwhile_is_left_to_it(place: Place) -> None:
    local = place.begin()
    assert place.partial is not None
    writer = place.partial.begin_chunk(3)
    assert looked_at(local) == (bits(0, 2, 4), bits(1, 3))
    writer.write(memoryview(chunk(3)))
    assert writer.finish()


def test_without_room_it_is_told_and_nobody_is_left_writing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = place.begin()
    assert place.partial is not None
    with monkeypatch.context() as patch:
        fail(patch, "pwrite", errno.ENOSPC)
        with pytest.raises(NoSpace):
            local.look_at_some()
    place.partial.begin_chunk(0).abandon()


# Shared blocks ----------------------------------------------------------------------------


@pytest.fixture
def clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system lets two files share their blocks."""

    def clone(target: int, _request: int, source: int) -> int:
        os.write(target, os.pread(source, len(DATA), 0))
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)


@pytest.mark.usefixtures("clones", "one_at_once")
@pytest.mark.parametrize("has", [ALL, GOOD])
def test_shared_blocks_are_compared_piece_by_piece_and_not_written_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, has: int
) -> None:
    place.clone(has)
    fail(monkeypatch, "pwrite", errno.ENOSPC)
    local = place.begin(GOOD)
    assert place.partial is not None
    assert (place.partial.written, local.unsure) == (0, has)
    assert looked_at(local) == (GOOD, has & ~GOOD)
    assert place.partial.written == place.partial.resumed == GOOD


@pytest.mark.usefixtures("clones")
def test_what_a_download_has_already_is_kept(place: Place) -> None:
    looked_at(place.begin(bits(2)))
    with pytest.raises(StateInUse):
        place.clone()
    place.kill()
    place.clone()
    place.begin()
    assert place.partial is not None
    assert place.partial.written == bits(2)


@pytest.mark.usefixtures("clones")
def test_a_kill_before_the_journal_says_anything_leaves_nothing_that_counts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Journal, *records: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            place.clone()
    assert looked_at(place.begin(0)) == (0, 0)
    place.kill()
    place.clone()
    assert looked_at(place.begin(0)) == (GOOD, bits(1))


def test_where_no_blocks_can_be_shared_the_unfinished_file_begins_empty(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "ioctl", refused)
    place.clone()
    assert looked_at(place.begin(0)) == (0, 0)
