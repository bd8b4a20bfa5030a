import logging
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from panal.errors import NoSpace, PanalError, Refused, StateInUse
from panal.tracker import sqlite_keys
from panal.tracker.database import SCHEMA_VERSION
from panal.tracker.search import understand
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.sqlite_text import settle_merging, unindexed
from panal.wire.catalogue import Holding, SearchQuery
from panal.wire.ids import PeerName
from tests.tracker.makers import announcement, content, digest_of, entry, record

ONE = PeerName("peer_1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tracker.db"


@pytest.fixture
def written(path: Path) -> Path:
    storage = SqliteStorage(path, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record())
        half = Holding(content(2), complete=False)
        storage.apply(ONE, announcement(entry("Año.txt", 1), holdings=(half,), sequence=3))
    storage.close()
    return path


def test_a_restart_keeps_records_and_grants_leases_anew(written: Path) -> None:
    storage = SqliteStorage(written, now_s=5_000.0, lease_s=40.0)
    known = storage.peer(ONE)
    assert known is not None
    assert (known.lease_until_s, known.renewed_at_s, known.sequence) == (5_040.0, 5_000.0, 3)
    assert known.digest == digest_of(entry("Año.txt", 1), Holding(content(2), complete=False))
    assert len(storage.match(understand(SearchQuery("ano")), 5_001.0).rows) == 1
    storage.close()


def _index(storage: SqliteStorage) -> None:
    left = 1
    while left:
        with storage.transaction():
            left = storage.index_names(10)


def _pieces(storage: SqliteStorage) -> int:
    found = storage._connection.execute("SELECT count(DISTINCT segid) FROM entry_text_idx")
    return int(found.fetchone()[0])


def test_pieces_of_the_index_wait_to_be_merged_and_are_then_all_there(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    _index(storage)
    for number in range(30):
        with storage.transaction():
            storage.apply(ONE, announcement(entry(f"{number} año.txt", number)))
        _index(storage)
    paths = _found(storage, "ano")
    assert (len(paths), _pieces(storage)) == (31, 31)
    merged: list[bool] = []
    while not merged or merged[-1]:
        with storage.transaction():
            merged.append(storage.merge_index(1_000))
    assert merged[0]
    assert _pieces(storage) < 8
    assert _found(storage, "ano") == paths
    storage.close()


def test_a_file_whose_pieces_were_merged_as_names_came_is_settled_once(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    storage._connection.execute("INSERT INTO entry_text (entry_text, rank) VALUES ('automerge', 8)")
    storage.close()
    storage = SqliteStorage(written, now_s=0.0)
    asked = "SELECT v FROM entry_text_config WHERE k = 'automerge'"
    assert storage._connection.execute(asked).fetchone() == (0,)
    before = storage._connection.total_changes
    settle_merging(storage._connection)
    assert storage._connection.total_changes == before
    storage.close()


def _found(storage: SqliteStorage, words: str) -> list[str]:
    return [row.path for row in storage.match(understand(SearchQuery(words)), 1.0).rows]


def test_the_index_goes_on_where_it_was_after_a_restart(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    _index(storage)
    with storage.transaction():
        storage.apply(ONE, announcement(removed=("Año.txt",)))
    storage.close()
    storage = SqliteStorage(written, now_s=0.0)
    with storage.transaction():
        storage.apply(ONE, announcement(entry("otro.txt", 2)))
    assert _found(storage, "txt") == ["otro.txt"]
    _index(storage)  # an entry that took the number of the one that went would be passed over
    assert _found(storage, "txt") == ["otro.txt"]
    assert _found(storage, "ano") == []
    storage.close()


def test_of_very_many_names_at_once_the_newest_are_found_before_the_index_has_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.sqlite_queries.FEW_ENTRIES", 2)
    storage = SqliteStorage(path, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record())
        storage.apply(ONE, announcement(*(entry(f"file {n}", n) for n in range(9))))
    assert _found(storage, "file") == ["file 7", "file 8"]
    assert unindexed(storage._connection) == 9
    _index(storage)
    assert len(_found(storage, "file")) == 9
    assert unindexed(storage._connection) == 0
    storage.close()


def _located(storage: SqliteStorage, number: int) -> bool:
    return bool(storage.locate([content(number)], 1.0)[content(number)])


def _with_sha256(storage: SqliteStorage, sha256: bytes) -> list[str]:
    return [row.path for row in storage.match(understand(SearchQuery(sha256=sha256)), 1.0).rows]


def _merge(storage: SqliteStorage, slices: int) -> None:
    for _ in range(slices):  # each message merges one
        with storage.transaction():
            storage.apply(ONE, announcement())


def test_what_is_looked_up_is_found_before_while_and_after_it_is_merged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_keys, "RECENT_ENTRIES", 4)
    storage = SqliteStorage(path, now_s=0.0)
    numbers = [n << 248 for n in range(0, 256, 16)]  # a key in each part
    with storage.transaction():
        storage.put_peer(record())
        told = [entry(str(n), n, sha256=bytes([n >> 248]) * 32) for n in numbers]
        storage.apply(ONE, announcement(*told))
    for slices in range(20):
        assert all(_located(storage, number) for number in numbers)
        assert [_with_sha256(storage, one.sha256 or b"") for one in told[1:]] == [
            [one.path] for one in told[1:]
        ]
        _merge(storage, slices)
        storage.close()  # at any moment
        storage = SqliteStorage(path, now_s=0.0)
    monkeypatch.setattr(sqlite_keys, "RECENT_ENTRIES", 1)
    _merge(storage, 20)
    merged = "SELECT count(*) FROM main.by_content"
    assert storage._connection.execute(merged).fetchone() == (len(numbers),)
    with storage.transaction():  # what was merged changes
        storage.apply(ONE, announcement(entry(told[1].path, 7), removed=(told[2].path,)))
    storage.close()
    storage = SqliteStorage(path, now_s=0.0)
    assert _located(storage, 7)
    assert not _located(storage, numbers[1])
    assert not _located(storage, numbers[2])
    storage.close()


def test_what_goes_is_looked_up_in_every_index(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    deletions: list[str] = []
    storage._connection.set_trace_callback(
        lambda said: deletions.append(said) if said.startswith("DELETE") else None
    )
    with storage.transaction():
        storage.apply(ONE, announcement(removed=("Año.txt",)))
    storage._connection.set_trace_callback(None)
    assert len(deletions) == 3 * len(sqlite_keys.KEYS) + 1
    for statement in deletions:
        steps = [row[3] for row in storage._connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in steps if step.startswith("SCAN") and "json_each" not in step]
    storage.close()


def test_a_renewal_writes_nothing(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    known = storage.peer(ONE)
    assert known is not None
    with storage.transaction():
        storage.put_peer(known.renewed(50.0, 60.0))
        assert not storage._connection.in_transaction
    assert storage.peer(ONE) == known.renewed(50.0, 60.0)
    assert _found(storage, "ano") == ["Año.txt"]
    storage.close()


def test_however_often_a_peer_renews_its_lease_is_looked_at_once(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    for now_s in range(50):
        known = storage.peer(ONE)
        assert known is not None
        with storage.transaction():
            storage.put_peer(known.renewed(float(now_s), 60.0))
    assert len(storage._peers._lapses) == 1
    assert _found_at(storage, 108.9) == ["Año.txt"]
    assert _found_at(storage, 109.0) == []
    storage.close()


def _found_at(storage: SqliteStorage, now_s: float) -> list[str]:
    return [row.path for row in storage.match(understand(SearchQuery("ano")), now_s).rows]


def test_a_restart_brings_nobody_back_who_had_left(written: Path) -> None:
    storage = SqliteStorage(written, now_s=10.0)
    with storage.transaction():
        storage.end_lease(ONE, 20.0)
    storage.close()
    storage = SqliteStorage(written, now_s=3.0, lease_s=40.0)
    assert storage.list_peers("", 9, 3.0) == []
    with storage.transaction():
        assert storage.sweep(3.0) == []
        storage.drop_gone(2.9)  # its time counts from the restart: that clock is gone
        assert storage.peer(ONE) is not None
        storage.drop_gone(3.0)
        assert storage.peer(ONE) is None
    storage.close()


def test_the_digest_is_made_anew_from_the_rows(written: Path) -> None:
    damaged = sqlite3.connect(written)
    damaged.execute("DELETE FROM holdings")
    damaged.commit()
    damaged.close()
    storage = SqliteStorage(written, now_s=0.0)
    known = storage.peer(ONE)
    assert known is not None
    assert known.digest == digest_of(entry("Año.txt", 1))
    storage.close()


def test_a_second_process_is_told_who_has_the_records(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    code = f"""
from pathlib import Path
from panal.errors import StateInUse
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.sqlite_text import settle_merging
try:
    SqliteStorage(Path({str(written)!r}), 0.0)
except StateInUse as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert str(written) in done.stdout, done.stderr
    assert "Stop that tracker" in done.stdout
    assert not written.with_name("tracker.db-shm").exists()
    with pytest.raises(StateInUse):
        SqliteStorage(written, now_s=0.0)
    storage.close()
    SqliteStorage(written, now_s=0.0).close()


def test_records_of_a_newer_version_are_left_alone(written: Path) -> None:
    newer = sqlite3.connect(written)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    before = written.read_bytes()
    with pytest.raises(Refused, match="newer Panal"):
        SqliteStorage(written, now_s=0.0)
    assert written.read_bytes() == before


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _overwritten(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096 * 2 : 4096 * 6] = b"\xa5" * (4096 * 4)
    path.write_bytes(raw)


def _foreign(path: Path) -> None:
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE somebody_elses (x)")
    other.commit()
    other.close()


@pytest.mark.parametrize("damage", [_garbage, _truncated, _overwritten, _foreign])
def test_a_file_that_cannot_be_read_is_put_aside(
    written: Path, damage, caplog: pytest.LogCaptureFixture
) -> None:
    damage(written)
    lost = written.read_bytes()
    for number in (1, 2):
        if number == 2:
            written.write_bytes(lost)
        with caplog.at_level(logging.WARNING, "panal.tracker"):
            storage = SqliteStorage(written, now_s=0.0)
        assert storage.peer(ONE) is None
        storage.close()
        aside = written.with_name(f"tracker.db.unreadable-{number}")
        assert aside.read_bytes() == lost
        assert aside.name in caplog.text


def test_an_empty_file_is_begun(path: Path) -> None:
    path.touch()
    SqliteStorage(path, now_s=0.0).close()
    SqliteStorage(path, now_s=0.0).close()


def test_a_directory_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(PanalError, match="cannot be opened"):
        SqliteStorage(tmp_path / "missing" / "tracker.db", now_s=0.0)


def test_a_full_disk_is_no_space_and_nothing_is_lost(written: Path) -> None:
    storage = SqliteStorage(written, now_s=0.0)
    pages = storage._connection.execute("PRAGMA page_count").fetchone()[0]
    storage._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    many = announcement(*(entry(f"file {number}", number) for number in range(5_000)))
    with pytest.raises(NoSpace), storage.transaction():
        storage.apply(ONE, many)
    known = storage.peer(ONE)
    assert known is not None
    assert known.digest == digest_of(entry("Año.txt", 1), Holding(content(2), complete=False))
    storage._connection.execute("PRAGMA max_page_count = 1000000")
    with storage.transaction():
        storage.apply(ONE, many)
    storage.close()


def test_a_file_size_limit_is_no_space(path: Path) -> None:
    storage = SqliteStorage(path, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    many = announcement(*(entry(f"file {number}", number) for number in range(5_000)))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        with pytest.raises(NoSpace), storage.transaction():
            storage.apply(ONE, many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with storage.transaction():
        storage.apply(ONE, many)
    storage.close()


def test_the_version_of_sqlite_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "panal.tracker"):
        SqliteStorage(path, now_s=0.0).close()
    assert sqlite3.sqlite_version in caplog.text
