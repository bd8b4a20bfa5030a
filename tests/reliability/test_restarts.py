"""P3, P8: all stopped and started again in any order; a process stopped for a while; clocks."""

import asyncio
import itertools
import os
import signal
from pathlib import Path
from random import Random

import pytest

from panal.clock import SystemClock
from panal.tracker import server
from panal.wire.manifest import MIN_CHUNK_BYTES
from soaks.runner import Run, Runner
from tests.support.at_length import AT_LENGTH
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

pytestmark = [pytest.mark.p3, pytest.mark.p8]

DATA = Random(12).randbytes(12 * MIN_CHUNK_BYTES + 5)


async def half_way(network: Network, getter: RunningPeer, content: str) -> str:
    """A download of which some is there, and that then waits for its own limit."""
    getter.app.download_limit.change(MIN_CHUNK_BYTES, 0)
    identity = getter.node.get(content).id
    await until(lambda: getter.node.download(identity).bytes_done > 0, "some is there")
    return identity


ALL = ("tracker", "seed", "getter", "other") if AT_LENGTH else ("tracker", "seed", "getter")


@pytest.mark.parametrize("order", list(itertools.permutations(ALL)))
async def test_started_again_in_any_order_it_goes_on(
    network: Network, order: tuple[str, ...]
) -> None:
    seed = await network.peer("seed")
    uploaded = await seed.upload("data.bin", DATA)
    if "other" in order:
        await (await network.peer("other")).upload("data.bin", DATA)
    getter = await network.peer("getter")
    identity = await half_way(network, getter, uploaded["id"])
    for name in list(network.peers):
        await network.stop_peer(name)
    await network.stop_tracker()
    for name in order:
        if name == "tracker":
            await network.start_tracker()
        else:
            await network.peer(name, registered=False)
    getter = network.peers["getter"]
    await until(lambda: getter.node.download(identity).state == "done", "done")
    assert getter.node.download(identity).bytes_resumed > 0
    assert (getter.folder / "data.bin").read_bytes() == DATA
    for peer in network.peers.values():
        assert await peer.app.announcer.announced(PATIENCE_S)
    (hit,) = (await getter.node.search("data.bin")).hits
    assert hit.providers == len(network.peers)


async def test_a_process_that_was_stopped_for_longer_than_its_lease_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a suspended machine: its connections are dead, its lease is over, its work goes on."""
    monkeypatch.setattr(server, "SWEEP_S", 0.05)
    async with (
        Network(tmp_path, renew_s=0.1, lease_s=0.4) as network,
        Runner(tmp_path / "errors.txt") as runner,
    ):
        seed = await network.peer("seed")
        uploaded = await seed.upload("data.bin", DATA)
        seed.app.upload_limit.change(2 * MIN_CHUNK_BYTES, 0)
        folder = tmp_path / "stopped"
        given = {"what": uploaded["id"], "path": "out.bin", "name": "stopped"}
        given |= {"tracker": network.tracker_address, "folder": str(folder)}
        process = await runner.start(Run("get", given, (), follows=False))
        ending = asyncio.ensure_future(runner.end())
        partials = folder / ".panal" / "partial"
        await until(lambda: any(partials.glob("*.journal")), "it has begun")
        os.kill(process, signal.SIGSTOP)
        await _listed(seed, "stopped", is_there=False)
        os.kill(process, signal.SIGCONT)
        await _listed(seed, "stopped", is_there=True)
        seed.app.upload_limit.change(0, 0)
        outcome = await ending
    assert (outcome.code, outcome.words[-2].split()[0]) == (0, "done")
    assert (folder / "out.bin").read_bytes() == DATA


async def _listed(peer: RunningPeer, name: str, *, is_there: bool) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (name in {known.name for known in await peer.node.peers()}) is not is_there:
            await asyncio.sleep(0.02)


class Jumping(SystemClock):
    """The wall clock is set by somebody."""

    ahead_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.ahead_s


TEN_YEARS_S = 10 * 365 * 86_400.0
TWO_DAYS_S = 2 * 86_400.0


@pytest.mark.parametrize("jump_s", [-TWO_DAYS_S, TEN_YEARS_S])
async def test_a_clock_that_jumps_in_mid_transfer_changes_nothing(
    tmp_path: Path, jump_s: float
) -> None:
    clock = Jumping()
    async with Network(tmp_path, renew_s=0.1, clock=clock) as network:
        seed = await network.peer("seed")
        uploaded = await seed.upload("data.bin", DATA)
        getter = await network.peer("getter")
        identity = await half_way(network, getter, uploaded["id"])
        registrations = getter.app.lease.registrations
        clock.ahead_s = jump_s
        assert getter.node.download(identity).rate_bytes_s >= 0
        getter.app.download_limit.change(0, 0)
        await until(lambda: getter.node.download(identity).state == "done", "done")
        assert {peer.name for peer in await getter.node.peers()} == {"seed", "getter"}
        assert getter.app.lease.registrations == registrations
    assert (getter.folder / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize("jump_s", [-TWO_DAYS_S, TEN_YEARS_S])
async def test_a_clock_that_jumps_between_two_starts_keeps_nobody_out(
    tmp_path: Path, jump_s: float
) -> None:
    clock = Jumping()
    async with Network(tmp_path, renew_s=0.1, clock=clock) as network:
        seed = await network.peer("seed")
        uploaded = await seed.upload("data.bin", DATA)
        getter = await network.peer("getter")
        identity = await half_way(network, getter, uploaded["id"])
        for ahead_s in (jump_s, 0.0):
            for name in ("seed", "getter"):
                await network.stop_peer(name)
            clock.ahead_s = ahead_s
            seed, getter = await network.peer("seed"), await network.peer("getter")
        await until(lambda: getter.node.download(identity).state == "done", "done")
        assert await seed.app.announcer.announced(PATIENCE_S)
        assert {peer.name for peer in await getter.node.peers()} == {"seed", "getter"}
    assert (getter.folder / "data.bin").read_bytes() == DATA
