"""Each kind of finding: its damage is planted, and found as that and nothing else."""

import errno
import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from panal.errors import PanalError, StateInUse
from panal.fsck.findings import KINDS, Kind, Weight
from panal.store import file_systems
from panal.store.index import Index
from panal.wire.manifest import content_id
from tests.fsck.place import FETCHED, LARGE, UPLOAD, Place, overwrite
from tests.store.makers import fail
from tests.support.checker import assert_settled, assert_sound, findings_of

Plant = Callable[[Place], None]
PLANTS: dict[str, Plant] = {}


def planting(kind: str) -> Callable[[Plant], Plant]:
    def keep(plant: Plant) -> Plant:
        PLANTS[kind] = plant
        return plant

    return keep


# The index --------------------------------------------------------------------------------


@planting("index-damaged")
def _(place: Place) -> None:
    index = place.state / "index.sqlite"
    index.write_bytes(b"no database at all" * 1_000)


@planting("index-schema")
def _(place: Place) -> None:
    place.sql("ALTER TABLE downloads DROP COLUMN error_slug")


@planting("reference-lost")
def _(place: Place) -> None:
    place.sql("DELETE FROM snapshots")


@planting("manifest-wrong")
def _(place: Place) -> None:
    place.sql("UPDATE contents SET manifest = X'00' WHERE size_bytes = 5")


@planting("content-row-wrong")
def _(place: Place) -> None:
    place.sql("UPDATE contents SET size_bytes = 6 WHERE size_bytes = 5")


@planting("content-unused")
def _(place: Place) -> None:
    place.sql("DELETE FROM shared WHERE path = 'elsewhere/far.txt'")
    place.sql("DELETE FROM seen_folders")
    place.sql("DELETE FROM catalogue_total")
    shutil.rmtree(place.elsewhere)
    place.elsewhere.mkdir()


@planting("total-wrong")
def _(place: Place) -> None:
    place.sql("UPDATE catalogue_total SET digest = zeroblob(32)")


@planting("seen-wrong")
def _(place: Place) -> None:
    place.sql("DELETE FROM shared WHERE path = 'copy.bin'")
    place.sql("DELETE FROM catalogue_total")


@planting("path-unsafe")
def _(place: Place) -> None:
    place.sql("UPDATE shared SET path = '../x' WHERE path = 'elsewhere/far.txt'")
    place.sql("DELETE FROM catalogue_total")
    shutil.rmtree(place.elsewhere)
    place.elsewhere.mkdir()


# Files ------------------------------------------------------------------------------------


@planting("bytes-differ")
def _(place: Place) -> None:
    overwrite(place.folder / "large.bin", 300_000, b"rot")


@planting("sha256-differs")
def _(place: Place) -> None:
    with place.database() as database:
        (content,) = database.execute(
            "SELECT content FROM shared WHERE path = 'elsewhere/far.txt'"
        ).fetchone()
        (manifest,) = database.execute(
            "SELECT manifest FROM contents WHERE id = ?", (content,)
        ).fetchone()
        lying = manifest[:20] + bytes(32) + manifest[52:]
        new = content_id(lying)
        database.execute(
            "UPDATE contents SET id = ?, manifest = ?, sha256 = zeroblob(32) WHERE id = ?",
            (new, lying, content),
        )
        database.execute("UPDATE shared SET content = ? WHERE content = ?", (new, content))
        database.execute("DELETE FROM catalogue_total")


@planting("damaged")
def _(place: Place) -> None:
    place.damage("copy.bin")


@planting("damaged-touched")
def _(place: Place) -> None:
    place.damage("copy.bin")
    (place.folder / "copy.bin").chmod(0o600)


@planting("damaged-elsewhere")
def _(place: Place) -> None:
    place.damage("elsewhere/far.txt")


@planting("file-changed")
def _(place: Place) -> None:
    overwrite(place.folder / "large.bin", 0, b"edited", keep_time=False)


@planting("file-missing")
def _(place: Place) -> None:
    (place.folder / "copy.bin").unlink()


@planting("file-unreadable")
def _(place: Place) -> None:
    # What a bad sector does: the file is there as it was, and cannot be read.
    def is_of_copy(descriptor: int, *_: object) -> bool:
        return os.readlink(f"/proc/self/fd/{descriptor}").endswith("copy.bin")

    fail(place.patch, "preadv", errno.EIO, is_of_copy)


@planting("root-offline")
def _(place: Place) -> None:
    shutil.rmtree(place.elsewhere)


@planting("not-indexed")
def _(place: Place) -> None:
    (place.folder / "later.txt").write_bytes(b"put there while it was stopped")


@planting("temporary-visible")
def _(place: Place) -> None:
    os.rename(place.partial, place.folder / "sub" / place.partial.name)
    place.journal.unlink()
    place.sql("DELETE FROM downloads WHERE id = 'd2'")


# Folders, downloads, links, roots -----------------------------------------------------------


