"""The index: what it remembers, who may open it, and that it never stands in the way."""

import errno
import logging
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from panal.errors import NoSpace, PanalError, Refused, StateInUse
from panal.store import index as index_module
from panal.store import shared_files
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile
from panal.store.index import Index, Moved
from panal.store.index_database import ROWS_AT_ONCE
from panal.store.index_file import SCHEMA_VERSION, SELECT_SHARED
from panal.store.shared_files import MANY, UNCHECKED, SharedFile
from panal.store.turn import COMPUTING
from panal.wire.catalogue import CatalogueDigest
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, content_id
from panal.wire.names import safe_path
from tests.store.makers import fail, manifest_by_hand, noise

pytestmark = [pytest.mark.p3, pytest.mark.p5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/index.sqlite"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    index = Index(path)
    yield index
    index.close()


def test_others_compute_while_what_is_remembered_is_written(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_made_in_turn: list[bool] = []
    written_in_turn: list[bool] = []
    real_writing, real_row = index.writing, index_module._content_row

    def row(file: HashedFile) -> tuple[object, ...]:
        rows_made_in_turn.append(COMPUTING.locked())
        return real_row(file)

    def writing() -> AbstractContextManager[sqlite3.Connection]:
        written_in_turn.append(COMPUTING.locked())
        return real_writing()

    monkeypatch.setattr(index_module, "_content_row", row)
    monkeypatch.setattr(index, "writing", writing)
    remember(index, "one")
    assert (rows_made_in_turn, written_in_turn) == ([True], [False])
    assert not COMPUTING.locked()


@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 1])
def test_any_number_of_files_is_remembered_and_replaced(index: Index, count: int) -> None:
    for first in (0, 1_000):
        files = [
            HashedFile(safe_path(f"{n}"), fingerprint(first + n), found, manifest)
            for n in range(count)
            for manifest, found in [content(first + n)]
        ]
        index.remember(files)
        there = index.by_paths([file.path for file in files])
        assert {shared.path: (shared.content, shared.fingerprint) for shared in there.values()} == {
            file.path: (file.content, file.fingerprint) for file in files
        }
        assert len(index.rows("SELECT id FROM contents", ())) == count


def content(seed: int) -> tuple[Manifest, ContentId]:
    manifest = manifest_by_hand(noise(10 + seed, seed))
    return manifest, content_id(manifest.encode())


def fingerprint(seed: int) -> Fingerprint:
    return Fingerprint(1, seed, 10 + seed, 1_000 + seed)


def remember(index: Index, name: str, seed: int = 1, *, checked: bool = True) -> SharedFile:
    manifest, found = content(seed)
    hashed = HashedFile(safe_path(name), fingerprint(seed), found, manifest, checked)
    ((_, after),) = index.remember([hashed])
    return after


def forget(index: Index, name: str) -> None:
    if (known := index.by_path(name)) is not None:
        index.forget([(known.path, known.fingerprint)])


def known_contents(index: Index) -> int:
    (count,) = index._database.execute("SELECT count(*) FROM contents").fetchone()
    return int(count)


# Remembering ------------------------------------------------------------------------------


def test_what_is_remembered_is_found_by_path_by_content_and_after_a_restart(path: Path) -> None:
    index = Index(path)
    manifest, found = content(1)
    expected = SharedFile(
        safe_path("a/ñ"), found, fingerprint(1), manifest.sha256, sha256_checked=True
    )
    assert remember(index, "a/ñ") == expected
    for _ in range(2):
        assert index.by_path("a/ñ") == expected
        assert index.by_content(found) == [expected]
        assert index.manifest(found) == manifest
        assert index.encoded_manifest(found) == manifest.encode()
        assert index.fingerprints() == {"a/ñ": fingerprint(1)}
        assert index.totals() == (1, 11)
        index.close()
        index = Index(path)
    index.close()


def test_what_is_not_known_is_not_found(index: Index) -> None:
    _, found = content(1)
    assert index.by_path("a") is None
    assert index.by_content(found) == []
    assert index.manifest(found) is None
    assert index.encoded_manifest(found) is None
    assert index.totals() == (0, 0)
    forget(index, "a")
    index.mark_sha256(found, right=True)


