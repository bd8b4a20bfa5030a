"""Unfinished files of a peer: whose they are, listed, kept a day, and never one that is needed."""

import asyncio
import logging
import os
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import fetching
from panal.peer.ageing import KEPT_S
from panal.peer.unfinished import queue_mark, remove_old_of_nobody
from panal.store.partial import PartialFile
from panal.store.unfinished import begin_ageing, leftovers_in
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.peer.test_downloads import DATA, gated
from tests.support.folder_peer import FolderPeer, line
from tests.support.network import Network, RunningPeer, until
from tests.support.scripted_peer import ScriptedPeer

pytestmark = pytest.mark.p5

LONG_AGO_S = 1_000_000_000.0
ORPHAN = "ab" * 32


def orphan(peer: RunningPeer, suffix: str = "part", modified_s: float = LONG_AGO_S) -> Path:
    path = peer.app.settings.partials / f"{ORPHAN}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10)
    os.utime(path, (modified_s, modified_s))
    return path


def age(peer: RunningPeer) -> None:
    for leftover in leftovers_in(peer.app.settings.partials):
        begin_ageing(leftover, LONG_AGO_S)


async def partly(peer: RunningPeer, slow: ScriptedPeer) -> str:
    """A download that stands still with something of it there."""
    identity = peer.node.get(slow.content.hex(), "out.bin").id
    await slow.reached.wait()
    await until(lambda: peer.node.download(identity).bytes_done > 0, "some are there")
    return identity


async def test_orphans_go_at_the_start_and_later(network: Network) -> None:
    peer = await network.peer("one")
    await until(queue_mark(peer.app.settings.partials).exists, "marked")
    path = orphan(peer)
    assert (peer.node.status().unfinished, peer.node.status().unfinished_bytes > 0) == (1, True)
    await peer.app.unfinished.remove_old()
    assert not path.exists()
    journal = orphan(peer, "journal")
    await network.stop_peer("one")
    await network.peer("one")
    await until(lambda: not journal.exists(), "removed at the start")


async def test_young_ones_stay_and_are_listed(network: Network) -> None:
    peer = await network.peer("one")
    wall_s = peer.app.clock.wall_s()
    path = orphan(peer, modified_s=wall_s - KEPT_S + 600)
    await peer.app.unfinished.remove_old()
    assert path.exists()
    answer = (await peer.request("GET", "/api/v1/unfinished")).json()
    (listed,) = answer["unfinished"]
    assert (listed["id"], listed["name"], listed["download"]) == (ORPHAN, None, None)
    assert listed["expires"] == listed["modified"] + KEPT_S
    assert (listed["size"], listed["bytes_there"]) == (10, 0)


async def test_what_a_download_needs_stays_whatever_its_age(network: Network) -> None:
    peer = await network.peer("one")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        identity = await partly(peer, slow)
        await peer.node.pause_download(identity)
        age(peer)
        await peer.app.unfinished.remove_old()
        (listed,) = await peer.node.unfinished()
        assert (listed.download, listed.name, listed.expires) == (identity, "out.bin", None)
        assert 0 < listed.bytes_there < listed.size == len(DATA)


async def test_a_cancelled_one_is_kept_a_day_from_then_on(network: Network) -> None:
    peer = await network.peer("one")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        identity = await partly(peer, slow)
        await peer.node.pause_download(identity)
        age(peer)
        await peer.node.remove_download(identity)
        await peer.app.unfinished.remove_old()
        (listed,) = await peer.node.unfinished()
        assert listed.download is None
        assert listed.expires is not None
        assert listed.expires > peer.app.clock.wall_s() + KEPT_S - 600
        slow.release.set()
        again = await peer.fetched(slow.content.hex(), "out.bin")
        assert (again.state, again.bytes_resumed > 0) == ("done", True)
        assert await peer.node.unfinished() == []


