"""A tracker whose disk is full says so, in one line, and goes on by itself once there is room."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from panal.errors import NoSpace
from panal.tracker.readiness import COUNTS_FOR_S
from panal.tracker.server import SWEEP_S
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.storage import TRIAL_BYTES
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Announcement
from panal.wire.tracker import ERROR_METADATA
from tests.cli.running import panal
from tests.support.patience import PATIENCE_S
from tests.support.postgres_server import PostgresServer
from tests.tracker.harness import TinyPeer, Tracker, running_tracker
from tests.tracker.makers import announcement, caller, entry

may_mount = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a small disk"
)


class Disk:
    """A small file system in memory."""

    def __init__(self, folder: Path, size: str, like: Path) -> None:
        """Its owner is that of `like`."""
        self.folder = folder
        folder.mkdir()
        owner = like.stat()
        options = f"size={size},uid={owner.st_uid},gid={owner.st_gid},mode=700"
        self._mount("-t", "tmpfs", "-o", options, "tmpfs")

    def grow(self) -> None:
        self._mount("-o", "remount,size=64m")

    def remove(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)

    def _mount(self, *words: str) -> None:
        done = subprocess.run(
            ["mount", *words, self.folder], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk", "6m", tmp_path)
    yield made
    made.remove()


def told_much(number: int) -> Announcement:
    """New names, half a megabyte of the store."""
    at = 3_000 * number
    return announcement(
        *(entry(f"file {n} of many names", n) for n in range(at, at + 3_000)), sequence=number + 1
    )


@pytest.fixture
def small_database(away_server: PostgresServer) -> Iterator[tuple[str, Disk]]:
    """The URL of a database on a small disk, and that disk; the server's log is elsewhere."""
    disk = Disk(away_server.folder / "disk", "40m", away_server.folder)
    try:
        away_server.sql(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
        away_server.sql("CREATE DATABASE small TABLESPACE small")
        yield away_server.url("small"), disk
    finally:
        disk.remove()


async def until_full(tracker: Tracker, peer: TinyPeer) -> grpc.aio.AioRpcError:
    """Announce until that is refused."""
    await tracker.register(peer.who, peer.port)
    for number in range(100):
        try:
            await tracker.announce(peer.who, told_much(number))
        except grpc.aio.AioRpcError as error:
            return error
    raise AssertionError


async def status(tracker: Tracker) -> pb.StatusResponse:
    tracker.clock.advance(COUNTS_FOR_S + 0.1)
    answer: pb.StatusResponse = await tracker.stub.Status(pb.StatusRequest())
    return answer


@may_mount
async def test_a_full_disk_is_not_ready_said_once_counted_and_passes(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running_tracker(state_dir=disk.folder) as tracker,
        TinyPeer() as peer,
        TinyPeer(caller("other")) as other,
    ):
        await tracker.register(other.who, other.port)
        refused = await until_full(tracker, peer)
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(refused.trailing_metadata() or ())[ERROR_METADATA] == "no-space"
        told = await status(tracker)
        assert not told.ready
        assert "No space is left for the tracker's records" in told.problem
        assert (told.peers, told.details.calls_failed) == (2, 1)
        got = await panal("tracker", "status", "--tracker", f"127.0.0.1:{tracker.server.port}")
        assert (got.code, "NOT READY: No space is left" in got.out) == (1, True)
        for _ in range(3):  # leases end meanwhile
            await tracker.clock.run_for(10 * SWEEP_S)
            await tracker.server._try_to_sweep()
            assert not (await status(tracker)).ready
        assert await tracker.paths("file 7 of many") is not None
        assert caplog.text.count("No space is left") == 1
        assert "Traceback" not in caplog.text

        disk.grow()
        async with asyncio.timeout(PATIENCE_S):
            while not (await status(tracker)).ready:
                await tracker.clock.run_for(SWEEP_S)
        await tracker.register(peer.who, peer.port)
        await tracker.announce(peer.who, told_much(99))
        assert (await status(tracker)).ready
        assert "Traceback" not in caplog.text


@may_mount
async def test_a_full_disk_of_the_database_is_not_ready_and_passes(
    small_database: tuple[str, Disk], caplog: pytest.LogCaptureFixture
) -> None:
    url, disk = small_database
    ballast = disk.folder / "ballast"
    ballast.write_bytes(bytes(TRIAL_BYTES // 2))
    async with running_tracker(store=url) as tracker, TinyPeer() as peer:
        refused = await until_full(tracker, peer)
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        ballast.unlink()  # less than the largest message
        for _ in range(3):
            told = await status(tracker)
            assert (told.ready, told.peers) == (False, 1)
            assert "No space is left for the tracker's records" in told.problem
            await tracker.server._try_to_sweep()
        assert caplog.text.count("No space is left") == 1
        disk.grow()
        await tracker.server._try_to_sweep()
        assert (await status(tracker)).ready
        assert "Traceback" not in caplog.text


def _limit(storage: SqliteStorage, pages: int) -> None:
    storage._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_there_is_room_where_the_largest_message_has_some(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "tracker.db", now_s=0.0)
    before = storage._connection.execute("PRAGMA page_count").fetchone()[0]
    _limit(storage, before + TRIAL_BYTES // 4096 // 2)
    for _ in range(2):
        with pytest.raises(NoSpace):
            storage.find_room()
    _limit(storage, before + 2 * TRIAL_BYTES // 4096)
    for _ in range(5):  # what one trial took the next one has
        storage.find_room()
    storage.close()


def test_what_a_killed_trial_left_is_no_hindrance(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "tracker.db", now_s=0.0)
    storage._connection.execute("CREATE TABLE trial AS SELECT 1")
    storage.find_room()
    storage.close()
    SqliteStorage(tmp_path / "tracker.db", now_s=0.0).close()


async def test_a_limit_is_not_counted_as_the_trackers_fault() -> None:
    async with running_tracker() as tracker:
        assert tracker.server._watched is not None
        facts = await tracker.server._watched.facts()
        facts.calls["Watch", "RESOURCE_EXHAUSTED"] = 3
        details = facts.status(for_owner=True).details
        assert details is not None
        assert details.calls_failed == 0
