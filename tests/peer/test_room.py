"""Downloads on a disk that fills up: they wait, saying why, and go on by themselves."""

import contextlib
import errno
import hashlib
import os
import re
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from panal.errors import NoSpace
from panal.peer import downloads
from panal.peer.sharing import Sharing
from panal.store.download_records import DownloadRecord
from panal.store.index import Index
from panal.store.space import reserve_bytes
from tests.peer.test_downloads import DATA, gated
from tests.support.folder_peer import FolderPeer, line, whole
from tests.support.network import Network, RunningPeer, until
from tests.support.scripted_peer import ScriptedPeer

pytestmark = pytest.mark.p5

MIB = 1024 * 1024
TOTAL = 1000 * MIB


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(downloads, "LOOK_FOR_ROOM_S", 0.01)
    monkeypatch.setattr(downloads, "TRY_AGAIN_S", 0.0)
    async with Network(tmp_path) as made:
        yield made


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What every disk says of itself: a kibibyte beyond the reserve is free."""
    free = reserve_bytes(TOTAL) + 1024
    said = SimpleNamespace(f_frsize=1, f_blocks=TOTAL, f_bavail=free, f_files=0)
    monkeypatch.setattr(os, "statvfs", lambda _: said)
    return said


async def lacks_room(peer: RunningPeer, identity: str) -> None:
    await until(lambda: peer.node.download(identity).error == "no-space", "waiting for room")
    assert peer.node.download(identity).state == "waiting"


async def test_it_waits_with_numbers_and_goes_on(network: Network, disk: SimpleNamespace) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await lacks_room(getter, identity)
        reason = getter.node.download(identity).reason
        assert reason.startswith("needs ")
        assert "1.0 KiB are free beyond a reserve of 50.0 MiB" in reason
        disk.f_bavail = TOTAL
        await until(lambda: getter.node.download(identity).state == "done", "done")
        assert (getter.node.download(identity).reason, getter.node.download(identity).error) == (
            "",
            None,
        )
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_its_place_is_free_for_a_small_one(
    network: Network, disk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ACTIVE_AT_ONCE", 1)
    getter = await network.peer("getter")
    async with (
        ScriptedPeer("one", DATA).running(network.tracker_address, "big") as one,
        ScriptedPeer("two", b"x" * 1000).running(network.tracker_address, "small") as two,
    ):
        big = getter.node.get(one.content.hex(), priority=5).id
        small = getter.node.get(two.content.hex()).id
        await until(lambda: getter.node.download(small).state == "done", "the small one done")
        await lacks_room(getter, big)


async def test_a_waiting_one_survives_a_restart(network: Network, disk: SimpleNamespace) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await lacks_room(getter, identity)
        await network.stop_peer("getter")
        getter = await network.peer("getter")
        await lacks_room(getter, identity)
        disk.f_bavail = TOTAL
        await until(lambda: getter.node.download(identity).state == "done", "done")


async def test_it_is_paused_resumed_and_cancelled(network: Network, disk: SimpleNamespace) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await lacks_room(getter, identity)
        paused = await getter.node.pause_download(identity)
        assert (paused.state, paused.reason, paused.error) == ("paused", "", None)
        getter.node.resume_download(identity)
        await lacks_room(getter, identity)
        await getter.node.remove_download(identity)
        assert getter.node.downloads() == []


@pytest.mark.parametrize(("wait", "state"), [(False, "failed"), (True, "waiting")])
async def test_a_stand_alone_get_waits_only_if_told_to(
    network: Network, disk: SimpleNamespace, wait: bool, state: str
) -> None:
    getter = await network.peer("getter", shares_folder=False)
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin", wait=wait).id
        await until(lambda: getter.node.download(identity).error == "no-space", "no room")
        assert getter.node.download(identity).state == state


class Full:
    """Fails one call at the store's edge until told otherwise."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, number: int) -> None:
        self.is_full = False
        self.failed = 0
        real = getattr(os, call)

        def maybe(*given: Any, **named: Any) -> Any:
            if self.is_full:
                self.failed += 1
                raise OSError(number, os.strerror(number))
            return real(*given, **named)

        patch.setattr(os, call, maybe)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_full_in_mid_transfer(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    """The log says that it goes on by itself: nobody has to try again."""
    full = Full(monkeypatch, "pwrite", number)
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        identity = getter.node.get(slow.content.hex(), "out.bin").id
        await slow.reached.wait()
        await until(lambda: getter.node.download(identity).bytes_done > 0, "some are there")
        full.is_full = True
        slow.release.set()
        await lacks_room(getter, identity)
        assert "took no more" in getter.node.download(identity).reason
        full.is_full = False
        await until(lambda: getter.node.download(identity).state == "done", "done")
        answer = getter.node.download(identity)
        assert answer.bytes_resumed == 0  # nothing was here before it began
        assert sum(source.bytes for source in answer.sources) >= len(DATA)
    assert full.failed > 0
    (said,) = [line for line in caplog.messages if line.startswith("The download of")]
    assert said.endswith("It goes on by itself when there is room.")
    assert "try again" not in said
    assert (getter.folder / "out.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("number", "slug"), [(errno.EIO, "failed"), (errno.EROFS, "refused"), (errno.EMFILE, "failed")]
)
async def test_a_disk_that_fails_in_mid_transfer_is_tried_again(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    slug: str,
) -> None:
    """The log says so once, and not that it has failed."""
    broken = Full(monkeypatch, "pwrite", number)
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        identity = getter.node.get(slow.content.hex(), "out.bin").id
        await slow.reached.wait()
        broken.is_full = True
        slow.release.set()
        await until(lambda: getter.node.download(identity).error == slug, "it fails")
        answer = getter.node.download(identity)
        assert answer.state in {"waiting", "running"}
        tried = broken.failed
        await until(lambda: broken.failed > tried + 2, "tried again by itself")
        broken.is_full = False
        await until(lambda: getter.node.download(identity).state == "done", "done")
    (said,) = [line for line in caplog.messages if line.startswith("The download of")]
    assert "waits: Could not write the download" in said
    assert said.endswith("It is tried again by itself.")
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_a_disk_of_the_index_that_fails_is_waited_for(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLite tells it: not full, and no fault of Panal's."""
    getter = await network.peer("getter")
    real, is_broken = Index._changed, True

    def changed(*given: Any) -> None:
        if is_broken:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        real(*given)

    monkeypatch.setattr(Index, "_changed", changed)
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await until(lambda: getter.node.download(identity).error == "failed", "it waits")
        answer = getter.node.download(identity)
        assert (answer.state, "cannot be written: disk I/O" in answer.reason) == ("waiting", True)
        is_broken = False
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_an_error_of_the_disk_that_nobody_has_put_into_words_is_waited_for(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    getter = await network.peer("getter")
    real, is_full = Sharing.put_in_place, True

    async def put(*given: Any, **named: Any) -> Any:
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return await real(*given, **named)

    monkeypatch.setattr(Sharing, "put_in_place", put)
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await lacks_room(getter, identity)
        is_full = False
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert (getter.folder / "out.bin").read_bytes() == DATA


@pytest.mark.parametrize(("wait", "state"), [(False, "failed"), (True, "waiting")])
async def test_a_stand_alone_get_tries_a_disk_again_only_if_told_to(
    network: Network, monkeypatch: pytest.MonkeyPatch, wait: bool, state: str
) -> None:
    monkeypatch.setattr(downloads, "TRY_AGAIN_S", 3600.0)
    Full(monkeypatch, "pwrite", errno.EIO).is_full = True
    getter = await network.peer("getter", shares_folder=False)
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin", wait=wait).id
        await until(lambda: getter.node.download(identity).error == "failed", "it fails")
        assert getter.node.download(identity).state == state
        words = getter.node.download(identity).reason
        assert ("tried again by itself" in words) is wait


async def test_the_index_cannot_grow(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    getter = await network.peer("getter")
    real, is_full = getter.app.index.remember, True

    def remember(files: Any) -> Any:
        if is_full:
            raise NoSpace("The index cannot grow.", str(getter.app.settings.state))
        return real(files)

    monkeypatch.setattr(getter.app.index, "remember", remember)
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await lacks_room(getter, identity)
        is_full = False
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert getter.app.index.by_path("out.bin") is not None
    answer = getter.node.download(identity)
    assert (answer.bytes_resumed, answer.transfer_s > 0) == (0, True)
    assert await getter.node.unfinished() == []


async def test_rows_are_written_when_there_is_room_again(
    network: Network, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That they are not yet is said once of each."""
    getter = await network.peer("getter")
    identity = getter.node.get("0" * 64).id
    other = getter.node.get("1" * 64).id
    real, is_full, refused = getter.app.index.write, True, 0

    def write(change: str, values: tuple[object, ...]) -> None:
        nonlocal refused
        if is_full:
            refused += 1
            raise NoSpace("The index cannot grow.")
        real(change, values)

    monkeypatch.setattr(getter.app.index, "write", write)
    await getter.node.pause_download(identity)
    await getter.node.remove_download(other)
    with pytest.raises(NoSpace):
        getter.node.get("2" * 64)
    assert [answer.state for answer in getter.node.downloads()] == ["paused"]
    await until(lambda: refused > 6, "tried again and again")
    assert len([line for line in caplog.messages if "not written down yet" in line]) == 1
    assert len([line for line in caplog.messages if "not struck off yet" in line]) == 1
    is_full = False

    def stored() -> list[tuple[object, ...]]:
        return getter.app.index.rows("SELECT id, state FROM downloads", ())

    await until(lambda: stored() == [(identity, "paused")], "written down")


FILES = [Random(number).randbytes(3_000 + number) for number in range(6)]
LINES = [line(f"{number}.bin", data) for number, data in enumerate(FILES)]


async def test_a_folder_that_meets_a_full_disk_goes_on(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Full(monkeypatch, "fsync", errno.ENOSPC)
    getter = await network.peer("getter")
    async with FolderPeer("good", LINES, FILES).running(network.tracker_address) as good:

        async def send(peer: FolderPeer, request: Any, data: bytes) -> Any:
            full.is_full = True  # from the first file on: when the batch is placed
            return await whole(peer, request, data)

        good.send = send
        identity = getter.node.get(good.content.hex(), "tree").id
        await lacks_room(getter, identity)
        asked = len(good.asked)
        (scratch,) = getter.app.settings.partials.glob("*.folder")
        await until(lambda: full.failed >= 4, "tried again and again")
        assert len(list(scratch.iterdir())) <= len(FILES)  # none takes its space twice
        good.send = whole
        full.is_full = False
        await until(lambda: getter.node.download(identity).state == "done", "done")
        assert len(good.asked) == asked == len(FILES)  # what had come was used
        answer = getter.node.download(identity)
        assert (answer.bytes_resumed, answer.bytes_copied) == (0, 0)
        assert sum(source.bytes for source in answer.sources) == answer.size
    for number, data in enumerate(FILES):
        assert (getter.folder / "tree" / f"{number}.bin").read_bytes() == data
    assert list(getter.app.settings.partials.glob("*.folder")) == []


async def test_a_folder_that_meets_a_full_disk_says_what_all_of_it_needs(
    network: Network, disk: SimpleNamespace
) -> None:
    disk.f_bavail = TOTAL
    files = [Random(number).randbytes(300_000 + number) for number in range(24)]
    lines = [line(f"{number:02}.bin", data) for number, data in enumerate(files)]
    getter = await network.peer("getter")
    async with FolderPeer("good", lines, files).running(network.tracker_address) as good:

        async def send(peer: FolderPeer, request: Any, data: bytes) -> Any:
            disk.f_bavail = reserve_bytes(TOTAL)
            return await whole(peer, request, data)

        good.send = send
        identity = getter.node.get(good.content.hex(), "tree").id
        await lacks_room(getter, identity)
        reason = getter.node.download(identity).reason
        assert "0 B are free beyond a reserve of 50.0 MiB. It goes on when " in reason, reason
        (needed,) = re.findall(r"needs ([\d.]+) MiB more", reason)
        assert float(needed) * MIB > 4 * len(files[0])  # not of one alone
        good.send = whole
        disk.f_bavail = TOTAL
        await until(lambda: getter.node.download(identity).state == "done", "done")


@pytest.mark.parametrize("lacks", ["blocks", "inodes"])
async def test_empty_folders_need_room_too(
    network: Network, disk: SimpleNamespace, lacks: str
) -> None:
    """A liar's list of them would fill the disk, or use up its inodes."""
    disk.f_bavail = reserve_bytes(TOTAL) + 40 * 4096 if lacks == "blocks" else TOTAL
    disk.f_files, disk.f_favail = (0, 0) if lacks == "blocks" else (1000, 40)
    lines = [f"- 0 d 0 {number:02}\n" for number in range(40)]
    getter = await network.peer("getter")
    async with FolderPeer("liar", lines, []).running(network.tracker_address) as liar:
        plan = await getter.node.plan(liar.content.hex())
        assert plan.error == "no-space"
        identity = getter.node.get(liar.content.hex(), "tree").id
        await lacks_room(getter, identity)
        assert not (getter.folder / "tree").exists()
        disk.f_bavail += 4096  # the folder itself
        disk.f_favail += 1
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert len(list((getter.folder / "tree").iterdir())) == 40


# A real disk -----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_small_disk_fills_up_and_is_emptied(network: Network, small_disk: Path) -> None:
    data = Random(3).randbytes(5 * MIB)
    other = small_disk / "other"
    other.write_bytes(b"x" * 4 * MIB)
    network.place = small_disk
    getter = await network.peer("getter")
    async with ScriptedPeer("one", data).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await lacks_room(getter, identity)
        assert "needs 5.0 MiB more" in getter.node.download(identity).reason
        other.unlink()
        await until(lambda: getter.node.download(identity).state == "done", "done")
    found = hashlib.sha256((getter.folder / "out.bin").read_bytes()).digest()
    assert found == hashlib.sha256(data).digest()
    await network.stop_peer("getter")


def fill(file: Path) -> None:
    """Write until the disk takes no more."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as opened:
        while True:
            opened.write(b"x" * 4096)


async def test_a_small_disk_that_is_full_to_the_last_byte_in_mid_transfer(
    network: Network, small_disk: Path
) -> None:
    data = DATA[: 4 * MIB]
    network.place = small_disk
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", data, gated).running(network.tracker_address) as slow:
        identity = getter.node.get(slow.content.hex(), "out.bin").id
        await slow.reached.wait()
        filler = small_disk / "filler"
        fill(filler)
        slow.release.set()
        await until(
            lambda: getter.node.download(identity).state in {"done", "waiting"}, "no failure"
        )
        filler.unlink()
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert (getter.folder / "out.bin").read_bytes() == data
    await network.stop_peer("getter")


async def test_whoever_does_not_wait_for_a_folder_that_goes_lets_its_rest_go(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go: list[str] = []
    getter = await network.peer("getter", shares_folder=False)

    async def note(record: DownloadRecord) -> None:
        let_go.append(record.what)

    monkeypatch.setattr(getter.app.downloads, "_let_go", note)
    async with ScriptedPeer("one", DATA, gated).running(network.tracker_address) as one:
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await one.reached.wait()
        getter.folder.rename(network.place / "away")
        await until(lambda: getter.node.download(identity).state == "failed", "it fails")
        await until(lambda: let_go == [one.content.hex()], "what came of it is let go")
        (network.place / "away").rename(getter.folder)
        one.release.set()
