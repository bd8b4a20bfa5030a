"""P3: an index of another version is migrated whole or not at all; a lost one is made again."""

import shutil
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from panal.errors import PanalError
from panal.fsck.judging import SCHEMA, judge_schema
from panal.store import index_file
from panal.store.index import Index
from panal.store.index_file import SCHEMA_VERSION
from panal.wire.manifest import content_id
from panal.wire.names import safe_path
from tests.store.makers import manifest_by_hand, noise
from tests.support.checker import assert_settled, assert_sound
from tests.support.network import Network, until

pytestmark = pytest.mark.p3

OLDER = range(1, SCHEMA_VERSION)
PAGE_BYTES = 4_096
WAL_HEADER_BYTES, FRAME_BYTES = 32, 24 + PAGE_BYTES


def of_version(path: Path, version: int) -> None:
    """Make an index into what a program of that version had left."""
    Index(path).close()
    database = sqlite3.connect(path)
    if version < 3:
        database.execute("ALTER TABLE shared DROP COLUMN ctime_ns")
    if version < 2:
        for part in ("TABLE seen_folders", "TABLE catalogue_total", "INDEX unchecked"):
            database.execute("DROP " + part)
    database.execute(f"PRAGMA user_version={version}")
    manifest = manifest_by_hand(noise(10))
    content = content_id(manifest.encode())
    database.execute(
        "INSERT INTO contents VALUES (?, 0, 10, ?, 1, ?)",
        (content, manifest.sha256, manifest.encode()),
    )
    names = "path, content, device, inode, mtime_ns, size_bytes"
    database.execute(f"INSERT INTO shared ({names}) VALUES ('a', ?, 0, 1, 1, 10)", (content,))
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def version_and_problems(path: Path) -> tuple[int, list[str]]:
    """What a program of any version would find; the file is only read."""
    database = sqlite3.connect(path)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    tables = {table for _, table, _ in SCHEMA}
    columns = {
        table: {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}
        for table in tables
    }
    rows = database.execute("SELECT path FROM shared").fetchall()
    database.close()
    assert rows == [("a",)]
    return version, [one.where for one in judge_schema(version, columns)]


def killed_anywhere(version: int, tmp_path: Path) -> None:
    """The log is cut at every write, within them too: what a kill leaves there is its beginning."""
    path = tmp_path / "state" / "index.sqlite"
    of_version(path, version)
    index = Index(path)  # migrates, into its log
    image, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    index.close()
    frames = range(WAL_HEADER_BYTES, len(log) + 1, FRAME_BYTES)
    assert len(frames) > 1
    seen = []
    for number, at in enumerate(cut for frame in frames for cut in (frame, frame + 100)):
        place = tmp_path / f"cut {number}" / "index.sqlite"
        place.parent.mkdir(mode=0o700)
        place.write_bytes(image)
        Path(f"{place}-wal").write_bytes(log[:at])
        found, problems = version_and_problems(place)
        assert problems == []
        seen.append(found)
        again = Index(place)  # and the next start goes on from there
        assert again.by_path("a") is not None
        assert again.by_path(safe_path("b")) is None
        again.close()
        assert version_and_problems(place) == (SCHEMA_VERSION, [])
    assert set(seen) == {version, SCHEMA_VERSION}
    assert seen == sorted(seen)


@pytest.mark.parametrize("version", OLDER)
def test_a_migration_that_is_killed_leaves_the_old_version_or_the_new_one(
    version: int, tmp_path: Path
) -> None:
    killed_anywhere(version, tmp_path)


def test_p3_is_seen_broken_where_a_migration_is_not_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces = {since: f"COMMIT;{script};BEGIN" for since, script in index_file._SINCE.items()}
    monkeypatch.setattr(index_file, "_SINCE", in_pieces)
    with pytest.raises(AssertionError):
        killed_anywhere(1, tmp_path)


@pytest.mark.parametrize("version", OLDER)
def test_a_checkpoint_that_is_killed_after_a_migration_loses_nothing(
    version: int, tmp_path: Path
) -> None:
    """Pages go from the log into the file one by one; the log stays until all are there."""
    path = tmp_path / "state" / "index.sqlite"
    of_version(path, version)
    index = Index(path)
    before, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    index.close()
    after = path.read_bytes()
    for pages in range(len(after) // PAGE_BYTES + 1):
        place = tmp_path / f"{pages} pages" / "index.sqlite"
        place.parent.mkdir(mode=0o700)
        moved = after[: pages * PAGE_BYTES]
        place.write_bytes(moved + before[len(moved) :])
        Path(f"{place}-wal").write_bytes(log)
        assert version_and_problems(place) == (SCHEMA_VERSION, [])


@pytest.mark.parametrize("rest", ["", "-wal"])
async def test_an_index_that_was_thrown_away_is_made_again_from_the_folder(
    network: Network, rest: str
) -> None:
    peer = await network.peer("one")
    data = {"a b.bin": noise(600_000), "sub/ñ.txt": b"small", "empty": b""}
    for name, content in data.items():
        await peer.upload(quote(name), content)
    before = {file.path: file.id for file in peer.node.files().files}
    await network.stop_peer("one")
    for name in {"index.sqlite", f"index.sqlite{rest}"}:
        (peer.folder / ".panal" / name).unlink(missing_ok=True)
    assert_sound(peer.folder, whole=data)
    peer = await network.peer("one")
    await until(lambda: len(peer.node.files().files) == len(data), "all is shared again")
    assert {file.path: file.id for file in peer.node.files().files} == before
    await network.stop_peer("one")
    assert_settled(peer.folder, whole=data)


async def test_an_older_program_refuses_a_newer_index_in_words_and_leaves_it(
    network: Network,
) -> None:
    peer = await network.peer("one")
    await peer.upload("a.bin", b"a")
    await network.stop_peer("one")
    path = peer.folder / ".panal" / "index.sqlite"
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    shutil.copy(path, peer.folder / ".panal" / "copy")
    with pytest.raises(PanalError, match="update Panal, or delete it: it is made again"):
        await network.peer("one")
    assert path.read_bytes() == (peer.folder / ".panal" / "copy").read_bytes()
    assert (peer.folder / "a.bin").read_bytes() == b"a"