async def test_what_is_there_of_a_cancelled_one_is_removed_if_asked(network: Network) -> None:
    peer = await network.peer("one")
    kept = orphan(peer, modified_s=peer.app.clock.wall_s())
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        identity = await partly(peer, slow)
        (other,) = (peer.node.get(slow.content.hex(), "copy.bin").id,)
        address = f"/api/v1/downloads/{identity}?delete="
        assert (await peer.request("DELETE", address + "perhaps")).status == 400
        assert (await peer.request("DELETE", address + "true")).status == 204
        listed = {file.id: file.download for file in await peer.node.unfinished()}
        assert listed == {ORPHAN: None, slow.content.hex(): other}
        await peer.node.pause_download(other)
        assert (
            await peer.request("DELETE", address.replace(identity, other) + "true")
        ).status == 204
        assert [file.id for file in await peer.node.unfinished()] == [ORPHAN]
        assert kept.exists()


async def test_one_stopped_while_its_file_is_opened_lets_go_of_it_first(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, loop = await network.peer("one"), asyncio.get_running_loop()
    opening, may_open = asyncio.Event(), threading.Event()
    open_partial = fetching._open_partial

    def slowly(*given: Any) -> PartialFile:
        loop.call_soon_threadsafe(opening.set)
        may_open.wait()
        return open_partial(*given)

    monkeypatch.setattr(fetching, "_open_partial", slowly)
    async with ScriptedPeer("slow", DATA).running(network.tracker_address) as slow:
        identity = peer.node.get(slow.content.hex(), "out.bin").id
        await opening.wait()
        pausing = asyncio.create_task(peer.node.pause_download(identity))
        try:
            for _ in range(50):
                await asyncio.sleep(0)
            assert not pausing.done()
        finally:
            may_open.set()
        await pausing
        assert [file.download for file in await peer.node.unfinished()] == [identity]
        await peer.node.remove_download(identity, delete=True)
        assert await peer.node.unfinished() == []


async def test_nothing_is_said_where_nothing_was_left(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await network.peer("one")
    caplog.set_level(logging.INFO, "panal")
    identity = peer.node.get("nobody.bin", wait=True).id
    await peer.node.remove_download(identity, delete=True)
    assert "Removed" not in caplog.text


async def test_files_of_a_paused_folder_stay(network: Network) -> None:
    large, small = Random(1).randbytes(3 * MIN_CHUNK_BYTES), b"small"
    peer = await network.peer("one")
    lines = [line("large", large), line("small", small)]
    async with FolderPeer("good", lines, [large, small]).running(network.tracker_address) as good:

        async def never(of: FolderPeer, *_: object) -> None:
            of.reached.set()
            await of.release.wait()

        good.send = never  # type: ignore[assignment]
        identity = peer.node.get(good.content.hex(), "tree").id
        await good.reached.wait()
        partials = peer.app.settings.partials
        await until(lambda: any(partials.glob("*.part")), "the large one has begun")
        await peer.node.pause_download(identity)
        age(peer)
        await peer.app.unfinished.remove_old()
        (listed,) = await peer.node.unfinished()
        assert (listed.download, listed.name, listed.size) == (identity, "large", len(large))
        good.release.set()


async def test_a_get_leaves_a_queues_files_alone(tmp_path: Path, network: Network) -> None:
    for has_queue in (True, False):
        place = tmp_path / str(has_queue) / "partial"
        place.mkdir(parents=True)
        path = place / f"{ORPHAN}.part"
        path.touch()
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))
        if has_queue:
            queue_mark(place).touch()
        remove_old_of_nobody(place, LONG_AGO_S + KEPT_S)
        assert path.exists() == has_queue
    get = await network.peer("get", shares_folder=False)
    path = orphan(get)
    queue_mark(get.app.settings.partials).touch()
    await get.app.unfinished.remove_old()
    assert path.exists()
    queue_mark(get.app.settings.partials).unlink()
    await get.app.unfinished.remove_old()
    assert not path.exists()
