"""A peer's start: what it knows counts at once, and it compares before it registers."""

import threading
from typing import Any

import pytest

from panal import Peer
from panal.errors import PanalError, Refused
from panal.peer import folder_telling
from panal.peer.announcer import Announcer
from panal.peer.comparing import Comparing, Difference
from panal.peer.lease import Lease
from panal.wire.catalogue import CatalogueDigest
from tests.peer.test_watching import write
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S


def catalogue_digest(peer: RunningPeer) -> bytes:
    digest = CatalogueDigest()
    for entry in peer.app.index.entries_after("", -1):
        digest.add(entry)
    return digest.value()


async def shares(peer: RunningPeer, count: int) -> None:
    await until(lambda: peer.app.index.totals()[0] == count, "everything shared")
    await peer.app.announcer.announced(PATIENCE_S)


async def test_a_restart_knows_its_digest_without_adding_it_up(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "a/two", "a/three"):
        write(network.place / "ana" / name, name.encode())
    await shares(await network.peer("ana"), 3)
    await network.stop_peer("ana")
    monkeypatch.setattr(Announcer, "start_with", lambda *given: pytest.fail("added up"))
    ana = await network.peer("ana")
    await shares(ana, 3)
    assert ana.app.announcer._digest.value() == catalogue_digest(ana)


async def test_a_digest_that_is_not_known_is_added_up_once(network: Network) -> None:
    write(network.place / "ana/one", b"one")
    ana = await network.peer("ana")
    await shares(ana, 1)
    ana.app.index.write("DELETE FROM catalogue_total", ())
    await network.stop_peer("ana")
    ana = await network.peer("ana")
    assert ana.app.index.total.value() == catalogue_digest(ana)
    assert ana.app.announcer._digest.value() == catalogue_digest(ana)


async def test_a_folder_that_cannot_be_looked_for_is_named(network: Network) -> None:
    folder = network.place / ("n" * 300)
    with pytest.raises(PanalError, match="Could not use the folder"):
        await network.peer("ana", folder=folder, state_dir=network.place / "state")


@pytest.mark.parametrize("way", ["below", "itself", "by a link", "behind .panal"])
async def test_a_state_in_the_shared_folder_is_refused(network: Network, way: str) -> None:
    """Everybody could fetch its token and its secret."""
    folder = network.place / "ana"
    folder.mkdir()
    (network.place / "link").symlink_to(folder)
    state = {"below": folder / "state", "itself": folder, "by a link": network.place / "link/s"}
    if way == "behind .panal":
        (folder / "visible").mkdir()
        (folder / ".panal").symlink_to("visible")
    with pytest.raises(Refused, match=r"holds or is Panal's own state.*--state"):
        await network.peer("ana", folder=folder, state_dir=state.get(way))
    assert list(folder.glob("*/*")) == []


async def test_a_state_below_the_folders_own_place_is_not_shared(network: Network) -> None:
    ana = await network.peer("ana", state_dir=network.place / "ana/.panal/mine")
    write(ana.folder / "one", b"one")
    await shares(ana, 1)


async def test_a_state_that_was_moved_into_a_further_root_is_refused(network: Network) -> None:
    state, disk = network.place / "state", network.place / "disk"
    write(disk / "one", b"one")
    ana = await network.peer("ana", state_dir=state)
    await ana.node.add([str(disk)])
    await network.stop_peer("ana")
    state.rename(disk / "state")
    with pytest.raises(Refused, match=r"holds or is Panal's own state.*--state"):
        await network.peer("ana", state_dir=disk / "state")
    (disk / "state").rename(state)
    await shares(await network.peer("ana", state_dir=state), 1)


async def test_a_fault_before_the_first_registration_ends_the_wait_for_it(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Lease, "_live", broken)
    with pytest.raises(PanalError, match="broken"):
        async with Peer("ana", network.place / "ana", trackers=[network.tracker_address]):
            pytest.fail("started")


async def test_a_peer_compares_its_folder_before_it_registers(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        write(network.place / "ana" / name, name.encode())
    await shares(await network.peer("ana"), 2)
    await network.stop_peer("ana")
    (network.place / "ana/two").unlink()
    order: list[str] = []
    everything, run = Comparing.everything, Lease.run

    def comparing(self: Comparing, wall_s: Any, *more: Any) -> Difference:
        order.append("compared")
        return everything(self, wall_s, *more)

    async def running(self: Lease) -> None:
        order.append("registering")
        await run(self)

    monkeypatch.setattr(Comparing, "everything", comparing)
    monkeypatch.setattr(Lease, "run", running)
    await shares(await network.peer("ana"), 1)
    assert order[:2] == ["compared", "registering"]


async def test_a_long_comparison_does_not_hold_back_the_registration(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    everything = Comparing.everything

    def comparing(self: Comparing, wall_s: Any, *more: Any) -> Difference:
        may_go_on.wait(30.0)
        return everything(self, wall_s, *more)

    monkeypatch.setattr(Comparing, "everything", comparing)
    monkeypatch.setattr(folder_telling, "COMPARED_FIRST_S", 0.01)
    try:
        ana = await network.peer("ana")
        assert not ana.app.scanning.compared.is_set()
    finally:
        may_go_on.set()
