"""What was unshared and what has rotted outlives the index, whatever becomes of that."""

import errno
import logging
import stat
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from panal.errors import NoSpace, PanalError
from panal.store import withheld
from panal.store.damage_records import DamagedFile, DamageRecords
from panal.store.fingerprints import Fingerprint
from panal.store.index import Index
from panal.store.root_records import RootRecords
from panal.wire.manifest import content_id
from panal.wire.names import SafePath
from tests.store.makers import fail, manifest_by_hand

pytestmark = pytest.mark.p9

MANIFEST = manifest_by_hand(b"x" * 100_000)
ROTTEN = DamagedFile(
    SafePath("rotten ñ"),
    content_id(MANIFEST.encode()),
    MANIFEST,
    Fingerprint(0, -5, 100_000, 7, 9),
    3,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/index.sqlite"


@contextmanager
def opened(path: Path) -> Iterator[tuple[RootRecords, DamageRecords]]:
    index = Index(path)
    try:
        yield RootRecords(index), DamageRecords(index)
    finally:
        index.close()


def lost(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:4608] = bytes(512)
    path.write_bytes(data)


def text(path: Path) -> Path:
    return path.with_name(withheld.FILE)


@pytest.mark.parametrize("damage", [lost, emptied, zeroed])
def test_an_index_that_was_lost_takes_it_from_the_text(
    path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as (roots, damaged):
        roots.leave_out(["b", "a/ñ", "c"])
        roots.share_again(["c", "never unshared"])
        damaged.add(ROTTEN)
        damaged.add(replace(ROTTEN, path=SafePath("mended")))
        damaged.remove(["mended"])
    assert callable(damage)
    damage(path)
    for _ in range(2):
        with opened(path) as (roots, damaged):
            assert roots.unshared() == ["a/ñ", "b"]
            assert damaged.all() == [ROTTEN]
            assert damaged.all()[0].fingerprint.ctime_ns == 9
    assert caplog.text.count("unshared paths: 2, damaged files: 1.") == 1
    assert stat.S_IMODE(text(path).stat().st_mode) == 0o600


def test_an_index_of_an_earlier_version_writes_the_text(path: Path) -> None:
    with opened(path) as (roots, _):
        roots.leave_out(["a"])
    text(path).unlink()
    Index(path).close()
    lost(path)
    with opened(path) as (roots, _):
        assert roots.unshared() == ["a"]


def test_an_index_that_is_right_goes_before_the_text(path: Path) -> None:
    with opened(path) as (roots, _):
        roots.leave_out(["a", "b"])
    before = text(path).read_bytes()
    with opened(path) as (roots, _):
        roots.share_again(["a"])
    text(path).write_bytes(before)
    for damage in (b"no text at all", None):
        with opened(path) as (roots, _):
            assert roots.unshared() == ["b"]
        assert text(path).read_bytes() == b'{"withheld":1}\n{"unshared":"b"}\n'
        if damage is not None:
            text(path).write_bytes(damage)


def test_who_withholds_nothing_has_no_text(path: Path) -> None:
    with opened(path) as (roots, damaged):
        roots.share_again(["a"])
        roots.leave_out([])
        damaged.remove([])
    assert not text(path).exists()


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda data: b"", 1),
        (lambda data: b'{"withheld"', 1),
        (lambda data: data.replace(b"withheld", b"withhelt"), 1),
        (lambda data: data.replace(b'{"unshared":"a"}', bytes(16)), 2),
        (lambda data: data.replace(b'"a"', b'"\xff"'), 2),
        (lambda data: data.replace(b'"a"', b'"/a"'), 2),
        (lambda data: data.replace(b'"unshared":"a"', b'"later":"a"'), 2),
        (lambda data: data.replace(b64encode(MANIFEST.encode()), b64encode(b"x" * 200)), 3),
    ],
)
def test_without_either_no_index_is_opened_until_its_owner_says_so(
    path: Path, damage: object, line: int
) -> None:
    with opened(path) as (roots, damaged):
        roots.leave_out(["a"])
        damaged.add(ROTTEN)
    assert callable(damage)
    text(path).write_bytes(damage(text(path).read_bytes()))
    lost(path)
    for _ in range(2):
        with pytest.raises(PanalError, match=rf"\(line {line}\)\. So nothing is shared"):
            Index(path)
    text(path).unlink()
    with opened(path) as (roots, _):
        assert roots.unshared() == []


def test_a_line_without_an_end_was_never_told_as_written(path: Path) -> None:
    with opened(path) as (roots, _):
        roots.leave_out(["a"])
    with text(path).open("ab") as file:
        file.write(b'{"unshared":"b')
    lost(path)
    with opened(path) as (roots, _):
        assert roots.unshared() == ["a"]


def test_what_cannot_be_written_down_is_not_acknowledged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as (roots, damaged):
        roots.leave_out(["a"])
        for call in ("pwrite", "fsync"):
            with monkeypatch.context() as full:
                fail(full, call, errno.ENOSPC)
                with pytest.raises(NoSpace):
                    roots.leave_out(["b", "c"])
                with pytest.raises(NoSpace):
                    damaged.add(ROTTEN)
            assert roots.unshared() == ["a"]
            assert damaged.all() == []
        roots.leave_out(["d"])
    assert text(path).read_bytes().splitlines()[1:] == [b'{"unshared":"a"}', b'{"unshared":"d"}']


def test_a_text_that_was_removed_meanwhile_is_written_whole(path: Path) -> None:
    with opened(path) as (roots, _):
        roots.leave_out(["a"])
        text(path).unlink()
        roots.leave_out(["b"])
    lost(path)
    with opened(path) as (roots, _):
        assert roots.unshared() == ["a", "b"]


def test_a_text_that_was_shortened_meanwhile_is_written_whole(path: Path) -> None:
    with opened(path) as (roots, _):
        roots.leave_out(["a"])
        roots.leave_out(["b"])
        whole = text(path).read_bytes()
        text(path).write_bytes(whole[: whole.rstrip().rindex(b"\n") + 1])
        roots.leave_out(["c"])
    lost(path)
    with opened(path) as (roots, _):
        assert roots.unshared() == ["a", "b", "c"]


def test_a_full_disk_keeps_no_index_from_being_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as (roots, _):
        roots.leave_out(["a"])
    text(path).unlink()
    with caplog.at_level(logging.WARNING), monkeypatch.context() as full:
        fail(full, "fsync", errno.ENOSPC)
        Index(path).close()
    assert withheld.FILE in caplog.text
