"""What an earlier run has left of a download is compared before it counts, is served or is named.

Bytes change between two runs as a failing disk changes them: the journal calls their chunk durable.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from panal.errors import PanalError
from panal.store import partial as partials
from panal.store.journal import said
from panal.store.partial import PartialFile
from panal.wire.ids import ContentId
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.fsck.place import overwrite
from tests.peer.test_damage import DATA as FILM
from tests.peer.test_damage import holding, rot
from tests.peer.test_downloads import gated
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S
from tests.support.scripted_peer import ScriptedPeer, honest

pytestmark = pytest.mark.p1

DATA = Random(8).randbytes(40 * MIN_CHUNK_BYTES + 123)


def part_of(folder: Path, content: ContentId) -> Path:
    return folder / ".panal/partial" / f"{content.hex()}.part"


def durable_chunks(folder: Path, content: ContentId, chunk_count: int) -> list[int]:
    bits = said(part_of(folder, content).with_suffix(".journal"), content, chunk_count)
    return [index for index in range(chunk_count) if bits >> index & 1]


async def left_half_done(network: Network, source: ScriptedPeer) -> tuple[str, int]:
    """A paused download of a peer that has ended, and a durable chunk of it that has rotted."""
    getter = await network.peer("getter")
    identity = getter.node.get(source.content.hex(), "out.bin").id
    await source.reached.wait()
    await getter.node.pause_download(identity)
    await network.stop_peer("getter")
    source.release.set()
    source.send_range = honest
    source.asked.clear()
    folder = getter.folder
    chunks = durable_chunks(folder, source.content, source.manifest.chunk_count)
    assert chunks
    overwrite(part_of(folder, source.content), chunks[0] * MIN_CHUNK_BYTES + 3, b"rot")
    return identity, chunks[0]


class Held:
    """Each piece is compared when the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_reading = threading.Event()
        self._go_on = threading.Event()
        self._real: Callable[[PartialFile], tuple[int, int]] = PartialFile.compare_some
        patch.setattr(partials, "LOOKED_AT_ONCE_BYTES", MIN_CHUNK_BYTES)
        patch.setattr(PartialFile, "compare_some", lambda partial: self._compare(partial))

    def _compare(self, partial: PartialFile) -> tuple[int, int]:
        self.is_reading.set()
        assert self._go_on.wait(PATIENCE_S)
        return self._real(partial)

    def go_on(self) -> None:
        self._go_on.set()


@pytest.fixture
async def held(network: Network, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    """It ends before the network does, which waits for what is read."""
    held = Held(monkeypatch)
    yield held
    held.go_on()


def asked_chunks(source: ScriptedPeer) -> set[int]:
    return {
        index
        for start, stop in source.asked
        for index in range(start // MIN_CHUNK_BYTES, -(-stop // MIN_CHUNK_BYTES))
    }


async def ended(peer: RunningPeer, identity: str) -> None:
    await until(lambda: peer.node.download(identity).state in {"done", "failed"}, "the end")
    assert peer.node.download(identity).state == "done"
    assert (peer.folder / "out.bin").read_bytes() == DATA
    assert (await peer.node.verify()).differing == {}


async def test_what_has_rotted_comes_again_and_nothing_else_does(network: Network) -> None:
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as source:
        identity, rotten = await left_half_done(network, source)
        chunk_count = source.manifest.chunk_count
        kept = set(durable_chunks(network.place / "getter", source.content, chunk_count))
        getter = await network.peer("getter")
        getter.node.resume_download(identity)
        await ended(getter, identity)
        assert asked_chunks(source) & kept == {rotten}
        answer = getter.node.download(identity)
        assert answer.bytes_resumed == (len(kept) - 1) * MIN_CHUNK_BYTES
        fetched = sum(one.bytes for one in answer.sources)
        assert answer.bytes_resumed + fetched == answer.bytes_done == len(DATA)


async def test_nothing_is_served_before_it_is_compared(network: Network, held: Held) -> None:
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as source:
        identity, rotten = await left_half_done(network, source)
        getter = await network.peer("getter")
        getter.node.resume_download(identity)
        await until(held.is_reading.is_set, "it compares")
        at = rotten * MIN_CHUNK_BYTES
        path = f"/content/{source.content.hex()}"
        span = {"Range": f"bytes={at}-{at + MIN_CHUNK_BYTES - 1}"}
        assert (await getter.request("GET", path, headers=span)).status == 503
        assert getter.node.download(identity).bytes_resumed == 0
        held.go_on()
        await ended(getter, identity)
        answer = await getter.request("GET", path, headers=span)
        assert answer.body == DATA[at : at + MIN_CHUNK_BYTES]


@pytest.mark.parametrize("how", ["paused", "removed", "stopped"])
async def test_stopped_while_it_compares_it_goes_on_the_next_time(
    network: Network, held: Held, how: str
) -> None:
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as source:
        identity, _ = await left_half_done(network, source)
        getter = await network.peer("getter")

        async def stops() -> None:
            if how == "paused":
                await getter.node.pause_download(identity)
            elif how == "removed":
                await getter.node.remove_download(identity)
            else:
                await network.stop_peer("getter")

        getter.node.resume_download(identity)
        await until(held.is_reading.is_set, "it compares")
        stopping = asyncio.ensure_future(stops())
        for _ in range(20):
            await asyncio.sleep(0)
        held.go_on()  # what is being read is waited for
        await stopping
        if how == "stopped":
            getter = await network.peer("getter")
        elif how == "removed":
            identity = getter.node.get(source.content.hex(), "out.bin").id
        else:
            assert getter.node.download(identity).state == "paused"
            getter.node.resume_download(identity)
        await ended(getter, identity)


async def test_a_repair_that_goes_on_from_what_has_rotted_fetches_it(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    rot(peer)
    (file,) = peer.app.index.files_after("", 10)

    def killed(*_: object, **__: object) -> None:
        raise PanalError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(PartialFile, "make_publishable", killed)
        assert (await peer.node.verify(repair=True)).repaired == []
    await network.stop_peer("one")
    overwrite(part_of(peer.folder, file.content), 2 * MIN_CHUNK_BYTES + 5, b"rot")
    peer = await network.peer("one")
    assert (await peer.node.verify(repair=True)).repaired == ["film.bin"]
    assert (peer.folder / "film.bin").read_bytes() == FILM
    assert (await peer.node.verify()).differing == {}
