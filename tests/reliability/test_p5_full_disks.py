"""P5: a disk that is full at any call of a download is a pause with a reason."""

import errno
import os
from random import Random
from typing import Any

import pytest

from panal.errors import NoSpace
from panal.peer import downloads
from panal.peer.download import Download, State
from panal.peer.downloads import Downloads
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.checker import assert_only, assert_settled, assert_sound
from tests.support.network import NOT_EXPECTED, Network, RunningPeer, until
from tests.support.scripted_peer import ScriptedPeer

pytestmark = pytest.mark.p5
DATA = Random(5).randbytes(6 * MIN_CHUNK_BYTES + 1)
MINE = {"mine.txt": b"mine"}
POINTS = [
    *(("posix_fallocate", 1), ("pwrite", 1), ("pwrite", 2), ("pwrite", 6), ("pwrite", 7)),
    *(("write", 1), ("write", 2), ("write", 5), ("write", 8)),
    *(("fsync", 1), ("fsync", 2)),
]
"""At which call of the getter's the disk is full, and from then on."""


class Disk:
    """Takes no more from the n-th call on, until there is room again."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, at: int) -> None:
        self.calls_left = at
        self.has_room = False
        real = getattr(os, call)

        def maybe(*given: Any, **named: Any) -> Any:
            self.calls_left -= 1
            if self.calls_left > 0 or self.has_room:
                return real(*given, **named)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, call, maybe)


async def waits_for_room(peer: RunningPeer, identity: str) -> None:
    await until(lambda: peer.node.download(identity).error == "no-space", "it waits for room")
    assert peer.node.download(identity).reason


async def filled(network: Network, patch: pytest.MonkeyPatch, call: str, at: int) -> None:
    """Full in the middle; looked at while it waits, and while it is stopped; then there is room."""
    whole = {**MINE, "out.bin": DATA}
    (network.place / "getter").mkdir()
    (network.place / "getter" / "mine.txt").write_bytes(MINE["mine.txt"])
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        getter = await network.peer("getter")
        await until(lambda: getter.app.index.by_path("mine.txt") is not None, "mine is shared")
        disk = Disk(patch, call, at)
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await waits_for_room(getter, identity)
        assert_only(getter.folder, whole)
        await network.stop_peer("getter")
        assert_sound(getter.folder, whole=whole, manifests=[one.manifest])
        disk.has_room = True
        getter = await network.peer("getter")
        await until(lambda: getter.node.download(identity).state == "done", "done by itself")
    await network.stop_peer("getter")
    assert (getter.folder / "out.bin").read_bytes() == DATA
    assert_settled(getter.folder, whole=whole)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "LOOK_FOR_ROOM_S", 0.01)
    monkeypatch.setattr(downloads, "TRY_AGAIN_S", 0.0)


@pytest.mark.parametrize(("call", "at"), POINTS)
async def test_p5_a_full_disk_is_a_pause(
    network: Network, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    await filled(network, monkeypatch, call, at)


async def test_p5_what_has_its_name_is_not_done_before_that_is_durable(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedPeer("one", DATA).running(network.tracker_address) as one:
        getter = await network.peer("getter")
        disk = Disk(monkeypatch, "fsync", 2)  # the folder's, when the file has its name
        identity = getter.node.get(one.content.hex(), "out.bin").id
        await until(lambda: disk.calls_left < -2, "it was tried again and again")
        assert getter.node.download(identity).state != "done"
        disk.has_room = True
        await until(lambda: getter.node.download(identity).state == "done", "done by itself")


async def test_p5_is_seen_broken_where_a_full_disk_is_an_end(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def giving_up(queue: Downloads, download: Download, error: NoSpace) -> None:
        queue._list.set_state(download, State.FAILED, error)

    monkeypatch.setattr(Downloads, "_wait_for_room", giving_up)
    monkeypatch.setitem(NOT_EXPECTED, "done by itself", 2.0)
    with pytest.raises(AssertionError, match="never happened: done by itself"):
        await filled(network, monkeypatch, "pwrite", 2)
