"""What is right of a rotten file becomes an unfinished download, and the file stays as it is."""

import errno
import os
from pathlib import Path

import pytest

from panal.errors import NoSpace, PanalError, StateInUse
from panal.store import salvage as module
from panal.store.journal import Journal
from panal.store.partial import PartialFile
from panal.store.salvage import salvage
from tests.store.makers import bits, fail, tiny

DATA, MANIFEST, CONTENT = tiny(70)  # five chunks of 16 bytes, the last shorter
ROTTEN = DATA[:20] + b"rot" + DATA[23:]
GOOD = bits(0, 2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "film").write_bytes(ROTTEN)
    return tmp_path / "partial"


def salvaged(folder: Path, good: int = GOOD) -> None:
    descriptor = os.open(folder.parent / "film", os.O_RDONLY)
    try:
        salvage(folder, CONTENT, MANIFEST, descriptor, good)
    finally:
        os.close(descriptor)
        assert (folder.parent / "film").read_bytes() == ROTTEN


@pytest.mark.parametrize("good", [GOOD, 0, bits(4), bits(0, 1, 2, 3, 4)])
def test_what_is_right_is_there_and_what_is_called_right_wrongly_is_not(
    folder: Path, good: int
) -> None:
    salvaged(folder, good)
    partial = PartialFile(folder, CONTENT, MANIFEST)
    assert partial.written == good & GOOD
    partial.close()


def test_what_a_download_has_already_is_kept(folder: Path) -> None:
    partial = PartialFile(folder, CONTENT, MANIFEST)
    writer = partial.begin_chunk(1)
    writer.write(memoryview(DATA)[16:32])
    assert writer.finish()
    with pytest.raises(StateInUse):
        salvaged(folder)
    partial.close()
    salvaged(folder)
    again = PartialFile(folder, CONTENT, MANIFEST)
    again.compare_some()
    assert again.written == bits(1)
    again.close()


def test_a_kill_before_the_journal_says_anything_leaves_nothing_that_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Journal, *records: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            salvaged(folder)
    salvaged(folder)
    partial = PartialFile(folder, CONTENT, MANIFEST)
    assert partial.written == GOOD
    partial.close()


def test_without_room_nothing_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_clone", lambda source, target: False)
    fail(monkeypatch, "pwrite", errno.ENOSPC)
    with pytest.raises(NoSpace):
        salvaged(folder)
    assert [path.suffix for path in folder.iterdir()] == [".journal"]


def test_a_disk_that_reads_no_more_is_told_in_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_clone", lambda source, target: False)
    film = (folder.parent / "film").stat().st_ino
    fail(monkeypatch, "pread", errno.EIO, lambda fd, *_: os.fstat(fd).st_ino == film)
    with pytest.raises(PanalError, match="prepare the repair"):
        salvaged(folder)