def test_two_paths_of_one_content_go_one_by_one(index: Index) -> None:
    _, found = content(1)
    remember(index, "b")
    remember(index, "a")
    assert [shared.path for shared in index.by_content(found)] == ["a", "b"]
    forget(index, "a")
    assert [shared.path for shared in index.by_content(found)] == ["b"]
    assert index.manifest(found) is not None
    forget(index, "b")
    assert index.by_content(found) == []
    assert index.encoded_manifest(found) is None
    assert known_contents(index) == 0


def test_a_path_with_new_content_drops_the_old_unless_others_have_it(index: Index) -> None:
    remember(index, "a", 1)
    remember(index, "b", 1)
    remember(index, "a", 2)
    assert known_contents(index) == 2
    remember(index, "b", 2)
    assert known_contents(index) == 1
    assert index.encoded_manifest(content(1)[1]) is None
    remember(index, "a", 2)
    assert known_contents(index) == 1


def test_the_same_content_again_keeps_what_was_checked(index: Index) -> None:
    assert not remember(index, "a", checked=False).sha256_checked
    assert [shared.path for shared in index.unchecked()] == ["a"]
    assert remember(index, "b", checked=True).sha256_checked
    assert remember(index, "a", checked=False).sha256_checked
    assert index.unchecked() == []


def test_the_outcome_of_a_check_is_for_every_path_of_the_content(index: Index) -> None:
    for name in ("a", "b"):
        remember(index, name, checked=False)
    _, found = content(1)
    index.mark_sha256(found, right=True)
    assert [shared.sha256_checked for shared in index.by_content(found)] == [True, True]
    index.mark_sha256(found, right=False)
    assert [shared.sha256_checked for shared in index.by_content(found)] == [False, False]
    assert index.unchecked() == []  # it was checked, and lies


def test_only_a_checked_sha256_is_told(index: Index) -> None:
    manifest, found = content(1)
    entry = remember(index, "a", checked=False).entry()
    assert (entry.path, entry.content, entry.size_bytes) == ("a", found, 11)
    assert entry.sha256 is None
    assert remember(index, "a", checked=True).entry().sha256 == manifest.sha256


def test_fingerprints_of_odd_file_systems_are_kept(index: Index) -> None:
    manifest, found = content(1)
    for number in (-(2**63), 2**63 - 1):
        odd = Fingerprint(number, number, 11, number)
        index.remember([HashedFile(safe_path("a"), odd, found, manifest)])
        assert index.fingerprints() == {"a": odd}


# Listing ----------------------------------------------------------------------------------


def test_pages_follow_one_another_without_a_gap(index: Index) -> None:
    names = ["\x7e", "A", "B", "a", "a b", "a-b", "a/b", "a/c", "ä", "z", "\uffff", "\U0010ffff"]
    for name in reversed(names):
        remember(index, name)
    for limit in (1, 2, 5, 100):
        found, after = [], ""
        while page := index.files_after(after, limit):
            assert len(page) <= limit
            found += [shared.path for shared in page]
            after = page[-1].path
        assert found == sorted(names)