@planting("text-differs")
def _(place: Place) -> None:
    overwrite(place.text, 0, b"P")


@planting("text-missing")
def _(place: Place) -> None:
    place.text.unlink()


@planting("text-unused")
def _(place: Place) -> None:
    place.sql("DELETE FROM snapshot_files")
    place.sql("DELETE FROM snapshots")


@planting("folder-rows-wrong")
def _(place: Place) -> None:
    place.sql("DELETE FROM snapshot_files")


@planting("download-wrong")
def _(place: Place) -> None:
    place.sql("UPDATE downloads SET state = 'lost' WHERE id = 'd1'")


@planting("download-gone")
def _(place: Place) -> None:
    place.sql("UPDATE downloads SET path = 'elsewhere.bin' WHERE id = 'd1'")


@planting("guest-wrong")
def _(place: Place) -> None:
    place.sql("UPDATE guest_links SET kind = 7")


@planting("root-wrong")
def _(place: Place) -> None:
    place.sql("UPDATE roots SET name = 'a/../b'")
    place.sql("DELETE FROM shared WHERE path = 'elsewhere/far.txt'")
    place.sql("DELETE FROM contents WHERE size_bytes = 8")
    place.sql("DELETE FROM catalogue_total")


# Unfinished files ---------------------------------------------------------------------------


@planting("durable-chunk-wrong")
def _(place: Place) -> None:
    overwrite(place.partial, 0, b"rot")


@planting("written-chunk-wrong")
def _(place: Place) -> None:
    overwrite(place.partial, 300_000, b"rot")


@planting("journal-foreign")
def _(place: Place) -> None:
    overwrite(place.journal, 0, b"PANALJ9")


@planting("journal-beyond")
def _(place: Place) -> None:
    with place.journal.open("ab") as journal:
        journal.write(struct.pack("<I", 3))


@planting("journal-alone")
def _(place: Place) -> None:
    place.partial.unlink()


@planting("partial-size")
def _(place: Place) -> None:
    os.truncate(place.partial, 400_000)


@planting("partial-unowned")
def _(place: Place) -> None:
    place.sql("DELETE FROM downloads WHERE id = 'd2'")


@planting("upload-left")
def _(place: Place) -> None:
    (place.state / "uploads").mkdir(mode=0o700)
    (place.state / "uploads" / ("ab" * 16)).write_bytes(b"half")


@planting("upload-wrong")
def _(place: Place) -> None:
    (place.state / "resumable" / f"{UPLOAD}.durable").write_text("- 501\n")


@planting("temporary-left")
def _(place: Place) -> None:
    (place.state / "epoch.new").touch(mode=0o600)


@planting("state-open")
def _(place: Place) -> None:
    (place.state / "owner-secret").touch(mode=0o600)
    (place.state / "owner-secret").chmod(0o640)


@planting("stray")
def _(place: Place) -> None:
    (place.state / "partial" / "x").touch(mode=0o600)


# --------------------------------------------------------------------------------------------


