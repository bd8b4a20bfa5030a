"""What earlier gets have put in place: known while it is as it was, and never too young."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile
from panal.store.index import Index
from panal.store.placed_records import YOUNG_NS, PlacedRecords
from panal.wire.manifest import content_id
from tests.store.makers import manifest_by_hand, noise, sp

BEGAN_S = 1_000_000.0
BEGAN_NS = int(BEGAN_S * 1e9)
LATER_S = BEGAN_S + 1_000


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "index.sqlite")
    yield index
    index.close()


def hashed(name: str, mtime_ns: int = 5, *, checked: bool = True) -> HashedFile:
    manifest = manifest_by_hand(noise(len(name)))
    fingerprint = Fingerprint(0, 7, len(name), mtime_ns, 11)
    return HashedFile(sp(name), fingerprint, content_id(manifest.encode()), manifest, checked)


def ran(index: Index, *files: HashedFile) -> PlacedRecords:
    """The records after a run that placed these files, and the beginning of the next."""
    placed = PlacedRecords(index)
    placed.begin_run(BEGAN_S)
    index.remember(files)
    placed.begin_run(LATER_S)
    return placed


def test_what_a_run_has_placed_is_known_to_the_next_and_not_shared(index: Index) -> None:
    files = [hashed("one"), hashed("other", checked=False)]
    index.total.keep(bytes(32))
    index.seen_folders.keep([("", b"seen")])
    placed = ran(index, *files)
    assert index.totals() == (0, 0)
    assert (index.total.value(), index.seen_folders.begin("").recall("")) == (None, None)
    found = {file.path: file.fingerprint for file in files}
    assert placed.unchanged(found) == {file.path: file.content for file in files}
    assert sorted(placed.files(list(found)), key=lambda file: file.path) == files
    placed.begin_run(LATER_S + 1)  # a run that placed nothing forgets nothing
    assert len(placed.unchanged(found)) == 2
    placed.forget()
    assert placed.unchanged(found) == {}


def test_a_run_keeps_no_total_of_what_the_next_forgets(index: Index) -> None:
    assert index.total.value() is not None
    PlacedRecords(index).begin_run(BEGAN_S)
    index.remember([hashed("one")])
    assert index.total.value() is None


@pytest.mark.parametrize("name", ["device", "inode", "size_bytes", "mtime_ns", "ctime_ns"])
def test_one_that_differs_in_anything_is_not_known(index: Index, name: str) -> None:
    file = hashed("one")
    placed = ran(index, file)
    other = replace(file.fingerprint, **{name: 99})
    assert placed.unchanged({file.path: other, sp("two"): file.fingerprint}) == {}


def test_of_what_an_earlier_version_has_set_aside_nothing_is_believed(index: Index) -> None:
    file = hashed("one")
    ran(index, file)
    index.write("ALTER TABLE placed DROP COLUMN ctime_ns", ())
    placed = PlacedRecords(index)
    assert placed.unchanged({file.path: file.fingerprint}) == {}
    assert [kept.fingerprint for kept in placed.files([file.path])] == [file.fingerprint]


def test_one_as_young_as_the_run_that_placed_it_is_not_known(index: Index) -> None:
    old, young = hashed("old", BEGAN_NS - YOUNG_NS - 1), hashed("young", BEGAN_NS - YOUNG_NS)
    placed = ran(index, old, young)
    found = {file.path: file.fingerprint for file in (old, young)}
    assert list(placed.unchanged(found)) == [old.path]


def test_a_later_run_takes_the_place_of_the_one_before(index: Index) -> None:
    before, after = hashed("one", 5), hashed("one", 6)
    placed = ran(index, before, hashed("other"))
    index.remember([after])
    placed.begin_run(LATER_S + 1)
    assert placed.unchanged({before.path: before.fingerprint}) == {}
    assert placed.unchanged({after.path: after.fingerprint}) == {after.path: after.content}
    assert len(placed.files([sp("one"), sp("other")])) == 2


def test_a_panal_that_knows_no_time_of_the_last_change_can_write_here(index: Index) -> None:
    PlacedRecords(index)
    index.write(
        "INSERT INTO placed (path, content, device, inode, size_bytes, mtime_ns)"
        " VALUES ('a', x'00', 0, 1, 2, 3)",
        (),
    )
    assert index.rows("SELECT ctime_ns FROM placed", ()) == [(0,)]