@pytest.mark.parametrize("prefix", ["a%/", "a_/", "a\\/", "ä/", "\U0010ffff/", "a'/", "a/", "*/"])
def test_a_folder_lists_what_is_in_it_and_nothing_beside(
    prefix: str, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = "\U0010ffff"
    inside = [prefix + name for name in ("a", "z/z", "\uffff", last, last * 63, last + "/" + last)]
    beside = ["aa/b", "ab/c", "a", prefix[:-1] + "0", prefix[:-1] + ".", "x" + prefix + "a", last]
    for name in {*inside, *beside}:
        remember(index, name)
    monkeypatch.setattr(shared_files, "PAGE", 2)
    for of, names in ((prefix, sorted(inside)), ("", sorted({*inside, *beside}))):
        assert [shared.path for shared in index.files_below(of)] == names
        pages = list(index.pages_below(of))
        assert [shared.path for page in pages for shared in page] == names
        assert max(map(len, pages)) == 2
    assert index.files_below("none/") == []


# Two at once ------------------------------------------------------------------------------

OPEN_AND_SAY = """
import sys
from pathlib import Path
from panal.errors import PanalError
from panal.store.index import Index
try:
    Index(Path(sys.argv[1])).close()
    print("opened")
except PanalError as error:
    print(error.slug, error)
"""


def in_another_process(path: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", OPEN_AND_SAY, str(path)], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
def test_a_second_process_is_refused_in_words(path: Path) -> None:
    index = Index(path)
    remember(index, "a")
    said = in_another_process(path)
    assert said.startswith("state-in-use Another Panal peer uses")
    assert str(path.parent) in said
    with pytest.raises(StateInUse):
        Index(path)
    remember(index, "b")  # the first goes on
    index.close()
    assert in_another_process(path) == "opened\n"


def test_threads_may_call_at_once(index: Index) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(40):
                remember(index, f"own {number}", number)
                remember(index, "common", 10 + (turn + number) % 3)
                assert index.by_path(f"own {number}") is not None
                index.files_after("", 10)
                index.totals()
                if turn % 4 == 0:
                    forget(index, "common")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    remember(index, "common", 10)
    assert index.totals()[0] == 5
    assert known_contents(index) == 5  # nobody's content was left behind


def test_what_a_path_had_is_read_and_dropped_in_one_step(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_transaction = []
    real = Index._files

    def files(self: Index, where: str, values: tuple[object, ...]) -> Iterator[SharedFile]:
        in_transaction.append(self._database.in_transaction)
        return real(self, where, values)

    monkeypatch.setattr(Index, "_files", files)
    remember(index, "a")
    index.forget([(safe_path("a"), fingerprint(1))])
    assert in_transaction == [True, True]


# A file that is no index ------------------------------------------------------------------


def test_an_index_of_a_later_version_is_refused_in_words(path: Path) -> None:
    index = Index(path)
    remember(index, "a")
    index._database.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    index.close()
    for _ in range(2):  # and is not kept locked by the refusal
        with pytest.raises(PanalError, match=r"later Panal \(version 4\).*made again"):
            Index(path)
    assert in_another_process(path).startswith("failed The index was written by a later Panal")
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    database.close()
    index = Index(path)
    assert index.by_path("a") is not None
    index.close()


def fill(path: Path) -> None:
    index = Index(path)
    fill_with(index, 200)
    index.close()


def fill_with(index: Index, count: int) -> None:
    for number in range(count):
        remember(index, f"some folder/file {number}", number)


def overwrite_all(path: Path) -> None:
    path.write_bytes(noise(5_000))


def overwrite_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(noise(4096))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def drop_a_table(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("DROP TABLE shared")
    database.commit()
    database.close()


def put_another_database(path: Path) -> None:
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE contents (other TEXT)")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "damage", [overwrite_all, overwrite_a_page, cut, drop_a_table, put_another_database]
)
def test_a_damaged_index_is_set_aside_and_begun_anew(
    damage: object, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(path)
    assert callable(damage)
    damage(path)
    damaged = path.read_bytes()
    with caplog.at_level(logging.WARNING):
        index = Index(path)
    assert "The index was damaged" in caplog.text
    assert index.totals() == (0, 0)
    remember(index, "a")
    index.close()
    # Behind SQLite's header, in which opening alone may change a number.
    assert path.with_name("index.sqlite.damaged").read_bytes()[100:] == damaged[100:]
    index = Index(path)
    assert index.by_path("a") is not None
    index.close()


def test_the_log_of_a_damaged_index_is_not_taken_for_the_new_ones(path: Path) -> None:
    fill(path)
    index = Index(path)
    remember(index, "in the log only", 300)
    image, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    index.close()
    assert log
    path.write_bytes(noise(len(image)))
    Path(f"{path}-wal").write_bytes(log)
    index = Index(path)
    assert index.totals() == (0, 0)
    index.close()
    assert not Path(f"{path}-wal").exists()


def test_a_second_damaged_index_takes_the_place_of_the_first(path: Path) -> None:
    for number in range(2):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(noise(5_000, number))
        Index(path).close()
    assert path.with_name("index.sqlite.damaged").read_bytes() == noise(5_000, 1)


def test_an_empty_file_is_an_index_not_yet_made(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.touch()
    Index(path).close()
    assert caplog.text == ""


def test_a_killed_process_loses_nothing_that_was_remembered(path: Path, tmp_path: Path) -> None:
    index = Index(path)
    for number in range(50):
        remember(index, f"file {number}", number)
    (tmp_path / "image").mkdir()
    for suffix in ("", "-wal"):
        image = Path(f"{path}{suffix}").read_bytes()
        (tmp_path / f"image/index.sqlite{suffix}").write_bytes(image)
    index.close()
    after = Index(tmp_path / "image/index.sqlite")
    assert after.totals()[0] == 50
    assert not (tmp_path / "image/index.sqlite.damaged").exists()
    after.close()


# Where it cannot be written ---------------------------------------------------------------


def test_a_place_that_cannot_be_opened_is_told_in_words(path: Path, tmp_path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(PanalError, match="cannot be opened: unable to open"):
        Index(path)
    (tmp_path / "file").touch()
    with pytest.raises(PanalError, match=r"Could not open the index .*: (Not a dir|File exists)"):
        Index(tmp_path / "file/index.sqlite")


def test_a_folder_that_cannot_be_made_is_told_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "mkdir", errno.EROFS)
    with pytest.raises(Refused, match="Read-only"):
        Index(path)


def test_the_state_is_for_its_owner_only(path: Path) -> None:
    Index(path).close()
    assert path.parent.stat().st_mode & 0o777 == 0o700


FILL_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from panal.errors import NoSpace
from panal.store.index import Index
from tests.store.test_index import remember
limit = int(sys.argv[2])
index = Index(Path(sys.argv[1])) if sys.argv[3] == "late" else None
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
known = 0
try:
    index = index or Index(Path(sys.argv[1]))
    for known in range(10_000):
        remember(index, f"file {known}", known)
except NoSpace as error:
    print("full:", error)
if index:
    assert index.totals()[0] == known
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    remember(index, "space again", known)
    assert index.totals()[0] == known + 1
    index.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "when"), [(200_000, "late"), (1_000, "from the beginning")])
def test_a_full_disk_is_told_and_nothing_is_half_remembered(
    limit: int, when: str, path: Path
) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FILL_UNDER_A_LIMIT, str(path), str(limit), when],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("full: The index cannot grow")
    after = Index(path)
    assert not path.with_name("index.sqlite.damaged").exists()
    assert when != "late" or after.by_path("space again") is not None
    after.close()


def test_a_failed_write_leaves_nothing_behind(index: Index) -> None:
    manifest, found = content(1)
    beyond = Fingerprint(1, 2**64, 11, 1)  # refused after the content was written
    with pytest.raises(OverflowError):
        index.remember([HashedFile(safe_path("a"), beyond, found, manifest)])
    assert known_contents(index) == 0
    remember(index, "a")


def test_a_change_of_many_rows_writes_no_file_beside_the_log(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one where, ever after, each row first puts the pages aside that it touches."""
    seen = set()

    def look(*_: object) -> None:
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                seen.add(os.readlink(f"/proc/self/fd/{number}"))

    monkeypatch.setattr(index, "_changed", look)  # the last step within the transaction
    known = map(content, range(1_000))
    files = [
        HashedFile(safe_path(found.hex()), fingerprint(1), found, manifest)
        for manifest, found in known
    ]
    index.remember(files)
    index.write("UPDATE contents SET size_bytes = size_bytes + 1", ())
    index.remember(files)
    assert any("index.sqlite" in target for target in seen)
    assert not any("etilqs" in target for target in seen)  # SQLite's own temporary files


def test_a_full_database_is_no_space(index: Index) -> None:
    remember(index, "a")
    (pages,) = index._database.execute("PRAGMA page_count").fetchone()
    index._database.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(NoSpace, match="the disk is full"):
        fill_with(index, 1_000)
    index._database.execute("PRAGMA max_page_count=1000000")
    remember(index, "b")


# Moving -----------------------------------------------------------------------------------


def test_a_moved_file_has_what_its_twin_has_unless_that_changed_meanwhile(index: Index) -> None:
    twin = remember(index, "old", 1)
    remember(index, "taken", 2)
    to = [Moved(safe_path(name), fingerprint(1), "old") for name in ("new", "taken")]
    (none, new), (before, taken) = index.remember_moved(to)
    assert (none, before) == (None, SharedFile(safe_path("taken"), *told(2)))
    assert new == SharedFile(safe_path("new"), *told(1)) == index.by_path("new")
    assert taken.content == twin.content
    assert known_contents(index) == 1
    remember(index, "old", 3)
    assert index.remember_moved([Moved(safe_path("later"), fingerprint(1), "old")]) == []
    assert index.remember_moved([Moved(safe_path("later"), fingerprint(1), "none")]) == []
    assert index.by_path("later") is None


def told(seed: int) -> tuple[ContentId, Fingerprint, bytes, bool]:
    manifest, found = content(seed)
    return found, fingerprint(seed), manifest.sha256, True


def test_entries_are_what_the_files_say_of_themselves(index: Index) -> None:
    files = [remember(index, "a", 1), remember(index, "b", 2, checked=False)]
    assert index.entries_after("", 10) == [file.entry() for file in files]
    assert index.entries_after("a", 1) == [files[1].entry()]


def test_many_at_once_are_remembered_as_one_by_one(index: Index) -> None:
    manifest, found = content(1)
    files = [
        HashedFile(safe_path(f"{n:05}"), fingerprint(1), found, manifest) for n in range(MANY + 5)
    ]
    first = index.remember(files)
    assert all(before is None for before, _ in first)
    assert [after for _, after in first] == index.files_after("", len(files))
    again = index.remember([replace(file, sha256_checked=False) for file in files])
    assert again == [(after, after) for _, after in first]  # what was checked stays so
    assert index.one_of_each([found, content(2)[1]]) == [first[0][1]]


# What is kept beside the files -------------------------------------------------------------


def recalled(index: Index, folder: str) -> object:
    rows = index.rows("SELECT seen FROM seen_folders WHERE folder = ?", (folder,))
    return rows[0][0] if rows else None


def total_of(index: Index) -> bytes:
    digest = CatalogueDigest()
    for entry in index.entries_after("", -1):
        digest.add(entry)
    return digest.value()


def test_an_index_of_the_first_version_keeps_its_files(path: Path) -> None:
    index = Index(path)
    shared = remember(index, "a/b")
    index.seen_folders.keep([("a", b"seen")])
    for part in ("TABLE seen_folders", "TABLE catalogue_total", "INDEX unchecked"):
        index._database.execute("DROP " + part)
    index._database.execute("ALTER TABLE shared DROP COLUMN ctime_ns")
    index._database.execute("PRAGMA user_version=1")
    index.close()
    for _ in range(2):
        index = Index(path)
        assert index.by_path("a/b") == shared
        assert index.total.value() is None
        assert recalled(index, "a") is None
        index.close()
    index = Index(path)
    remember(index, "c", 2)
    assert index.total.value() is None
    index.total.keep(total_of(index))
    remember(index, "d", 3)
    assert index.total.value() == total_of(index)
    index.close()


def test_an_index_of_the_second_version_does_not_know_when_files_were_changed(path: Path) -> None:
    index = Index(path)
    shared = remember(index, "a/b")
    index._database.execute("ALTER TABLE shared DROP COLUMN ctime_ns")
    index._database.execute("PRAGMA user_version=2")
    index.close()
    index = Index(path)
    assert index.by_path("a/b") == shared
    assert index.rows("SELECT ctime_ns FROM shared", ()) == [(0,)]
    index.close()


@pytest.mark.parametrize("seed", range(20))
def test_the_total_is_that_of_all_entries_or_not_known(index: Index, seed: int) -> None:
    chance = Random(seed)
    names = ["a", "b/c", "b/d", "e"]
    known = 0
    for _ in range(40):
        name, number = chance.choice(names), chance.randrange(3)
        match chance.randrange(5):
            case 0:
                gone = [f for f in index.files_below("") if f.path == name]
                index.forget([(f.path, f.fingerprint) for f in gone * 2])
            case 1:
                index.mark_sha256(content(number)[1], right=chance.random() < 0.5)
            case 2:
                twins = index.by_content(content(number)[1])
                moves = [Moved(safe_path(name), twin.fingerprint, twin.path) for twin in twins]
                index.remember_moved(moves)
            case _:
                remember(index, name, number, checked=chance.random() < 0.5)
        if (total := index.total.value()) is None:
            index.total.keep(total_of(index))
        else:
            known += 1
            assert total == total_of(index)
    assert known > 20


def test_a_failed_change_leaves_total_and_folders_as_they_were(index: Index) -> None:
    remember(index, "a/b")
    index.seen_folders.begin("")
    index.seen_folders.keep([("a", b"seen")])
    before = index.total.value()

    def fail_late() -> None:
        with index.writing() as database:
            index.seen_folders.forget_above(database, ["a/b"])
            index.total.forget(database)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    assert (index.total.value(), recalled(index, "a")) == (before, b"seen")


def test_a_change_forgets_every_folder_above_and_no_other(index: Index) -> None:
    folders = ["", "a", "a/b", "a/c", "d"]
    look = index.seen_folders.begin("")
    look.keep([(folder, b"seen") for folder in folders])
    remember(index, "a/b/file")
    kept = {folder for folder in folders if recalled(index, folder)}
    assert kept == {"a/c", "d"}
    look.keep([(folder, b"late") for folder in folders])
    assert {folder for folder in folders if recalled(index, folder)} == kept
    index.seen_folders.begin("")
    index.seen_folders.keep([("a", b"seen")])
    assert recalled(index, "a") == b"seen"


def test_a_look_recalls_what_is_below_and_nothing_that_changed_since(index: Index) -> None:
    folders = ["", "a", "a/b", "a/b/c", "a-b", "a0", "b"]
    index.seen_folders.begin("")
    index.seen_folders.keep([(folder, folder.encode()) for folder in folders])
    recall = index.seen_folders.begin("a").recall
    assert [folder for folder in folders if recall(folder) is not None] == ["a", "a/b", "a/b/c"]
    assert recall("a/b") == b"a/b"
    look, other = index.seen_folders.begin(""), index.seen_folders.begin("a")
    recall = look.recall
    assert [folder for folder in folders if recall(folder) is not None] == folders
    remember(index, "a/b/file")
    assert [folder for folder in folders if recall(folder) is None] == ["", "a", "a/b"]
    other.keep([("a/b", b"late")])  # looks at the same time: each minds what changed
    assert recalled(index, "a/b") is None


def test_what_is_unchecked_is_found_without_looking_at_the_rest(index: Index) -> None:
    question = SELECT_SHARED + UNCHECKED
    plan = index.rows("EXPLAIN QUERY PLAN " + question, ())
    assert any("INDEX unchecked" in str(step[3]) for step in plan)
    assert not any(str(step[3]) in {"SCAN shared", "SCAN contents"} for step in plan)


def test_what_is_asked_for_again_is_as_it_is_now(index: Index) -> None:
    remember(index, "a")
    _, found = content(1)
    assert [shared.path for shared in index.by_content(found)] == ["a"]
    index.by_content(found).clear()
    assert [shared.path for shared in index.by_content(found)] == ["a"]
    with suppress(Refused), index.writing() as database:
        database.execute("DELETE FROM shared")
        assert index.by_content(found) == []
        raise Refused("undone")
    assert [shared.path for shared in index.by_content(found)] == ["a"]
    forget(index, "a")
    assert index.by_content(found) == []


def test_a_disk_that_was_made_read_only_is_not_called_full(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadOnly:
        in_transaction = False

        def execute(self, *_: object) -> None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
            raise error

    def read_only(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    index._database, whole = ReadOnly(), index._database  # type: ignore[assignment]
    with pytest.raises(NoSpace, match="its limit is reached"):
        index.write("DELETE FROM shared", ())
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    with pytest.raises(Refused, match="Could not write the index: Read-only") as raised:
        index.write("DELETE FROM shared", ())
    assert raised.value.may_pass
    index._database = whole


@pytest.mark.parametrize(
    ("code", "words", "may_pass"),
    [
        (sqlite3.SQLITE_IOERR_READ, "cannot be read: as SQLite says it.", True),
        (sqlite3.SQLITE_CORRUPT, "is damaged (as SQLite says it). Start the peer again", False),
    ],
)
def test_what_cannot_be_read_is_said_in_words(
    tmp_path: Path, code: int, words: str, may_pass: bool
) -> None:
    index = Index(tmp_path / "index.sqlite")

    class Broken:
        in_transaction = False

        def execute(self, *_: object) -> None:
            error = sqlite3.DatabaseError("as SQLite says it")
            error.sqlite_errorcode = code
            raise error

    index._database, whole = Broken(), index._database  # type: ignore[assignment]
    questions: list[Callable[[], object]] = [
        index.totals,
        index.unchecked,
        lambda: index.by_path("x"),
        lambda: index.by_content(ContentId(bytes(32))),
        lambda: index.manifest(ContentId(bytes(32))),
        lambda: index.entries_after("", 1),
        lambda: index.fingerprints(),
        lambda: index.rows("SELECT 1", ()),
    ]
    for ask in questions:
        with pytest.raises(PanalError) as raised:
            ask()
        assert words in str(raised.value)
        assert raised.value.may_pass is may_pass
    index._database = whole
    index.close()