ALSO = {
    "reference-lost": {"text-unused"},
    "seen-wrong": {"not-indexed"},
    "temporary-visible": {"not-indexed"},
}
"""What else a damage brings about by its nature."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_what_is_in_order_gives_no_finding(place: Place) -> None:
    assert_settled(place.folder, manifests=[place.manifest])


def test_a_download_that_waits_for_its_disk_is_in_order(place: Place) -> None:
    place.sql("UPDATE downloads SET state = 'waiting', error_slug = 'no-space' WHERE id = 'd2'")
    assert_settled(place.folder, manifests=[place.manifest])


def test_every_kind_is_planted() -> None:
    assert PLANTS.keys() == {kind.slug for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_a_planted_damage_is_found_and_nothing_else(kind: Kind, place: Place) -> None:
    PLANTS[kind.slug](place)
    found = {one.kind.slug for one in findings_of(place.folder, manifests=[place.manifest])}
    assert found == {kind.slug} | ALSO.get(kind.slug, set())
    if kind.weight is Weight.BROKEN:
        with pytest.raises(AssertionError, match=kind.slug):
            assert_sound(place.folder, manifests=[place.manifest])
    with pytest.raises(AssertionError, match=kind.slug):
        assert_settled(place.folder, manifests=[place.manifest])


def test_what_is_allowed_is_not_counted(place: Place) -> None:
    (place.folder / "later.txt").write_bytes(b"later")
    assert_settled(place.folder, allowed={"not-indexed"})


ENDS = ("part", "journal")


@pytest.mark.parametrize(("mode", "is_found"), [(0o644, False), (0o600, True)])
def test_what_the_user_calls_as_panal_does_is_the_users(
    mode: int, is_found: bool, place: Place
) -> None:
    for end in ENDS:
        own = place.folder / f"{'ab' * 32}.{end}"
        own.write_bytes(b"the user's own")
        own.chmod(mode)
    found = findings_of(place.folder, manifests=[place.manifest])
    misplaced = {one.where for one in found if one.kind.slug == "temporary-visible"}
    assert misplaced == ({f"{'ab' * 32}.{end}" for end in ENDS} if is_found else set())


@pytest.mark.parametrize(
    ("kind", "is_found"), [(0x4D44, False), (0x2011BAB0, False), (0xEF53, True), (None, True)]
)
def test_what_a_file_system_without_modes_cannot_keep_is_no_damage(
    kind: int | None, is_found: bool, place: Place
) -> None:
    """FAT, exFAT, ext4, and where the system does not tell."""
    place.patch.setattr(file_systems, "kind_of", lambda _: kind)
    for path in (place.state, *place.state.iterdir()):
        path.chmod(0o755)
    found = {one.kind.slug for one in findings_of(place.folder, manifests=[place.manifest])}
    assert found == ({"state-open"} if is_found else set())


def test_without_its_manifest_a_part_of_a_file_proves_nothing_and_a_whole_one_all(
    place: Place,
) -> None:
    overwrite(place.partial, 0, b"rot")
    found = {one.kind.slug for one in findings_of(place.folder)}
    assert found == {"durable-chunk-wrong", "written-chunk-wrong"}  # which one is not known
    place.journal.write_bytes(place.journal.read_bytes()[:44])  # chunk 0 alone
    assert findings_of(place.folder) == []


@pytest.mark.parametrize("kept_bytes", [0, 1, 8, 39, 40])
def test_a_journal_that_a_kill_left_while_it_was_begun_is_no_damage(
    kept_bytes: int, place: Place
) -> None:
    place.journal.write_bytes(place.journal.read_bytes()[:kept_bytes])
    assert findings_of(place.folder, manifests=[place.manifest]) == []


def test_a_file_of_another_is_seen_by_the_test_itself(place: Place) -> None:
    whole = {"large.bin": LARGE, "copy.bin": LARGE, "sub/ñ -rf.txt": b"small"}
    assert_sound(place.folder, whole=whole)
    (place.folder / "half.bin").write_bytes(FETCHED[:1_000])
    for known in ({}, {"half.bin": FETCHED}):
        with pytest.raises(AssertionError, match=r"half\.bin"):
            assert_sound(place.folder, whole=whole | known)


def test_a_state_that_is_used_is_refused_in_words(place: Place) -> None:
    index = Index(place.state / "index.sqlite")
    with pytest.raises(StateInUse, match="Another Panal peer"):
        findings_of(place.folder)
    index.close()


def test_what_a_download_of_a_name_may_need_is_not_nobodys(place: Place) -> None:
    place.sql("UPDATE downloads SET content = NULL, path = NULL, state = 'queued' WHERE id = 'd2'")
    assert_settled(place.folder, manifests=[place.manifest])


@pytest.mark.parametrize("is_begun", [False, True])
def test_an_index_that_was_thrown_away_is_not_missed(place: Place, is_begun: bool) -> None:
    (place.state / "index.sqlite").unlink()
    if is_begun:  # as a power cut leaves it that came before its first sync
        (place.state / "index.sqlite").touch(mode=0o600)
    found = assert_sound(place.folder, manifests=[place.manifest])
    assert {one.kind.slug for one in found} == {"partial-unowned"}


def test_an_index_of_a_later_version_is_refused_in_words(place: Place) -> None:
    place.sql("PRAGMA user_version = 99")
    with pytest.raises(PanalError, match="later Panal"):
        findings_of(place.folder)


def test_a_check_changes_nothing(place: Place) -> None:
    def snapshot() -> dict[str, tuple[int, int, bytes]]:
        return {
            str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes())
            for path in sorted(place.folder.rglob("*"))
            if path.is_file()
        }

    (place.state / "uploads").mkdir()
    (place.state / "uploads" / "left").write_bytes(b"half")
    (place.state / "resumable" / f"{UPLOAD}.durable").write_text("another-boot 7\n")
    before = snapshot()
    findings_of(place.folder)
    assert snapshot() == before


def test_what_is_compared_is_read_from_the_disk(place: Place) -> None:
    """Not from the kernel's copy, in which rot does not show; that is dropped first."""
    dropped: set[int] = set()

    def noting(descriptor: int, offset: int, size_bytes: int, advice: int) -> None:
        if (offset, size_bytes, advice) == (0, 0, os.POSIX_FADV_DONTNEED):
            dropped.add(os.fstat(descriptor).st_ino)

    place.patch.setattr(os, "posix_fadvise", noting)
    findings_of(place.folder)
    unfinished = (place.state / "partial").glob("*.part")
    files = [path for path in place.folder.iterdir() if path.is_file()]
    assert {path.stat().st_ino for path in (*files, *unfinished)} <= dropped


def test_the_document_has_every_kind_and_no_other() -> None:
    document = Path(__file__).parents[2].joinpath("docs/RELIABILITY.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| (P\d+) \| (.+) \|$", document, re.M)
    assert rows == [(k.slug, k.weight.value, k.promise, k.meaning) for k in KINDS]
