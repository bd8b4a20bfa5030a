"""P6, P7, P8: connections between real peers and a tracker that break, fall silent or garble."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.errors import Unreachable
from panal.peer import app as peer_app
from panal.peer import lease, upload_routes
from panal.swarm import sources
from panal.wire.catalogue import Caller, Registration
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.at_length import AT_LENGTH
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S
from tests.support.shim import Shim

pytestmark = [pytest.mark.p6, pytest.mark.p7, pytest.mark.p8]

DATA = Random(11).randbytes(16 * MIN_CHUNK_BYTES + 5)
OVERHEAD_BYTES = 64 * 1024
"""Of answers that are no chunk: heads, the manifest, availability."""


@pytest.fixture(autouse=True)
def _tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(lease, "LONGEST_RETRY_S", 0.2)
    monkeypatch.setattr(upload_routes, "ANNOUNCED_WITHIN_S", 0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def behind(
    network: Network, name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RunningPeer, Shim]]:
    """A peer that others reach through a proxy alone."""
    port = free_port()
    shim = Shim("127.0.0.1", port)
    async with shim.running():

        def registered(caller: Caller, _: int, bound: Any, **more: Any) -> Registration:
            return Registration(caller, shim.port, bound, **more)

        with monkeypatch.context() as patch:
            patch.setattr(peer_app, "Registration", registered)
            peer = await network.peer(name, port=port)
        yield peer, shim


@pytest.mark.parametrize("sixteenth", range(16) if AT_LENGTH else [0, 1, 3, 8, 15])
async def test_cut_at_any_place_it_goes_on_from_there(
    network: Network, monkeypatch: pytest.MonkeyPatch, sixteenth: int
) -> None:
    """Each cut costs at most the chunk that was under way."""
    async with behind(network, "seed", monkeypatch) as (seed, shim):
        uploaded = await seed.upload("data.bin", DATA)
        getter = await network.peer("getter")
        shim.link.passed_bytes = 0
        shim.link.cut_after_bytes = sixteenth * len(DATA) // 16 + 100
        shim.link.cuts_left = cuts = 2
        answer = await getter.fetched(uploaded["id"])
        assert answer.state == "done"
        assert shim.link.cuts_left < cuts
        allowed = len(DATA) + cuts * MIN_CHUNK_BYTES + OVERHEAD_BYTES
        assert shim.link.passed_bytes <= allowed
    assert (getter.folder / "data.bin").read_bytes() == DATA


async def test_a_bit_turned_over_on_the_way_is_never_taken(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(network, "garbled", monkeypatch) as (garbled, shim):
        uploaded = await garbled.upload("data.bin", DATA)
        getter = await network.peer("getter")
        shim.link.flips_at = shim.link.passed_bytes + 10 * MIN_CHUNK_BYTES
        begun = getter.node.get(uploaded["id"])
        await until(lambda: shim.link.flips_at is None, "a bit was turned over")
        good = await network.peer("good")
        await good.upload("data.bin", DATA)
        await until(lambda: getter.node.download(begun.id).state == "done", "done")
    assert (getter.folder / "data.bin").read_bytes() == DATA


async def test_a_source_that_falls_silent_is_named_and_used_again(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections stay open, and nothing comes: half-open, as behind a lost route."""
    monkeypatch.setattr(sources, "STALL_S", 0.3)
    async with behind(network, "seed", monkeypatch) as (seed, shim):
        uploaded = await seed.upload("data.bin", DATA)
        getter = await network.peer("getter")
        getter.app.download_limit.change(4 * MIN_CHUNK_BYTES, 0)
        begun = getter.node.get(uploaded["id"])
        await until(lambda: getter.node.download(begun.id).bytes_done > 0, "some is there")
        shim.silence()
        getter.app.download_limit.change(0, 0)
        await until(lambda: bool(getter.node.download(begun.id).reason), "a reason")
        assert "seed" in getter.node.download(begun.id).reason
        shim.silence(silent=False)
        other = await network.peer("other")
        await other.upload("data.bin", DATA)
        await until(lambda: getter.node.download(begun.id).state == "done", "done")
    assert (getter.folder / "data.bin").read_bytes() == DATA


class BehindShim(Network):
    """Peers reach the tracker through a proxy alone."""

    shim: Shim | None = None

    @property
    def tracker_address(self) -> str:
        real = super().tracker_address
        return real if self.shim is None else f"127.0.0.1:{self.shim.port}"


@asynccontextmanager
async def apart(place: Path) -> AsyncIterator[tuple[BehindShim, Shim]]:
    network = BehindShim(place, renew_s=0.2)
    async with network:
        host, _, port = network.tracker_address.rpartition(":")
        async with Shim(host, int(port)).running() as shim:
            network.shim = shim
            yield network, shim
            shim.mend()


@pytest.mark.parametrize("how", ["cut", "silent", "one way"])
async def test_peers_cut_off_from_their_tracker_go_on_and_are_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Running transfers do not notice; asking says why in words; what changed is told later."""
    async with apart(tmp_path) as (network, shim):
        seed = await network.peer("seed")
        uploaded = await seed.upload("data.bin", DATA)
        getter = await network.peer("getter")
        getter.app.download_limit.change(MIN_CHUNK_BYTES, 0)
        begun = getter.node.get(uploaded["id"])
        await until(lambda: getter.node.download(begun.id).bytes_done > 0, "under way")
        shim.cut() if how == "cut" else shim.silence(one_way=how == "one way")
        getter.app.download_limit.change(0, 0)
        await until(lambda: getter.node.download(begun.id).state == "done", "done without it")
        if how == "cut":
            with pytest.raises(Unreachable, match="does not answer"):
                await getter.node.search("data")
        meanwhile = await seed.request("PUT", "/upload/more.bin", data=b"more")
        assert (meanwhile.status, meanwhile.json()["announced"]) == (201, False)
        shim.silence(silent=False)
        shim.mend()
        assert await seed.app.announcer.announced(PATIENCE_S)
        assert await getter.app.announcer.announced(PATIENCE_S)
        hits = (await getter.node.search("bin")).hits
        assert {hit.name: hit.providers for hit in hits} == {"data.bin": 2, "more.bin": 1}


async def test_a_tracker_that_flaps_is_in_step_in_the_end(tmp_path: Path) -> None:
    async with apart(tmp_path) as (network, shim):
        peer = await network.peer("one")
        for number in range(6):
            shim.cut()
            answer = await peer.request("PUT", f"/upload/{number}.bin", data=b"x" * number)
            assert answer.status == 201
            shim.mend()
        assert await peer.app.announcer.announced(PATIENCE_S)
        hits = (await peer.node.search("bin")).hits
        assert len(hits) == 6


async def test_an_answer_lost_after_the_commit_is_asked_for_again(tmp_path: Path) -> None:
    """The tracker has it, the peer does not know: told again, there is one record."""
    async with apart(tmp_path) as (network, shim):
        peer = await network.peer("one")
        shim.silence()
        answer = asyncio.ensure_future(peer.request("PUT", "/upload/a.bin", data=b"a"))
        assert (await answer).json()["announced"] is False
        shim.cut()
        shim.silence(silent=False)
        shim.mend()
        assert await peer.app.announcer.announced(PATIENCE_S)
        (hit,) = (await peer.node.search("a.bin")).hits
        assert hit.providers == 1
